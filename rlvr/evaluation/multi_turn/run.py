"""Evaluate models on dialogues: played side by side, judged by the executors, one record a dialogue.

It shares the folder, records, engines and progress of `rlvr.evaluation.run`. Records are written as dialogues end, and
an interrupted evaluation goes on at the step that was cut (`journal`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rlvr.errors import UsageError
from rlvr.evaluation.about import versions
from rlvr.evaluation.judging import judge_generation
from rlvr.evaluation.multi_turn.conversation import Render
from rlvr.evaluation.multi_turn.dialogue import FINISHED, FORCE_QUIT, Dialogue, Said, Turn
from rlvr.evaluation.multi_turn.executors import ExecutionError, Executors, Verdict
from rlvr.evaluation.multi_turn.journal import Journal, StaleJournalError, journal_path
from rlvr.evaluation.multi_turn.playing import Asked, Say, Table
from rlvr.evaluation.multi_turn.rows import scene_of
from rlvr.evaluation.multi_turn.transcripts import NAME, keep_only, transcript
from rlvr.evaluation.progress import Progress
from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.run import GeneratorFactory, ModelSpec, Settings, _check, _Evaluation
from rlvr.evaluation.store import EvalStore
from rlvr.evaluation.summary import write_summary
from rlvr.jsonl import append_flushed
from rlvr.parsers import get_parser
from rlvr.prompts import render as render_prompt
from rlvr.training.lock import hold
from rlvr.types import Example, Outcome

MATCHING = "official"
SEATS = 64
_REASON_CHARS = 500


def evaluate_dialogues(
    models: Sequence[ModelSpec],
    examples: Sequence[Example],
    generator_factory: GeneratorFactory,
    make_executors: Callable[[], Executors],
    *,
    out_dir: Path,
    parser: str = "hermes",
    matching: str = MATCHING,
    max_new_tokens: int = 256,
    max_prompt_tokens: int | None = None,
    seed: int = 0,
    seats: int = SEATS,
    progress: Callable[[str], None] | None = None,
    render: Render = render_prompt,
    extra_settings: Mapping[str, str] | None = None,
    **_: Any,
) -> list[EvalRecord]:
    """Play every dialogue with every model at temperature 0, judge, write, and return the models' records.

    Arguments, folder and errors are those of `rlvr.evaluation.run.evaluate`; `seats` dialogues run side by side.
    `make_executors` is called where something is left to play.

    Raises `UsageError` for another `matching` too: the verdict is the official checker's; and where another process
    writes into the folder.
    """
    _check(models, examples, max_new_tokens, seats)
    get_parser(parser)
    if matching != MATCHING:
        raise UsageError(f"--matching {matching}: dialogues are judged by the official checker. Leave --matching out.")
    ordered = sorted(examples, key=lambda e: e.id)
    extra = tuple(sorted((extra_settings or {}).items()))
    settings = Settings(parser, matching, max_new_tokens, max_prompt_tokens, seed, seats, extra)
    with hold(Path(out_dir)):
        store = EvalStore(Path(out_dir))
        store.open(settings.to_json(ordered), ordered, versions())
        _Dialogues(store, ordered, generator_factory, settings, render, make_executors, progress).run(models)
        write_summary(store.folder)
        return [r for model in models for r in store.records() if r.model == model.label]


class _Dialogues(_Evaluation):
    """`_Evaluation` whose examples are dialogues."""

    def __init__(
        self,
        store: EvalStore,
        examples: Sequence[Example],
        factory: GeneratorFactory,
        settings: Settings,
        render: Render,
        make_executors: Callable[[], Executors],
        say: Callable[[str], None] | None,
    ) -> None:
        super().__init__(store, examples, factory, settings, render, judge_generation, say)
        self._make_executors = make_executors
        self._executors: Executors | None = None

    def run(self, models: Sequence[ModelSpec]) -> None:
        try:
            super().run(models)
        finally:
            if self._executors is not None:
                self._executors.close()
        for model in models:  # also of one that was killed after its last record
            journal_path(self._store.folder, model.label).unlink(missing_ok=True)

    def _whole_chunks(self, records: Sequence[EvalRecord]) -> list[EvalRecord]:
        """Every record stays: what was running beside it is in the journal."""
        keep_only(self._store.folder, {(r.model, r.id) for r in records})
        return list(records)

    def _one(self, model: ModelSpec, progress: Progress) -> None:
        executors = self._executors = self._executors or self._make_executors()
        self._say(f"{model.label}: loading {model.path}")
        engine, s = self._engine_for(model.path), self._settings
        self._note(model, engine)
        render = model.render or self._render
        table = Table(executors, render, engine.tokenizer, s.parser, s.chunk_size, s.max_prompt_tokens)

        def generate(asked: Sequence[Asked]) -> list[Said | None]:
            made = engine.generate(
                [prompt for _, prompt in asked], max_new_tokens=s.max_new_tokens, temperature=0.0, seed=s.seed, n=1
            )
            return [Said(g[0].text, g[0].length, g[0].truncated) if g else None for g in made]

        journal = Journal(self._store.folder, model.label, self._store.models[model.label].fingerprint)
        progress.start()
        try:
            self._play(model.label, table, generate, journal, progress)
        except StaleJournalError:
            self._say(f"{model.label}: what was kept of running dialogues is of another version; they begin anew")
            journal.clear()
            self._play(model.label, table, generate, journal, progress)
        progress.stop()

    def _play(
        self,
        label: str,
        table: Table,
        generate: Say,
        journal: Journal,
        progress: Progress,
    ) -> None:
        there = self._there.setdefault(label, set())
        # With a journal those that are recorded are played too, unheard: the others ran beside them.
        played = [e for e in self._examples if journal.left or e.id not in there]
        if not there:
            table.check_room(played)
        tokens = 0

        def say(asked: Sequence[Asked]) -> Sequence[Said | None]:
            nonlocal tokens
            fresh = not journal.left
            said = journal.say(asked, generate)
            tokens += sum(x.tokens for x in said if x) if fresh else 0
            return said

        for number, tick in enumerate(table.play(played, say), 1):
            new = [d for d in tick.finished if d.id not in there]
            self._keep(label, new, table.executors)
            for dialogue in tick.finished:
                table.executors.forget(scene_of(dialogue.first))
            there |= {d.id for d in new}
            if new:
                progress.add(label, len(there), len(self._examples), len(new), tokens)
                tokens = 0
            elif not journal.left:
                progress.note(
                    f"{label}: {len(there)}/{len(self._examples)} dialogues, {tick.running} running, step {number}"
                )

    def _keep(self, label: str, dialogues: Sequence[Dialogue], executors: Executors) -> None:
        if not dialogues:
            return
        judged = [(d, verdict_on(d, executors)) for d in dialogues]
        append_flushed(self._store.folder / NAME, [transcript(label, d, v) for d, v in judged])
        self._store.append([record_of(label, d, v) for d, v in judged])


def verdict_on(dialogue: Dialogue, executors: Executors) -> Verdict:
    """The official checker's verdict; a dialogue that broke off is failed, as the official runner fails it."""
    if dialogue.ending not in (FINISHED, FORCE_QUIT):
        return Verdict(False, f"multi_turn:inference_error ({dialogue.ending})", dialogue.note)
    try:
        return executors.check(scene_of(dialogue.first), dialogue.called())
    except ExecutionError as error:
        return Verdict(False, "the official checker was lost", str(error))


