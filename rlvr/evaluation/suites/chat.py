"""`chat`: plain questions that need no tool still get an answer, without tools and beside tools that do not fit."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr.data.generator import LANGUAGES, load_catalogue
from rlvr.errors import ConfigError, DataError
from rlvr.evaluation.judging import judge_generation
from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.statistics import mean, paired_share_difference, wilson
from rlvr.evaluation.suites.base import Option, Suite, SuiteOptions
from rlvr.evaluation.suites.common import ROW, draw_groups, placed, seen_by_model
from rlvr.evaluation.suites.grids import Grid, kept, shown
from rlvr.jsonl import loads, read_lines
from rlvr.negatives import Verifier
from rlvr.rewards.columns import query_language
from rlvr.rewards.context import Context
from rlvr.rewards.judge import fits_language
from rlvr.rewards.parsing import parse_completion
from rlvr.rewards.words import classify_words, has_words
from rlvr.strict import read_yaml
from rlvr.types import Example, Outcome, Tool

if TYPE_CHECKING:
    from rlvr.evaluation.store import EvalStore
    from rlvr.evaluation.suites.common import Seen

FILE = Path(__file__).resolve().parent / "chat.yaml"
ALONE, BESIDE = "no tools", "tools that do not fit"
LABELS = (
    "answered", "refused", "refused and answered", "asked back", "called", "other language", "cut", "nothing said",
)  # fmt: skip
"""What a reply to a plain question did: exactly one of these, and the first is right."""
_KINDS = {"refuse": "refused", "mixed": "refused and answered", "clarify": "asked back"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A plain question in one or several languages."""

    id: str
    words: Mapping[str, str]


@cache
def load_questions(file: Path = FILE) -> tuple[Asked, ...]:
    """The questions that ship. Raises `ConfigError` naming an entry without an id or a language."""
    entries = read_yaml(file)["questions"]
    problems = [
        f"{file.name}: {entry.get('id', f'entry {at}')}: {key}: missing"
        for at, entry in enumerate(entries) for key in ("id", *LANGUAGES) if not entry.get(key)
    ]  # fmt: skip
    names = Counter(str(entry.get("id")) for entry in entries)
    problems += [f"{file.name}: {name}: stands twice" for name, count in names.items() if count > 1]
    if problems:
        raise ConfigError(problems)
    return tuple(Asked(str(e["id"]), {lang: str(e[lang]) for lang in LANGUAGES}) for e in entries)


def _load(options: SuiteOptions) -> Sequence[Example]:
    questions = _given(Path(options["data"]).expanduser()) if options["data"] else load_questions()
    tools = [t.tool for t in load_catalogue() if t.split == "heldout"]
    verifier = Verifier.fit(tools)
    out: list[Example] = []
    for asked in questions:
        beside = unfit_tools(asked, tools, verifier, random.Random(f"{options.seed}/{asked.id}"))
        out += _examples(asked, beside)
    return out


def unfit_tools(asked: Asked, tools: Sequence[Tool], verifier: Verifier, rng: random.Random) -> tuple[Tool, ...]:
    """One to three tools that are not near the question by the library's verifier.

    The same in every language, judged by the English words where there are some: the tools are described in English.
    """
    text = asked.words.get("en") or next(iter(asked.words.values()))
    probe = verifier.probe(Example("", "chat", "irrelevance", ({"role": "user", "content": text},), (), ()), ())
    order = rng.sample(list(tools), len(tools))
    wanted = rng.choice((1, 2, 3))
    found: list[Tool] = []
    for tool in order:
        if len(found) == wanted:
            break
        if verifier.risk(probe, tool) < 1:
            found.append(tool)
    return tuple(found)


def _examples(asked: Asked, tools: Sequence[Tool]) -> Iterator[Example]:
    for lang, text in asked.words.items():
        group = f"{asked.id}/{lang}"
        message = {"role": "user", "content": text}
        meta = {"lang": lang} if lang in LANGUAGES else {}
        for row, offered in ((ALONE, ()), (BESIDE, tuple(tools))):
            id = f"{group}/{'alone' if row == ALONE else 'beside'}"
            example = Example(id, "chat", "irrelevance", (message,), offered, (), "answer", meta)
            yield placed(example, row, group)


def _given(path: Path) -> list[Asked]:
    """Questions of the user's own: JSONL with `question`, and `lang` where it is known."""
    if not path.is_file():
        raise DataError(str(path), "no such file. Give JSON lines with the column `question`, and `lang` if known.")
    out = []
    for number, (where, line) in enumerate(read_lines(path)):
        row = loads(line, where, "the row")
        if not isinstance(row, Mapping) or "question" not in row:
            columns = f" (it has {', '.join(map(str, row))})" if isinstance(row, Mapping) else ""
            raise DataError(where, f"no column 'question'{columns}")
        text, lang = row["question"], row.get("lang")
        if not isinstance(text, str) or not text.strip():
            raise DataError(where, f"column 'question': got {text!r:.60}, expected a text")
        if lang is not None and not isinstance(lang, str):
            raise DataError(where, f"column 'lang': got {lang!r:.60}, expected a language code")
        out.append(Asked(f"own-{number:05d}", {query_language(lang, text, None) or "": text}))
    if not out:
        raise DataError(str(path), "holds no question")
    return out


