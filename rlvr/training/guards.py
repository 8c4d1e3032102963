"""What happens when a guard fires: a checkpoint, a record, one report, and an end or a lower learning rate.

What the guards remember travels in the trainer's state (transformers' `ExportableState`), so that a resumed run counts
on and keeps the learning rate that it was lowered to.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from rlvr.errors import GuardError
from rlvr.models.adapter import holds_model
from rlvr.training.guard_options import GuardOptions
from rlvr.training.guard_rules import NON_FINITE, Firing, Watch
from rlvr.training.looks import LookCallback
from rlvr.training.run_folder import RunFolder

ADVICE = {
    "false_calls": "raise the share of examples that nothing fits (categories: irrelevance, or negatives), or lower "
    "trl.learning_rate; docs/training.md says how many refusals a stage can bear",
    "strict": "lower trl.learning_rate, or end the stage where selection did (trl.max_steps)",
    "zero_variance": "choose the prompts by difficulty (curriculum, or the difficulty filter of a data recipe), set "
    "resample, or raise trl.temperature",
    "entropy": "raise trl.temperature, lower trl.learning_rate, or give trl.entropy_coef a small value",
    "length": "lower the weight of efficiency in the composition, or trl.learning_rate",
    "clipped": "raise trl.max_completion_length, or look in samples.jsonl at what does not end; a policy that fell "
    "apart wants a lower trl.learning_rate",
    "drift": "check that the engine has the trainer's precision and takes its weights, set "
    "trl.vllm_importance_sampling_correction: true, or sample at top_p 1 and top_k 0",
    "non_finite": "lower trl.learning_rate or trl.max_grad_norm, lengthen trl.warmup_steps, or set precision: fp32",
}
"""What to change, by guard."""
SAMPLING_FAILED = ("probability tensor contains either", "invalid multinomial distribution")
"""How torch says that it was to sample from logits that are not finite."""


class GuardCallback(TrainerCallback, ExportableState):  # type: ignore[misc]
    """Asks the guards after every look and every logged step, and does what they say.

    It must stand behind the callback of the looks. It takes the gradient away from a step where that is not finite, so
    that nothing broken is saved.
    """

    def __init__(self, folder: RunFolder, options: GuardOptions, looks: LookCallback | None = None) -> None:
        self.folder, self.looks = folder, looks
        self.watch = Watch(options)
        self.lr_factor = 1.0
        self.stopped: Firing | None = None

    def state(self) -> dict[str, Any]:
        return {"args": {}, "attributes": {"memory": self.watch.memory, "lr_factor": self.lr_factor}}

    def on_train_begin(self, args: Any, state: Any, control: Any, lr_scheduler: Any = None, **kwargs: Any) -> None:
        saved = state.stateful_callbacks.setdefault(type(self).__name__, self.state())
        if state.global_step:
            self.watch.memory = dict(saved["attributes"]["memory"])
            self.lr_factor = float(saved["attributes"]["lr_factor"])
            if self.looks is not None:
                self.watch.begin([look for _, look in sorted(self.looks.looks.items()) if look not in self.looks.fresh])
        if state.is_world_process_zero:
            kept = [x for x in self.folder.facts().get("guards", []) if x["step"] <= state.global_step]
            self.folder.record(guards=kept, stopped=None)
        # By the factor as it is when a rate is asked for; what stands in the lambdas by now (a time budget) stays.
        schedule = getattr(lr_scheduler, "scheduler", lr_scheduler)
        if hasattr(schedule, "lr_lambdas"):
            schedule.lr_lambdas = [self._lowered(plain) for plain in schedule.lr_lambdas]
        self._read_looks(state, control, None, lr_scheduler)

    def _lowered(self, plain: Callable[[int], float]) -> Callable[[int], float]:
        return lambda step: plain(step) * self.lr_factor

    def on_pre_optimizer_step(
        self, args: Any, state: Any, control: Any, model: Any = None, optimizer: Any = None, **kwargs: Any
    ) -> None:
        if self.watch.options.non_finite is None:
            return
        finite = finite_gradients(model)
        if not finite:
            for parameter in model.parameters():
                parameter.grad = None  # optimizers pass over parameters without a gradient
            sys.stderr.write(f"  step {state.global_step + 1}: the gradient is not finite; the step is not taken\n")
        fired = self.watch.on_gradient(state.global_step + 1, finite)
        if fired is not None:
            self._act([fired], state, control, optimizer, kwargs.get("lr_scheduler"))

    def on_step_end(
        self, args: Any, state: Any, control: Any, optimizer: Any = None, lr_scheduler: Any = None, **kwargs: Any
    ) -> None:
        self._read_looks(state, control, optimizer, lr_scheduler)

    def on_log(
        self,
        args: Any,
        state: Any,
        control: Any,
        logs: Mapping[str, Any] | None = None,
        optimizer: Any = None,
        lr_scheduler: Any = None,
        **kwargs: Any,
    ) -> None:
        if logs and "train_runtime" not in logs:
            self._act(self.watch.on_metrics(state.global_step, logs), state, control, optimizer, lr_scheduler)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The last look: a run that has ended is not stopped, but what it says is reported."""
        for look in self._fresh():
            for fired in self.watch.on_look(look):
                self._note(fired, state, "the run has ended")

    def _read_looks(self, state: Any, control: Any, optimizer: Any, lr_scheduler: Any) -> None:
        for look in self._fresh():
            self._act(self.watch.on_look(look), state, control, optimizer, lr_scheduler)

    def _fresh(self) -> Iterator[Any]:
        while self.looks is not None and self.looks.fresh:
            yield self.looks.fresh.pop(0)

    def _act(self, fired: list[Firing], state: Any, control: Any, optimizer: Any, lr_scheduler: Any) -> None:
        for firing in fired:
            if firing.action == "stop":
                # A run that stops keeps the candidates of its selection: it may be resumed.
                if self.looks is not None:
                    self.looks.closed = False
                self.stopped = self.stopped or firing
                control.should_training_stop = control.should_save = True
                self._note(firing, state, "the run stops")
            else:
                self.lr_factor *= firing.factor
                now = lower(optimizer, lr_scheduler, firing.factor)
                self._note(firing, state, f"the learning rate is lowered to {now:.3g}, for good")

    def _note(self, firing: Firing, state: Any, deed: str) -> None:
        if not state.is_world_process_zero:
            return
        known = self.folder.facts().get("guards", [])
        self.folder.record(guards=[*known, {**firing.record(), "deed": deed}])
        self.folder.append(self.folder.metrics, firing.metrics())
        sys.stderr.write(f"  step {firing.step}: guard {firing.guard}: {firing.what}; {deed}\n")
        sys.stderr.flush()


