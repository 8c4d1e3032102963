"""A stop that is asked for inside a generation waits for its end; errors that are no full disk; what a merged adapter
is held to."""

from __future__ import annotations

import errno
import json
import urllib.error
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("trl", reason="needs the train extra")

from rlvr.errors import GuardError, ModelError  # noqa: E402
from rlvr.training.boundaries import between_generations  # noqa: E402
from rlvr.training.callbacks import TimeBudgetCallback  # noqa: E402
from rlvr.training.keeping import CheckpointCallback  # noqa: E402
from rlvr.training.recipe import load_recipe  # noqa: E402
from rlvr.training.run import check_reference, train, writing_failed  # noqa: E402
from rlvr.training.run_folder import RunFolder  # noqa: E402

RECIPE = """
kind: grpo
name: grpo
model: {model}
composition: function_calling
stage: stage1
rollout: transformers
precision: fp32
{more}
data:
  max_prompt_tokens: 900
  sources:
    - {{source: builtin, count: 16, seed: 2, languages: {{en: 1}}, tools_offered: {{1: 1}}}}
trl:
  per_device_train_batch_size: 4
  gradient_accumulation_steps: 1
  steps_per_generation: 4
  num_generations: 4
  max_completion_length: 8
  max_steps: 12
  learning_rate: 1.0e-4
  save_steps: 12
  {trl}
"""


def recipe(folder: Path, model: Path, more: str = "", trl: str = "") -> Any:
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(model=model, more=more, trl=trl), encoding="utf-8")
    return load_recipe(str(path))


def steps(run: Path) -> list[int]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row["step"] for row in rows if "loss" in row]


@pytest.mark.parametrize("logging", [1, 3])
def test_a_used_up_budget_ends_with_a_generation_and_its_checkpoint(
    tmp_path: Path, tiny_model: Path, logging: int, capsys: pytest.CaptureFixture[str]
) -> None:
    made = recipe(tmp_path, tiny_model, "max_minutes: 1.0e-6", f"logging_steps: {logging}")
    train(*made, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    last = folder.last_checkpoint()
    assert last is not None
    assert last.name == "checkpoint-4"
    assert folder.facts()["steps"] == 4
    assert steps(tmp_path / "run")[-1] == 4, "the row that had begun is written"
    assert capsys.readouterr().err.count("max_minutes is used up") == 1


def test_a_guard_that_reads_a_row_inside_a_generation_stops_at_its_end(tmp_path: Path, tiny_model: Path) -> None:
    made = recipe(tmp_path, tiny_model, "guards: {clipped: {above: 0.01, window: 1}}")
    with pytest.raises(GuardError, match=r"guard clipped stopped the run"):
        train(*made, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    assert folder.facts()["guards"][0]["step"] < 4
    last = folder.last_checkpoint()
    assert last is not None
    assert last.name == "checkpoint-4"
    assert [p.name for p in folder.saved.all()] == ["checkpoint-4"], "none inside the generation"


def test_between_generations() -> None:
    args = SimpleNamespace(steps_per_generation=4, num_iterations=2)
    assert [n for n in range(17) if between_generations(SimpleNamespace(args=args, _step=n))] == [0, 8, 16]
    assert between_generations(SimpleNamespace(args=SimpleNamespace(), _step=3)), "SFT has no generations"


def test_without_checkpoints_a_stop_saves_none(tmp_path: Path) -> None:
    args = SimpleNamespace(save_strategy="no", logging_strategy="steps", gradient_accumulation_steps=1, save_steps=5)
    args.logging_steps = 1
    state = SimpleNamespace(global_step=3, max_steps=9, logging_steps=1)
    keeper = CheckpointCallback(RunFolder(tmp_path), SimpleNamespace(args=args, state=state, _step=3))
    control = SimpleNamespace(should_training_stop=True, should_save=False, should_log=False)
    keeper.on_step_end(args, state, control)
    assert (control.should_training_stop, control.should_save) == (True, False)


def test_the_budget_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    budget = TimeBudgetCallback(RunFolder(tmp_path), 1e-9)
    for step in (1, 2):
        budget.on_step_end(None, SimpleNamespace(global_step=step, max_steps=9), SimpleNamespace())
    assert capsys.readouterr().err.count("max_minutes") == 1


@pytest.mark.parametrize(
    ("error", "is_the_disk"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EROFS, "Read-only file system", "/elsewhere/x"), True),
        (PermissionError(errno.EACCES, "Permission denied", "RUN/checkpoints/x"), True),
        (PermissionError(errno.EACCES, "Permission denied", "/elsewhere/x"), False),
        (RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos"), True),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), False),
        (urllib.error.URLError("a judge is down"), False),
        (TimeoutError(), False),
        (ValueError("os is not here"), False),
    ],
)
def test_what_a_full_disk_is(error: Exception, is_the_disk: bool, tmp_path: Path) -> None:
    if getattr(error, "filename", None) == "RUN/checkpoints/x":
        error = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "checkpoints" / "x"))
    assert writing_failed(error, tmp_path) is is_the_disk


