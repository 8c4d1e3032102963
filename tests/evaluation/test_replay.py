"""Replay: a run's saved completions under another composition, by hand and against itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="needs the train or data extra")

from rlvr.cli import main
from rlvr.evaluation.replay import Replay, changes, largest, orderings, replay
from rlvr.evaluation.statistics import wilson
from rlvr.rewards import Composition, load_composition
from rlvr.rewards.batch import RewardComponent
from rlvr.training.advantages import group_advantages
from rlvr.training.sample_table import Sampled, TableInfo, write_part

TOOL = {
    "name": "get_weather",
    "description": "",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
}
THINK = "<think>Hm, the weather. Let me look.</think>\n"
REFUSAL = "I'm sorry, I can't do that."


def call(**arguments: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': 'get_weather', 'arguments': arguments})}\n</tool_call>"


RIGHT, WRONG = call(city="Hanoi", days=3), call(city="Hanoi", days=4)
# (category, language, completions of the group). In stage 1 a right call that reasoned beats a wrong direct one.
GROUPS = (
    ("simple", "en", [THINK + RIGHT, WRONG]),
    ("simple", "vi", [RIGHT, RIGHT]),
    ("irrelevance", "en", [THINK + REFUSAL, RIGHT]),
    ("irrelevance", "en", [REFUSAL, THINK + REFUSAL]),
)


def save(run: Path, composition: Composition, steps: int = 1, scale: str = "none") -> Path:
    """A run's folder as a trainer under `composition` leaves it."""
    weights = {c.name: c.weight for c in composition.components}
    info = TableInfo(composition.name, composition.stage, weights, group_size=2, scale_rewards=scale)
    for step in range(1, steps + 1):
        rows = []
        for number, (category, lang, said) in enumerate(GROUPS):
            wanted = [{"name": "get_weather", "arguments": {"city": "Hanoi", "days": 3}}]
            rows += [
                Sampled(
                    id=f"{category}-{number}",
                    category=category,
                    lang=lang,
                    query="Weather?",
                    prompt="…",
                    tools=json.dumps([TOOL]),
                    ground_truth=json.dumps(wanted if category == "simple" else []),
                    expects="any" if category == "simple" else "refuse",
                    reasoning_opened=False,
                    completion=text,
                    messages=False,
                    completion_ids=[1] * 9,
                    truncated=False,
                )
                for text in said
            ]
        columns = {n: [getattr(r, n) for r in rows] for n in ("tools", "ground_truth", "expects", "lang")}
        functions = composition.reward_functions()
        assert all(isinstance(f, RewardComponent) for f in functions)
        scores = [f([r.completion for r in rows], **columns) for f in functions]
        table = [[column[i] for column in scores] for i in range(len(rows))]
        advantages = group_advantages(table, composition.weights(), 2, scale_rewards=scale)
        for row, mine, advantage in zip(rows, table, advantages, strict=True):
            row.scores, row.advantage = dict(zip(weights, mine, strict=True)), advantage
        write_part(run, "step", step, rows, info)
    return run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return save(tmp_path / "run", load_composition("function_calling", "stage1"))


def find(items: Any, slice_name: str, name: str = "") -> Any:
    return next(i for i in items if i.slice == slice_name and (not name or i.name == name))


@pytest.mark.parametrize("scale", ["none", "group", "batch"])
def test_under_its_own_composition_nothing_changes(tmp_path: Path, scale: str) -> None:
    own = load_composition("function_calling", "stage1")
    done = replay(save(tmp_path, own, steps=2, scale=scale), own)
    assert done.drift < 1e-6
    assert all(c.change.value == pytest.approx(0, abs=1e-12) for c in changes(done))
    for ordering in orderings(done):
        for figure in (ordering.best, ordering.gained, ordering.lost, ordering.flipped):
            assert figure.value == 0
        assert ordering.correlation is None or ordering.correlation == pytest.approx(1.0)
    assert largest(done, 5) == []
    assert find(orderings(done), "all").completions == 16


def test_the_cards_inverted_stage_2_is_seen(run: Path) -> None:
    """Its wrong direct call beats the right one that reasoned, and its hallucinated call the reasoned refusal."""
    done = replay(run, load_composition("function_calling_card", "stage2"))
    everything = find(orderings(done), "all")
    assert (everything.best.value, everything.best.n) == (0.5, 4), "two of four groups have another best completion"
    assert everything.flipped.value == 0.5
    assert find(orderings(done), "category simple").best.value == 0.5
    assert find(orderings(done), "lang vi").best.value == 0.0
    assert (everything.gained.value, everything.lost.value) == (0.0, 0.0)
    assert everything.correlation is not None
    assert everything.correlation < 0.5
    shown = largest(done, 9)
    assert [len({r.group for r in shown}), len(shown)] == [3, 3], "one a group, and none of the group that stays"
    sizes = [abs(r.after.advantage - r.before.advantage) for r in shown]
    assert sizes == sorted(sizes, reverse=True)


