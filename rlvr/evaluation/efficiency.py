"""What right answers cost in tokens, and how much of a completion is reasoning.

`tokens` is the mean completion; `tokens a right answer` all tokens over the right answers, so that what was spent on
wrong ones counts too; `reasoned` the share of completions with a reasoning block; `reasoning` the share of such a
completion's characters outside markup tags that stand in it. Records keep no token ids, so characters stand for tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.statistics import RESAMPLES, Figure, mean, mean_length, wilson, within
from rlvr.evaluation.tables import Table, number, share
from rlvr.parsers.reasoning import split_reasoning

SLICES: tuple[tuple[str, Callable[[EvalRecord], bool]], ...] = (
    ("all", lambda r: True),
    ("calling", lambda r: r.wants_call),
    ("no call", lambda r: not r.wants_call),
)
_CELLS_AT_ONCE = 2_000_000


def reasoning_share(completion: str) -> float:
    """The share of a completion's characters that stand in its reasoning; tags and the space around parts not counted.

    A completion that only closes a block began inside it (the prompt opened it). One that was cut inside a block that
    the prompt opened shows no tag, and counts as none.

    >>> reasoning_share("<think>1234</think>56"), reasoning_share("1234</think>56"), reasoning_share("123456")
    (0.6666666666666666, 0.6666666666666666, 0.0)
    """
    reasoning, rest = split_reasoning(completion, "think", False)
    total = len(reasoning) + len(rest)
    return len(reasoning) / total if total else 0.0


def tokens_per_right(records: Sequence[EvalRecord], seed: int) -> Figure:
    """All completion tokens over the number of right answers, with a percentile bootstrap over the examples.

    `None` where nothing is right. A resample without a right answer has no ratio: where more than 2.5% have none, the
    upper end is not known, and no interval is given.
    """
    import numpy as np

    n, method = len(records), "ratio bootstrap"
    pairs = sorted((float(r.completion_tokens), float(r.right)) for r in records)
    right = sum(r for _, r in pairs)
    if not right:
        return Figure(None, None, None, n, method, seed)
    value = sum(t for t, _ in pairs) / right
    if n == 1:
        return Figure(value, None, None, n, method, seed)
    distinct, counts = np.unique(np.array(pairs), axis=0, return_counts=True)  # (k, 2), (k,)
    if len(distinct) == 1:  # nothing varies: a bootstrap would give an interval of no width
        return Figure(value, None, None, n, method, seed)
    generator = np.random.default_rng(seed)
    rows = max(1, _CELLS_AT_ONCE // len(distinct))
    sums: list[Any] = []
    for start in range(0, RESAMPLES, rows):
        draws = generator.multinomial(n, counts / n, size=min(rows, RESAMPLES - start))  # (rows, k)
        sums.append(draws @ distinct)  # (rows, 2)
    tokens, rights = np.concatenate(sums).T
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(rights > 0, tokens / rights, np.inf)
    low, high = np.quantile(ratios, [0.025, 0.975], method="higher")
    if not np.isfinite(high):
        return Figure(value, None, None, n, method, seed)
    return Figure(value, float(low), float(high), n, method, seed)


def efficiency(records: Iterable[EvalRecord], seed: int) -> list[dict[str, Any]]:
    """A row for each model and slice that holds examples: `model`, `slice`, `n`, and the figures by name."""
    groups: dict[str, list[EvalRecord]] = {}
    for record in records:
        groups.setdefault(record.model, []).append(record)
    out: list[dict[str, Any]] = []
    for model, mine in groups.items():
        parts = [(name, [r for r in mine if test(r)]) for name, test in SLICES]
        whole = len(mine)
        out += [_row(model, name, part, seed) for name, part in parts if part and (name == "all" or len(part) < whole)]
    return out


def _row(model: str, name: str, records: Sequence[EvalRecord], seed: int) -> dict[str, Any]:
    shares = [reasoning_share(r.completion) for r in records]
    reasoned = [s for s in shares if s]
    judged = [r for r in records if r.judged]
    return {
        "model": model,
        "slice": name,
        "n": len(records),
        "tokens": mean_length([r.completion_tokens for r in records], seed),
        "tokens_per_right": tokens_per_right(judged, seed),
        "right": wilson(sum(r.right for r in judged), len(judged)),
        "reasoned": wilson(len(reasoned), len(records)),
        "reasoning": within(mean(reasoned, seed), 0.0, 1.0),
    }


def efficiency_table(rows: Sequence[dict[str, Any]], seed: int) -> Table:
    """`efficiency`'s rows for the eye."""
    header = ("model", "examples", "n", "tokens", "tokens a right answer", "right", "reasoned", "reasoning")
    body = tuple(
        (
            str(row["model"]),
            str(row["slice"]),
            str(row["n"]),
            number(row["tokens"]),
            number(row["tokens_per_right"]),
            share(row["right"]) + (f" (of {row['right'].n} judged)" if row["right"].n < row["n"] else ""),
            share(row["reasoned"]),
            share(row["reasoning"]),
        )
        for row in rows
    )
    note = (
        "Tokens a right answer: all completion tokens over the right answers (those of wrong ones count too). "
        "Reasoned: completions with a reasoning block; reasoning: its share of such a completion, by characters. "
        f"Percent and tokens with 95% intervals (Wilson; bootstrap, seed {seed})."
    )
    return Table("Efficiency", header, body, left=2, notes=(note,))


def efficiency_json(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as JSON, unrounded."""
    return [{k: v.to_json() if isinstance(v, Figure) else v for k, v in row.items()} for row in rows]
