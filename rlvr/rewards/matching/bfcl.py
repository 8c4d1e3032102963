"""The verdict of BFCL's official AST checker (Python categories, release 2026.3.23), told from its behaviour.

An argument's accepted answers are a list; the mark `""` in it says that the argument may be left out. In short:

- a call's name is compared as written; every argument must be known to the schema and to the answer, what the schema
  requires must be there, and what the answer lists must be there unless it holds the mark;
- the schema's type decides how a value is compared, unless the first accepted answer is of another type: then that
  type is accepted too, and the value is compared literally, by Python's `==`;
- an integer may stand for a float at the top of an argument only; items of an array must be of the items' type or of
  the type of the first item that is accepted;
- strings are compared in the benchmark's form, in arrays and one level down in objects too, and literally below that;
- since the mark is itself an accepted answer, an empty string, and an empty array, pass where it stands;
- where the official code would raise (an object expected and something else found), there is no match here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlvr.rewards.matching.strings import benchmark_form
from rlvr.tools import ObjectShape, object_shape
from rlvr.types import GoldCall, OneOf, Tool, ToolCall

MARK = ""
_KINDS: dict[str, type] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
}


def call_valid(call: ToolCall, gold: GoldCall, tool: Tool | None) -> bool:
    """Whether the official checker takes `call` for `gold`; false where the wanted tool is not offered."""
    if tool is None or call.name != gold.name:
        return False
    shape = object_shape(tool.parameters, tool.parameters)
    if any(name not in call.arguments for name in shape.required):
        return False
    if any(name not in gold.arguments for name in call.arguments):
        return False
    return all(argument_valid(call, gold, name, shape) for name in gold.arguments)


def argument_valid(call: ToolCall, gold: GoldCall, name: str, shape: ObjectShape) -> bool:
    """The verdict on one argument that the answer lists, given or left out."""
    wanted = gold.arguments[name]
    if name not in call.arguments:
        optional = MARK in _listed(wanted, str, None)
        return optional and name not in shape.required
    if name not in shape.properties:
        return False
    return _value_valid(call.arguments[name], wanted, shape.properties[name])


def possible_answer(gold: GoldCall, tool: Tool | None) -> dict[str, list[Any]]:
    """A wanted call's accepted answers as the benchmark writes them, the mark last; `to_example` read them from there.

    >>> possible_answer(GoldCall("f", {"a": OneOf((1, 2), optional=True)}), None)
    {'a': [1, 2, '']}
    """
    properties = object_shape(tool.parameters, tool.parameters).properties if tool is not None else {}
    return {name: _listed(wanted, *_kinds(properties.get(name))) for name, wanted in gold.arguments.items()}


def greedy_match(calls: Sequence[ToolCall], gold: Sequence[GoldCall], tools: Mapping[str, Tool]) -> bool:
    """The official verdict on all calls."""
    return greedy_pairs(calls, gold, tools) is not None


def greedy_pairs(
    calls: Sequence[ToolCall], gold: Sequence[GoldCall], tools: Mapping[str, Tool]
) -> list[tuple[int, int]] | None:
    """The official assignment, (call, wanted call): each wanted call takes the first fitting call that is still free.

    `None` where one finds none, or where there are more or fewer calls than wanted.
    """
    if len(calls) != len(gold):
        return None
    free, pairs = list(range(len(calls))), []
    for j, want in enumerate(gold):
        found = next((i for i in free if call_valid(calls[i], want, tools.get(want.name))), None)
        if found is None:
            return None
        free.remove(found)
        pairs.append((found, j))
    return pairs


def _value_valid(given: Any, wanted: Any, schema: Any) -> bool:
    outer, inner = _kinds(schema)
    accepted = _listed(wanted, outer, inner)
    if outer is float and type(given) is int:
        try:
            given = float(given)
        except OverflowError:
            return False
    answer_type = _first_type(accepted)
    literal = answer_type is not None and answer_type is not outer
    if type(given) is outer:
        if inner is not None and isinstance(given, list) and not _items_fit(given, accepted, inner):
            return False
    elif answer_type is not None and type(given) is answer_type:
        literal = True
    else:
        return False
    return given in accepted if literal else _fits(given, accepted, outer, inner)


def _fits(given: Any, accepted: list[Any], outer: type, inner: type | None) -> bool:
    if outer is dict:
        return any(_object_fits(given, a) for a in accepted if isinstance(a, dict))
    if outer is list and inner is dict:
        return any(_objects_fit(given, a) for a in accepted)
    if outer is str:
        return benchmark_form(given) in [benchmark_form(a) for a in accepted if isinstance(a, str)]
    if outer is list:
        return _forms(given) in [_forms(a) for a in accepted if isinstance(a, (list, str))]
    return given in accepted


def _object_fits(given: dict[str, Any], accepted: dict[str, Any]) -> bool:
    if any(key not in accepted or _form(value) not in _forms(accepted[key]) for key, value in given.items()):
        return False
    return all(key in given or MARK in values for key, values in accepted.items())


def _objects_fit(given: list[Any], accepted: Any) -> bool:
    if not isinstance(accepted, (list, str)) or len(given) != len(accepted):
        return False
    pairs = zip(given, accepted, strict=True)
    return all(isinstance(g, dict) and isinstance(a, dict) and _object_fits(g, a) for g, a in pairs)


def _items_fit(given: list[Any], accepted: list[Any], inner: type) -> bool:
    """Each item's type is looked at beside each answer in turn; the mark passes whatever the items are."""
    for answer in accepted:
        first = _first_type(answer) if isinstance(answer, list) else None
        if not isinstance(answer, list) or all(type(g) in (inner, first) for g in given):
            return True
    return False