def test_means_by_hand(run: Path) -> None:
    """Efficiency in stage 1: −0.3 for reasoning, else 0.1; three of eight reasoned. Stage 2: −1, gated where wrong."""
    found = changes(replay(run, load_composition("function_calling", "stage2")))
    efficiency = find(found, "all", "efficiency")
    assert efficiency.before == pytest.approx((3 * -0.3 + 5 * 0.1) / 8)
    # Right and direct: the two calls of group 1 and the plain refusal; all else has the floor or reasoned.
    assert efficiency.after == pytest.approx((3 * 0.1 + 5 * -1.0) / 8)
    assert efficiency.completions == 8
    assert efficiency.change.n == 4, "the interval is over groups"
    refusal = find(found, "category irrelevance", "refusal")
    assert refusal.before == refusal.after == pytest.approx((1 - 1 + 1 + 1) / 4)
    assert not [c for c in found if (c.slice, c.name) == ("category simple", "refusal")]
    before = [0.2 + 1 - 0.06, 0.2 + 0.25 + 0.02, 1.22, 1.22]
    assert find(found, "category simple", "total").before == pytest.approx(sum(before) / 4)


def test_a_group_loses_its_variance_where_the_difference_has_no_weight(run: Path) -> None:
    """The last group differs in reasoning alone; without efficiency it is the same twice, and so teaches nothing."""
    own = load_composition("function_calling", "stage1")
    done = replay(run, own.with_weights(efficiency=0.0))
    assert find(orderings(done), "category irrelevance").lost.value == 0.5
    assert find(orderings(done), "all").lost.value == 0.25
    back = replay(save(run.parent / "other", own.with_weights(efficiency=0.0)), own)
    assert find(orderings(back), "all").gained.value == 0.25


def test_a_users_function_runs(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def short(completions, **columns):\n    return [-len(c) for c in completions]\n")
    text = "name: mine\ncomponents: {format: {}}\nfunctions: {short: '%s:short'}\n"
    text += "stages: {only: {weights: {format: 1.0, short: 0.01}}}\n"
    (tmp_path / "mine.yaml").write_text(text % (tmp_path / "mine.py"))
    done = replay(run, load_composition(tmp_path / "mine.yaml"))
    assert [r.after.scores["short"] for r in done.rows] == [-len(r.row["completion"]) for r in done.rows]
    assert find(changes(done), "all", "short").before is None


def test_another_aggregation(run: Path) -> None:
    own = load_composition("function_calling", "stage1")
    done = replay(run, own, aggregation="normalize_then_sum")
    assert isinstance(done, Replay)
    table = [[r.after.scores[n] for n in done.info.weights] for r in done.rows]
    worked = group_advantages(table, own.weights(), 2, "normalize_then_sum")
    assert [r.after.advantage for r in done.rows] == pytest.approx(worked)
    assert done.drift == 0.0, "what the trainer logged was made another way, and is not compared"


def test_a_logged_advantage_that_is_not_ours_is_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from rlvr.training.sample_table import read_part, step_of

    path = run / "samples" / "step-00000001.parquet"
    rows, info = read_part(path)
    names = [f for f in Sampled.__dataclass_fields__ if f not in ("scores", "advantage")]
    again = [Sampled(**{n: r[n] for n in names}, scores={}, advantage=(r["advantage"] or 0) + 1) for r in rows]
    for row, old in zip(again, rows, strict=True):
        row.scores = {n: old[f"score_{n}"] for n in info.weights}
    write_part(run, "step", step_of(path), again, replace(info))
    assert main(["replay", str(run), "--composition", "function_calling"]) == 0
    assert "advantages differ by up to 1.000" in capsys.readouterr().out


def test_the_command_prints_what_changed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["replay", str(run), "--composition", "function_calling_card", "--stage", "stage2", "--examples", "1"]
    assert main(argv) == 0
    text = capsys.readouterr().out
    assert "1 steps, 4 groups of 2, 8 completions" in text
    assert "function_calling_card, stage2: " in text
    assert text.count("advantage +") + text.count("advantage -") == 2, "one example, before and after"
    assert "50.0 [15.0, 85.0]" in text, "the share of groups whose best completion changes, with its interval"
    assert main([*argv, "--json"]) == 0
    loaded = json.loads(capsys.readouterr().out)
    assert (loaded["groups"], loaded["completions"], len(loaded["largest"])) == (4, 8, 1)
    ordering = next(o for o in loaded["orderings"] if o["slice"] == "all")
    assert (ordering["best"]["value"], ordering["best"]["n"]) == (0.5, 4)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["nowhere", "--composition", "function_calling"], "nowhere: no such run folder"),
        (["{empty}", "--composition", "function_calling"], "has no completions under samples/"),
        (["{run}", "--composition", "function_callin"], "Did you mean function_calling"),
        (["{run}", "--composition", "function_calling", "--stage", "3"], "no stage '3'"),
        (["{run}", "--composition", "function_calling", "--examples", "-1"], "--examples: got -1"),
    ],
)
def test_mistakes_are_one_clear_error(
    argv: list[str], message: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    filled = [a.format(run=run, empty=tmp_path / "empty") for a in argv]
    assert main(["replay", *filled]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_completions_of_a_group_change_together_so_the_interval_is_of_groups(tmp_path: Path) -> None:
    """Ten times the same four groups: half of each changed group's signs flip together."""
    composition = load_composition("function_calling", "stage1")
    done = replay(save(tmp_path / "run", composition, 10), load_composition("function_calling_card", "stage2"))
    flipped = find(orderings(done), "all").flipped
    assert (flipped.value, flipped.n) == (0.5, 80)
    plain = wilson(40, 80)
    assert None not in (flipped.low, flipped.high, plain.low, plain.high)
    assert flipped.high - flipped.low > 1.2 * (plain.high - plain.low)
    same = find(orderings(replay(tmp_path / "run", composition)), "all").flipped
    assert same.value == same.low == 0.0
    assert same.high == pytest.approx(wilson(0, 40).high), "80 completions, but 40 groups"
