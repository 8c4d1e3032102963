"""Real GRPO steps with a tiny random model: metrics by category, the tables of RUN/samples, looks, and resuming.

The composition is the shipped one with a function of the test's own beside it, since a random model's completions all
earn about the same.
"""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="needs the train extra")

from rlvr.rewards import score
from rlvr.training.advantages import group_advantages
from rlvr.training.recipe import load_recipe
from rlvr.training.run import train
from rlvr.training.run_folder import RunFolder
from rlvr.training.sample_table import parts, read_part, read_steps

RECIPE = """
kind: grpo
name: grpo
model: {model}
composition: {composition}
stage: stage1
rollout: transformers
precision: fp32
log: {{completions: {kept}}}
data:
  max_prompt_tokens: 900
  sources: [{{source: builtin, count: 12, seed: 2, categories: {{simple: 0.5, irrelevance: 0.5}}}}]
trl:
  per_device_train_batch_size: 12
  num_generations: 4
  max_completion_length: 8
  max_steps: {steps}
  save_steps: 2
  learning_rate: 1e-3
  temperature: 1.0
  loss_type: dapo
  scale_rewards: group
  multi_objective_aggregation: {aggregation}
"""
LOOKS = """
selection: {every: 2, data: {max_prompt_tokens: 900, sources: [{source: builtin, split: heldout, count: 4, seed: 5}]}}
"""
COMPOSITION = """
name: with_letters
components: {{format: {{}}, correctness: {{}}, refusal: {{}}, efficiency: {{}}}}
functions: {{letters: "{file}:letters"}}
stages:
  stage1:
    weights: {{format: 0.2, correctness: 1.0, refusal: 0.3, efficiency: 0.2, letters: 0.05}}
"""
LETTERS = """
def letters(completions, **columns):
    return [float(len(set(c))) for c in completions]
"""


