"""Why a completion is wrong: its faults by name, from its record, its example and the matcher's reason codes.

| fault | where a call is wanted | where none is |
| --- | --- | --- |
| `truncated` | cut at the limit of tokens | the same |
| `malformed` | call markup, or a bare call, that cannot be read | the same |
| `empty` | nothing was said | the same |
| `refused` | words that refuse | |
| `words` | other words than a refusal, and no call | |
| `false_call` | | a call |
| `wrong_words` | | words of another kind, or in another language, than wanted |
| `unknown_tool` | a call of a tool that is not offered | |
| `wrong_tool` | a call of another offered tool than the one that is wanted | |
| `missing_call`, `surplus_call` | fewer, more calls than wanted | |
| `missing_argument` | an argument too few | |
| `wrong_type`, `wrong_value` | a value of another type, another value | |
| `invented_argument` | an argument that nobody wants | |
| `other` | calls that fit one by one and not as a whole | |

A completion may have several faults. The first in this order is the one that it is counted under, so that the shares of
the first faults and the share of right completions add up to one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.errors import DataError
from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.statistics import Figure, wilson
from rlvr.rewards import Context, judge
from rlvr.rewards.judge import Verdict
from rlvr.rewards.matching import MODES, match_calls, rules
from rlvr.rewards.parsing import parse_completion
from rlvr.rewards.words import classify_words
from rlvr.types import Example, GoldCall, Outcome, ParsedCompletion, Tool, ToolCall

FAULTS: dict[str, str] = {
    "truncated": "cut at the limit of tokens",
    "malformed": "a call that cannot be read",
    "empty": "nothing was said",
    "refused": "refused, and a call was wanted",
    "words": "other words, and a call was wanted",
    "false_call": "a call, and none was wanted",
    "wrong_words": "no call, as wanted, but other words than wanted",
    "unknown_tool": "a tool that is not offered",
    "wrong_tool": "another tool than the one wanted",
    "missing_call": "fewer calls than wanted",
    "surplus_call": "more calls than wanted",
    "missing_argument": "an argument is missing",
    "wrong_type": "a value of the wrong type",
    "wrong_value": "a wrong value",
    "invented_argument": "an argument that nobody wants",
    "other": "the calls do not match as a whole",
}
"""Every fault in the order in which it counts, with what it is."""
_PLACE = {name: place for place, name in enumerate(FAULTS)}
_OF_ARGUMENT = {
    rules.MISSING: "missing_argument",
    rules.WRONG_TYPE: "wrong_type",
    rules.WRONG_VALUE: "wrong_value",
    rules.SIMILAR: "wrong_value",
    rules.INVENTED: "invented_argument",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong; `where` names the tool or the argument, where there is one."""

    kind: str
    where: str = ""

    def __str__(self) -> str:
        name = self.kind.replace("_", " ")
        return f"{name}: {self.where}" if self.where else name


@dataclass(frozen=True, slots=True)
class AnatomyRow:
    """How often a model's completions have one fault, of those that want a call or of those that want none.

    `first` is the share that is counted under it, `any` the share that has it at all.
    """

    model: str
    wants_call: bool
    fault: str
    first: Figure
    any: Figure


def faults_of(record: EvalRecord, example: Example | None, parser: str = "hermes") -> tuple[Fault, ...]:
    """The faults of one judged completion, in the order of FAULTS; none where it is right.

    The completion is read again. Where its example is not at hand, or reading it gives another outcome than the record
    has (another parser made it), the record's own fields decide, which know nothing of single calls.

    >>> record = EvalRecord("m", "a", "simple", "en", True, "I'm sorry, I can't do that.", 8, 90, "abstain",
    ...                     False, False, True, False, False, "typed")
    >>> [str(fault) for fault in faults_of(record, None)]
    ['refused']
    """
    if record.right:
        return ()
    if example is not None and record.matching in MODES:  # a dialogue is judged by the benchmark's own checker
        context = Context.of(example, record.matching)
        for opened in (False, True):  # whether the prompt opened a reasoning block is not in the record
            parsed = parse_completion(
                record.completion, parser, truncated=record.truncated, reasoning_opened=opened, tools=context.tools
            )
            verdict = judge(parsed, context)
            if (verdict.outcome.value, verdict.right) == (record.outcome, record.right):
                return faults(parsed, verdict, context)
    return _by_fields(record)


def faults(parsed: ParsedCompletion, verdict: Verdict, context: Context) -> tuple[Fault, ...]:
    """The faults of a parsed completion beside its verdict and its context; none where it is right."""
    if verdict.right:
        return ()
    found: list[Fault] = []
    if parsed.truncated:
        found.append(Fault("truncated"))
    if parsed.outcome is Outcome.MALFORMED:
        found.append(Fault("malformed"))
    elif parsed.outcome is Outcome.EMPTY:
        found.append(Fault("empty"))
    elif parsed.outcome is Outcome.CALLS:
        found += _call_faults(parsed.calls, context) if context.gold else [_false_call(parsed.calls)]
    elif context.gold:
        found.append(Fault("refused" if classify_words(parsed.text, context.lang).kind == "refuse" else "words"))
    elif not parsed.truncated:
        found.append(Fault("wrong_words", verdict.words.kind if verdict.words else ""))
    return _ordered(found) or (Fault("other"),)


