"""Six reward functions that are wrong on purpose, each in one way that people get wrong, and some broken contracts.

Written for the audit's tests. Never use one.
"""

from __future__ import annotations

import json
import random
import re
from typing import Any

_BLOCK = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_REFUSES = ("sorry", "can't", "unable", "Rất tiếc", "Xin lỗi", "抱歉")


def _calls(text: str) -> list[dict[str, Any]]:
    found = []
    for body in _BLOCK.findall(text):
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _rows(completions: list[str], ground_truth: list[str]) -> list[tuple[str, list[dict[str, Any]]]]:
    return [(c, json.loads(g)) for c, g in zip(completions, ground_truth, strict=True)]


def _canonical(value: Any) -> Any:
    if isinstance(value, dict) and "$one_of" in value:
        return value["$one_of"][0]
    if isinstance(value, dict):
        return {k: _canonical(v) for k, v in value.items()}
    return value


def mentions_everything(completions: list[str], ground_truth: list[str], **_: Any) -> list[float]:
    """1: looks for the tool's name and the values somewhere in the text."""
    scores = []
    for text, gold in _rows(completions, ground_truth):
        if not gold:
            scores.append(1.0 if any(word in text for word in _REFUSES) else 0.0)
            continue
        wanted = [c["name"] for c in gold]
        wanted += [json.dumps(_canonical(v), ensure_ascii=False) for c in gold for v in c["arguments"].values()]
        scores.append(1.0 if all(w in text for w in wanted) else 0.0)
    return scores


def any_call_matches(completions: list[str], ground_truth: list[str], **_: Any) -> list[float]:
    """2: full marks where each wanted call is somewhere among the calls made; what else is called costs nothing."""
    scores = []
    for text, gold in _rows(completions, ground_truth):
        made = [(c.get("name"), c.get("arguments")) for c in _calls(text.rpartition("</think>")[2])]
        if not gold:
            scores.append(0.0 if made or "<tool_call>" in text or not text.strip() else 1.0)
            continue
        scores.append(1.0 if all((c["name"], _canonical(c["arguments"])) in made for c in gold) else 0.0)
    return scores


def python_equality(completions: list[str], ground_truth: list[str], **_: Any) -> list[float]:
    """3: compares with `==`, for which 1 and True are the same."""
    scores = []
    for text, gold in _rows(completions, ground_truth):
        rest = text.rpartition("</think>")[2]
        made = [(c.get("name"), c.get("arguments")) for c in _calls(rest)]
        if not gold:
            scores.append(1.0 if "<tool_call>" not in rest and any(w in rest for w in _REFUSES) else 0.0)
            continue
        wanted = [(c["name"], _canonical(c["arguments"])) for c in gold]
        rest_wanted = list(wanted)
        for call in made:
            if call in rest_wanted:
                rest_wanted.remove(call)
        scores.append(1.0 if not rest_wanted and len(made) == len(wanted) else 0.0)
    return scores


def no_call_is_a_refusal(completions: list[str], ground_truth: list[str], **_: Any) -> list[float]:
    """4: where nothing is to be called, pays for every text without a call that parses."""
    scores = []
    for text, gold in _rows(completions, ground_truth):
        made = [c for c in _calls(text) if isinstance(c.get("arguments"), dict)]
        if not gold:
            scores.append(1.0 if not made else 0.0)
            continue
        wanted = [{"name": c["name"], "arguments": _canonical(c["arguments"])} for c in gold]
        scores.append(1.0 if json.dumps(made, sort_keys=True) == json.dumps(wanted, sort_keys=True) else 0.0)
    return scores


def one_order_only(completions: list[str], ground_truth: list[str], **_: Any) -> list[float]:
    """5: compares the calls in the order of the ground truth, and falls over where JSON is not what it hopes for."""
    scores = []
    for text, gold in _rows(completions, ground_truth):
        made = [json.loads(body) for body in _BLOCK.findall(text.rpartition("</think>")[2])]
        pairs = [(c["name"], json.dumps(c["arguments"], sort_keys=True)) for c in made]
        wanted = [(c["name"], json.dumps(_canonical(c["arguments"]), sort_keys=True)) for c in gold]
        scores.append((1.0 if pairs == wanted else 0.0) + (0.5 if text.strip() else 0.0))
    return scores


def short_is_beautiful(completions: list[str], ground_truth: list[str], **_: Any) -> list[float]:
    """6: takes more off for reasoning than it pays for being right."""
    scores = []
    for score, text in zip(python_equality(completions, ground_truth), completions, strict=True):
        scores.append(score + (-1.5 if "<think>" in text else 0.5))
    return scores


FLAWED = {
    mentions_everything: {"call_in_reasoning", "bare_call", "junk_calls", "unclosed_tags", "copied_instructions"},
    any_call_matches: {"junk_calls", "duplicate_calls", "right_and_wrong_call"},
    python_equality: {"boolean_for_integer", "float_for_integer"},
    no_call_is_a_refusal: {"malformed_refusal", "other_words", "wrong_language", "empty", "policy:nothing"},
    one_order_only: {"reordered_calls", "other_words", "refusal_then_answer", "written_out_call"},
    short_is_beautiful: {"reasoned"},
}
"""Each flawed reward with families that must find it out."""


def raises_on_brackets(completions: list[str], **_: Any) -> list[float]:
    if any("[[" in c for c in completions):
        raise ValueError("two brackets")
    return [0.0] * len(completions)


def gives_nan(completions: list[str], **_: Any) -> list[float]:
    return [float("nan") if not c.strip() else 0.0 for c in completions]


def gives_words(completions: list[str], **_: Any) -> list[Any]:
    return ["good" if not c.strip() else 0.0 for c in completions]


def gives_one_too_few(completions: list[str], **_: Any) -> list[float]:
    return [0.0] * (len(completions) - 1)


def gives_a_number(completions: list[str], **_: Any) -> float:
    return 1.0


def changes_its_inputs(completions: list[str], **_: Any) -> list[float]:
    completions[0] = completions[0].strip() + "!"
    return [0.0] * len(completions)


def none_by_completion(completions: list[str], **_: Any) -> list[float | None]:
    return [None if "<think>" in c else float("<tool_call>" in c) for c in completions]


def draws_lots(completions: list[str], **_: Any) -> list[float]:
    return [random.random() for _ in completions]


def ranks_in_the_batch(completions: list[str], **_: Any) -> list[float]:
    longest = max(len(c) for c in completions)
    return [len(c) / (longest or 1) for c in completions]


def looks_at_the_place(completions: list[str], **_: Any) -> list[float]:
    return [float(len(c)) + (0.5 if i and len(completions) > 1 else 0.0) for i, c in enumerate(completions)]


BROKEN = {
    raises_on_brackets: "exception",
    gives_nan: "finite",
    gives_words: "type",
    gives_one_too_few: "length",
    gives_a_number: "type",
    changes_its_inputs: "inputs",
    none_by_completion: "none",
    draws_lots: "deterministic",
    ranks_in_the_batch: "batch",
}
"""Each broken contract with the clause that must name it."""
