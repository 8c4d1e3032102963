"""The built-in generator: function-calling data without a download."""

from rlvr.data.generator.catalogue import LANGUAGES, SPLITS, CatalogueTool, load_catalogue
from rlvr.data.generator.generate import GeneratorOptions, generate

__all__ = ["LANGUAGES", "SPLITS", "CatalogueTool", "GeneratorOptions", "generate", "load_catalogue"]