def test_a_judge_that_is_down_leaves_no_run_behind(tmp_path: Path, tiny_model: Path) -> None:
    """The mended command can be given again."""
    (tmp_path / "judge.py").write_text(
        "def judge(completions, **columns):\n    raise ConnectionRefusedError(111, 'Connection refused')\n"
    )
    (tmp_path / "own.yaml").write_text(
        f"name: own\ncomponents: {{format: {{}}}}\nfunctions: {{judge: '{tmp_path / 'judge.py'}:judge'}}\n"
        "stages: {stage1: {weights: {format: 1.0, judge: 1.0}}}\n"
    )
    path = tmp_path / "recipe.yaml"
    text = RECIPE.format(model=tiny_model, more="", trl="")
    path.write_text(text.replace("composition: function_calling", f"composition: {tmp_path / 'own.yaml'}"))
    with pytest.raises(Exception, match="Connection refused") as caught:
        train(*load_recipe(str(path)), tmp_path / "run", preflight=False)
    assert "Free space" not in str(caught.value)
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_merged_adapter_has_no_reference_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    plain: Any = SimpleNamespace(kind="grpo", lora=None, trl={"beta": 0.01})
    with pytest.raises(ModelError, match=r"pulled back to the model below it.*rlvr models merge"):
        check_reference(str(tmp_path), plain)
    for other in ({"trl": {}}, {"lora": object()}, {"kind": "warmup"}):
        check_reference(str(tmp_path), SimpleNamespace(**{**vars(plain), **other}))  # type: ignore[arg-type]
    check_reference(str(tmp_path / "whole"), plain)


