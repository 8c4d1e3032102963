"""What a run keeps, so that a killed one goes on as if it had not been killed.

A checkpoint holds the trainer's own state and, beside it, all that the trainer forgets: its count of passes, what each
callback knows (one that has `keep` and `restore` is asked; it may name folders in `folders`), and how long the logs
were.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerState

from rlvr.errors import PreemptedError, UsageError
from rlvr.training import processes
from rlvr.training.boundaries import at_boundary, between_generations, fit_save_steps
from rlvr.training.checkpoints import BESIDE, check_fits, link_tree, state_of, step_of
from rlvr.training.job import say
from rlvr.training.run_folder import RunFolder, full_disk

# TRL's own counters, which no checkpoint of it holds: passes through the model, and tokens seen (SFTTrainer).
COUNTERS = ("_step", "_total_train_tokens")


class CheckpointCallback(TrainerCallback):  # type: ignore[misc]
    """Makes each checkpoint whole, puts one off that falls inside a generation, and leaves after a SIGTERM.

    A stop that another callback asks for inside a generation (a guard's, a used up `max_minutes`) waits for its end as
    well, at most `steps_per_generation * num_iterations` passes: what is saved then can be resumed. Add it last: it
    keeps what the others have done at the step.
    """

    def __init__(self, folder: RunFolder, trainer: Any) -> None:
        self.folder, self.trainer = folder, trainer
        self.owed = self.leaving = self.told = self.stopping = False
        note = fit_save_steps(trainer.args)
        if note:
            say(note)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within it a SIGTERM asks for a checkpoint and a stop, instead of ending the process at once."""

        def remember(number: int, frame: Any) -> None:
            if not self.told:  # a launcher may repeat what the scheduler has sent already
                self.told = True
                say("SIGTERM: stopping at the next step where a checkpoint can be made")

        try:
            before = signal.signal(signal.SIGTERM, remember)
        except ValueError:  # not in the main thread: whoever runs this minds the signals
            yield
            return
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def on_train_begin(self, args: Any, state: Any, control: Any, train_dataloader: Any = None, **kwargs: Any) -> None:
        state.compute_steps(args, state.max_steps)  # a resumed run's own `save_steps`, not its checkpoint's
        wind_sampler(train_dataloader, int(state.epoch or 0))

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.leaving = self.leaving or processes.any_of(self.told)
        ended = state.global_step >= state.max_steps
        self.stopping = self.stopping or control.should_training_stop
        self.owed = self.owed or control.should_save or self.leaving or (self.stopping and _saves(args))
        here = ended or at_boundary(self.trainer)
        if self.stopping and not ended:
            here = between_generations(self.trainer)
            control.should_training_stop = here
            control.should_log = control.should_log or here  # the row that has begun ends with the run
        control.should_save = self.owed and here

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A guard that reads a logged row speaks after the end of its step: transformers would save at once."""
        if between_generations(self.trainer) or state.global_step >= state.max_steps:
            return
        self.stopping = self.stopping or control.should_training_stop
        self.owed = self.owed or control.should_save
        control.should_save = control.should_training_stop = False

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        processes.barrier()  # every process has written its part
        processes.from_main(lambda: self._commit(state.global_step, args.save_total_limit))
        self.owed = False
        if self.leaving:
            stop = PreemptedError(f"stopped by SIGTERM after step {state.global_step}, which is saved.")
            stop.told_by_main = not processes.is_main()
            raise stop

    def _commit(self, step: int, keep: int | None) -> None:
        kept = {
            "processes": processes.count(),
            "trainer": {name: getattr(self.trainer, name) for name in COUNTERS if hasattr(self.trainer, name)},
            "callbacks": {type(c).__name__: c.keep() for c in _keepers(self.trainer)},
            "logs": self.folder.log_sizes(),
        }
        beside = {n: path for c in _keepers(self.trainer) if hasattr(c, "folders") for n, path in c.folders().items()}
        try:
            self.folder.saved.commit(step, kept, beside=beside, keep=keep)
        except OSError as error:
            raise full_disk(self.folder, error) from error


def _saves(args: Any) -> bool:
    return str(getattr(args.save_strategy, "value", args.save_strategy)) != "no"


def resume(trainer: Any, folder: RunFolder) -> Path | None:
    """Put a trainer's callbacks, counters and logs back to the last whole checkpoint and return it, or to the start.

    Raises:
        UsageError: the run was started with another number of processes.
        ModelError: the checkpoint is of another model.
    """
    checkpoint = processes.from_main(lambda: _rewind(folder))
    state = state_of(checkpoint) if checkpoint else {}
    before = state.get("processes", processes.count())
    if before != processes.count():
        raise UsageError(
            f"{checkpoint}: was made by {before} processes, and now there are {processes.count()}: a step would be "
            f"another. Launch {before}, or start a new run with another --out."
        )
    if checkpoint is not None:
        check_fits(checkpoint, trainer.accelerator.unwrap_model(trainer.model))
        _tell_of_no_tied_weight(trainer)
    for name, value in state.get("trainer", {}).items():
        setattr(trainer, name, value)
    for callback in _keepers(trainer):
        callback.restore(state.get("callbacks", {}).get(type(callback).__name__), checkpoint)
    return checkpoint


def _tell_of_no_tied_weight(trainer: Any) -> None:
    """A head tied to the embedding stands in no checkpoint; transformers' trainer would warn that it is missing."""
    tied = set(getattr(trainer.accelerator.unwrap_model(trainer.model), "all_tied_weights_keys", None) or ())
    warn = getattr(trainer, "_issue_warnings_after_load", None)  # no public word
    if warn is None:
        return

    def warn_of_others(result: Any) -> None:
        result.missing_keys[:] = [key for key in result.missing_keys if key not in tied]
        warn(result)

    trainer._issue_warnings_after_load = warn_of_others


def _rewind(folder: RunFolder) -> Path | None:
    for path in folder.drop_incomplete():
        say(f"left out {path.name}: it was not written to its end")
    checkpoint = folder.last_checkpoint()
    for path in folder.saved.all()[::-1]:
        if path == checkpoint:
            break
        say(f"left out {path.name}: files of it are missing or have another size")
    step = step_of(checkpoint) if checkpoint else 0
    folder.rewind(state_of(checkpoint).get("logs", {}) if checkpoint else {}, step if checkpoint else -1)
    say(f"resuming from step {step}" if checkpoint else "no complete checkpoint: starting from the beginning")
    return checkpoint


def has_ended(trainer: Any, checkpoint: Path) -> bool:
    """Whether nothing is left to train behind a checkpoint: the trainer itself would take one more step."""
    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    return state.global_step >= state.max_steps or any(
        c.is_used_up() for c in trainer.callback_handler.callbacks if hasattr(c, "is_used_up")
    )


def finish(trainer: Any, checkpoint: Path) -> None:
    """Bring a run to its end that was killed between its last step and its end."""
    trainer._load_from_checkpoint(str(checkpoint))  # there is no public word for loading weights alone
    trainer.state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    trainer.state.is_world_process_zero = processes.is_main()
    trainer.callback_handler.on_train_end(trainer.args, trainer.state, trainer.control)


def wind_sampler(dataloader: Any, epochs: int) -> None:
    """Bring TRL's sampler to where it was after `epochs`: it draws each epoch's order from where the last one ended.

    (torch's own samplers are told the epoch by the trainer; TRL's has no word for it.)
    """
    sampler = getattr(dataloader, "batch_sampler", None)
    sampler = getattr(sampler, "batch_sampler", sampler)  # of several processes each has a part of it
    sampler = getattr(sampler, "sampler", None)
    if sampler is not None and type(sampler).__name__ == "RepeatSampler" and sampler.shuffle:
        for _ in range(epochs):
            torch.randperm(sampler.num_samples, generator=sampler.generator)


def restore_folder(name: str, target: Path, checkpoint: Path | None) -> None:
    """Put a folder back as it was when a checkpoint was made; remove it where it was not there, or came later."""
    from rlvr.training.run_folder import swap_in

    kept = checkpoint / BESIDE / name if checkpoint else None
    if kept is None or not kept.is_dir():
        swap_in(None, target)
        return
    scratch = target.with_name(f".{target.name}.tmp")
    link_tree(kept, scratch)
    swap_in(scratch, target)


def _keepers(trainer: Any) -> list[Any]:
    return [c for c in trainer.callback_handler.callbacks if hasattr(c, "keep") and hasattr(c, "restore")]
