"""What every parser of a tool-call format offers, and what they share."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from rlvr.parsers.attempts import Attempts, TooMuch
from rlvr.parsers.reasoning import split_reasoning
from rlvr.parsers.strict_json import MAX_ARGUMENTS_DEPTH, depth_exceeds
from rlvr.types import CallAttempt, Outcome, ParsedCompletion, Tool, ToolCall

MAX_CHARS = 200_000
"""Text longer than this is malformed without being parsed; no sampler that is set up sanely comes near it."""

END_MARKERS = (
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|eom|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|end|>",
    "<|im_start|>",
    "<end_of_turn>",
    "<start_function_response>",
    "<eos>",
    "</s>",
)
"""What chat templates end a turn with; stripped from the very end of a completion before it is parsed."""

_REVERSED_TAIL = re.compile(rf"(?:\s|{'|'.join(re.escape(m[::-1]) for m in END_MARKERS)})*+")
_SHOWN = 200
_CUT_FROM = 5
SURROGATE = re.compile("[\ud800-\udfff]")
"""A lone surrogate: no text that can be written to a file or sent to a tool holds one."""

BY_TAGS = ("think", "none")
"""Ways to tell reasoning apart under which a text without tags holds none; under the others it may begin in it."""

ParserName = str

PlainCall = tuple[str, dict[str, Any]]
"""A call's name and arguments."""


@dataclass(frozen=True, slots=True)
class PlainReader:
    """A shortcut for completions that are calls and nothing else; `None` stands for those that it leaves to `parse`.

    It works in two steps, so that a stretch which several completions of a group have in common is read once: `split`
    parts a completion, and `read` gives the calls of one stretch.

    Of a completion that it takes, `parse` says the same: well-formed calls, no text and no reasoning. It holds where
    the prompt opened no reasoning block.
    """

    split: Callable[[str], Sequence[str] | None]
    read: Callable[[str], Sequence[PlainCall] | None]

    def __call__(self, text: str) -> list[PlainCall] | None:
        """The calls of a whole completion."""
        stretches = self.split(text)
        if stretches is None:
            return None
        calls: list[PlainCall] = []
        for stretch in stretches:
            found = self.read(stretch)
            if found is None:
                return None
            calls += found
        return calls


class Parser(Protocol):
    """Takes a completion apart and writes calls back as text; one implementation a tool-call format.

    `reads_tools` says whether `parse` looks at the offered tools; where it does not, they may be left out.
    """

    @property
    def name(self) -> str: ...

    @property
    def reasoning(self) -> str: ...

    @property
    def reads_tools(self) -> bool: ...

    @property
    def plain_reader(self) -> PlainReader | None:
        """A shortcut for completions that are calls and nothing else; `None` where the format has none."""
        ...

    def parse(
        self, text: str, *, truncated: bool = False, reasoning_opened: bool = False, tools: Sequence[Tool] = ()
    ) -> ParsedCompletion:
        """Take one completion apart; total over all strings, in linear time.

        `truncated` says that the completion was cut at the length limit; it is copied into the result.
        `reasoning_opened` says that the prompt ended inside an opened reasoning block. `tools` are those on offer:
        formats that do not quote names or do not type values are read by them.
        """
        ...

    def render(self, calls: Sequence[ToolCall]) -> str:
        """The canonical text of `calls`; `parse` reads it back as the same calls.

        Raises `UsageError` where the format has no way to write them.
        """
        ...


class TextParser(ABC):
    """The frame of a parser: length, end markers and reasoning are dealt with, `_read` does what differs."""

    name: ClassVar[str]
    reads_tools: ClassVar[bool] = False

    def __init__(self, reasoning: str = "think") -> None:
        self.reasoning = reasoning

    @property
    def plain_reader(self) -> PlainReader | None:
        """A shortcut for completions that are calls and nothing else (see `Parser.plain_reader`)."""
        return None

    def parse(
        self, text: str, *, truncated: bool = False, reasoning_opened: bool = False, tools: Sequence[Tool] = ()
    ) -> ParsedCompletion:
        """Take one completion apart (see `Parser.parse`)."""
        if len(text) > MAX_CHARS:
            return too_long(text, truncated)
        reasoning, rest = split_reasoning(strip_end_markers(text), self.reasoning, reasoning_opened)
        attempts = Attempts(rest)
        try:
            outside = self._read(rest, attempts, tools) if rest else ""
            attempts.check()
        except TooMuch:
            return too_much(rest, attempts, reasoning, truncated=truncated)
        return assemble(_without_odd(attempts, rest) if attempts else (), outside, reasoning, truncated=truncated)

    @abstractmethod
    def _read(self, text: str, attempts: Attempts, tools: Sequence[Tool]) -> str:
        """Note the calls of `text`, which is stripped, in `attempts`, and return what stands outside them.

        JSON is read by `attempts.read_json`, and literals with `attempts.room`, so that no text holds too much.
        """

    @abstractmethod
    def render(self, calls: Sequence[ToolCall]) -> str:
        """The canonical text of `calls` (see `Parser.render`)."""


