"""A checkpoint has its name only when it is whole; older ones go only after that; nothing is lost in between."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rlvr.training import checkpoints as module
from rlvr.training.checkpoints import BESIDE, COMPLETE, STATE, Checkpoints, link_tree, missing, state_of, step_of


class Killed(BaseException):
    """What no `except Exception` catches."""


def written(folder: Path, step: int) -> Checkpoints:
    """What a trainer leaves before `commit`."""
    made = Checkpoints(folder / "checkpoints")
    scratch = made.partial / f"checkpoint-{step}"
    scratch.mkdir(parents=True)
    (scratch / "model.safetensors").write_bytes(b"weights %d" % step)
    (scratch / "optimizer.pt").write_bytes(b"moments %d" % step)
    return made


def names(made: Checkpoints) -> list[str]:
    return sorted(p.name for p in made.path.iterdir() if p != made.partial)


def test_commit_names_the_checkpoint_and_keeps_the_newest(tmp_path: Path) -> None:
    for step in (9, 10, 11):
        made = written(tmp_path, step)
        path = made.commit(step, {"callbacks": {"X": 1}}, keep=2)
        assert path == made.path / f"checkpoint-{step}"
        assert made.last() == path
        assert state_of(path)["step"] == step
        assert state_of(path)["files"] == {
            "model.safetensors": len(f"weights {step}"),
            "optimizer.pt": 8 + len(str(step)),
        }
    assert names(made) == ["checkpoint-10", "checkpoint-11"]
    assert [step_of(p) for p in made.all()] == [10, 11]
    assert not [*made.partial.iterdir()]


@pytest.mark.parametrize("keep", [None, 0, 5])
def test_all_are_kept_where_no_smaller_number_is_asked_for(tmp_path: Path, keep: int | None) -> None:
    for step in (1, 2, 3):
        made = written(tmp_path, step)
        made.commit(step, {}, keep=keep)
    assert len(made.all()) == 3


def stop_at(monkeypatch: pytest.MonkeyPatch, number: int) -> Callable[[], int]:
    """Let the process die before the Nth thing that is done to the disk; return how many there were."""
    seen = 0

    def step() -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            raise Killed

    def before(owner: object, name: str) -> None:
        plain = getattr(owner, name)

        def first(*args: object, **kwargs: object) -> object:
            step()
            return plain(*args, **kwargs)

        monkeypatch.setattr(owner, name, first)

    for owner, name in (
        (Path, "write_text"),
        (Path, "rename"),
        (module.os, "fsync"),
        (module.os, "link"),
        (module.shutil, "rmtree"),
    ):
        before(owner, name)
    return lambda: seen


def test_killed_at_every_single_thing_that_a_commit_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is always a whole checkpoint to resume from, the old or the new one, each with its own selected model."""

    def begin(folder: Path) -> Checkpoints:
        model = folder / "final"
        for step in (1, 2):
            shutil.rmtree(model, ignore_errors=True)
            model.mkdir(parents=True)
            (model / "model.safetensors").write_text(f"best at {step}")
            made = written(folder, step)
            if step == 1:
                made.commit(1, {}, beside={"selected": model}, keep=1)
        return made

    with monkeypatch.context() as patched:
        made = begin(tmp_path / "counted")
        count = stop_at(patched, 0)
        made.commit(2, {}, beside={"selected": tmp_path / "counted" / "final"}, keep=1)
        total = count()
    assert total > 12
    found = set()
    for number in range(1, total + 1):
        folder = tmp_path / str(number)
        made = begin(folder)
        with monkeypatch.context() as patched:
            stop_at(patched, number)
            with pytest.raises(Killed):
                made.commit(2, {}, beside={"selected": folder / "final"}, keep=1)
        again = Checkpoints(folder / "checkpoints")
        again.drop_incomplete()
        last = again.last()
        assert last is not None, number
        found.add(step_of(last))
        assert (last / BESIDE / "selected" / "model.safetensors").read_text() == f"best at {step_of(last)}"
        assert (last / "model.safetensors").read_bytes() == b"weights %d" % step_of(last)
        assert not [*again.partial.iterdir()]
    assert found == {1, 2}


def test_a_checkpoint_that_lost_a_file_or_part_of_it_is_not_the_last(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        made = written(tmp_path, step)
        made.commit(step, {}, keep=None)
    (made.path / "checkpoint-3" / "optimizer.pt").unlink()
    (made.path / "checkpoint-2" / "model.safetensors").write_bytes(b"short")
    assert missing(made.path / "checkpoint-3") == ["optimizer.pt"]
    assert missing(made.path / "checkpoint-2") == ["model.safetensors"]
    assert made.last() == made.path / "checkpoint-1"


def test_the_selected_model_takes_no_room_twice(tmp_path: Path) -> None:
    model = tmp_path / "final"
    (model / "inner").mkdir(parents=True)
    (model / "model.safetensors").write_bytes(b"best")
    (model / "inner" / "more.json").write_text("{}")
    made = written(tmp_path, 1)
    path = made.commit(1, {}, beside={"selected": model}, keep=2)
    assert (path / BESIDE / "selected" / "model.safetensors").samefile(model / "model.safetensors")
    assert (path / BESIDE / "selected" / "inner" / "more.json").read_text() == "{}"
    assert missing(path) == []


def test_without_hard_links_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "f").write_text("x")
    monkeypatch.setattr(module.os, "link", no_links)
    link_tree(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b" / "f").read_text() == "x"
    assert not (tmp_path / "b" / "f").samefile(tmp_path / "a" / "f")


def test_other_names_are_no_checkpoints(tmp_path: Path) -> None:
    made = Checkpoints(tmp_path)
    for name in ("checkpoint-best", "checkpoint-7"):
        (tmp_path / name).mkdir()
        (tmp_path / name / COMPLETE).write_text("")
    assert made.all() == [tmp_path / "checkpoint-7"]
    assert state_of(tmp_path / "checkpoint-7") == {}
    (tmp_path / "checkpoint-7" / STATE).write_text(json.dumps({"step": 7}))
    assert made.last() == tmp_path / "checkpoint-7"
