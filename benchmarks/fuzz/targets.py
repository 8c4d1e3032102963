"""What must hold for any input: one function a parser, and one over the components. Run by the fuzzer and the tests.

An input's first byte chooses the reasoning policy and whether the prompt opened a block; the rest is the completion.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rlvr.errors import UsageError
from rlvr.parsers import PARSERS, REASONING, get_parser
from rlvr.rewards import build_context, load_composition
from rlvr.rewards.score import break_down
from rlvr.tools import normalise_tools
from rlvr.types import Outcome, ToolCall

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "parsers" / "cases"
CORPUS = Path(__file__).resolve().parent / "corpus"
TOOLS = normalise_tools((CASES / "tools.json").read_text(encoding="utf-8"))
REASONINGS = list(REASONING)
SECONDS = 1.0
"""CPU time: no input that a fuzzer makes (a few thousand bytes) may take longer."""


def decode(data: bytes) -> tuple[str, bool, str]:
    """Bytes → (reasoning policy, opened, text). What is not UTF-8 becomes lone surrogates, which parsers must bear."""
    options = data[0] if data else 0
    text = data[1:].decode("utf-8", "surrogateescape")
    return REASONINGS[options % len(REASONINGS)], bool(options & 64), text


def encode(text: str, reasoning: str = "think", opened: bool = False) -> bytes:
    """The input that `decode` reads as these; of a lone surrogate only those that stand for bytes can be written."""
    return bytes([REASONINGS.index(reasoning) | (64 if opened else 0)]) + text.encode("utf-8", "surrogateescape")


def check_parser(name: str, data: bytes) -> None:
    """Raises where a law does not hold: one outcome, named faults, calls that are JSON and can be written, in time."""
    reasoning, opened, text = decode(data)
    started = time.process_time()
    parsed = get_parser(name, reasoning).parse(text, reasoning_opened=opened, tools=TOOLS)
    assert time.process_time() - started < SECONDS, "too slow"
    broken = any(a.fault is not None for a in parsed.attempts)
    assert all((a.call is None) == (a.fault is not None) for a in parsed.attempts)
    assert (parsed.outcome is Outcome.MALFORMED) == broken
    assert (parsed.outcome is Outcome.CALLS) == (bool(parsed.attempts) and not broken)
    assert (parsed.outcome is Outcome.EMPTY) == (not parsed.attempts and not parsed.text)
    for call in parsed.calls:
        written = json.dumps(call.to_json(), allow_nan=False, ensure_ascii=False).encode()
        assert json.loads(written) == call.to_json()
        assert call.name
        again = get_parser("hermes", "none").parse(get_parser("hermes").render([call]))
        assert [c.to_json() for c in again.calls] == [call.to_json()]
    _check_round_trip(name, parsed.calls)


def _check_round_trip(name: str, calls: Sequence[ToolCall]) -> None:
    """What a format reads, it writes so that it reads the same again, or it says that it cannot."""
    if not calls:
        return
    parser = get_parser(name)
    try:
        text = parser.render(calls)
    except UsageError:
        assert name not in ("hermes", "llama3_json", "xlam"), "JSON writes any call"
        return
    again = parser.parse(text, tools=TOOLS)
    assert again.outcome is Outcome.CALLS
    assert json.dumps([c.to_json() for c in again.calls]) == json.dumps([c.to_json() for c in calls])


def check_components(data: bytes) -> None:
    """Raises where a component is not finite, out of its range or slow, for any parser and composition."""
    parser = list(PARSERS)[(data[0] if data else 0) // 4 % len(PARSERS)]
    reasoning, opened, text = decode(data)
    started = time.process_time()
    parsed = get_parser(parser, reasoning).parse(text, reasoning_opened=opened, tools=TOOLS)
    for context in _CONTEXTS:
        for composition in _COMPOSITIONS:
            breakdown = break_down(parsed, context, composition)
            assert math.isfinite(breakdown.total)
            for name, score in breakdown.scores.items():
                low, high = _RANGES[name]
                assert score is None or (math.isfinite(score) and low <= score <= high), name
            str(breakdown)
    assert time.process_time() - started < 5 * SECONDS, "too slow"


_RANGES = {"format": (0.0, 1.0), "correctness": (0.0, 1.0), "refusal": (-1.0, 1.0), "efficiency": (-1.0, 0.1)}
_COMPOSITIONS = [
    load_composition(n, s) for n in ("function_calling", "function_calling_card") for s in ("stage1", "stage2")
]
_WANTED = [{"name": "get_weather", "arguments": {"city": "Hanoi", "days": 3}}]
_OBJECTS = [{"name": "store.set", "arguments": {"value": {"a": [1, {"b": 2.5}]}, "items": ["x", None]}}]
_CONTEXTS = [
    build_context([t.to_json() for t in TOOLS], gold, expects=expects, lang=lang, matching=matching)
    for gold, expects, lang in ((_WANTED, "any", "en"), (_WANTED + _OBJECTS, "any", "vi"), ([], "refuse", "zh"))
    for matching in ("typed", "bfcl", "exact")
]

TARGETS: dict[str, Callable[[bytes], None]] = {
    **{name: (lambda data, name=name: check_parser(name, data)) for name in PARSERS},
    "components": check_components,
}


def seeds(target: str) -> Iterator[bytes]:
    """The inputs that a fuzzer starts from: the worked cases of the format, and what is kept under corpus/."""
    for name in PARSERS if target == "components" else [target]:
        for line in (CASES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            yield encode(case["text"], "think", case.get("opened", False))
    for file in sorted((CORPUS / target).glob("*")):
        yield file.read_bytes()
