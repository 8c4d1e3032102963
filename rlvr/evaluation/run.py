"""Evaluate models on examples: greedy completions, records written in chunks, a summary at the end.

An interrupted evaluation goes on where it stopped: a model whose records are complete is skipped without an engine
being started, and a chunk that was cut is generated anew as a whole, so that a resumed evaluation submits the same
batches as one that was never stopped (completions can depend on the batch, FACTS of vLLM on a CPU).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.errors import DataError, UsageError
from rlvr.evaluation.about import made_with, versions
from rlvr.evaluation.judging import judge_generation
from rlvr.evaluation.latency import append_timings, timing_of
from rlvr.evaluation.progress import Progress
from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.shape import engine_shape
from rlvr.evaluation.store import EvalStore, digest, examples_text, fingerprint
from rlvr.evaluation.suites.base import Judge
from rlvr.evaluation.summary import write_summary
from rlvr.parsers import get_parser
from rlvr.prompts import RenderedPrompt
from rlvr.prompts import render as render_prompt
from rlvr.rewards.context import check_mode
from rlvr.rollouts import Generator
from rlvr.training.lock import hold
from rlvr.types import Example

GeneratorFactory = Callable[["str | Path"], Generator]
Render = Callable[[Example, Any, str], RenderedPrompt]
Rendered = tuple[Example, RenderedPrompt]

# An engine is fullest in the middle of a chunk; an interruption costs at most one.
CHUNK_SIZE = 128


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model to evaluate: its name in the tables, and a folder, a hub id or the name under which a server has it.

    `render` renders its prompts in another way than the other models'; `free` is the label of the same model without
    structured outputs.
    """

    label: str
    path: str | Path
    render: Render | None = None
    free: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """What must be the same for records to be comparable."""

    parser: str = "hermes"
    matching: str = "typed"
    max_new_tokens: int = 256
    max_prompt_tokens: int | None = None
    seed: int = 0
    chunk_size: int = CHUNK_SIZE
    extra: tuple[tuple[str, str], ...] = ()

    def to_json(self, examples: Sequence[Example]) -> dict[str, Any]:
        out: dict[str, Any] = {"data_sha256": digest(examples_text(examples)), "examples": len(examples)}
        for name in ("parser", "matching", "max_new_tokens", "max_prompt_tokens", "seed", "chunk_size"):
            out[name] = getattr(self, name)
        return out | {"temperature": 0.0} | dict(self.extra)


def evaluate(
    models: Sequence[ModelSpec],
    examples: Sequence[Example],
    generator_factory: GeneratorFactory,
    *,
    out_dir: Path,
    parser: str = "hermes",
    matching: str = "typed",
    max_new_tokens: int = 256,
    max_prompt_tokens: int | None = None,
    seed: int = 0,
    chunk_size: int = CHUNK_SIZE,
    progress: Callable[[str], None] | None = None,
    render: Render = render_prompt,
    judge: Judge = judge_generation,
    extra_settings: Mapping[str, str] | None = None,
) -> list[EvalRecord]:
    """Complete every example with every model at temperature 0, judge, write, and return the models' records.

    One engine serves all models that share an architecture. `generator_factory(path)` is called only where something
    is left to generate; `judge` makes each completion's record. An example whose prompt has more than
    `max_prompt_tokens` tokens, or is too long for a server, is left out, and noted. The settings (with
    `extra_settings`, such as the backend) are kept beside the records: another setting wants another folder.

    Raises:
        UsageError: no models, no examples, a label given twice, an unknown parser or matching, a folder that belongs
            to other settings or that another process writes into, or a model that no prompt fits into.
        DataError: an example id that occurs twice.
        RunError: the disk does not take the records; what was written before is kept.
    """
    _check(models, examples, max_new_tokens, chunk_size)
    get_parser(parser)
    check_mode(matching)
    ordered = sorted(examples, key=lambda e: e.id)
    extra = tuple(sorted((extra_settings or {}).items()))
    settings = Settings(parser, matching, max_new_tokens, max_prompt_tokens, seed, chunk_size, extra)
    with hold(Path(out_dir)):
        store = EvalStore(Path(out_dir))
        store.open(settings.to_json(ordered), ordered, versions())
        _Evaluation(store, ordered, generator_factory, settings, render, judge, progress).run(models)
        write_summary(store.folder)
        records = store.records()
    return [r for model in models for r in records if r.model == model.label]