def test_the_drift_is_measured_over_the_rows_that_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several processes the one with fewer rows of an advantage keeps more than those."""
    import torch
    from trl import GRPOTrainer

    from rlvr.training import processes
    from rlvr.training.groups import SharedPrefixGroupTrainer
    from rlvr.training.grpo import SharedPrefixGRPOTrainer

    def loss(self: Any, model: Any, inputs: Any) -> Any:
        return self._get_per_token_logps_and_entropies(model, inputs["completion_ids"], None, 2)

    def logps(self: Any, model: Any, ids: Any, *args: Any) -> Any:
        return ids.float(), None, None

    monkeypatch.setattr(processes, "largest", lambda mine: 3)
    monkeypatch.setattr(GRPOTrainer, "_compute_loss", loss)
    monkeypatch.setattr(SharedPrefixGRPOTrainer, "_get_per_token_logps_and_entropies", logps)
    trainer: Any = SharedPrefixGroupTrainer.__new__(SharedPrefixGroupTrainer)
    trainer.model = SimpleNamespace(training=True)
    trainer.args = SimpleNamespace(steps_per_generation=1, gradient_accumulation_steps=1)
    trainer.accelerator = SimpleNamespace(gather=lambda value: value)
    trainer.beta, trainer.loss_type, trainer.num_iterations, trainer._step = 0.0, "dapo", 1, 0
    trainer.use_vllm, trainer.vllm_importance_sampling_correction = True, False
    trainer.top_entropy_quantile, trainer._entropy_bonus_enabled = 1.0, False
    trainer._metrics = {"train": {name: [] for name in _DRIFT}}
    ids = torch.tensor([[1, 2], [3, 4], [5, 6], [7, 8]])
    inputs = {
        "advantages": torch.tensor([0.0, 0.0, 1.0, -1.0]),
        "completion_ids": ids,
        "completion_mask": torch.ones_like(ids),
        # 8, 4, 2 and 1 too low: the first row is kept as well, being the first of those without an advantage.
        "sampling_per_token_logps": ids - torch.tensor([[8.0], [4.0], [2.0], [1.0]]),
    }
    trainer._compute_loss(trainer.model, inputs)
    mean, most = (trainer._metrics["train"][name][0] for name in _DRIFT)
    assert (mean, most) == (pytest.approx((8 + 2 + 1) / 3), 8.0)


_DRIFT = ("sampling/sampling_logp_difference/mean", "sampling/sampling_logp_difference/max")


def test_a_balanced_mixture_of_experts_keeps_its_rows() -> None:
    from rlvr.training.grpo import SharedPrefixGRPOTrainer

    trainer: Any = SharedPrefixGRPOTrainer.__new__(SharedPrefixGRPOTrainer)
    trainer.top_entropy_quantile, trainer._entropy_bonus_enabled = 1.0, False
    assert trainer._rows_are_independent()
    trainer.aux_loss_enabled = True
    assert not trainer._rows_are_independent()


def test_a_warm_up_has_losses_of_its_own(tmp_path: Path) -> None:
    from rlvr.training.trl_options import check_trl_options
    from rlvr.training.warmup import build_trainer

    assert check_trl_options("warmup", {"loss_type": "nll"}, "r.yaml") == []
    (said,) = check_trl_options("warmup", {"loss_type": "dapo"}, "r.yaml")
    assert "expected one of nll, dft" in said
    args: Any = SimpleNamespace(loss_type="dft")
    with pytest.raises(Exception, match="dft is not computed over shared prompts"):
        build_trainer(None, None, [{}], args, shared=True, optimizer=None, callbacks=[])


def test_a_row_of_the_log_without_a_generation_writes_no_trajectory_again(tmp_path: Path) -> None:
    from rlvr.training.trajectory_samples import TrajectorySampleCallback

    written: list[Any] = []
    folder: Any = SimpleNamespace(samples="samples", append=lambda path, row: written.append(row))
    callback = TrajectorySampleCallback(folder, {}, [], "hermes")
    callback.trainer = SimpleNamespace(_logs={"completion": [[]], "extra": {"id": ["a"], "cut": [False]}})
    callback._sample = lambda logs, index, step: {"step": step}  # type: ignore[method-assign]
    callback.on_log(None, SimpleNamespace(global_step=1), None, logs={"reward": 1.0})
    callback.on_log(None, SimpleNamespace(global_step=1), None, logs={"train_runtime": 9.0})
    assert written == [{"step": 1}]


def test_a_trajectory_that_was_cut_says_so_and_its_total_is_what_the_trainer_added_up() -> None:
    """An environment's own reward among it."""
    from rlvr.rewards import load_composition
    from rlvr.rewards.trajectory_functions import trajectory_functions
    from rlvr.training.environment import Named
    from rlvr.training.trajectory_samples import TrajectorySampleCallback

    tool = {"name": "read", "parameters": {"type": "object", "properties": {"p": {"type": "string"}}}}
    row = {
        "id": "x", "lang": "en", "query": "read a", "turns": "[1]", "expects": "any", "tools": json.dumps([tool]),
        "ground_truth": json.dumps([{"name": "read", "arguments": {"p": "a"}}]),
    }  # fmt: skip
    calls = [{"type": "function", "function": {"name": "read", "arguments": {"p": "a"}}}]
    messages = [
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "name": "read", "content": "hello"},
        {"role": "assistant", "content": "The file says hel"},
    ]
    composition = load_composition("function_calling", stage="stage1")
    logs: dict[str, Any] = {"completion": [messages], "rewards": {}, "extra": {}, "advantages": [0.0]}
    columns = {name: [value] for name, value in row.items()}
    functions: Any = trajectory_functions(composition, "hermes", (2,))
    for function in functions:
        extra = logs["extra"].__setitem__
        (score,) = Named(function)([messages], completion_ids=[[5, 6]], log_extra=extra, **columns)
        logs["rewards"][function.__name__] = [float("nan") if score is None else score]
    logs["rewards"]["FileStore"] = [1.0]
    callback = TrajectorySampleCallback(SimpleNamespace(), {}, [row], "hermes")  # type: ignore[arg-type]
    weights = torch.tensor([*composition.weights(), 1.0])
    callback.trainer = SimpleNamespace(reward_func_names=list(logs["rewards"]), reward_weights=weights)
    sample = callback._sample(logs, 0, 1)
    assert "cut" in sample["verdict"]
    paid = [w * s for w, s in zip(composition.weights(), sample["scores"].values(), strict=False) if s is not None]
    assert sample["total"] == pytest.approx(sum(paid) + 1.0)
    assert sample["scores"]["FileStore"] == 1.0
    whole = Named(functions[0])
    whole([messages], completion_ids=[[5, 2]], log_extra=logs["extra"].__setitem__, **columns)
    assert callback._sample(logs, 0, 1)["verdict"] == "the calls match, and an answer follows"