def record_of(label: str, dialogue: Dialogue, verdict: Verdict) -> EvalRecord:
    """A dialogue's record: tokens summed over its steps, and `completion` all its completions as JSON."""
    steps = dialogue.steps
    outcomes = {step.parsed.outcome for step in steps}
    order = (Outcome.MALFORMED, Outcome.CALLS, Outcome.ABSTAIN)
    outcome = next((o for o in order if o in outcomes), Outcome.EMPTY)
    truncated = any(step.said.truncated for step in steps)
    reason = "" if verdict.valid else ": ".join(part for part in (verdict.error, verdict.message) if part)
    return EvalRecord(
        model=label,
        id=dialogue.id,
        category=dialogue.category,
        lang=dialogue.first.lang,
        wants_call=True,
        completion=dialogue.completions(),
        completion_tokens=sum(step.said.tokens for step in steps),
        prompt_tokens=sum(step.prompt_tokens for step in steps),
        outcome=outcome.value,
        truncated=truncated,
        right=verdict.valid,
        abstained=outcome is Outcome.ABSTAIN and not truncated,
        false_call=any(_called(turn) for turn in dialogue.turns if not turn.wants_call),
        malformed=outcome is Outcome.MALFORMED,
        matching=MATCHING,
        reason=reason[:_REASON_CHARS],
    )


def _called(turn: Turn) -> bool:
    """Whether a turn holds a call, or an attempt at one."""
    return any(step.parsed.outcome in (Outcome.CALLS, Outcome.MALFORMED) for step in turn.steps)