def judge_chat(example: Example, completion: str, **settings: Any) -> EvalRecord:
    """Right is an answer, whole and in the question's language; the record's reason is one of `LABELS`."""
    record = judge_generation(example, completion, **settings)
    parser, opened = str(settings.get("parser", "hermes")), bool(settings.get("reasoning_opened", False))
    context = Context.of(example)
    parsed = parse_completion(completion, parser, reasoning_opened=opened, tools=context.tools)
    label = label_of(parsed.outcome, parsed.text, record.truncated, context)
    return replace(record, category=str(example.meta[ROW]), right=label == LABELS[0], reason=label)


def label_of(outcome: Outcome, text: str, truncated: bool, context: Context) -> str:
    """What a reply did; a call before all else, then what its words do, then whether it was cut."""
    if outcome in (Outcome.CALLS, Outcome.MALFORMED):
        return "called"
    if not has_words(text):
        return "nothing said"
    kind = classify_words(text, context.lang).kind
    if kind in _KINDS:
        return _KINDS[kind]
    if not fits_language(text, context):
        return "other language"
    return "cut" if truncated else "answered"


def _grids(store: EvalStore) -> list[Grid]:
    seed = int(store.settings.get("seed", 0))
    rows: list[tuple[Any, ...]] = []
    differences: list[tuple[Any, ...]] = []
    for model, seen in seen_by_model(store).items():
        spoken = sorted({r.lang for r, _ in seen.values() if r.lang})
        for lang in ["all", *spoken] if len(spoken) > 1 else ["all"]:
            for row in (ALONE, BESIDE):
                mine = [r for r, m in seen.values() if m[ROW] == row and lang in ("all", r.lang)]
                if mine:
                    rows.append(_row(model, row, lang, mine, seed))
            both = _both(seen, lang)
            if both:
                change = paired_share_difference([a.right for a, _ in both], [b.right for _, b in both])
                refusing = paired_share_difference(
                    [a.reason == "refused" for a, _ in both], [b.reason == "refused" for _, b in both]
                )
                differences.append((model, lang, len(both), change, refusing))
    out = [Grid("Chat: plain questions that need no tool", _COLUMNS, tuple(rows), 3, (_NOTE,))]
    if differences:
        out.append(
            Grid("Chat: what tools that do not fit change", _DIFFERENCES, tuple(differences), 2, (_BESIDE_NOTE,))
        )
    return out


def _both(seen: Mapping[str, Seen], lang: str) -> list[tuple[EvalRecord, EvalRecord]]:
    """The records of each question without tools and beside tools, where both were shown."""
    pairs = []
    for id, (record, meta) in seen.items():
        other = seen.get(f"{id.removesuffix('alone')}beside")
        if meta[ROW] == ALONE and other is not None and lang in ("all", record.lang):
            pairs.append((record, other[0]))
    return pairs


def _row(model: str, row: str, lang: str, records: Sequence[EvalRecord], seed: int) -> tuple[Any, ...]:
    n, counts = len(records), Counter(r.reason for r in records)
    shares = (wilson(counts[label], n) for label in LABELS)
    return (model, row, lang, n, *shares, mean([float(r.completion_tokens) for r in records], seed))


_COLUMNS = (
    ("model", "words"),
    ("offered", "words"),
    ("lang", "words"),
    ("n", "count"),
    *((label, "share") for label in LABELS),
    ("tokens", "number"),
)
_DIFFERENCES = (
    ("model", "words"),
    ("lang", "words"),
    ("n", "count"),
    ("answered", "points"),
    ("refused", "points"),
)
_NOTE = (
    "Percent with 95% Wilson intervals. Each reply is one of these: answered (whole, in the question's language), "
    "refused, refused and answered all the same, asked back, called (broken calls too), in another language, cut at "
    "the length limit, nothing said. Whether an answer is true is not checked."
)
_BESIDE_NOTE = (
    "Points, beside tools minus without, on the same questions (Tango's paired interval). Where the chat template "
    "takes no tools, our system prompt says “if no function fits, say so”: a model that refuses there does as told."
)

SUITE = Suite(
    "chat",
    "plain questions that need no tool, in three languages, without tools and beside tools that do not fit",
    _load,
    options={"data": Option("", "questions of your own: JSONL with `question`, and `lang` where it is known")},
    judge=judge_chat,
    tables=shown(_grids),
    after=kept("chat", _grids),
    draw=draw_groups,
)