def lower(optimizer: Any, lr_scheduler: Any, factor: float) -> float:
    """Multiply the rate of the next step by `factor`, and return it; later ones follow by the schedule's lambdas."""
    rates = []
    for group in optimizer.param_groups:
        group["lr"] *= factor
        rates.append(float(group["lr"]))
    schedule = getattr(lr_scheduler, "scheduler", lr_scheduler)
    if hasattr(schedule, "_last_lr"):
        schedule._last_lr = list(rates)  # private, but what get_last_lr() returns: the log would show the old rate
    return rates[0]


def finite_gradients(model: Any) -> bool:
    """Whether every gradient of a model is finite, over all processes. True where it has none to show (DeepSpeed)."""
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    if not grads:
        return True
    total = torch.nn.utils.get_total_norm(grads)
    total = total.full_tensor() if hasattr(total, "full_tensor") else total
    broken = (~torch.isfinite(total)).float()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(broken)
    return not bool(broken)


@contextmanager
def watched(trainer: Any, folder: RunFolder) -> Iterator[None]:
    """Raise `GuardError` with the report where a guard stopped the training inside, or sampling met logits that are not
    finite."""
    guard = next((x for x in trainer.callback_handler.callbacks if isinstance(x, GuardCallback)), None)
    try:
        yield
    except RuntimeError as error:
        if guard is None or not any(sign in str(error) for sign in SAMPLING_FAILED):
            raise
        step = trainer.state.global_step
        what = f"the policy's logits are not finite after step {step}: nothing can be sampled from them"
        guard.stopped = Firing(NON_FINITE, step, float("nan"), 0.0, "stop", 1.0, what)
        guard._note(guard.stopped, trainer.state, "the run stops")
        folder.record(stopped=guard.stopped.record())
        raise stop_error(guard.stopped, folder) from error
    if guard is not None and guard.stopped is not None:
        folder.record(stopped=guard.stopped.record())
        raise stop_error(guard.stopped, folder)


def stop_error(firing: Firing, folder: RunFolder) -> GuardError:
    """The report of a run that a guard stopped: what, what is left, what to change."""
    checkpoint, selected = folder.last_checkpoint(), folder.facts().get("selected")
    report = [f"{folder.path}: guard {firing.guard} stopped the run at step {firing.step}: {firing.what}."]
    report.append(f"Kept: {checkpoint or 'no checkpoint was written yet'}.")
    if selected and holds_model(folder.final):
        report.append(
            f"Selected so far: step {selected['step']} (strict score {selected['strict']:.3f}), in {folder.final}."
        )
    report.append(f"What to change: {ADVICE[firing.guard]}. Then start a new run with another --out.")
    report.append(
        f"To go on all the same: --resume, and the guard counts anew; guards.{firing.guard} may be changed for that."
    )
    return GuardError("\n".join(report))
