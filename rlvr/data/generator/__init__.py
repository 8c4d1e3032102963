"""The built-in generator: function-calling data without a download."""

from rlvr.data.generator.catalogue import LANGUAGES, SPLITS, CatalogueTool, load_catalogue
from rlvr.data.generator.generate import GeneratorOptions, generate
from rlvr.data.generator.tasks import TwoStepTask, load_tasks

__all__ = [
    "LANGUAGES",
    "SPLITS",
    "CatalogueTool",
    "GeneratorOptions",
    "TwoStepTask",
    "generate",
    "load_catalogue",
    "load_tasks",
]