class _Evaluation:
    """The state of one evaluation: which engine runs, and what is written."""

    def __init__(
        self,
        store: EvalStore,
        examples: Sequence[Example],
        factory: GeneratorFactory,
        settings: Settings,
        render: Render,
        judge: Judge,
        say: Callable[[str], None] | None,
    ) -> None:
        self._store, self._examples, self._factory = store, examples, factory
        self._settings, self._render, self._judge = settings, render, judge
        self._say = say or (lambda line: None)
        self._engine: Generator | None = None
        self._engine_shape: object = None
        self._there: dict[str, set[str]] = {}  # ids of the records, by model

    def run(self, models: Sequence[ModelSpec]) -> None:
        for model in models:
            if self._store.register(model.label, str(model.path), fingerprint(model.path), model.free):
                self._say(f"{model.label}: its weights changed since its records were written; it is evaluated anew")
        kept = self._whole_chunks(self._store.records())
        self._store.keep_only(kept)
        for record in kept:
            self._there.setdefault(record.model, set()).add(record.id)
        missing = {m.label: len(self._examples) - self._count(m.label) for m in models}
        progress = Progress(sum(missing.values()), self._say)
        try:
            for model in models:
                if missing[model.label]:
                    self._one(model, progress)
                else:
                    self._say(f"{model.label}: complete, {len(self._examples)} examples; skipped")
                if len(self._store.models[model.label].dropped) == len(self._examples):
                    raise UsageError(
                        f"{model.label}: every prompt is too long for it, so there is nothing to judge. Give a larger "
                        "--max-model-len, or, to a server, a longer context and another --out."
                    )
        finally:
            if self._engine is not None:
                self._engine.close()

    def _count(self, label: str) -> int:
        return len(self._there.get(label, ())) + len(self._store.models[label].dropped)

    def _whole_chunks(self, records: Sequence[EvalRecord]) -> list[EvalRecord]:
        """The records without those of chunks that were cut, so that these are generated as a whole again."""
        out: list[EvalRecord] = []
        for label, stored in self._store.models.items():
            mine = {r.id: r for r in records if r.model == label}
            dropped = set(stored.dropped)
            for chunk in self._chunks([e for e in self._examples if e.id not in dropped]):
                if all(e.id in mine for e in chunk):
                    out += [mine[e.id] for e in chunk]
        return out

    def _chunks(self, items: Sequence[Any]) -> list[Sequence[Any]]:
        size = self._settings.chunk_size
        return [items[i : i + size] for i in range(0, len(items), size)]

    def _one(self, model: ModelSpec, progress: Progress) -> None:
        self._say(f"{model.label}: loading {model.path}")
        engine = self._engine_for(model.path)
        s = self._settings
        self._note(model, engine)
        if hasattr(engine, "begin"):  # it keeps each answer as it comes
            engine.begin(self._store.folder, model.label, self._say)
        render = model.render or self._render
        prompts = [(e, render(e, engine.tokenizer, s.parser)) for e in self._examples]
        kept = self._drop_long(model, prompts, progress)
        dropped = set(self._store.models[model.label].dropped)  # those that a server called too long among them
        kept = [(e, p) for e, p in kept if e.id not in dropped]
        there = self._there.get(model.label, set())
        done = len(there)
        progress.start()
        for chunk in self._chunks(kept):
            if all(e.id in there for e, _ in chunk):
                continue
            records = self._generate(engine, model.label, chunk)
            self._store.append(records)
            progress.drop(len(chunk) - len(records))
            done += len(records)
            progress.add(model.label, done, len(kept), len(records), sum(r.completion_tokens for r in records))
        progress.stop()

    def _note(self, model: ModelSpec, engine: Generator) -> None:
        made = made_with(engine, max_new_tokens=self._settings.max_new_tokens, seed=self._settings.seed)
        self._store.note(model.label, made, begun=bool(self._there.get(model.label)))

    def _generate(self, engine: Generator, label: str, chunk: Sequence[Rendered]) -> list[EvalRecord]:
        s = self._settings
        outputs = engine.generate(
            [p for _, p in chunk], max_new_tokens=s.max_new_tokens, temperature=0.0, seed=s.seed, n=1
        )
        whole = [(e, p, made[0]) for (e, p), made in zip(chunk, outputs, strict=True) if made]
        if len(whole) < len(chunk):  # a server's context is shorter than some prompts
            self._store.drop(label, [e.id for (e, _), made in zip(chunk, outputs, strict=True) if not made])
            self._say(f"{label}: {len(chunk) - len(whole)} prompts are too long for the server and are left out")
        append_timings(self._store.folder, (timing_of(label, e, g, s.parser, p.reasoning_opened) for e, p, g in whole))
        return [
            self._judge(
                example,
                made.text,
                model=label,
                completion_tokens=made.length,
                prompt_tokens=len(prompt.token_ids) or made.prompt_tokens or 0,
                truncated=made.truncated,
                parser=s.parser,
                matching=s.matching,
                reasoning_opened=prompt.reasoning_opened,
            )
            for example, prompt, made in whole
        ]

    def _drop_long(self, model: ModelSpec, prompts: list[Rendered], progress: Progress) -> list[Rendered]:
        limit = self._settings.max_prompt_tokens
        if limit is None:
            return prompts
        kept = [(e, p) for e, p in prompts if len(p.token_ids) <= limit]
        if len(kept) == len(prompts):
            return prompts
        long = sorted({e.id for e, _ in prompts} - {e.id for e, _ in kept})
        stored = self._store.models[model.label]
        progress.drop(len(set(long) - set(stored.dropped)))
        self._store.drop(model.label, long)
        self._say(f"{model.label}: {len(long)} of {len(prompts)} prompts exceed {limit} tokens and are left out")
        if not kept:
            raise UsageError(f"{model.label}: every prompt exceeds {limit} tokens. Give a larger --max-model-len.")
        return kept

    def _engine_for(self, path: str | Path) -> Generator:
        """The running engine with this model's weights, or a new one where the architecture is another."""
        shape = engine_shape(path)
        if self._engine is not None and shape is not None and shape == self._engine_shape:
            self._engine.set_model(path)
            return self._engine
        if self._engine is not None:
            self._engine.close()
            self._engine = None  # so that a failing start is not followed by a second close
        self._engine, self._engine_shape = self._factory(path), shape
        return self._engine


def _check(models: Sequence[ModelSpec], examples: Sequence[Example], max_new_tokens: int, chunk_size: int) -> None:
    if not models:
        raise UsageError("no model to evaluate")
    if not examples:
        raise UsageError("no example to evaluate on")
    twice = [label for label, count in Counter(m.label for m in models).items() if count > 1]
    if twice:
        raise UsageError(f"label {twice[0]!r} is given to two models: write them as label=path")
    ids = [i for i, count in Counter(e.id for e in examples).items() if count > 1]
    if ids:
        raise DataError(ids[0], "two examples carry this id; records are kept by id")
    for name, value in (("max_new_tokens", max_new_tokens), ("chunk_size", chunk_size)):
        if value < 1:
            raise UsageError(f"{name} must be at least 1, got {value}")
