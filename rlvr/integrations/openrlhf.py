"""OpenRLHF: `reward_func(queries, prompts, labels)` for `--reward.remote_url my_reward.py`, and the same behind a URL.

    from rlvr.integrations.openrlhf import RemoteReward
    reward_func = RemoteReward("function_calling", stage="stage1", ends=("<|im_end|>",))

The label of a row is what `to_label` writes; `--data.label_key` names its column. OpenRLHF logs an exception and goes
on without a reward, so `to_label` checks that a row can be scored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any

from rlvr.errors import DataError, UsageError
from rlvr.integrations.scorer import Scorer, read_row, row_of
from rlvr.rewards import Composition, build_context
from rlvr.types import Example

_LEAST_OVERLAP = 32
_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class RemoteReward:
    """A composition as OpenRLHF calls a reward function.

    `ends` are the texts of the tokens that end a completion: OpenRLHF decodes them too, so a completion that ends with
    none of them was cut. Without them nothing counts as cut.
    """

    composition: str | Path | Composition = "function_calling"
    stage: str | None = None
    parser: str = "hermes"
    ends: tuple[str, ...] = ()
    reasoning_parser: str = "think"
    reasoning_opened: bool = False

    def __post_init__(self) -> None:
        ends = (self.ends,) if isinstance(self.ends, str) else tuple(self.ends)
        if not all(isinstance(end, str) and end for end in ends):
            raise UsageError(f"ends must be the texts of the tokens that end a completion, got {self.ends!r:.60}")
        object.__setattr__(self, "ends", ends)

    def __call__(
        self, queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any], **_: Any
    ) -> dict[str, Any]:
        """`rewards` for the advantages, `scores` (1 where right) for dynamic filtering, and logs, all as tensors."""
        tensor = import_module("torch").tensor
        numbers = self.numbers(queries, prompts, labels)
        logs = {name: tensor(values) for name, values in numbers["extra_logs"].items()}
        return {"rewards": tensor(numbers["rewards"]), "scores": tensor(numbers["scores"]), "extra_logs": logs}

    def numbers(self, queries: Sequence[str], prompts: Sequence[str], labels: Sequence[Any]) -> dict[str, Any]:
        """The same as lists. Raises `UsageError` where a query does not go on from its prompt, `DataError` for a label
        that cannot be scored."""
        texts = [completion_of(q, p) for q, p in zip(queries, prompts, strict=True)]
        cut = [bool(self.ends) and not text.rstrip().endswith(self.ends) for text in texts]
        rows = [
            {"prompts": prompt, **read_row(label, f"labels[{i}]")}  # a prompt may end inside a reasoning block
            for i, (prompt, label) in enumerate(zip(prompts, labels, strict=True))
        ]
        scored = self._scorer.batch([self._without_end(t) for t in texts], rows, cut if self.ends else None)
        each = [s.numbers() for s in scored]
        logs = {name: [e[name] for e in each] for name in (each[0] if each else {}) if name != "score"}
        return {"rewards": [e["score"] for e in each], "scores": [e["acc"] for e in each], "extra_logs": logs}

    def answer(self, payload: Any) -> dict[str, Any]:
        """What a server gives for OpenRLHF's request: `query`, `prompts` and `labels`, lists of one length."""
        keys = ("query", "prompts", "labels")
        if not isinstance(payload, Mapping) or not all(isinstance(payload.get(k), list) for k in keys):
            raise DataError("request", "expected an object with the lists query, prompts and labels")
        if len({len(payload[k]) for k in keys}) > 1:
            raise DataError("request", "query, prompts and labels differ in length")
        if not all(isinstance(text, str) for text in (*payload["query"], *payload["prompts"])):
            raise DataError("request", "query and prompts must be lists of texts")
        return self.numbers(*(payload[k] for k in keys))

    @cached_property
    def _scorer(self) -> Scorer:
        return Scorer(self.composition, self.stage, self.parser, self.reasoning_parser, self.reasoning_opened)

    def _without_end(self, text: str) -> str:
        stripped = text.rstrip()
        for end in self.ends:
            if stripped.endswith(end):
                return stripped.removesuffix(end)
        return text


def to_label(example: Example) -> str:
    """The label of a row, as a JSON string. Raises `DataError` where it could not be scored."""
    row = row_of(example)
    build_context(row["tools"], row["ground_truth"], expects=row["expects"], lang=row["lang"], where=example.id)
    return json.dumps(row, ensure_ascii=False)


def completion_of(query: str, prompt: str) -> str:
    """What a query adds to its prompt, of which the beginning may be missing: OpenRLHF cuts long prompts there.

    Raises `UsageError` where the query does not go on from the prompt.

    >>> completion_of("Hi. Hello!", "Hi. ")
    'Hello!'
    """
    if query.startswith(prompt):
        return query[len(prompt) :]
    kept = _overlap(prompt, query)
    if kept < _LEAST_OVERLAP:
        raise UsageError(f"a query does not go on from its prompt: {query[:60]!r} after {prompt[-60:]!r}")
    return query[kept:]


def _overlap(left: str, right: str) -> int:
    """The length of the longest end of `left` that `right` starts with; linear in both."""
    pattern = right[: len(left)]
    border = [0] * len(pattern)  # of each start of the pattern: its longest end that is a start too
    k = 0
    for i in range(1, len(pattern)):
        while k and pattern[i] != pattern[k]:
            k = border[k - 1]
        k += pattern[i] == pattern[k]
        border[i] = k
    k = 0
    for letter in left:
        while k and (k == len(pattern) or letter != pattern[k]):
            k = border[k - 1]
        k += bool(pattern) and letter == pattern[k]
    return k


def server(reward: RemoteReward, host: str = "127.0.0.1", port: int = 5000) -> ThreadingHTTPServer:
    """A server for `--reward.remote_url http://HOST:PORT`; `server(reward).serve_forever()` runs it.

    It answers POST requests alone, and says what is wrong with a request as 400. Bind it to an address of a trusted
    network: it asks for no password.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = self.headers.get("Content-Length") or "0"
            if not told.isdecimal() or (length := int(told)) > _MOST_BYTES:
                self._send(413, {"error": f"no length of up to {_MOST_BYTES:,} bytes: {told[:20]}"})
                return
            try:
                self._send(200, reward.answer(json.loads(self.rfile.read(length))))
            except (ValueError, RecursionError, DataError, UsageError) as error:
                self._send(400, {"error": str(error)})

        def _send(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode("utf-8")
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: a trainer asks thousands of times."""

    return ThreadingHTTPServer((host, port), Handler)