def anatomy(records: Iterable[EvalRecord], found: Mapping[tuple[str, str], Sequence[Fault]]) -> list[AnatomyRow]:
    """Every fault by model and side, in the order of FAULTS; what occurs with one model has a row with each of them.

    `found` is keyed by model and example id. Completions that were not judged count nowhere. Raises `KeyError` where a
    wrong completion has no entry in it.
    """
    sides: dict[tuple[str, bool], list[list[str]]] = {}
    for record in records:
        if not record.judged:
            continue
        kinds = [] if record.right else [fault.kind for fault in found[record.model, record.id]]
        sides.setdefault((record.model, record.wants_call), []).append(kinds)
    seen = {(side, kind) for (_, side), group in sides.items() for kinds in group for kind in kinds}
    out = []
    for (model, wants_call), group in sides.items():
        first = Counter(kinds[0] for kinds in group if kinds)
        every = Counter(kind for kinds in group for kind in set(kinds))
        n = len(group)
        out += [
            AnatomyRow(model, wants_call, name, wilson(first[name], n), wilson(every[name], n))
            for name in FAULTS
            if (wants_call, name) in seen
        ]
    return out


def _false_call(calls: Sequence[ToolCall]) -> Fault:
    return Fault("false_call", calls[0].name if calls else "")


def _call_faults(calls: Sequence[ToolCall], context: Context) -> list[Fault]:
    """What is wrong with well-formed calls: their tools, their number, their arguments."""
    gold, tools = context.gold, context.tools
    made, wanted = Counter(c.name for c in calls), Counter(g.name for g in gold)
    lacking, strange = wanted - made, made - wanted
    found = [Fault("unknown_tool", name) for name in strange if name not in tools]
    if lacking:  # else an offered tool too many is no wrong tool, but a call too many
        found += [Fault("wrong_tool", name) for name in strange if name in tools]
    if len(calls) < len(gold):
        found.append(Fault("missing_call", next(iter(lacking), "")))
    elif len(calls) > len(gold):
        found.append(Fault("surplus_call", next(iter(strange), "")))
    for name in (n for n in wanted if n in made):
        of_name = [c for c in calls if c.name == name], [g for g in gold if g.name == name]
        found += _argument_faults(*of_name, tools, context.matching)
    return found


def _argument_faults(
    calls: Sequence[ToolCall], gold: Sequence[GoldCall], tools: Mapping[str, Tool], matching: str
) -> list[Fault]:
    """What is wrong with the arguments of one tool's calls, paired with the wanted ones as well as they can be."""
    found = []
    for pair in match_calls(calls, gold, tools, matching).pairs:
        if pair.wanted is None or pair.matched:
            continue
        known = gold[pair.wanted].arguments
        for verdict in pair.arguments:
            if not verdict.equal:
                kind = _OF_ARGUMENT.get(verdict.reason, "wrong_value")
                # Modes that overrule `typed` call a default that nobody wants a wrong value.
                invented = kind == "wrong_value" and verdict.name not in known
                found.append(Fault("invented_argument" if invented else kind, verdict.name))
    return found


def _ordered(found: Sequence[Fault]) -> tuple[Fault, ...]:
    """Each fault once, in the order in which they count; those of one kind as they came."""
    return tuple(sorted(dict.fromkeys(found), key=lambda f: _PLACE[f.kind]))


def _by_fields(record: EvalRecord) -> tuple[Fault, ...]:
    found = []
    if record.truncated:
        found.append(Fault("truncated"))
    if record.malformed:
        found.append(Fault("malformed"))
    elif record.outcome == Outcome.EMPTY.value:
        found.append(Fault("empty"))
    elif record.false_call:
        found.append(Fault("false_call"))
    elif record.outcome == Outcome.ABSTAIN.value and record.wants_call:
        found.append(Fault("refused" if classify_words(record.completion, record.lang).kind == "refuse" else "words"))
    elif record.outcome == Outcome.ABSTAIN.value and not record.truncated:
        found.append(Fault("wrong_words"))
    return _ordered(found) or (Fault("other"),)


def all_faults(
    records: Iterable[EvalRecord], examples: Iterable[Mapping[str, Any]], parser: str = "hermes"
) -> dict[tuple[str, str], tuple[Fault, ...]]:
    """The faults of every wrong completion, keyed by model and example id; `examples` are those of the folder."""
    known = {str(row.get("id")): row for row in examples}
    read: dict[str, Example | None] = {}
    out = {}
    for record in records:
        if record.right or not record.judged:
            continue
        if record.id not in read:
            row = known.get(record.id)
            read[record.id] = None if row is None else _example(row)
        out[record.model, record.id] = faults_of(record, read[record.id], parser)
    return out


def _example(row: Mapping[str, Any]) -> Example | None:
    """An example as it was shown; `None` for a row in another form, as another suite may have."""
    from rlvr.data.sources.jsonl import unchecked_example

    try:
        return unchecked_example(dict(row), str(row.get("id")))
    except DataError:
        return None
