"""A judge behind an OpenAI-compatible endpoint: may a negative be answered after all? Its answers are kept on disk.

The judge is optional, and comes after the rule of the kind. A negative that it calls answerable is dropped, and so
is one that it gives no clear verdict on. Verdicts are kept in a SQLite file by model and question, so that a build
which is run again asks nothing twice, and gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rlvr.errors import RunError, UsageError
from rlvr.types import Example

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")
OUTCOMES = ("unanswerable", "answerable", "unclear")
QUESTION = """\
An assistant was given the dialogue and the functions below, and nothing else. Would it be right to call one or more
of the functions now, to do what the user asks or a useful part of it? A function that is only about the same subject
is not enough, and a call that the dialogue or a function's schema forbids is not right. Answer with one JSON object
and nothing else: {"call": true or false, "function": the name or null, "why": one short sentence}.

Dialogue:
%s

Functions:
%s"""
_READY = 'Are you ready? Answer with one JSON object and nothing else: {"call": false}'
_RETRIED = frozenset((408, 409, 425, 429, 500, 502, 503, 504))
_MOST_ANSWER_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """`unanswerable`: the negative stands. `why` is the judge's sentence, or what was wrong with its answer."""

    outcome: str
    why: str


@dataclass(frozen=True, slots=True)
class Judge:
    """Where and how to ask. `endpoint` is the API's address, up to and with `/v1`; the key is read from the environment
    variable `api_key_env`, where that is set. `concurrent` questions are asked at a time. `go_on` says in an error how
    to go on, `sleep` waits between tries."""

    endpoint: str
    model: str
    cache: Path
    api_key_env: str = "OPENAI_API_KEY"
    concurrent: int = 16
    timeout_s: float = 60.0
    retries: int = 4
    max_tokens: int = 200
    go_on: str = "Run again to go on"
    sleep: Callable[[float], None] = field(default=time.sleep, compare=False)

    def __post_init__(self) -> None:
        if not self.endpoint.startswith(("http://", "https://")):
            raise UsageError(f"judge: endpoint: got {self.endpoint!r}, expected an address that begins with http(s)://")
        for name in ("concurrent", "max_tokens"):
            if getattr(self, name) < 1:
                raise UsageError(f"judge: {name}: got {getattr(self, name)}, expected at least 1")
        if self.retries < 0 or self.timeout_s <= 0:
            raise UsageError("judge: retries must be 0 or more, and timeout_s more than 0")

    def verdicts(self, examples: Sequence[Example]) -> list[Verdict]:
        """A verdict for each, in order; only what the cache does not know is asked. Raises `RunError` where the
        endpoint does not answer: the verdicts until then are kept, and the next run goes on from there."""
        questions = [question(e) for e in examples]
        keys = [hashlib.sha256(f"{self.model}\n{q}".encode("utf-8", "surrogatepass")).hexdigest() for q in questions]
        with self._open() as cache:
            known = dict(_known(cache, keys))
            missing = {k: q for k, q in zip(keys, questions, strict=True) if k not in known}
            for key, answer in self._answers(missing):
                known[key] = answer
                cache.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, answer))
                cache.commit()
        return [read_verdict(known[key]) for key in keys]

    def check(self) -> str | None:
        """Ask one small question, so that a wrong address, model or key, or a file that cannot be written, is told
        before any work.

        Raises `UsageError` where the judge does not answer, `RunError` where its answers cannot be kept. Where answers
        of earlier questions are kept it may not be needed: then what is wrong comes back as a sentence.
        """
        with self._open() as cache:
            kept = cache.execute("SELECT COUNT(*) FROM answers").fetchone()[0]
        try:
            self._tried(lambda: self._send(_READY)["choices"][0], tries=min(2, self.retries + 1))
        except (UsageError, _NoAnswerError) as error:
            if kept:
                return str(error)
            hint = "" if isinstance(error, UsageError) else " Start it, or correct its address."
            raise UsageError(f"{error}{hint} No row was read yet.") from None
        return None

    def _answers(self, questions: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Each answer as it comes; after a failure those that are on their way still, and then the error."""
        with ThreadPoolExecutor(self.concurrent) as pool:
            waiting = {pool.submit(self._ask, text): key for key, text in questions.items()}
            failure: BaseException | None = None
            try:
                for done in as_completed(waiting):
                    if done.cancelled():
                        continue
                    if (error := done.exception()) is None:
                        yield waiting[done], done.result()
                    elif failure is None:
                        failure = error
                        for queued in waiting:
                            queued.cancel()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        if failure is not None:
            raise failure

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        import sqlite3

        try:
            self.cache.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.cache, timeout=60)) as connection:
                connection.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, text TEXT NOT NULL)")
                yield connection
        except (OSError, sqlite3.Error) as error:
            raise RunError(
                f"{self.cache}: the judge's answers cannot be kept there ({error}). Name another file."
            ) from error

    def _ask(self, text: str) -> str:
        """The text of one answer, after as many tries as are allowed."""
        try:
            return self._tried(lambda: self._text(text), self.retries + 1)
        except _NoAnswerError as error:
            raise RunError(
                f"{error} The answers so far are kept in {self.cache}, and are not asked for again. {self.go_on}."
            ) from None

    def _tried(self, ask: Callable[[], T], tries: int) -> T:
        """Raises `UsageError` where the endpoint refuses, `_NoAnswerError` where no try had an answer."""
        from http.client import HTTPException
        from urllib.error import HTTPError, URLError

        why = ""
        for turn in range(tries):
            if turn:
                self.sleep(min(2.0**turn, 60.0))
            try:
                return ask()
            except HTTPError as error:
                why = f"HTTP {error.code}"
                if error.code not in _RETRIED:
                    raise UsageError(
                        f"judge: {self.endpoint} answers {why} for the model {self.model!r}. Check the address, the "
                        f"model's name and the key in {self.api_key_env}."
                    ) from None
            except (URLError, OSError, HTTPException, ValueError, KeyError, IndexError, TypeError) as error:
                why = f"{type(error).__name__}: {getattr(error, 'reason', error)}"
        raise _NoAnswerError(f"judge: {self.endpoint} gave no answer in {tries} tries ({why}).")

    def _text(self, question: str) -> str:
        content = self._send(question)["choices"][0]["message"]["content"]
        if not isinstance(content, str):
            raise TypeError("the answer holds no text")
        return content

    def _send(self, text: str) -> Any:
        from urllib.request import Request, urlopen

        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": text}],
            "temperature": 0,
            "max_tokens": self.max_tokens,
        }
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(self.api_key_env):
            headers["Authorization"] = f"Bearer {key}"
        address = self.endpoint.rstrip("/") + "/chat/completions"
        request = Request(address, json.dumps(body).encode(), headers)
        with urlopen(request, timeout=self.timeout_s) as response:
            return json.loads(response.read(_MOST_ANSWER_BYTES))


class _NoAnswerError(Exception):
    """No try had an answer; the message says why the last one had none."""


def question(example: Example) -> str:
    """What the judge is asked about a negative."""
    dialogue = json.dumps([dict(m) for m in example.messages], ensure_ascii=False, indent=1, default=str)
    tools = json.dumps([t.to_json() for t in example.tools], ensure_ascii=False, indent=1, default=str)
    return QUESTION % (dialogue, tools)


def read_verdict(text: str) -> Verdict:
    """Read an answer: its first JSON object, whose `call` must be true or false. Never raises.

    >>> read_verdict('```json\\n{"call": false, "why": "no such function"}\\n```')
    Verdict(outcome='unanswerable', why='no such function')
    >>> read_verdict("I think so.").outcome
    'unclear'
    """
    start = text.find("{")
    try:
        value: Any = json.JSONDecoder().raw_decode(text[start:])[0] if start >= 0 else None
    except (ValueError, RecursionError):
        value = None
    call = value.get("call") if isinstance(value, dict) else None
    if not isinstance(call, bool):
        return Verdict("unclear", f"no verdict in {text[:120]!r}")
    return Verdict("answerable" if call else "unanswerable", str(value.get("why") or "")[:500])


def _known(cache: sqlite3.Connection, keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    for start in range(0, len(keys), 500):  # SQLite takes no more than 999 values in one statement
        part = keys[start : start + 500]
        marks = ",".join("?" * len(part))
        yield from cache.execute(f"SELECT key, text FROM answers WHERE key IN ({marks})", part)