def make_run(folder: Path, model: Path, *, steps: int = 3, kept: int = 100, looks: bool = False, way: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "letters.py").write_text(LETTERS)
    (folder / "letters.yaml").write_text(COMPOSITION.format(file=folder / "letters.py"))
    text = RECIPE.format(
        model=model,
        composition=folder / "letters.yaml",
        steps=steps,
        kept=kept,
        aggregation=way or "sum_then_normalize",
    )
    (folder / "recipe.yaml").write_text(text + (LOOKS if looks else ""))
    train(*load_recipe(folder / "recipe.yaml"), folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    return make_run(tmp_path_factory.mktemp("recorded"), tiny_model, looks=True)


def metrics(run: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if "reward" in row]


def test_every_completion_of_a_step_is_kept_with_its_scores(run: Path) -> None:
    steps = list(read_steps(run))
    assert [step for step, _, _ in steps] == [1, 2, 3]
    for _, rows, info in steps:
        assert (len(rows), info.group_size) == (12, 4)
        assert [r["group"] for r in rows] == [0] * 4 + [1] * 4 + [2] * 4
        assert len({r["id"] for r in rows}) == 3, "a group has one example"
        for r in rows:
            given = {"tools": r["tools"], "ground_truth": r["ground_truth"], "expects": r["expects"]}
            again = score(r["completion"], **given, lang=r["lang"], truncated=r["truncated"])
            for name in ("format", "correctness", "refusal", "efficiency"):
                assert r[f"score_{name}"] == (None if again.scores[name] is None else pytest.approx(again.scores[name]))
            assert r["score_letters"] == len(set(r["completion"]))
            assert (r["outcome"], r["right"]) == (str(again.outcome), again.right)
            assert r["completion_tokens"] == len(r["completion_ids"]) <= 8
    assert {r["category"] for _, rows, _ in steps for r in rows} == {"simple", "irrelevance"}
    assert any(r["truncated"] for _, rows, _ in steps for r in rows)


@pytest.mark.parametrize("way", ["sum_then_normalize", "normalize_then_sum"])
def test_the_advantages_are_those_that_we_work_out(way: str, run: Path, tmp_path: Path, tiny_model: Path) -> None:
    """TRL's own, from a real step, against `group_advantages` in both aggregations."""
    folder = run if way == "sum_then_normalize" else make_run(tmp_path, tiny_model, steps=1, way=way)
    for _, rows, info in read_steps(folder):
        assert info.aggregation == way
        table = [[r[f"score_{name}"] for name in info.weights] for r in rows]
        found = group_advantages(table, list(info.weights.values()), 4, info.aggregation, info.scale_rewards)
        assert found == pytest.approx([r["advantage"] for r in rows], abs=2e-3)
        assert max(map(abs, found)) > 0.5, "nothing varies: the test would show nothing"


def test_the_metrics_by_category_are_those_of_the_table(run: Path) -> None:
    """Worked out again, one number at a time, from what was saved."""
    for logged, (step, rows, info) in zip(metrics(run), read_steps(run), strict=True):
        assert logged["step"] == step
        for field in ("category", "lang"):
            for value in {r[field] for r in rows}:
                mine = [r for r in rows if r[field] == value]
                assert logged[f"groups/{value}"] == len(mine) / 4
                for name, column in [(f"rewards/{c}", f"score_{c}") for c in info.weights] + [("reward", "total")]:
                    scores = [r[column] for r in mine if r[column] is not None]
                    key = f"{name}/{value}"
                    if not scores:
                        assert f"{key}/mean" not in logged
                        continue
                    assert logged[f"{key}/mean"] == pytest.approx(statistics.mean(scores), abs=1e-6)
                    assert logged[f"{key}/std"] == pytest.approx(statistics.stdev(scores), abs=1e-6)
                    groups = [{r[column] for r in mine if r["group"] == g} for g in {r["group"] for r in mine}]
                    dead = [max(g) - min(g) < 1e-6 for g in groups if None not in g]
                    assert logged[f"{key}/zero_std"] == pytest.approx(sum(dead) / len(dead))


def test_the_slices_add_up_to_what_trl_logs(run: Path) -> None:
    for logged in metrics(run):
        counts = {c: logged[f"groups/{c}"] for c in ("simple", "irrelevance") if f"groups/{c}" in logged}
        weighted = sum(n * logged[f"rewards/letters/{c}/mean"] for c, n in counts.items()) / sum(counts.values())
        assert weighted == pytest.approx(logged["rewards/letters/mean"], abs=1e-5)
        dead = sum(n * logged[f"reward/{c}/zero_std"] for c, n in counts.items()) / sum(counts.values())
        assert dead == pytest.approx(logged["frac_reward_zero_std"], abs=1e-6)


def test_looks_leave_their_completions_too(run: Path) -> None:
    logged = [json.loads(x) for x in (run / "metrics.jsonl").read_text().splitlines() if "selection/strict" in x]
    looks = [read_part(path)[0] for path in parts(run, "look")]
    assert [rows[0]["step"] for rows in looks] == [row["step"] for row in logged] == [2, 3]
    for rows, row in zip(looks, logged, strict=True):
        assert len(rows) == row["selection/n"] == 4
        assert sum(r["right"] for r in rows) / 4 == row["selection/strict"]
        assert all(r["advantage"] is None and r["score_letters"] is None for r in rows)
        assert all(r["score_format"] is not None for r in rows)


def test_a_resumed_run_has_every_step_once(run: Path, tmp_path: Path) -> None:
    """As a kill after step 3 leaves it, whose checkpoint was not complete: steps 3 and its look are done again."""
    again = tmp_path / "run"
    shutil.copytree(run, again)
    shutil.rmtree(again / "checkpoints" / "checkpoint-3")
    RunFolder(again).record(finished=None)
    for kind in ("step", "look"):
        shutil.copy(parts(again, kind)[-1], again / "samples" / f"{kind}-00000004.parquet")
    recipe, resolved = load_recipe(run.parent / "recipe.yaml", ["log.completions=8"])
    train(recipe, resolved, again, resume=True)
    assert [(step, len(rows)) for step, rows, _ in read_steps(again)] == [(1, 12), (2, 12), (3, 8)]
    assert [p.stem[-1] for p in parts(again, "look")] == ["2", "3"]
    assert [row["step"] for row in metrics(again)] == [1, 2, 3]


def test_only_whole_groups_are_kept_up_to_the_limit(tmp_path: Path, tiny_model: Path) -> None:
    run = make_run(tmp_path / "seven", tiny_model, steps=1, kept=7)
    assert [len(rows) for _, rows, _ in read_steps(run)] == [4]
    none = make_run(tmp_path / "none", tiny_model, steps=1, kept=0)
    assert not (none / "samples").exists()
    assert "rewards/letters/simple/mean" in metrics(none)[0] or "rewards/letters/irrelevance/mean" in metrics(none)[0]
