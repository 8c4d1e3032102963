"""Difficulty: how often a model gets each example right, measured before training.

A group whose completions all earn the same has no advantage: its GPU time is lost. `probe` samples k completions of
each prompt and records what they earned; `DifficultyBand` keeps the examples that are worth sampling again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from rlvr.data.filters.duplicates import digest
from rlvr.data.probe_file import ProbeFile
from rlvr.errors import DataError, UsageError
from rlvr.parsers import get_parser
from rlvr.prompts import RenderedPrompt, render
from rlvr.rewards import Composition, Context, load_composition
from rlvr.rewards.components import COMPONENTS
from rlvr.rewards.parsing import parse_completion
from rlvr.rewards.score import Breakdown, break_down
from rlvr.types import Example

SAME = 1e-9
"""Rewards nearer than this are the same."""


class Sampler(Protocol):
    """What of a `rlvr.rollouts.Generator` is used here."""

    tokenizer: Any

    def generate(
        self,
        prompts: Sequence[RenderedPrompt],
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        n: int = 1,
    ) -> Sequence[Sequence[Any]]: ...


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """How to sample and to score. Two probes with other options are not comparable, and never share a file.

    `chunk_size` prompts are sampled, scored and written at a time; an interruption costs at most one chunk.
    """

    k: int = 8
    temperature: float = 1.0
    max_new_tokens: int = 256
    max_prompt_tokens: int | None = None
    parser: str = "hermes"
    composition: str = "function_calling"
    stage: str | None = None
    matching: str | None = None
    seed: int = 0
    chunk_size: int = 64

    def __post_init__(self) -> None:
        for name, least in (("k", 2), ("max_new_tokens", 1), ("chunk_size", 1)):
            if getattr(self, name) < least:
                raise UsageError(f"{name}: got {getattr(self, name)}, expected at least {least}")
        if not self.temperature > 0:
            raise UsageError(
                f"temperature: got {self.temperature}, expected more than 0: k greedy completions are the same"
            )


@dataclass(slots=True)
class ProbeProgress:
    """How far a probe is: `done` of `total` rows are written, `new` of them by this call, with `tokens` generated."""

    total: int
    done: int = 0
    new: int = 0
    tokens: int = 0


def probe(
    sampler: Callable[[], Sampler],
    examples: Sequence[Example],
    out: str | Path,
    options: ProbeOptions,
    *,
    model: str = "",
    progress: Callable[[ProbeProgress], None] | None = None,
) -> list[dict[str, Any]]:
    """Sample `k` completions of each example, and write one JSON line an example to `out`; return the rows.

    A row: `id`, `category`, `digest` (of the example), `k`, `pass_rate` (the share that is right, strictly), `mean` and
    `variance` (of each component and of the `reward`, over the group; null where a component does not apply),
    `zero_variance` (every reward is the same), `truncated` (the share that was cut). A prompt of more than
    `max_prompt_tokens` has `k` 0 and `skipped`. The order is that of the ids.

    Run again with the same options it goes on where it stopped, chunk by chunk, and submits the same batches with the
    same seeds. `sampler` is called only where something is left to do. Raises `UsageError` where the file belongs to
    other options, `DataError` on an id that stands twice, `RunError` where the disk is full.
    """
    ordered = sorted(examples, key=lambda e: e.id)
    _check_ids(ordered)
    get_parser(options.parser)
    composition = load_composition(options.composition, options.stage)
    if options.matching is not None:
        composition = replace(composition, matching=options.matching)
    file = ProbeFile(Path(out))
    rows = file.open(_settings(options, model, ordered), [e.id for e in ordered], options.chunk_size)
    state = ProbeProgress(len(ordered), len(rows))
    if len(rows) == len(ordered):
        return rows
    engine = sampler()
    for number, chunk in _chunks(ordered, options.chunk_size):
        if number * options.chunk_size < len(rows):
            continue
        made, tokens = _probe_chunk(engine, chunk, options, composition, options.seed + number)
        file.append(made)
        rows += made
        state = ProbeProgress(len(ordered), len(rows), state.new + len(made), state.tokens + tokens)
        if progress is not None:
            progress(state)
    return rows


def summarise(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each category and of all: n, mean pass rate, shares of never right, always right and without variance."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["k"]:
            found.setdefault(str(row["category"]), []).append(row)
    named = sorted(found.items())
    return [_summary(name, of) for name, of in [*named, ("all", [r for _, of in named for r in of])] if of]


def _summary(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    n = len(rows)
    return {
        "category": name,
        "n": n,
        "pass_rate": sum(r["pass_rate"] for r in rows) / n,
        "never": sum(r["pass_rate"] == 0 for r in rows) / n,
        "always": sum(r["pass_rate"] == 1 for r in rows) / n,
        "zero_variance": sum(bool(r["zero_variance"]) for r in rows) / n,
    }


def example_digest(example: Example) -> str:
    """What tells an example that was probed from another one of its id: what it teaches, and which words it wants."""
    return hashlib.blake2b(digest(example) + example.expects.encode("utf-8"), digest_size=8).hexdigest()


def _probe_chunk(
    engine: Sampler, chunk: Sequence[Example], options: ProbeOptions, composition: Composition, seed: int
) -> tuple[list[dict[str, Any]], int]:
    prompts = [render(e, engine.tokenizer, options.parser) for e in chunk]
    limit = options.max_prompt_tokens
    short = [i for i, p in enumerate(prompts) if limit is None or len(p.token_ids) <= limit]
    groups: dict[int, Sequence[Any]] = {}
    if short:
        made = engine.generate(
            [prompts[i] for i in short],
            max_new_tokens=options.max_new_tokens,
            temperature=options.temperature,
            seed=seed,
            n=options.k,
        )
        groups = dict(zip(short, made, strict=True))
    rows = []
    for place, example in enumerate(chunk):
        if place in groups:
            scored = _scored(example, prompts[place], groups[place], options, composition)
            rows.append(_row(example, scored))
        else:
            rows.append({**_head(example, 0), "skipped": "too_long", "prompt_tokens": len(prompts[place].token_ids)})
    return rows, sum(len(g.token_ids) for group in groups.values() for g in group)


def _scored(
    example: Example, prompt: RenderedPrompt, group: Sequence[Any], options: ProbeOptions, composition: Composition
) -> list[Breakdown]:
    context = Context.of(example, composition.matching)
    return [
        break_down(
            parse_completion(
                generation.text,
                options.parser,
                truncated=generation.truncated,
                reasoning_opened=prompt.reasoning_opened,
                tools=context.tools,
            ),
            context,
            composition,
        )
        for generation in group
    ]


def _head(example: Example, k: int) -> dict[str, Any]:
    return {"id": example.id, "category": example.category, "digest": example_digest(example), "k": k}


def _row(example: Example, group: Sequence[Breakdown]) -> dict[str, Any]:
    totals = [b.total for b in group]
    columns: dict[str, list[float | None]] = {name: [b.scores[name] for b in group] for name in COMPONENTS}
    columns["reward"] = [*totals]
    moments = {name: _moments(values) for name, values in columns.items()}
    return {
        **_head(example, len(group)),
        "pass_rate": sum(b.right for b in group) / len(group),
        "mean": {name: mean for name, (mean, _) in moments.items()},
        "variance": {name: variance for name, (_, variance) in moments.items()},
        "zero_variance": max(totals) - min(totals) <= SAME,
        "truncated": sum(b.parsed.truncated for b in group) / len(group),
    }


def _moments(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean and population variance, as a group's advantages are made with; `None` where a component does not apply."""
    known = [v for v in values if v is not None]
    if not known:
        return None, None
    mean = sum(known) / len(known)
    return mean, sum((v - mean) ** 2 for v in known) / len(known)


def _settings(options: ProbeOptions, model: str, ordered: Sequence[Example]) -> dict[str, Any]:
    content = hashlib.sha256("".join(e.id + example_digest(e) for e in ordered).encode("utf-8", "surrogatepass"))
    names = options.__slots__
    return {"model": model, "examples": len(ordered), "data": content.hexdigest()} | {
        name: getattr(options, name) for name in names
    }


def _check_ids(ordered: Sequence[Example]) -> None:
    if not ordered:
        raise UsageError("no example to probe")
    twice = [i for i, n in Counter(e.id for e in ordered).items() if n > 1]
    if twice:
        raise DataError(twice[0], "two examples carry this id; a probe is kept by id")


def _chunks(items: Sequence[Example], size: int) -> Iterator[tuple[int, Sequence[Example]]]:
    for start in range(0, len(items), size):
        yield start // size, items[start : start + size]
