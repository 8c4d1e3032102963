"""TensorBoard, trackio and Weights & Biases through transformers' own callbacks; and the report that grows.

`report_to` makes transformers' callbacks. What is added here: they come last, so that they close after what still logs
at a run's end; they write into the run folder; a resumed run goes on in the same place; and what rlvr measures beside
the steps (looks at held-out examples) reaches them too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from transformers import TrainerCallback
from transformers.integrations import TensorBoardCallback, TrackioCallback, WandbCallback

from rlvr.errors import UsageError
from rlvr.training.job import Job, say
from rlvr.training.run_folder import RunFolder

_KINDS: dict[str, Any] = {"tensorboard": TensorBoardCallback, "trackio": TrackioCallback, "wandb": WandbCallback}


def logging_options(job: Job) -> dict[str, Any]:
    """What the trainer's configuration is told: the loggers, and a run name that a resumed run has again."""
    log = job.recipe.log
    if not log.to:
        return {"report_to": []}
    name = job.folder.facts().get("log_name")
    if name is None:
        # Two runs of one recipe must not share a name: trackio would go on with the first.
        name = f"{job.recipe.name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
        if os.environ.get("RANK", "0") == "0":  # the other processes log nothing
            job.folder.record(log_name=name)
    return {"report_to": list(log.to), "run_name": name, "project": log.project}


def place_loggers(trainer: Any, job: Job) -> None:
    """Set up what `log` asks for, after every other callback was added."""
    from rlvr.training.looks import LookCallback

    main = trainer.is_world_process_zero()
    for kind in (_KINDS[name] for name in job.recipe.log.to):
        callback: Any = trainer.pop_callback(kind)
        if kind is TensorBoardCallback and main:
            callback = _tensorboard(job.folder)
        if kind is WandbCallback and main:
            _start_wandb(trainer.args, job)
        trainer.add_callback(callback)
    if job.recipe.log.to:
        for callback in trainer.callback_handler.callbacks:
            if isinstance(callback, LookCallback):
                callback.tell = lambda values: relay(trainer, values)
        trainer.add_callback(_Close(main))
    if job.recipe.log.report_every is not None and main:
        trainer.add_callback(ReportCallback(job.folder, job.recipe.log.report_every))


def relay(trainer: Any, values: Mapping[str, Any]) -> None:
    """Hand values that were measured beside the trainer's own log to its loggers, at the present step."""
    kinds: Any = tuple(_KINDS.values())
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, kinds):
            callback.on_log(trainer.args, trainer.state, trainer.control, model=trainer.model, logs=dict(values))


class _TensorBoard(TensorBoardCallback):  # type: ignore[misc]
    """transformers' own, without its complaint about metrics that had no value in a step."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        super().on_log(args, state, control, logs={k: v for k, v in (logs or {}).items() if v is not None}, **kwargs)


def _tensorboard(folder: RunFolder) -> TensorBoardCallback:
    """Into RUN/tensorboard; what a resumed run does again is hidden."""
    from torch.utils.tensorboard import SummaryWriter

    last = folder.last_checkpoint() if "resumed" in folder.facts() else None
    purge = int(last.name.rsplit("-", 1)[1]) + 1 if last else None
    return _TensorBoard(SummaryWriter(str(folder.path / "tensorboard"), purge_step=purge))


def _start_wandb(args: Any, job: Job) -> None:
    """Open the run before transformers would, with its files in the run folder. Raises `UsageError` where it cannot."""
    import wandb

    if job.recipe.log.offline:
        os.environ["WANDB_MODE"] = "offline"
    try:
        wandb.init(
            project=job.recipe.log.project, name=args.run_name, id=args.run_name, resume="allow", dir=job.folder.path
        )
    except Exception as error:
        raise UsageError(
            f"log.to: wandb: cannot be started: {error}. Log in with `wandb login`, or set log.offline: true."
        ) from error


class _Close(TrainerCallback):  # type: ignore[misc]
    """Ends the W&B run with the training, so that a second recipe in the same process has one of its own."""

    def __init__(self, main: bool) -> None:
        self.main = main

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.main and "wandb" in args.report_to:
            import wandb

            wandb.finish()


class ReportCallback(TrainerCallback):  # type: ignore[misc]
    """Writes RUN/report.html anew every so many steps and at the end, in a process of its own.

    Drawing takes seconds, and a report that fails must not stop a run. While one is being written none is started.
    """

    def __init__(self, folder: RunFolder, every: int) -> None:
        self.folder, self.every = folder, every
        self.process: subprocess.Popen[bytes] | None = None

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step % self.every == 0 and (self.process is None or self.process.poll() is not None):
            self.start()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.process is not None:
            self.process.wait()
        self.start()
        assert self.process is not None
        if self.process.wait():
            say(f"the report could not be written: see `rlvr report {self.folder.path}`")

    def start(self) -> None:
        command = [sys.executable, "-m", "rlvr", "report", str(self.folder.path)]
        quiet = subprocess.DEVNULL
        # Nothing of a launcher's and of a device: the child draws, and that is all.
        env = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
        env |= {"CUDA_VISIBLE_DEVICES": ""}
        self.process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, env=env)
        with suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, self.process.pid, 10)
