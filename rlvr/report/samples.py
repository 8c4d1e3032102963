"""Which examples the report shows before and after, chosen by rule, so that nobody picked the pretty ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.evaluation.records import EvalRecord
from rlvr.types import Outcome

MAX_CHARS = 900
LANGUAGE_NAMES = {"en": "English", "vi": "Tiếng Việt", "zh": "中文"}

_KINDS: tuple[tuple[str, Callable[[EvalRecord, EvalRecord], bool]], ...] = (
    ("mended call", lambda b, a: a.wants_call and a.right and not b.right),
    ("mended refusal", lambda b, a: not a.wants_call and a.right and not b.right),
    ("shorter", lambda b, a: a.right and b.right and a.completion_tokens < b.completion_tokens),
    ("still wrong, or wrong anew", lambda b, a: not a.right),
    ("right before and after", lambda b, a: a.right and b.right),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one model said to a card's query."""

    model: str
    completion: str
    cut: int
    tokens: int
    right: bool
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True)
class Card:
    """One example with the answers of several checkpoints, oldest first."""

    id: str
    kind: str
    lang: str
    language: str
    category: str
    query: str
    tools: tuple[str, ...]
    wanted: str
    answers: tuple[Answer, ...]


def choose_cards(
    records: Sequence[EvalRecord], examples: Sequence[Mapping[str, Any]], per_language: int = 4, max_models: int = 4
) -> list[Card]:
    """For each language the first example by id of each kind (mended, refused, shorter, still wrong), first model
    against last; with more than `max_models` models the first and the latest ones are shown.
    """
    by_model: dict[str, dict[str, EvalRecord]] = {}
    for record in records:
        by_model.setdefault(record.model, {})[record.id] = record
    models = list(by_model)
    if not models:
        return []
    shown = models if len(models) <= max_models else [models[0], *models[-(max_models - 1) :]]
    known = {str(e.get("id")): e for e in examples}
    before, after = by_model[models[0]], by_model[models[-1]]
    shared = sorted(set(before) & set(after) & set(known))
    cards: list[Card] = []
    for lang in _languages(after[i] for i in shared):
        mine = [i for i in shared if (after[i].lang or "") == lang and before[i].judged and after[i].judged]
        for kind, chosen in _pick(mine, before, after, per_language):
            answers = [by_model[m][chosen] for m in shown if chosen in by_model[m]]
            cards.append(_card(known[chosen], after[chosen], kind, answers))
    return cards


def clip(text: str, limit: int = MAX_CHARS) -> tuple[str, int]:
    """The text's beginning, and how many characters were left out."""
    return (text, 0) if len(text) <= limit else (text[:limit], len(text) - limit)


def wanted_text(example: Mapping[str, Any]) -> str:
    """The calls that are wanted, one a line, or what words are."""
    gold = example.get("ground_truth") or []
    if not isinstance(gold, list) or not all(isinstance(c, Mapping) and "name" in c for c in gold):
        return _json(gold)  # another suite's form: shown as it is
    calls = [f"{c['name']}({_json(c.get('arguments', {}))})" for c in gold]
    expects = str(example.get("expects") or "any")
    return "\n".join(calls) or ("no call" if expects == "any" else f"no call (words: {expects})")


def training_samples(samples: Sequence[Mapping[str, Any]], per_step: int = 3) -> list[Mapping[str, Any]]:
    """The first samples of the first and of the last sampled step."""
    steps = sorted({s["step"] for s in samples if isinstance(s.get("step"), (int, float))})
    ends = [steps[0], *steps[-1:]] if len(steps) > 1 else steps
    return [row for step in ends for row in [s for s in samples if s.get("step") == step][:per_step]]


def _pick(
    ids: Sequence[str], before: Mapping[str, EvalRecord], after: Mapping[str, EvalRecord], count: int
) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    for kind, test in _KINDS:
        if len(out) == count:
            break
        found = next((i for i in ids if test(before[i], after[i]) and i not in [c for _, c in out]), None)
        if found is not None:
            out.append((kind, found))
    return out


def _languages(records: Any) -> list[str]:
    present = {r.lang or "" for r in records}
    return [lang for lang in LANGUAGE_NAMES if lang in present] + sorted(present - set(LANGUAGE_NAMES))


def _card(example: Mapping[str, Any], record: EvalRecord, kind: str, answers: Sequence[EvalRecord]) -> Card:
    lang = record.lang or ""
    return Card(
        id=record.id,
        kind=kind,
        lang=lang,
        language=LANGUAGE_NAMES.get(lang, lang),
        category=record.category,
        query=clip(_query(example))[0],
        tools=tuple(str(t.get("name")) for t in example.get("tools") or []),
        wanted=wanted_text(example),
        answers=tuple(_answer(r) for r in answers),
    )


def _answer(record: EvalRecord) -> Answer:
    text, cut = clip(record.completion)
    verdict = "not judged" if not record.judged else "right" if record.right else "wrong"
    if record.outcome == Outcome.MALFORMED.value:
        verdict += ", malformed"
    elif record.outcome == Outcome.EMPTY.value:
        verdict += ", empty"
    if record.truncated:
        verdict += ", cut at the limit"
    return Answer(
        record.model, text, cut, record.completion_tokens, record.right, verdict, record.reason.replace("_", " ")
    )


def _query(example: Mapping[str, Any]) -> str:
    for message in reversed(example.get("messages") or []):
        if message.get("role") == "user":
            return str(message.get("content") or "")
    return ""


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
