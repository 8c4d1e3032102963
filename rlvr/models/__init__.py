"""Models by a short name, by hub id or by folder: `resolve` says where one lies, `fetch` brings a known one."""

from rlvr.models.fetch import KNOWN_MODELS, fetch, resolve
from rlvr.models.folder import check_model_folder, inspect_model_folder

__all__ = ["KNOWN_MODELS", "check_model_folder", "fetch", "inspect_model_folder", "resolve"]
