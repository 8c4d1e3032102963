"""A build that was killed, at whatever moment, and resumed gives the bytes of one that was not, on any jobs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.build import How, build, load_data_recipe
from rlvr.errors import UsageError
from tests.data.build.conftest import TINY, Build, base, digests

ROOT = Path(__file__).resolve().parents[3]
# Dies without a word, as by kill -9, at the Nth time that a file gets its name.
KILLED = """
import os, sys
from pathlib import Path
left, real = int(sys.argv[1]), Path.replace
def replace(self, target):
    global left
    left -= 1
    if left == 0 and sys.argv[2] == "before":
        os._exit(9)
    real(self, target)
    if left == 0:
        os._exit(9)
Path.replace = replace
from rlvr.data.build import How, build, load_data_recipe
from tests.data.build.conftest import TINY
build(*load_data_recipe("recipe.yaml"), "killed", How(sizes=TINY, resume=Path("killed").exists()))
"""


class Killed(BaseException):
    """What no `except Exception` catches."""


@pytest.fixture
def whole(made: Build, inputs: Path) -> dict[str, str]:
    """The bytes of a build that nobody disturbed; `recipe.yaml` is its recipe."""
    made("whole", filters={"duplicates": "exact"})
    return digests(inputs / "whole")


def resume(out: str, **how: Any) -> None:
    build(*load_data_recipe("recipe.yaml"), out, How(sizes=TINY, resume=Path(out).exists(), **how))


def commits(monkeypatch: pytest.MonkeyPatch, die_at: int, when: str = "before") -> Callable[[], int]:
    """Let the Nth file that gets its name be the last thing that happens; return how many there were."""
    real, seen = Path.replace, 0

    def replace(self: Path, target: Path) -> Path:
        nonlocal seen
        seen += 1
        if seen == die_at and when == "before":
            raise Killed
        found = real(self, target)
        if seen == die_at:
            raise Killed
        return found

    monkeypatch.setattr(Path, "replace", replace)
    return lambda: seen


def test_stopped_at_every_single_commit(whole: dict[str, str], inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = commits(monkeypatch, 0)
    resume("counted")
    total = count()
    monkeypatch.undo()
    monkeypatch.chdir(inputs)
    assert total > 30  # files of every step: read, negatives, Parquet, words
    for number in range(1, total + 1):
        out = f"stopped-{number}"
        with monkeypatch.context() as patched:
            commits(patched, number, "before" if number % 2 else "after")
            with pytest.raises(Killed):
                resume(out)
        resume(out)
        assert digests(inputs / out) == whole, number


def test_stopped_again_and_again(whole: dict[str, str], inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time it gets six files further, so that every later step begins from a resumed one."""
    tries = 0
    while True:
        tries += 1
        with monkeypatch.context() as patched:
            commits(patched, 7)
            try:
                resume("stopped")
            except Killed:
                assert tries < 100
                continue
        break
    assert tries > 5
    assert digests(inputs / "stopped") == whole


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "when"), [(2, "after"), (9, "before"), (17, "after"), (28, "before"), (36, "after")]
)
def test_killed_without_a_word(whole: dict[str, str], inputs: Path, number: int, when: str) -> None:
    (inputs / "killed.py").write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "killed.py", str(number), when]
    assert subprocess.run(words, cwd=inputs, env=environment, check=False).returncode == 9
    assert (inputs / "killed" / ".build").is_dir()
    resume("killed")
    assert digests(inputs / "killed") == whole