def _without_odd(attempts: list[CallAttempt], text: str) -> list[CallAttempt]:
    """The attempts of a text, calls with a lone surrogate or nested too deeply being broken ones."""
    if not text.isascii() and SURROGATE.search(text):
        broken = {raw for raw in {a.raw for a in attempts} if SURROGATE.search(raw)}  # calls of a list share one
        attempts = [CallAttempt(a.raw, None, a.fault or "json") if a.raw in broken else a for a in attempts]
    brackets = sum(map(text.count, "[{("))
    if brackets >= MAX_ARGUMENTS_DEPTH:  # formats without braces around the arguments write one level less
        attempts = [CallAttempt(a.raw, None, "json") if too_deep(a.call) else a for a in attempts]
    return attempts


def too_deep(call: ToolCall | None) -> bool:
    """Whether a call's arguments are nested deeper than every format can carry them."""
    return call is not None and depth_exceeds(dict(call.arguments), MAX_ARGUMENTS_DEPTH)


def strip_end_markers(text: str) -> str:
    """Cut chat end markers and whitespace from the end.

    >>> strip_end_markers("Hello.<|im_end|>\\n<|endoftext|>")
    'Hello.'
    """
    if not text or not (text[-1].isspace() or text.endswith(END_MARKERS)):
        return text
    tail = _REVERSED_TAIL.match(text[::-1])
    return text[: len(text) - tail.end()] if tail else text


def read_call(
    value: Any, raw: str, keys: Sequence[str] = ("arguments",), constants: Mapping[str, str] | None = None
) -> CallAttempt:
    """A call from a parsed JSON value: an object of just a `name` and an object of arguments, else a `shape` fault.

    The arguments stand under one of `keys`. Further keys are a fault too: they would be a place to write what nobody
    counts; only `constants` may stand beside, with just the value that they name.
    """
    if not isinstance(value, dict):
        return CallAttempt(raw, None, "shape")
    size = len(value)
    if constants and size > 2:
        size -= sum(1 for k, v in constants.items() if value.get(k) == v)
    if size == 2:
        name = value.get("name")
        for key in keys:
            arguments = value.get(key)
            if isinstance(arguments, dict) and isinstance(name, str) and name:
                return CallAttempt(raw, ToolCall(name, arguments))
    return CallAttempt(raw, None, "shape")


def assemble(
    attempts: Sequence[CallAttempt], text: str, reasoning: str = "", *, truncated: bool = False
) -> ParsedCompletion:
    """Give the parts of a completion their outcome; one broken attempt makes all of it malformed."""
    text = text.strip()
    if attempts:
        outcome = Outcome.CALLS
        for attempt in attempts:
            if attempt.fault is not None:
                outcome = Outcome.MALFORMED
                break
    else:
        outcome = Outcome.ABSTAIN if text else Outcome.EMPTY
    return ParsedCompletion(outcome, tuple(attempts), text, reasoning, truncated)


def too_long(text: str, truncated: bool) -> ParsedCompletion:
    """The result for text above `MAX_CHARS`: malformed, its beginning being the one attempt, never read to its end."""
    attempt = CallAttempt(text[:_SHOWN], None, "unclosed")
    return ParsedCompletion(Outcome.MALFORMED, (attempt,), "", "", truncated)


def too_much(
    text: str, before: Sequence[CallAttempt], reasoning: str = "", *, truncated: bool = False
) -> ParsedCompletion:
    """The result for text that holds more than is read: malformed, without a call, its beginning being an attempt.

    The broken attempts that were noted `before` stay, so that no fault is hidden behind more of the same.
    """
    broken = (a for a in before if a.fault is not None)
    attempts = (*broken, CallAttempt(text[:_SHOWN], None, "json"))
    return ParsedCompletion(Outcome.MALFORMED, attempts, "", reasoning, truncated)


def cut_marker(text: str, marker: str) -> int:
    """Where `text` ends in the middle of `marker`, cut after at least five characters of it; -1 where it does not.

    >>> cut_marker("Let me see <tool_ca", "<tool_call>")
    11
    """
    start = text.rfind(marker[:_CUT_FROM])
    return start if start >= 0 and len(text) - start < len(marker) and marker.startswith(text[start:]) else -1


def read_marked(
    text: str,
    mark: str,
    attempts: Attempts,
    read: Callable[[str, int, Attempts], int],
    around: Callable[[str, Attempts], str],
) -> str:
    """Let `read` take what begins at each `mark` (it returns where that ends), and `around` the text between.

    A text that ends in the middle of a mark ends in a broken attempt.
    """
    outside: list[str] = []
    position = 0
    while (start := text.find(mark, position)) >= 0:
        outside.append(around(text[position:start], attempts))
        position = read(text, start, attempts)
    last = around(text[position:], attempts)
    cut = cut_marker(last, mark)
    if cut >= 0:
        attempts.append(CallAttempt(last[cut:], None, "unclosed"))
        last = last[:cut]
    return "".join([*outside, last])
