"""What launches large runs: accelerate reads its configurations, scripts parse, verl knows the keys."""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1] / "recipes"
ACCELERATE = sorted((ROOT / "accelerate").glob("*.yaml"))
SCRIPTS = [ROOT / "slurm" / "train.sbatch", ROOT / "verl" / "train.sh"]


def test_there_are_three_configurations() -> None:
    assert [p.stem for p in ACCELERATE] == ["ddp", "fsdp2", "zero3"]


@pytest.mark.parametrize("path", ACCELERATE, ids=lambda p: p.stem)
def test_accelerates_own_parser_reads_a_configuration(path: Path) -> None:
    """It raises on keys of a file that it does not know."""
    pytest.importorskip("accelerate", reason="needs the train extra")
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.utils import DistributedType

    config = load_config_from_file(str(path))
    kinds = {"ddp": DistributedType.MULTI_GPU, "fsdp2": DistributedType.FSDP, "zero3": DistributedType.DEEPSPEED}
    assert config.distributed_type == kinds[path.stem]
    assert (config.num_processes, config.num_machines, config.mixed_precision) == (8, 1, "bf16")


@pytest.mark.parametrize("path", ACCELERATE, ids=lambda p: p.stem)
def test_accelerate_launch_knows_every_inner_option(path: Path) -> None:
    """The parser takes the inner mappings as they come: what `launch` has no flag for would do nothing."""
    pytest.importorskip("accelerate", reason="needs the train extra")
    from accelerate.commands.launch import launch_command_parser

    known = {action.dest for action in launch_command_parser()._actions}
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    inner = {**loaded.get("fsdp_config", {}), **loaded.get("deepspeed_config", {})}
    assert not [key for key in inner if key not in known]
    assert inner or path.stem == "ddp"


@pytest.mark.parametrize("path", ACCELERATE, ids=lambda p: p.stem)
def test_its_launch_line_is_one_that_accelerate_and_rlvr_parse(path: Path) -> None:
    pytest.importorskip("accelerate", reason="needs the train extra")
    from accelerate.commands.launch import launch_command_parser

    from rlvr.resources import find

    words = launch_line(path)
    assert words[:2] == ["accelerate", "launch"]
    args = launch_command_parser().parse_args(words[2:])
    assert (args.config_file, args.module, args.training_script) == (f"recipes/accelerate/{path.name}", True, "rlvr")
    assert args.training_script_args[0] == "train"
    assert find("recipes", f"{args.training_script_args[1]}.yaml") is not None


