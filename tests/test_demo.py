"""What `make demo` runs, and what it says of a slow machine. The commands themselves are run by the tests of each."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def demo() -> ModuleType:
    spec = importlib.util.spec_from_file_location("demo", ROOT / "scripts" / "demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_step_stands_in_its_order(demo: ModuleType, tmp_path: Path) -> None:
    found = demo.commands(tmp_path)
    assert [" ".join(command[:2]) for command in found] == [
        "models fetch",
        "data build",
        "train smollm2-135m/warmup",
        "train smollm2-135m/stage1",
        "train smollm2-135m/stage2",
        "eval base=smollm2-135m",
        f"report {tmp_path / 'warmup'}",
    ]
    assert found[3][found[3].index("--model") + 1] == str(tmp_path / "warmup")
    assert not any("max_minutes" in word for command in found for word in command)


def test_what_is_done_is_not_done_again(demo: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "heldout.jsonl").touch()
    for stage, finished in (("warmup", True), ("stage1", False)):
        (tmp_path / stage).mkdir()
        (tmp_path / stage / "run.json").write_text(json.dumps({"finished": finished}))
    found = demo.commands(tmp_path, 4)
    assert [command[1].removeprefix("smollm2-135m/") for command in found[1:3]] == ["stage1", "stage2"]
    assert "--resume" in found[1]
    assert "--resume" not in found[2]
    assert found[1][found[1].index("--set") + 1] == "max_minutes=32"
    assert found[2][found[2].index("--set") + 1] == "max_minutes=20"


@pytest.mark.parametrize(
    ("gflops", "times"),
    [(690.0, 1.0), (350.0, 1.0), (math.inf, 1.0), (70.0, 4.0)],
    ids=["same", "half", "gpu", "more"],
)
def test_a_machine_that_trains_as_far_is_told_nothing(demo: ModuleType, gflops: float, times: float) -> None:
    assert demo.told_speed("bfloat16", gflops, times) == ""


@pytest.mark.parametrize(("gflops", "times"), [(69.0, 4), (122.0, 3), (175.0, 2)])
def test_a_slow_machine_is_told_what_to_expect_and_what_helps(demo: ModuleType, gflops: float, times: int) -> None:
    told = demo.told_speed("float32", gflops, 1.0)
    assert told.startswith(
        f"This CPU multiplies {gflops:.0f} GFLOP/s in float32; one with bf16 instructions multiplied 690."
    )
    assert f"`make demo TIMES={times}`" in told
    assert f"{times} times the minutes" in told


def test_this_machine_has_a_speed(demo: ModuleType) -> None:
    name, gflops = demo.speed()
    assert name in {"float32", "bfloat16"}
    assert gflops > 0


@pytest.mark.parametrize("times", ["0", "-1", "nan", "many", "1e9"])
def test_times_that_are_none(
    demo: ModuleType, times: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["demo.py", "--out", str(tmp_path / "x"), f"--times={times}"])
    with pytest.raises(SystemExit) as ended:
        demo.main()
    assert ended.value.code == 2
    assert "--times" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
