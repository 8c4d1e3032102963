"""One completion, scored and explained; or a JSONL file of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.errors import DataError, UsageError
from rlvr.jsonl import read_objects
from rlvr.rewards.columns import last_user_text, query_language
from rlvr.rewards.components import COMPONENTS
from rlvr.rewards.composition import Composition, load_composition
from rlvr.rewards.context import Context, build_context, check_mode
from rlvr.rewards.judge import Sample, Verdict, judge
from rlvr.rewards.matching import Match
from rlvr.rewards.parsing import decoded, parse_completion, parser_of
from rlvr.rewards.told import flag, truncation
from rlvr.types import Outcome, ParsedCompletion


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Everything about one score. A component is `None` where it does not apply or the composition has none of it."""

    format: float | None
    correctness: float | None
    refusal: float | None
    efficiency: float | None
    total: float
    verdict: Verdict
    parsed: ParsedCompletion
    context: Context
    composition: Composition

    @property
    def outcome(self) -> Outcome:
        return self.parsed.outcome

    @property
    def match(self) -> Match | None:
        """The comparison of the calls; `None` where none are wanted."""
        return self.verdict.match

    @property
    def right(self) -> bool:
        return self.verdict.right

    @property
    def scores(self) -> dict[str, float | None]:
        """The components' scores, unweighted."""
        return {name: getattr(self, name) for name in COMPONENTS}

    def explain(self) -> str:
        """What was earned and why, in lines for people."""
        from rlvr.rewards.explain import explain

        return explain(self)

    def __str__(self) -> str:
        return self.explain()

    def to_json(self) -> dict[str, Any]:
        """A JSON object with the scores, the outcome and the verdict; nothing is rounded."""
        return {
            "total": self.total,
            **self.scores,
            "outcome": str(self.outcome),
            "truncated": self.parsed.truncated,
            "right": self.verdict.right,
            "reason": self.verdict.reason,
            "composition": self.composition.name,
            "stage": self.composition.stage,
            "weights": {c.name: c.weight for c in self.composition.components},
            "calls": [call.to_json() for call in self.parsed.calls],
            "match": None if self.match is None else self.match.to_json(),
        }


def score(
    completion: str | Sequence[Mapping[str, Any]],
    *,
    tools: Any,
    ground_truth: Any,
    parser: str = "hermes",
    composition: str | Path | Composition = "function_calling",
    stage: str | None = None,
    expects: str | None = "any",
    lang: str | None = None,
    query: str | None = None,
    truncated: bool | None = None,
    completion_ids: Sequence[int] | None = None,
    eos_token_ids: Collection[int] | int | None = None,
    matching: str | None = None,
    reasoning_opened: bool = False,
    reasoning_parser: str = "think",
    tokenizer: Any = None,
) -> Breakdown:
    """Score one completion under a composition and say why.

    `stage` defaults to the composition's first. `query` serves to tell its language, where `lang` does not. `truncated`
    overrides what `completion_ids` and `eos_token_ids` tell. With a `tokenizer`, text is parsed from `completion_ids`,
    special tokens included. `matching` overrides the composition's.
    Raises `UsageError` for unknown names, `DataError` for an example that cannot be scored; never for a bad completion.

    >>> tool = {"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}
    >>> call = '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
    >>> b = score(call, tools=[tool], ground_truth=[{"name": "add", "arguments": {"a": 1}}])
    >>> b.format, b.correctness, b.refusal, b.efficiency, round(b.total, 6), str(b.outcome)
    (1.0, 1.0, None, 0.1, 1.22, 'calls')
    """
    if not isinstance(composition, Composition):
        composition = load_composition(composition, stage)
    elif stage is not None and stage != composition.stage:
        raise UsageError(f"the composition is at {composition.stage}; load it at {stage!r} with load_composition.")
    cut = truncation(
        1,
        {
            "truncated": None if truncated is None else flag("truncated", truncated),
            "completion_ids": None if completion_ids is None else [completion_ids],
            "eos_token_ids": eos_token_ids,
        },
    )[0]
    context = build_context(
        tools,
        ground_truth,
        expects=expects,
        lang=query_language(lang, query, None),
        matching=composition.matching if matching is None else check_mode(matching),
    )
    parsed = parse_completion(
        decoded(completion, completion_ids, tokenizer),
        parser,
        truncated=cut,
        reasoning_opened=reasoning_opened,
        tools=context.tools,
        reasoning_parser=reasoning_parser,
    )
    return break_down(parsed, context, composition)