def _first_type(accepted: list[Any]) -> type | None:
    return next((type(a) for a in accepted if a != MARK), None)


def _form(value: Any) -> Any:
    return benchmark_form(value) if isinstance(value, str) else value


def _forms(values: Any) -> list[Any]:
    return [_form(v) for v in values]


def _kinds(schema: Any) -> tuple[type, type | None]:
    """The type of a value, and of an array's items."""
    outer = _kind(schema)
    return outer, _kind(schema["items"]) if outer is list and isinstance(schema.get("items"), Mapping) else None


def _kind(schema: Any) -> type:
    """The Python type that the checker expects; without a type it is BFCL's `any`, which it reads as a string."""
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    if isinstance(kind, (list, tuple)):
        kind = next((k for k in kind if k != "null"), None)
    return _KINDS.get(str(kind), str)


def _listed(wanted: Any, outer: type, inner: type | None) -> list[Any]:
    """An argument's accepted answers in BFCL's form."""
    values = wanted.values if isinstance(wanted, OneOf) else (wanted,)
    out = [_answer(v, outer, inner) for v in values]
    if isinstance(wanted, OneOf) and wanted.optional and MARK not in out:
        out.append(MARK)
    return out


def _answer(value: Any, outer: type, inner: type | None) -> Any:
    """Objects list the accepted answers of each key where the checker looks for that; below, values are literal."""
    if outer is dict and isinstance(value, Mapping):
        return {k: _literal_list(v) for k, v in value.items()}
    if outer is list and inner is dict and isinstance(value, (list, tuple)):
        return [{k: _literal_list(v) for k, v in x.items()} if isinstance(x, Mapping) else _literal(x) for x in value]
    return _literal(value)


def _literal_list(value: Any) -> list[Any]:
    out = _literal(value)
    return out if isinstance(value, OneOf) else [out]


def _literal(value: Any) -> Any:
    if isinstance(value, OneOf):
        out = [_literal(v) for v in value.values]
        return [*out, MARK] if value.optional and MARK not in out else out
    if isinstance(value, Mapping):
        return {k: _literal(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_literal(v) for v in value]
    return value
