"""A curriculum's plan: what is open when, how rows are drawn, and that a seed decides it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.difficulty import example_digest
from rlvr.errors import DataError, UsageError
from rlvr.strict import build
from rlvr.training.curriculum import CurriculumOptions, Plan, Probed, join, plan
from rlvr.types import Example

# Ten rows of each of two categories, passing 0.0, 0.1, … 0.9.
ROWS = [Probed(i, f"r{i}", "simple" if i < 10 else "irrelevance", (i % 10) / 10) for i in range(20)]


def made(generations: int = 10, prompts: int = 4, seed: int = 0, rows: list[Probed] = ROWS, **more: Any) -> Plan:
    problems: list[str] = []
    options = build(CurriculumOptions, {"file": "f", **more}, where="recipe", problems=problems)
    assert options is not None, problems
    return plan(rows, options, generations=generations, prompts=prompts, seed=seed)


def rates(plan_: Plan, generation: int) -> list[float]:
    return sorted({rate for i in plan_.opened[generation] if (rate := plan_.rows[i].pass_rate) is not None})


def test_easy_first_opens_the_easy_share_and_then_the_rest() -> None:
    found = made(order="easy_first", start=0.3, until=0.5)
    assert rates(found, 0) == [0.7, 0.8, 0.9]
    assert rates(found, 2) == [0.4, 0.5, 0.6, 0.7, 0.8, 0.9]  # 0.3 + 0.7 * 0.2 / 0.5 = 0.58 of ten rows
    assert rates(found, 5) == [i / 10 for i in range(10)]
    assert len(found.sequence) == 40


def test_hard_first_is_the_other_way_round() -> None:
    assert rates(made(order="hard_first", start=0.2), 0) == [0.0, 0.1]


def test_categories_open_alike_so_that_mastered_negatives_do_not_come_alone() -> None:
    easy_negatives = [*ROWS[:10], *(Probed(i, f"r{i}", "irrelevance", 1.0) for i in range(10, 20))]
    found = made(rows=easy_negatives, start=0.4, generations=30)
    assert Counter(found.rows[i].category for i in found.opened[0]) == {"simple": 4, "irrelevance": 4}
    drawn = Counter(found.rows[i].category for i in found.sequence)
    assert abs(drawn["simple"] - drawn["irrelevance"]) <= 6


def test_bands_by_progress_with_a_floor() -> None:
    bands = [{"until": 0.5, "least": 0.5, "most": 0.8}, {"until": 1, "least": 0.1, "most": 0.4}]
    found = made(order="band", bands=bands, floor=0)
    assert rates(found, 0) == rates(found, 4) == [0.5, 0.6, 0.7, 0.8]
    assert rates(found, 5) == rates(found, 9) == [0.1, 0.2, 0.3, 0.4]
    mastered = [*ROWS[:10], *(Probed(i, f"r{i}", "irrelevance", 1.0) for i in range(10, 20))]
    kept = made(order="band", bands=[{"least": 0.2, "most": 0.8}], floor=0.2, rows=mastered)
    assert Counter(kept.rows[i].category for i in kept.opened[0]) == {"simple": 7, "irrelevance": 2}


def test_every_open_row_comes_before_one_comes_twice_and_a_generation_holds_none_twice() -> None:
    found = made(start=1.0, generations=15)  # 60 prompts of 20 rows
    assert set(Counter(found.sequence).values()) == {3}
    assert all(len(set(prompts)) == 4 for prompts in found.prompts)
    assert set(found.sequence[:20]) == set(range(20))


def test_what_opens_later_does_not_come_alone() -> None:
    found = made(order="band", bands=[{"until": 0.5, "least": 0.5}, {"until": 1}], generations=40, floor=0)
    after = found.sequence[80:100]
    assert 0 < sum((found.rows[i].pass_rate or 0) < 0.5 for i in after) < 20


def test_the_seed_decides_and_the_plan_is_a_beginning_of_itself() -> None:
    assert made(seed=1).sequence == made(seed=1).sequence
    assert made(seed=1).sequence != made(seed=2).sequence


def test_unprobed_rows_are_dropped_and_counted_or_open_from_the_start() -> None:
    rows = [*ROWS, Probed(20, "r20", "simple", None)]
    assert made(rows=rows).counts == {"rows": 20, "dropped_unprobed": 1}
    kept = made(rows=rows, unprobed="keep")
    assert all(20 in opened for opened in kept.opened)


def test_too_few_open_prompts_are_told() -> None:
    with pytest.raises(UsageError, match="2 prompts are open when 0% of the run is done, and a generation takes 4"):
        made(start=0.1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"order": "band"}, "bands: expected with order: band"),
        ({"bands": [{"until": 1}]}, "bands: expected with order: band"),
        ({"order": "band", "bands": [{"until": 0.5}]}, "until must rise and end at 1"),
        ({"order": "band", "bands": [{"until": 1, "least": 0.9, "most": 0.1}]}, "got the band 0.9 to 0.1"),
        ({"start": 2}, "start: got 2, expected a share between 0 and 1"),
        ({"order": "easy_frist"}, "Did you mean easy_first?"),
    ],
)
def test_a_wrong_curriculum_is_told(given: dict[str, Any], message: str) -> None:
    problems: list[str] = []
    build(CurriculumOptions, {"file": "f", **given}, where="recipe", problems=problems)
    assert any(message in line for line in problems), problems


EXAMPLES = [
    Example(
        id=f"e{i}",
        source="test",
        category="irrelevance",
        messages=({"role": "user", "content": f"Question {i}"},),
        tools=(),
        ground_truth=(),
    )
    for i in range(3)
]


def probe_file(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def row(example: Example, rate: float, **more: Any) -> dict[str, Any]:
    return {"id": example.id, "k": 8, "pass_rate": rate, "digest": example_digest(example), **more}


def test_a_probe_is_joined_by_id_and_text(tmp_path: Path) -> None:
    file = probe_file(tmp_path / "p.jsonl", [row(EXAMPLES[0], 0.5), row(EXAMPLES[2], 1.0, zero_variance=True)])
    assert [(r.pass_rate, r.zero_variance) for r in join(EXAMPLES, file)] == [(0.5, False), (None, False), (1.0, True)]


def test_a_probe_of_other_examples_is_told(tmp_path: Path) -> None:
    other = probe_file(tmp_path / "p.jsonl", [{**row(EXAMPLES[0], 0.5), "digest": "0" * 16}])
    with pytest.raises(DataError, match="1 examples were probed with another text"):
        join(EXAMPLES, other)
    none = probe_file(tmp_path / "q.jsonl", [{**row(EXAMPLES[0], 0.5), "id": "else"}])
    with pytest.raises(DataError, match="holds none of the 3 training examples"):
        join(EXAMPLES, none)
