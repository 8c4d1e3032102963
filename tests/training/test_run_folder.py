"""What survives a crash: half-written checkpoints are never resumed from, a full disk is one clear error."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from rlvr.errors import RunError, UsageError  # noqa: E402
from rlvr.training.checkpoints import COMPLETE  # noqa: E402
from rlvr.training.run_folder import RunFolder, save_model, write_atomically  # noqa: E402

RECIPE = {"kind": "warmup", "name": "w", "seed": 1}


def checkpoint(folder: RunFolder, step: int, *, complete: bool) -> Path:
    path = folder.checkpoints / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(b"x")
    if complete:
        (path / COMPLETE).write_text("")
    return path


def opened(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "run")
    folder.check(RECIPE, resume=False)
    folder.open(RECIPE)
    folder.record(stage="w")
    return folder


def test_a_half_written_checkpoint_is_passed_over_and_removed(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    good = checkpoint(folder, 10, complete=True)
    broken = checkpoint(folder, 20, complete=False)
    assert folder.last_checkpoint() == good
    assert folder.drop_incomplete() == [broken]
    assert not broken.exists()
    assert good.exists()


def test_checkpoints_are_ordered_by_number_not_by_name(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    checkpoint(folder, 9, complete=True)
    tenth = checkpoint(folder, 10, complete=True)
    assert folder.last_checkpoint() == tenth


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    with pytest.raises(UsageError, match=r"holds a run already\. Continue it with --resume"):
        folder.check(RECIPE, resume=False)
    folder.check(RECIPE, resume=True)


def test_resuming_needs_a_run_and_the_same_recipe(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run to resume"):
        RunFolder(tmp_path / "none").check(RECIPE, resume=True)
    folder = opened(tmp_path)
    with pytest.raises(UsageError, match=r"another recipe\. Changed since: seed: 1 → 2\. Resume"):
        folder.check({**RECIPE, "seed": 2}, resume=True)
    folder.check({**RECIPE, "max_minutes": 5}, resume=True)


def test_lines_of_steps_that_will_be_done_again_are_dropped(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    for step in (1, 2, 3):
        folder.append(folder.metrics, {"step": step, "text": "one\u2028line"})
    with folder.metrics.open("a") as file:
        file.write('{"step": 4, "lo')  # killed while writing
    folder.rewind({}, 2)
    assert [json.loads(x)["step"] for x in folder.metrics.read_text().split("\n")[:-1]] == [1, 2]


def test_logs_go_back_to_what_they_held_at_a_checkpoint(tmp_path: Path) -> None:
    """By bytes, since a look of the selection and a log may write several lines of one step; every log there is."""
    folder = opened(tmp_path)
    other = folder.path / "other.jsonl"
    for path in (folder.metrics, other):
        folder.append(path, {"step": 2})
    sizes = folder.log_sizes()
    for path in (folder.metrics, other, folder.samples):
        folder.append(path, {"step": 2, "again": True})
        folder.append(path, {"step": 3})
    folder.rewind(sizes, 2)
    assert folder.log_sizes() == {**sizes, "samples.jsonl": len('{"step": 2, "again": true}\n')}
    assert other.read_text() == '{"step": 2}\n'


def test_checkpoints_without_their_run_are_not_trained_over(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    checkpoint(folder, 10, complete=True)
    with pytest.raises(UsageError, match=r"holds checkpoints of a run whose run\.json is gone"):
        folder.check(RECIPE, resume=False)


def test_the_data_of_a_resumed_run_must_be_the_same(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    folder.keep_data(["a", "b", "c"], resume=False)
    folder.keep_data(["a", "b", "c"], resume=True)
    with pytest.raises(UsageError, match="3 examples then, 3 now, and they differ from line 2 on"):
        folder.keep_data(["a", "x", "c"], resume=True)
    with pytest.raises(UsageError, match="3 examples then, 4 now, and they differ from line 4 on"):
        folder.keep_data(["a", "b", "c", "d"], resume=True)
    assert (folder.path / "data" / "train.jsonl").read_text() == "a\nb\nc\n"


def test_what_a_run_computes_with_must_be_the_same_when_it_goes_on(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.keep_input("curriculum.file", "a plan")
    folder.keep_input("selection.data", "examples")
    folder.keep_input("curriculum.file", "a plan")
    with pytest.raises(UsageError, match=r"curriculum\.file is not what the run was started with"):
        folder.keep_input("curriculum.file", "another plan")
    assert sorted(folder.facts()["inputs"]) == ["curriculum.file", "selection.data"]


@pytest.mark.usefixtures("two_bytes_left")
def test_a_full_disk_leaves_the_old_file_and_one_error(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("o")
    with pytest.raises(RunError, match="File too large"):
        write_atomically(path, "new")
    assert path.read_text() == "o"
    assert list(tmp_path.iterdir()) == [path]


def test_a_model_that_cannot_be_saved_leaves_the_old_one(tmp_path: Path) -> None:
    class Full(torch.nn.Module):
        def save_pretrained(self, target: Path) -> None:
            target.mkdir()
            (target / "model.safetensors").write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    target = tmp_path / "final"
    target.mkdir()
    (target / "model.safetensors").write_bytes(b"whole")
    with pytest.raises(RunError, match="Free space, then go on with --resume"):
        save_model(Full(), Full(), target)
    assert (target / "model.safetensors").read_bytes() == b"whole"
    assert [p.name for p in tmp_path.iterdir()] == ["final"]


def test_a_run_of_another_recipe_names_some_of_the_changes(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    other = {**RECIPE, **{f"key{i:02}": i for i in range(40)}}
    with pytest.raises(UsageError, match=r"key00: \(not there\) → 0; .*key11: .*; and 28 more\. Resume"):
        folder.check(other, resume=True)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("run.json", '{"stage', r"run\.json: not valid JSON: .*Put back"),
        ("run.json", "[]", r"run\.json: got list, expected an object"),
        ("recipe.yaml", ": [", r"recipe\.yaml:1: not valid YAML.*Put back"),
        ("recipe.yaml", None, r"recipe\.yaml: cannot be read.*start anew with another --out"),
    ],
)
def test_a_folder_whose_files_were_harmed_is_one_error(
    tmp_path: Path, name: str, text: str | None, message: str
) -> None:
    folder = opened(tmp_path)
    if text is None:
        (folder.path / name).unlink()
    else:
        (folder.path / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        folder.has_finished(RECIPE)
    if name == "recipe.yaml":
        with pytest.raises(UsageError, match=message):
            folder.check(RECIPE, resume=True)
