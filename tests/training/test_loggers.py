"""`log` of a recipe: mistakes before a run starts, and what reaches TensorBoard, trackio and Weights & Biases.

Each logger's own test needs its package, and no network.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("trl", reason="needs the train extra")

from rlvr.cli import main
from rlvr.errors import ConfigError, MissingExtraError
from rlvr.training import log_options, loggers
from rlvr.training.log_options import LogOptions, check_packages
from rlvr.training.recipe import load_recipe
from rlvr.training.run import train

RECIPE = """
kind: grpo
name: seen
model: {model}
composition: function_calling
stage: stage1
rollout: transformers
precision: fp32
log: {log}
data: {{max_prompt_tokens: 900, sources: [{{source: builtin, count: 4, seed: 2, categories: {{simple: 1}}}}]}}
selection:
  every: 2
  data: {{max_prompt_tokens: 900, sources: [{{source: builtin, split: heldout, count: 2, seed: 5}}]}}
trl: {{per_device_train_batch_size: 4, num_generations: 2, max_completion_length: 4, max_steps: 2, save_steps: 1,
  loss_type: dapo}}
"""


def recipe_file(folder: Path, model: Path | str, log: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.format(model=model, log=log))
    return path


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ("{to: [tensorbord]}", r"log\.to.*tensorboard, trackio, wandb"),
        ("{to: [wandb, wandb]}", "log: to: got wandb, wandb, expected each logger once"),
        ("{completions: -1}", "log: completions: got -1, expected 0 or more"),
        ("{report_every: 0}", "log: report_every: got 0, expected at least 1 step"),
        ("{too: [wandb]}", r"log\.too: unknown key\. Did you mean to\?"),
    ],
)
def test_mistakes_are_told_when_the_recipe_is_read(log: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe(recipe_file(tmp_path, "anything", log))


def test_trls_own_report_to_points_to_the_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"trl\.report_to: is governed by log\.to"):
        load_recipe(recipe_file(tmp_path, "anything", "{}"), ["trl.report_to=[wandb]"])


@pytest.mark.parametrize("name", ["tensorboard", "trackio", "wandb"])
def test_a_missing_package_is_one_clear_error_before_the_run_starts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even the model is looked for: it does not exist here. A folder that W&B left is no package."""
    left = SimpleNamespace(origin=None)  # what `find_spec` gives for a folder without __init__.py
    monkeypatch.setattr(log_options, "find_spec", lambda n: left if n == name == "wandb" else None)
    path = recipe_file(tmp_path, "no/such/model", f"{{to: [{name}]}}")
    assert main(["train", str(path), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"log.to: {name} needs {name}, which is not installed. Install it with: pip install 'rlvr[{name}]'" in error
    assert not (tmp_path / "run").exists()


def test_the_extras_that_the_errors_name_exist() -> None:
    import tomllib

    pyproject = Path(__file__).resolve().parents[2] / "pyproject.toml"
    extras = tomllib.loads(pyproject.read_text())["project"]["optional-dependencies"]
    for name in ("tensorboard", "trackio", "wandb"):
        assert extras[name][0].startswith(name)


def test_the_report_asks_for_its_packages_before_the_run_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlvr.extras.has", lambda package: package != "matplotlib")
    with pytest.raises(MissingExtraError, match=r"log\.report_every needs matplotlib"):
        check_packages(LogOptions(report_every=5))
    check_packages(LogOptions())


def test_what_is_measured_beside_the_log_reaches_the_loggers_alone() -> None:
    seen: list[dict[str, Any]] = []

    class Logger(loggers.TensorBoardCallback):  # type: ignore[misc]
        def __init__(self) -> None: ...

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            seen.append({**logs, "step": state.global_step})

    class Other(Logger.__mro__[2]):  # type: ignore[misc,name-defined]
        def on_log(self, *args: Any, **kwargs: Any) -> None:
            raise AssertionError("no logger")

    handler = SimpleNamespace(callbacks=[Other(), Logger()])
    state = SimpleNamespace(global_step=7)
    trainer = SimpleNamespace(callback_handler=handler, args=None, state=state, control=None, model=None)
    loggers.relay(trainer, {"selection/strict": 0.5})
    assert seen == [{"selection/strict": 0.5, "step": 7}]


def test_the_report_grows_with_the_run(tmp_path: Path, tiny_model: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the report extra")
    train(*load_recipe(recipe_file(tmp_path, tiny_model, "{report_every: 1}")), tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "2 logged steps" in page, "the page of the end has every step"


def test_a_report_that_fails_does_not_stop_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rlvr.training.run_folder import RunFolder

    callback = loggers.ReportCallback(RunFolder(tmp_path / "no run"), every=5)
    callback.on_log(None, SimpleNamespace(global_step=4), None)
    assert callback.process is None, "not at step 4"
    callback.on_train_end(None, SimpleNamespace(global_step=4), None)
    assert "the report could not be written" in capsys.readouterr().err


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="TensorBoard is not installed")
def test_tensorboard_gets_every_metric_and_the_looks(tmp_path: Path, tiny_model: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    path = recipe_file(tmp_path, tiny_model, "{to: [tensorboard]}")
    train(*load_recipe(path), tmp_path / "run")
    read = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    read.Reload()
    rows = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    logged = {k: v for r in rows if r["step"] == 2 for k, v in r.items() if isinstance(v, (int, float))}
    assert "rewards/format/simple/zero_std" in logged
    for name, value in logged.items():
        if name in ("step", "seconds"):
            continue
        scalars = {e.step: e.value for e in read.Scalars(f"train/{name}")}
        assert scalars[2] == pytest.approx(value, rel=1e-4), name
    assert "train/selection/strict" in read.Tags()["scalars"]


WANDB = """
import sys
from rlvr.training.recipe import load_recipe
from rlvr.training.run import train
for run in sys.argv[2:]:
    train(*load_recipe(sys.argv[1]), run)
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("wandb") is None, reason="Weights & Biases is not installed")
def test_wandb_works_without_a_network(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs in one process have a W&B run each, in their own folders; the host's name does not resolve."""
    monkeypatch.setenv("WANDB_BASE_URL", "http://wandb.invalid")
    path = recipe_file(tmp_path, tiny_model, "{to: [wandb], offline: true, project: mine}")
    runs = [str(tmp_path / "one"), str(tmp_path / "two")]
    done = subprocess.run(
        [sys.executable, "-c", WANDB, str(path), *runs], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for run in runs:
        folders = list(Path(run, "wandb").glob("offline-run-*"))
        assert len(folders) == 1
        stored = next(folders[0].glob("*.wandb")).read_bytes()
        assert b"train/rewards/format/simple/mean" in stored
        assert b"selection/strict" in stored


@pytest.mark.slow
@pytest.mark.skipif(find_spec("trackio") is None, reason="trackio is not installed")
def test_trackio_keeps_the_metrics_on_this_machine(tmp_path: Path, tiny_model: Path) -> None:
    import os

    path = recipe_file(tmp_path, tiny_model, "{to: [trackio], project: mine}")
    done = subprocess.run(
        [sys.executable, "-c", WANDB, str(path), str(tmp_path / "run")],
        env={**os.environ, "TRACKIO_DIR": str(tmp_path / "trackio")},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with sqlite3.connect(tmp_path / "trackio" / "mine.db") as database:
        stored = "".join(str(row) for row in database.execute("SELECT * FROM metrics"))
    assert "train/rewards/format/simple/mean" in stored
    assert "train/selection/strict" in stored