@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [0.0, 0.3, 1.1])
def test_killed_at_a_random_moment_with_two_jobs(whole: dict[str, str], inputs: Path, delay_s: float) -> None:
    """A larger input, so that there is time to be killed in; the workers must go with their parent."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "rlvr", "data", "build", "recipe.yaml", "--out", "big", "--jobs", "2"]
    process = subprocess.Popen(words, cwd=inputs, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not (inputs / "big" / ".build" / "begun.json").is_file() and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
    build(*load_data_recipe(inputs / "recipe.yaml"), "big", How(resume=True))
    build(*load_data_recipe(inputs / "recipe.yaml"), "undisturbed", How())
    assert digests(inputs / "big") == digests(inputs / "undisturbed")


@pytest.mark.slow
def test_the_same_bytes_on_two_jobs(whole: dict[str, str], inputs: Path) -> None:
    resume("two", jobs=2)
    assert digests(inputs / "two") == whole


def test_the_seed_decides(whole: dict[str, str], made: Build, inputs: Path) -> None:
    made("same", filters={"duplicates": "exact"})
    assert digests(inputs / "same") == whole
    made("other", filters={"duplicates": "exact"}, seed=6)
    other = {hash_ for name, hash_ in digests(inputs / "other").items() if name.startswith("data/")}
    assert other
    assert not other & set(whole.values())


@pytest.mark.parametrize(("kind", "dropped"), [("exact", 60), ("near", 60)])
def test_duplicates_are_remembered_over_a_kill(
    made: Build, inputs: Path, monkeypatch: pytest.MonkeyPatch, kind: str, dropped: int
) -> None:
    """The second source repeats the first: a resumed build must still know what the first one held."""
    if kind == "near":
        pytest.importorskip("datasketch", reason="needs the data extra")
    rows = (inputs / "a.jsonl").read_text()
    (inputs / "b.jsonl").write_text((inputs / "b.jsonl").read_text() + rows)
    made("whole", filters={"duplicates": kind, "near_threshold": 1.0})
    for number in (10, 14, 18):
        with monkeypatch.context() as patched:
            commits(patched, number)
            with pytest.raises(Killed):
                resume(f"stopped-{number}")
        resume(f"stopped-{number}")
        assert digests(inputs / f"stopped-{number}") == digests(inputs / "whole")
    manifest = json.loads((inputs / "whole" / "manifest.json").read_text())
    assert manifest["counts"]["sources"][1]["dropped"] == [
        [f"{kind}_duplicates", {"exact": "duplicate", "near": "near_duplicate"}[kind], dropped]
    ]


def _stopped(monkeypatch: pytest.MonkeyPatch, out: str = "stopped") -> None:
    with monkeypatch.context() as patched:
        commits(patched, 6)
        with pytest.raises(Killed):
            resume(out)


def test_a_changed_recipe_or_input_is_not_resumed(
    whole: dict[str, str], inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stopped(monkeypatch)
    (inputs / "recipe.yaml").write_text(json.dumps(base(filters={"duplicates": "exact"}, seed=8)))
    with pytest.raises(UsageError, match=r"the recipe changed since this build was begun.*--force"):
        resume("stopped")
    (inputs / "recipe.yaml").write_text(json.dumps(base(filters={"duplicates": "exact"})))
    with (inputs / "b.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(UsageError, match=r"inputs changed since this build was begun.*b\.jsonl"):
        resume("stopped")
    build(*load_data_recipe("recipe.yaml"), "stopped", How(sizes=TINY, force=True))
    data = {k: v for k, v in digests(inputs / "stopped").items() if k.startswith("data/")}
    assert data == {k: v for k, v in whole.items() if k.startswith("data/")}


def test_a_finished_build_of_another_recipe_is_no_answer(whole: dict[str, str], inputs: Path) -> None:
    recipe, resolved = load_data_recipe("recipe.yaml", ["seed=9"])
    with pytest.raises(UsageError, match="a finished build of another recipe"):
        build(recipe, resolved, "whole", How(sizes=TINY, resume=True))
    resume("whole")  # the same recipe: nothing to do
    assert digests(inputs / "whole") == whole


def test_what_the_folder_holds_is_respected(
    whole: dict[str, str], inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_data_recipe("recipe.yaml")
    with pytest.raises(UsageError, match="holds a finished build"):
        build(*recipe, "whole")
    before = {p: p.stat().st_mtime_ns for p in (inputs / "whole").rglob("*")}
    build(*recipe, "whole", How(resume=True))  # there is nothing left to do
    assert {p: p.stat().st_mtime_ns for p in (inputs / "whole").rglob("*")} == before
    _stopped(monkeypatch)
    with pytest.raises(UsageError, match=r"holds a build that was not finished. Go on with --resume"):
        build(*recipe, "stopped", How(sizes=TINY))
    with pytest.raises(UsageError, match="holds no build to go on with"):
        build(*recipe, "nowhere", How(resume=True))
    (inputs / "mine").mkdir()
    (inputs / "mine" / "thesis.txt").write_text("years of work")
    for how in (How(), How(force=True)):
        with pytest.raises(UsageError, match=r"holds thesis.txt, which no build wrote"):
            build(*recipe, "mine", how)
    assert (inputs / "mine" / "thesis.txt").read_text() == "years of work"


def test_two_builds_do_not_write_one_folder(
    whole: dict[str, str], inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rlvr.data.build import folder
    from rlvr.data.build.folder import BuildFolder

    monkeypatch.setattr(folder, "_LOCK_TRIES", 2)
    with BuildFolder("shared").lock(), pytest.raises(UsageError, match="another build is writing here"):
        build(*load_data_recipe("recipe.yaml"), "shared", How(sizes=TINY, resume=True))
