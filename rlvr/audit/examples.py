"""The examples that a reward is audited on: a small set of the audit's own, or the user's JSONL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlvr.errors import DataError
from rlvr.jsonl import loads, read_objects
from rlvr.rewards import detect_language
from rlvr.strict import read_yaml
from rlvr.tools import check_ground_truth, normalise_tools
from rlvr.types import CATEGORIES, EXPECTS, Example, content_text, gold_calls_from_json

EXAMPLES = Path(__file__).with_name("examples.yaml")
COLUMNS = "columns"
"""Where an example's `meta` keeps the row's further columns: TRL passes every column of a dataset to a reward."""

_READ = (
    "id",
    "category",
    "expects",
    "lang",
    "meta",
    "messages",
    "query",
    "tools",
    "ground_truth",
    "prompt",
    "completion",
)


def built_in_examples() -> list[Example]:
    """The audit's own examples: every category, in English, Vietnamese and Chinese.

    >>> len(built_in_examples()) >= 40
    True
    """
    raw = read_yaml(EXAMPLES)
    return [_built_in(entry, raw["tools"]) for entry in raw["examples"]]


def load_examples(path: str | Path) -> list[Example]:
    """Read a user's examples: JSON Lines, `.gz` too, as `rlvr data build` writes them.

    A row has `tools` and `ground_truth` (objects or JSON strings), `messages` or `query`, and may have `id`,
    `category`, `expects` and `meta` with `lang` and `words` (right words where no call is wanted). Further keys go to
    the audited function as columns.
    Raises `DataError` with `file:line` for a row that cannot be scored, and where the file holds none.
    """
    path = Path(path)
    examples = [read_example(row, where) for where, row in read_objects(path)]
    if not examples:
        raise DataError(str(path), "holds no examples")
    return examples


def read_example(row: Mapping[str, Any], where: str) -> Example:
    """One row as an `Example`. Raises `DataError` with `where` for a row that cannot be scored."""
    missing = [name for name in ("tools", "ground_truth") if row.get(name) is None]
    if missing:
        raise DataError(where, f"no {', no '.join(missing)}")
    tools = normalise_tools(row["tools"], where)
    gold = gold_calls_from_json(_loaded(row["ground_truth"], where), where)
    problems = check_ground_truth(gold, tools)
    if problems:
        raise DataError(where, "ground truth: " + "; ".join(problems))
    messages = _messages(row, where)
    expects = row.get("expects") or "any"
    category = row.get("category") or ("irrelevance" if not gold else "simple")
    for name, value, known in (("expects", expects, EXPECTS), ("category", category, CATEGORIES)):
        if value not in known:
            raise DataError(where, f"{name}: got {value!r:.60}, expected one of {', '.join(known)}")
    meta = _loaded(row.get("meta") or {}, where)
    if not isinstance(meta, Mapping):
        raise DataError(where, f"meta: got {meta!r:.60}, expected an object")
    meta = {**meta, "words": _words(meta["words"], where)} if meta.get("words") else dict(meta)
    example = Example(str(row.get("id") or where), "", category, messages, tools, gold, expects, meta)
    lang = example.lang or row.get("lang") or detect_language(example.query)
    if lang:
        meta["lang"] = lang
    if further := {name: value for name, value in row.items() if name not in _READ}:
        meta[COLUMNS] = further
    return example


def _words(value: Any, where: str) -> list[str]:
    """Right words, of which one may stand without a list: its letters are no words."""
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(w, str) and w for w in words):
        raise DataError(where, f"meta.words: got {value!r:.60}, expected a list of texts")
    return words


def _messages(row: Mapping[str, Any], where: str) -> tuple[Mapping[str, Any], ...]:
    messages = _loaded(row.get("messages"), where)
    if messages is None and row.get("query") is not None:
        messages = [{"role": "user", "content": str(row["query"])}]
    if not isinstance(messages, list) or not all(isinstance(m, Mapping) for m in messages):
        raise DataError(where, "no messages (a list of objects) and no query")
    return tuple({**m, "content": content_text(m["content"])} if "content" in m else m for m in messages)


def _loaded(value: Any, where: str) -> Any:
    return loads(value, where) if isinstance(value, str) else value


def _built_in(entry: Mapping[str, Any], tools: Mapping[str, Any]) -> Example:
    offered = [
        {
            "name": name,
            "description": tools[name]["description"],
            "parameters": {
                "type": "object",
                "properties": tools[name]["properties"],
                "required": tools[name]["required"],
            },
        }
        for name in entry["tools"]
    ]
    calls = [{"name": n, "arguments": a} for call in entry.get("calls", ()) for n, a in call.items()]
    messages = list(entry.get("before", ()))
    if "query" in entry:
        messages.append({"role": "user", "content": entry["query"]})
    row = {
        "id": entry["id"],
        "category": entry["category"],
        "messages": messages,
        "tools": offered,
        "ground_truth": calls,
        "expects": entry.get("expects", "any"),
        "meta": {"lang": entry["lang"], "words": entry.get("words", [])},
    }
    return read_example(row, f"{EXAMPLES.name} {entry['id']}")