def break_down(parsed: ParsedCompletion, context: Context, composition: Composition) -> Breakdown:
    """Score a parsed completion that stands beside its context: the pure core of `score`."""
    sample = Sample.of(parsed, context)
    scores = dict.fromkeys(COMPONENTS, None) | {
        c.name: COMPONENTS[c.name].of(sample, c.params) for c in composition.components
    }
    total = composition.total(scores)
    return Breakdown(**scores, total=total, verdict=judge(parsed, context), parsed=parsed, context=context,
                     composition=composition)  # fmt: skip


def score_file(
    path: str | Path,
    *,
    parser: str = "hermes",
    composition: str | Path | Composition = "function_calling",
    stage: str | None = None,
    matching: str | None = None,
    reasoning_opened: bool = False,
    reasoning_parser: str = "think",
) -> Iterator[Breakdown]:
    """Score a JSONL file (or `.jsonl.gz`), a breakdown a row, in its order and in bounded memory.

    A row holds `completion` (text, or a list of messages), `tools`, `ground_truth`, and may hold `expects`, `lang`,
    `query` or `messages` (for the query's language), `truncated`, `reasoning_opened`; what else it holds is ignored.
    Empty lines are passed over. Raises `DataError` naming `file:line` for a row that cannot be scored, also where the
    file cannot be read; `UsageError` for unknown names, before the first row.
    """
    if not isinstance(composition, Composition):
        composition = load_composition(composition, stage)
    if matching is not None:
        check_mode(matching)
    parser_of(parser, reasoning_parser)
    settings = {"parser": parser, "matching": matching, "reasoning_parser": reasoning_parser}
    return _score_rows(Path(path), composition, settings, reasoning_opened)


def _query(row: Mapping[str, Any]) -> str | None:
    """What the user asked, which tells the language. Raises `UsageError` for what holds no text."""
    query, messages = row.get("query"), row.get("messages")
    if query is not None and not isinstance(query, str):
        raise UsageError(f"query: got {query!r:.60}, expected text")
    if messages is not None and not (isinstance(messages, list) and all(isinstance(m, Mapping) for m in messages)):
        raise UsageError(f"messages: got {messages!r:.60}, expected a list of messages")
    return query or last_user_text(messages)


def _score_rows(path: Path, composition: Composition, settings: Mapping[str, Any], opened: bool) -> Iterator[Breakdown]:
    for where, row in read_objects(path):
        needed = ("completion", "tools", "ground_truth")
        missing = [name for name in needed if row.get(name) is None]
        null = [name for name in missing if name in row]
        if null and null == missing != ["ground_truth"]:
            raise DataError(where, f"{', '.join(null)}: null")
        if missing:
            hint = (
                " (where no call is wanted it is [])" if missing == ["ground_truth"] else f"; it has {', '.join(row)}"
            )
            raise DataError(where, f"no {', no '.join(missing)}{hint}")
        try:
            yield score(
                row["completion"],
                tools=row["tools"],
                ground_truth=row["ground_truth"],
                composition=composition,
                expects=row.get("expects"),
                lang=row.get("lang"),
                query=_query(row),
                truncated=flag("truncated", row.get("truncated")),
                reasoning_opened=flag("reasoning_opened", row.get("reasoning_opened", opened)),
                **settings,
            )
        except (DataError, UsageError) as error:
            raise DataError(where, str(error)) from error
