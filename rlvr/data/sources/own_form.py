"""Our own form, as JSON lines or Parquet (`rlvr.data.sources.jsonl` says what a row holds)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rlvr.data.coercion import coerce
from rlvr.data.license import with_license
from rlvr.data.rows import Row
from rlvr.data.sources.base import ExampleSource, NotUnderstood, Reject
from rlvr.data.sources.dialogue import why_invalid
from rlvr.data.sources.jsonl import unchecked_example
from rlvr.errors import DataError
from rlvr.tools.writable import why_not_written
from rlvr.types import Example, GoldCall, OneOf

FIELDS = ("messages", "tools", "ground_truth")


def examples(row: Row) -> Sequence[Example | Reject]:
    """The one example of a row, under the id and the source that it names itself."""
    try:
        example = unchecked_example(row.value, row.where)
    except DataError as error:
        raise NotUnderstood(row.where, "row", error.what) from None
    odd = why_not_written(example.to_json())
    if odd is not None:
        raise NotUnderstood(row.where, "not_writable", f"{odd}: no file of examples could hold it")
    if "id" not in row.value:
        example = replace(example, id=f"{example.source}-{row.key}")
    return [checked(example, row)]


def checked(example: Example, row: Row) -> Example | Reject:
    """An example with its ground truth coerced to its tools' schemas, or why that cannot be scored."""
    offered = {t.name: t for t in example.tools}
    changes: list[str] = []
    gold: list[GoldCall] = []
    for index, call in enumerate(example.ground_truth):
        if call.name in offered and not _has_choice(call.arguments):
            arguments, made = coerce(offered[call.name], call.arguments)
            at = f"[{index}]" if len(example.ground_truth) > 1 else ""
            changes += [f"arguments{at}.{change}" for change in made]
            call = GoldCall(call.name, arguments)
        gold.append(call)
    problem = why_invalid(gold, example.tools)
    if problem is not None:
        return Reject(example.source, example.id, row.where, "invalid", *problem)
    meta = {"provenance": {"location": row.location, "row": row.key}, **with_license(example.meta)}
    if changes:
        meta["coercions"] = [*(example.meta.get("coercions") or ()), *changes]
    return replace(example, ground_truth=tuple(gold), meta=meta)


def _has_choice(value: Any) -> bool:
    """Whether several values are accepted somewhere: such a ground truth stays as it is."""
    stack = [value]
    while stack:
        here = stack.pop()
        if isinstance(here, OneOf):
            return True
        stack.extend(here.values() if isinstance(here, dict) else here if isinstance(here, list) else ())
    return False


JSONL = ExampleSource("jsonl", examples, "the rows' own", FIELDS)
PARQUET = ExampleSource("parquet", examples, "the rows' own", FIELDS)
