"""JSON Schema (draft 2020-12), compiled: each schema becomes a node that checks a value, or names its problems.

A reference's verdict on a value is remembered within one validation, so that a schema that refers to itself in several
places is not gone through again and again; one that refers to itself without consuming anything raises
`RecursionError`. Patterns share a budget of steps, and raise `OverBudgetError` beyond it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from rlvr.tools.applicators import (
    AllOf,
    AnyOf,
    Conditional,
    Contains,
    Dependent,
    Names,
    Never,
    Not,
    OneOf,
    Reference,
    Unseen,
)
from rlvr.tools.keywords import SIMPLE
from rlvr.tools.nodes import Elements, Keyword, Members, Node, Plain, Required, Text
from rlvr.tools.patterns import Pattern, compile_pattern
from rlvr.tools.schemas import resolve_pointer

Schema = Mapping[str, Any]
_COMBINED: Mapping[str, Callable[[Sequence[Node]], Keyword]] = {"allOf": AllOf, "anyOf": AnyOf, "oneOf": OneOf}


def compile_schema(schema: Schema) -> tuple[Node, bool]:
    """The node of a whole schema, and whether it keeps a state: where it has references or patterns.

    A reference to nothing, or to another document, allows everything.
    """
    compiler = _Compiler(schema)
    return compiler.node(schema), compiler.remembers


class _Compiler:
    def __init__(self, root: Schema) -> None:
        self._root = root
        self._asks = _asks_what_was_seen(root)
        self._targets: dict[str, Node] = {}
        self.remembers = False

    def node(self, schema: Any) -> Node:
        return self._fill(Node(), schema)

    def _fill(self, node: Node, schema: Any) -> Node:
        if schema is False:
            node.fill([Never()])
        elif isinstance(schema, Mapping):
            keywords = [*self._simple(schema), *self._inside(schema), *self._beside(schema)]
            for kind in ("properties", "items"):
                left = self._maybe(schema, f"unevaluated{kind.capitalize()}")
                if left is not None:
                    keywords.append(Unseen(keywords, left, kind))
            node.fill(keywords)
        return node

    def _simple(self, schema: Schema) -> list[Keyword]:
        found: list[Keyword] = [Plain(*SIMPLE[k](v)) for k, v in schema.items() if k in SIMPLE]
        if isinstance(schema.get("required"), (list, tuple)) and schema["required"]:
            found.append(Required([n for n in schema["required"] if isinstance(n, str)]))
        source = schema.get("pattern")
        pattern = self._pattern(source) if isinstance(source, str) else None
        return [*found, Text(pattern, str(source))] if pattern is not None else found

    def _pattern(self, source: str) -> Pattern | None:
        self.remembers = True
        return compile_pattern(source)

    def _inside(self, schema: Schema) -> list[Keyword]:
        """Keywords that look into objects and arrays."""
        found: list[Keyword] = []
        if not {"properties", "patternProperties", "additionalProperties"}.isdisjoint(schema):
            found.append(self._members(schema))
        if "prefixItems" in schema or "items" in schema:
            first = [self.node(s) for s in schema.get("prefixItems") or ()]
            found.append(Elements(first, self._maybe(schema, "items")))
        if "contains" in schema:
            most = schema.get("maxContains")
            found.append(Contains(self.node(schema["contains"]), schema.get("minContains", 1), most))
        if "propertyNames" in schema:
            found.append(Names(self.node(schema["propertyNames"])))
        return found

    def _members(self, schema: Schema) -> Members:
        properties = {k: self.node(s) for k, s in (schema.get("properties") or {}).items()}
        patterns: list[tuple[Pattern, Node]] = []
        for source, sub in (schema.get("patternProperties") or {}).items():
            pattern = self._pattern(source)
            if pattern is not None:
                patterns.append((pattern, self.node(sub)))
        return Members(properties, patterns, self._maybe(schema, "additionalProperties"))

    def _beside(self, schema: Schema) -> list[Keyword]:
        """Keywords that apply further schemas to the same value."""
        found: list[Keyword] = []
        for key in ("$ref", "$dynamicRef"):  # within one document both mean the same
            if isinstance(schema.get(key), str):
                found.append(Reference(self._target(schema[key])))
        for key, kind in _COMBINED.items():
            if schema.get(key):
                found.append(kind([self.node(s) for s in schema[key]]))
        if "not" in schema:
            found.append(Not(self.node(schema["not"]), schema["not"]))
        if "if" in schema:
            found.append(Conditional(*[self.node(schema.get(k, True)) for k in ("if", "then", "else")]))
        required, schemas = schema.get("dependentRequired") or {}, schema.get("dependentSchemas") or {}
        if required or schemas:
            found.append(Dependent(required, {k: self.node(s) for k, s in schemas.items()}))
        return found

    def _maybe(self, schema: Schema, key: str) -> Node | None:
        """The node of a keyword; `None` where it is not there, or allows everything and nobody asks what it saw."""
        if key not in schema or (not self._asks and (schema[key] is True or schema[key] == {})):
            return None
        return self.node(schema[key])

    def _target(self, reference: str) -> Node:
        self.remembers = True
        if reference not in self._targets:
            self._targets[reference] = node = Node()
            with suppress(LookupError):  # `check_references` refused such a schema when the tool was read
                self._fill(node, resolve_pointer(self._root, reference))
        return self._targets[reference]


def _asks_what_was_seen(schema: Any) -> bool:
    """Whether `unevaluatedProperties` or `unevaluatedItems` stands anywhere in a schema."""
    stack = [schema]
    while stack:
        here = stack.pop()
        if isinstance(here, Mapping):
            if "unevaluatedProperties" in here or "unevaluatedItems" in here:
                return True
            stack.extend(here.values())
        elif isinstance(here, (list, tuple)):
            stack.extend(here)
    return False
