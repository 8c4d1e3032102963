"""Figures: valid PNGs, English labels, nothing lost where values are missing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from rlvr.evaluation.metrics import Row, rows
from rlvr.evaluation.store import EvalStore
from rlvr.report.figures import accuracy_picture, failures_picture, tokens_picture, training_picture
from rlvr.report.plotting import safe_labels, smooth
from rlvr.report.runs import load_run


def size(image: bytes) -> tuple[int, int]:
    from PIL import Image

    with Image.open(BytesIO(image)) as opened:
        opened.load()
        assert opened.format == "PNG"
        return opened.size


@pytest.fixture
def table(eval_dir: Path) -> list[Row]:
    return rows(EvalStore(eval_dir).records(), seed=0)


def test_evaluation_pictures(table: list[Row]) -> None:
    for make in (accuracy_picture, tokens_picture, failures_picture):
        picture = make(table)
        assert picture is not None
        assert size(picture.light) == size(picture.dark)
        assert picture.light != picture.dark
        assert "stage2" in picture.alt


def test_figures_say_the_figures_in_words(table: list[Row]) -> None:
    picture = accuracy_picture(table)
    assert picture is not None
    assert picture.alt.startswith("Strict accuracy over calling examples: base ")
    assert "%" in picture.alt


def test_no_rows_no_pictures() -> None:
    assert accuracy_picture([]) is None
    assert tokens_picture([]) is None
    assert failures_picture([]) is None


def test_labels_of_any_script_draw_without_a_warning(table: list[Row]) -> None:
    names = {"base": "基礎模型", "warmup": "$x^2$", "stage1": "a" * 60, "stage2": "bước hai"}
    renamed = [replace(r, model=names[r.model]) for r in table]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert accuracy_picture(renamed) is not None
        assert tokens_picture(renamed) is not None
        assert failures_picture(renamed) is not None


def test_safe_labels() -> None:
    assert safe_labels(["base", "基礎", "a$b", "x" * 30]) == ["base", "model 2", r"a\$b", "…" + "x" * 21]


def test_training_picture(run_dir: Path) -> None:
    picture = training_picture(load_run(run_dir))
    assert picture is not None
    assert picture.name == "training-stage1"
    assert size(picture.light)[0] > 1000
    for words in ("format:", "correctness:", "refusal:", "efficiency:", "completion length:", "at step 60"):
        assert words in picture.alt


def test_a_run_that_logged_nothing_has_no_picture(run_dir: Path) -> None:
    (run_dir / "metrics.jsonl").unlink()
    assert training_picture(load_run(run_dir)) is None


def test_odd_run_and_component_names(make_run: Callable[..., Path], tmp_path: Path) -> None:
    run = make_run(tmp_path / "chạy/一 $2".replace("/", "-"), 2)
    (run / "metrics.jsonl").write_text('{"step": 1, "rewards/$odd$/mean": 0.5}\n')
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = training_picture(load_run(run))
    assert picture is not None
    assert picture.name == "training-ch-y----2"


def test_smoothing_by_hand() -> None:
    assert smooth([0.0, 3.0, 6.0, 9.0], 3) == [1.5, 3.0, 6.0, 7.5]
    assert smooth([5.0], 3) == [5.0]
    assert smooth([], 3) == []