def launch_line(path: Path) -> list[str]:
    """The words of the command in a file's first comment."""
    lines = [x.removeprefix("#").strip() for x in path.read_text(encoding="utf-8").splitlines() if x.startswith("#")]
    start = next(i for i, x in enumerate(lines) if x.startswith("accelerate launch"))
    command = ""
    for line in lines[start:]:
        command += " " + line.removesuffix("\\")
        if not line.endswith("\\"):
            return command.split()
    raise AssertionError(f"{path}: the launch line does not end")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_a_script_parses_and_opens_with_what_it_needs(path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    done = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = path.read_text(encoding="utf-8")
    assert text.startswith("#!/bin/bash\n")
    assert "NOT YET MEASURED HERE" in text
    assert "Needs:" in text


SLURM = """\
#!/bin/bash
# Stands in for srun, scontrol and accelerate: writes what it was told, and how it was asked to stop.
echo "$(basename "$0") $*" >> "$CALLS"
case "$(basename "$0")" in
  scontrol) [ "$1" = show ] && echo node1 ;;
  srun) shift; trap 'echo "srun stopped" >> "$CALLS"; exit 143' TERM; SLURM_PROCID=0 "$@" & wait $! ;;
  accelerate) [ -n "${LONG:-}" ] && { sleep 30 & wait $!; } ;;
esac
exit 0
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script under commands that stand in for Slurm's; returns a function that starts it, and what was called."""
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    (tmp_path / "bin").mkdir()
    for name in ("srun", "scontrol", "accelerate"):
        (tmp_path / "bin" / name).write_text(SLURM)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    for name, value in {
        "CALLS": tmp_path / "calls",
        "SLURM_JOB_ID": 77,
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_NNODES": 2,
        "SLURM_GPUS_ON_NODE": 4,
        "RLVR_ACCELERATE": ROOT / "accelerate",
    }.items():
        monkeypatch.setenv(name, str(value))

    def start(*argv: str) -> subprocess.Popen[str]:
        command = ["bash", str(SCRIPTS[0]), *argv]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start, tmp_path / "calls"


def test_a_slurm_job_launches_every_machine_and_resumes_a_run_that_has_begun(slurm: Any, tmp_path: Path) -> None:
    start, calls = slurm
    run = tmp_path / "run with a space"
    assert start("qwen3-1.7b/stage1", str(run), "ddp", "--set", "trl.max_steps=5").wait(30) == 0
    first = calls.read_text()
    assert (
        "--num_machines 2 --num_processes 8 --machine_rank 0 --main_process_ip node1 --main_process_port 20077" in first
    )
    assert f"-m rlvr train qwen3-1.7b/stage1 --out {run} --set trl.max_steps=5" in first
    assert "--resume" not in first
    run.mkdir()
    (run / "run.json").write_text("{}")
    assert start("qwen3-1.7b/stage1", str(run), "ddp").wait(30) == 0
    assert f"--out {run} --resume" in calls.read_text().removeprefix(first)


def test_a_slurm_job_whose_time_is_over_stops_its_run_and_requeues(
    slurm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal
    import time

    start, calls = slurm
    monkeypatch.setenv("LONG", "1")
    job = start("qwen3-1.7b/stage1", str(tmp_path / "run"), "zero3")
    deadline = time.monotonic() + 30
    while "accelerate launch" not in (calls.read_text() if calls.exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(30) == 0
    text = calls.read_text()
    assert text.index("srun stopped") < text.index("scontrol requeue 77")


def test_a_slurm_job_that_is_asked_for_nothing_says_what_it_takes(slurm: Any) -> None:
    start, _ = slurm
    for argv, said in (((), "usage: sbatch"), (("r", "o", "dpp"), "no such configuration. Give ddp, fsdp2 or zero3")):
        job = start(*argv)
        assert job.wait(30) == 2
        assert said in job.stderr.read()


def keys(value: Any, before: str = "") -> list[str]:
    if not isinstance(value, dict):
        return [before]
    return [k for name, inner in value.items() for k in keys(inner, f"{before}.{name}" if before else name)]


def test_the_verl_recipe_pays_by_rlvr_and_states_what_decides_a_run() -> None:
    loaded = yaml.safe_load((ROOT / "verl" / "grpo.yaml").read_text(encoding="utf-8"))
    reward = loaded["reward"]
    assert reward["custom_reward_function"]["path"] == "pkg://rlvr.integrations.verl"
    from inspect import signature

    from rlvr.integrations import verl
    from rlvr.rewards import load_composition

    told = reward["custom_reward_function"]["reward_kwargs"]
    assert set(told) <= set(signature(getattr(verl, reward["custom_reward_function"]["name"])).parameters)
    assert load_composition(told["composition"], stage=told["stage"]).stage == "stage1"
    assert loaded["algorithm"]["adv_estimator"] == "grpo"
    rollout = loaded["actor_rollout_ref"]["rollout"]
    assert (rollout["top_p"], rollout["top_k"]) == (1, -1)


@pytest.mark.trainers
def test_verl_knows_every_key_of_its_recipe() -> None:
    spec = find_spec("verl")
    if spec is None or spec.origin is None:
        pytest.skip("needs verl")
    own = Path(spec.origin).parent / "trainer" / "config" / "_generated_ppo_trainer.yaml"
    known = set(keys(yaml.safe_load(own.read_text(encoding="utf-8"))))
    ours = yaml.safe_load((ROOT / "verl" / "grpo.yaml").read_text(encoding="utf-8"))
    free = ("hydra.", "defaults", "reward.custom_reward_function.reward_kwargs.")
    mine = [k for k in keys(ours) if not k.startswith(free)]
    assert not [k for k in mine if k not in known]
    assert len(mine) > 30
