"""Any tool description (OpenAI, bare, MCP, xLAM, ToolACE, BFCL) → `Tool`; arguments against its JSON Schema."""

from __future__ import annotations

from rlvr.tools.defaults import stated_default
from rlvr.tools.normalise import normalise_tool, normalise_tools
from rlvr.tools.schemas import ObjectShape, branches, child_schema, json_type, object_shape, property_schema
from rlvr.tools.validation import Validators, check_ground_truth, is_valid, validate

__all__ = [
    "ObjectShape",
    "Validators",
    "branches",
    "check_ground_truth",
    "child_schema",
    "is_valid",
    "json_type",
    "normalise_tool",
    "normalise_tools",
    "object_shape",
    "property_schema",
    "stated_default",
    "validate",
]
