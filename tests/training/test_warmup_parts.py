"""The warm-up's loss: which tokens decide whether to call, and that these alone count more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("trl", reason="needs the train extra")

from rlvr.data.targets import TargetOptions  # noqa: E402
from rlvr.errors import UsageError  # noqa: E402
from rlvr.training.shared_prefix import Row  # noqa: E402
from rlvr.training.warmup import build_trainer, decision_weights, opening_ids  # noqa: E402

OPENING = (7, 8)


def weights(*rows: Row, weight: float = 3.0) -> list[float]:
    return list(decision_weights(rows, OPENING, weight).tolist())


def test_the_first_two_tokens_of_a_completion_decide() -> None:
    assert weights(Row((1, 2, 3, 4, 5, 6), 2)) == [3, 3, 1, 1]


def test_so_do_the_first_two_after_an_opening_reasoning_tag() -> None:
    assert weights(Row((1, 7, 8, 20, 21, 22), 1)) == [3, 3, 3, 3, 1]
    assert weights(Row((1, 7, 8), 1)) == [3, 3]  # nothing after it


def test_an_opening_tag_later_in_the_completion_decides_nothing() -> None:
    assert weights(Row((1, 5, 5, 7, 8, 20), 1)) == [3, 3, 1, 1, 1]


def test_rows_follow_each_other() -> None:
    assert weights(Row((1, 2, 3, 4), 1), Row((7, 8, 9, 10), 0)) == [3, 3, 1, 3, 3, 3, 3]


def test_a_weight_of_one_changes_nothing() -> None:
    assert set(weights(Row((1, 7, 8, 20, 21, 22), 1), weight=1.0)) == {1.0}


def test_the_opening_is_what_every_reasoning_block_begins_with(tiny_model: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    opening = opening_ids(tokenizer)
    assert opening
    for text in ("I should use a tool.", "應該用工具。", "Đúng vậy."):
        assert tuple(tokenizer(f"<think>\n{text}", add_special_tokens=False)["input_ids"][: len(opening)]) == opening


@pytest.mark.parametrize("weight", [0.0, 0.5, float("inf"), float("nan")])
def test_a_weight_below_one_is_told(weight: float) -> None:
    with pytest.raises(ValueError, match="decision_weight"):
        TargetOptions(decision_weight=weight)


def test_without_shared_prefixes_it_is_told() -> None:
    unused: Any = None
    with pytest.raises(UsageError, match="shared_prefix: on"):
        build_trainer(unused, unused, [{}], unused, shared=False, decision_weight=2.0, optimizer=None, callbacks=[])
