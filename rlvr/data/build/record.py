"""An example as a build keeps it on its way: nine texts, packed; and the few numbers that decide what becomes of it.

The texts are the columns of the finished Parquet. `messages`, `tools`, `ground_truth` and `meta` are JSON strings:
nested columns would be null-padded to a common schema, which changes what a model sees.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from rlvr.errors import DataError
from rlvr.types import Example, Tool, gold_calls_from_json

COLUMNS = ("id", "source", "category", "lang", "messages", "tools", "ground_truth", "expects", "meta")
_NOT_A_WORD = re.compile(r"[\W_]+")
LEAST_DESCRIPTION_CHARS = 8
"""Letters and digits of a description that can tell a tool by itself: 获取一个单词的定义 has nine."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the plan needs to know of a row without reading it.

    `key` is the hash of its id, `tools` are the hashes that know what it offers, `length` is the prompt's: in tokens
    where the recipe has a tokenizer, else in characters of messages and tools. `question` is the hash of the user's
    words, 0 where there are none.
    """

    key: int
    calls: bool
    length: int
    tools: tuple[int, ...]
    question: int = 0


def to_texts(example: Example) -> tuple[str, ...]:
    """The columns of an example. Raises `DataError` for what Parquet cannot hold: lone surrogates, NaN, infinity."""
    try:
        texts = (
            example.id,
            example.source,
            example.category,
            example.lang or "",
            _json([dict(m) for m in example.messages]),
            _json([t.to_json() for t in example.tools]),
            _json([c.to_json() for c in example.ground_truth]),
            example.expects,
            _json(dict(example.meta)),
        )
        "".join(texts).encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(example.id, f"holds a character that is half of one ({error.reason})") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(example.id, f"cannot be written as JSON: {error}") from None
    return texts


def to_example(texts: Sequence[str]) -> Example:
    """The example again. The texts are our own: they were checked before they were written."""
    fields = dict(zip(COLUMNS, texts, strict=True))
    return Example(
        id=fields["id"],
        source=fields["source"],
        category=fields["category"],
        messages=tuple(json.loads(fields["messages"])),
        tools=tuple(Tool(**t) for t in json.loads(fields["tools"])),
        ground_truth=gold_calls_from_json(json.loads(fields["ground_truth"])),
        expects=fields["expects"],
        meta=json.loads(fields["meta"]),
    )


def pack(texts: Sequence[str]) -> bytes:
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def unpack(data: bytes) -> list[str]:
    texts: list[str] = json.loads(data)
    return texts


def facts(example: Example, length: int) -> Facts:
    tools = tuple(sorted({key for t in example.tools for key in tool_keys(t)}))
    return Facts(hash64(example.id), bool(example.ground_truth), length, tools, question_key(example))


def question_key(example: Example) -> int:
    """The hash of all that the user says, without case, punctuation and spaces; 0 where that is nothing."""
    words = _NOT_A_WORD.sub("", "".join(example.user_texts)).casefold()
    return hash64(words) if words else 0


def tool_keys(tool: Tool) -> tuple[int, ...]:
    """The hashes of what makes two tools one to a split, whatever they take: an equal name, or an equal description.

    Both without case and punctuation. A renamed tool (Hammer's names are random strings) keeps its description, and so
    does one with its server's name in front. Descriptions of a word or two ("Search") tell nothing.
    """
    said = _NOT_A_WORD.sub("", tool.description).casefold()
    name = hash64(_NOT_A_WORD.sub("", tool.name).casefold())
    return (name, hash64(f"description {said}")) if len(said) >= LEAST_DESCRIPTION_CHARS else (name,)


def hash64(text: str) -> int:
    """A 64-bit hash that is the same in every process and on every machine."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
