"""`rlvr data build`: from sources to Parquet in bounded memory, resumable, the same bytes for the same seed.

load_data_recipe   a YAML file → DataRecipe, all its mistakes at once
build              sources → normalise → filter → negatives → mix → split → Parquet, with a card
read_manifest      what a finished build says of itself
"""

from rlvr.data.build.folder import read_manifest
from rlvr.data.build.progress import Progress
from rlvr.data.build.reading import Sizes
from rlvr.data.build.recipe import DataRecipe, load_data_recipe
from rlvr.data.build.run import How, build

__all__ = ["DataRecipe", "How", "Progress", "Sizes", "build", "load_data_recipe", "read_manifest"]
