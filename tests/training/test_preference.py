"""Rollouts as training data: which completions become pairs, that prompts are the rollouts', and what is refused."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="needs the train or data extra")

from rlvr.cli import main
from rlvr.data.sources.jsonl import example_from_row
from rlvr.data.targets import target
from rlvr.errors import DataError, UsageError
from rlvr.training.preference import PairOptions, export_best, export_pairs
from rlvr.training.preference.groups import read_all
from rlvr.training.preference.mistakes import KINDS, mistake
from rlvr.training.sample_table import Sampled, TableInfo, write_part

TOOLS = [
    {
        "name": name,
        "description": "",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
    }
    for name in ("get_weather", "get_tides")
]
WANTED = [{"name": "get_weather", "arguments": {"city": "Hanoi", "days": 3}}]
INFO = TableInfo("function_calling", "stage1", {"format": 1.0}, group_size=4)
NO = "I'm sorry, I can't do that."


def call(name: str = "get_weather", **arguments: Any) -> str:
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


RIGHT = call(city="Hanoi", days=3)
WRONG = call(city="Hanoi", days=4)


def row(name: str, said: str, total: float | None, *, wants: Any = WANTED, **more: Any) -> Sampled:
    values: dict[str, Any] = {
        "id": name,
        "category": "simple" if wants else "irrelevance",
        "lang": "en",
        "query": "Weather?",
        "prompt": f"prompt of {name}\n",
        "tools": json.dumps(TOOLS),
        "ground_truth": json.dumps(wants),
        "expects": "any" if wants else "refuse",
        "reasoning_opened": False,
        "completion": said,
        "messages": False,
        "completion_ids": list(range(len(said) // 4 + 1)),
        "truncated": False,
        "scores": {"format": total},
        "advantage": 0.0,
    }
    return Sampled(**{**values, **more})


def save(run: Path, *steps: list[Sampled], finished: bool = True) -> Path:
    """A run's folder, with one part for each list of rows; every four rows are a group."""
    for number, rows in enumerate(steps, start=1):
        write_part(run, "step", number, rows, INFO)
    (run / "run.json").write_text(json.dumps({"finished": "2026-01-01T00:00:00Z" if finished else None}))
    return run


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("said", "wants", "kind"),
    [
        ("<tool_call>\n{", WANTED, "malformed"),
        ("", WANTED, "empty"),
        (RIGHT, [], "false_call"),
        ("The weather is fine.", [], "wrong_words"),
        (NO, WANTED, "refused_call"),
        (call("get_tides", city="Hanoi", days=3), WANTED, "wrong_tool"),
        (RIGHT, [*WANTED, {"name": "get_tides", "arguments": {"city": "Hue"}}], "missing_call"),
        (RIGHT + call("get_tides", city="Hue"), WANTED, "surplus_call"),
        (call(city="Hanoi"), WANTED, "missing_argument"),
        (call(city="Hanoi", days=3, unit="C"), WANTED, "invented_argument"),
        (WRONG, WANTED, "wrong_value"),
        (call(city="Hanoi", days="3"), WANTED, "wrong_value"),
        (RIGHT, WANTED, "right_earned_less"),
    ],
)
def test_a_mistake_has_one_kind(tmp_path: Path, said: str, wants: Any, kind: str) -> None:
    run = save(tmp_path, [row("a", said, 0.0, wants=wants)] * 4)
    ((group, info),) = read_all([run / "samples" / "step-00000001.parquet"])
    assert (mistake(group.rows[0]), info) == (kind, INFO)
    assert kind in KINDS
    assert mistake({**group.rows[0], "truncated": True}) == "truncated"


def test_a_pair_is_the_best_right_one_and_a_wrong_one(tmp_path: Path) -> None:
    long = "<think>Hm.</think>\n" + RIGHT
    rows = [row("a", WRONG, 0.2), row("a", long, 1.0), row("a", RIGHT, 1.0), row("a", "Sure. " + RIGHT, 0.9)]
    done = export_pairs(save(tmp_path, rows), tmp_path / "out.jsonl")
    (pair,) = read(tmp_path / "out.jsonl")
    # Two right ones earned 1.0: the shorter is chosen. 0.9 is right too, so it is not rejected.
    assert (pair["prompt"], pair["chosen"], pair["rejected"]) == ("prompt of a\n", RIGHT, WRONG)
    assert (pair["margin"], pair["chosen_total"], pair["rejected_total"]) == (pytest.approx(0.8), 1.0, 0.2)
    assert (pair["mistake"], pair["id"], pair["step"], done.rows) == ("wrong_value", "a", 1, 1)
    assert "wrong" in pair["rejected_reason"] or "not the wanted" in pair["rejected_reason"]


def test_margin_truncation_and_what_may_be_rejected(tmp_path: Path) -> None:
    rows = [
        row("a", RIGHT, 1.0),
        row("a", WRONG, 0.9000001),  # 32 bits: this is the margin of 0.1
        row("a", NO, 0.95),
        row("a", "<tool_call>", 0.0, truncated=True),
    ]
    run = save(tmp_path, rows + [row("b", RIGHT, 1.0), row("b", "Sure. " + RIGHT, 0.5)] * 2)

    def rejected(**options: Any) -> list[tuple[str, str]]:
        export_pairs(run, tmp_path / "out.jsonl", PairOptions(per_prompt=9, **options), force=True)
        return sorted((p["rejected"], p["mistake"]) for p in read(tmp_path / "out.jsonl"))

    assert rejected() == [(WRONG, "wrong_value")]
    assert rejected(min_margin=0.05) == [(WRONG, "wrong_value"), (NO, "refused_call")]
    assert rejected(truncated=True) == [("<tool_call>", "truncated"), (WRONG, "wrong_value")]
    assert rejected(rejected="any") == [(WRONG, "wrong_value"), ("Sure. " + RIGHT, "right_earned_less")]
    for bad in ({"min_margin": 0.0}, {"min_margin": float("nan")}, {"per_prompt": 0}):
        with pytest.raises(UsageError, match="expected"):
            PairOptions(**bad)


def test_kinds_are_spread_and_prompts_limited(tmp_path: Path) -> None:
    """Every prompt has many wrong values and one refusal: by itself a refusal would be a quarter of the pairs."""
    steps = []
    for step in range(3):
        rows = []
        for prompt in range(6):
            said = [RIGHT, call(city="Hanoi", days=10 + step), call(city="Hanoi", days=20 + step), NO]
            rows += [row(f"p{prompt}", text, 1.0 if text == RIGHT else 0.0) for text in said]
        steps.append(rows)
    run = save(tmp_path, *steps)
    export_pairs(run, tmp_path / "one.jsonl", PairOptions(per_prompt=1))
    kinds = [p["mistake"] for p in read(tmp_path / "one.jsonl")]
    assert (kinds.count("wrong_value"), kinds.count("refused_call")) == (3, 3)
    export_pairs(run, tmp_path / "all.jsonl", PairOptions(per_prompt=50))
    pairs = read(tmp_path / "all.jsonl")
    # Six wrong values in three steps; the refusal was said three times and stands once.
    assert len(pairs) == 6 * (6 + 1)
    assert len({(p["prompt"], p["rejected"]) for p in pairs}) == len(pairs)
    assert [p["step"] for p in pairs] == sorted(p["step"] for p in pairs)


def test_the_seed_decides_and_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    rows = []
    for prompt in range(20):
        rows += [row(f"p{prompt}", RIGHT, 1.0)] + [
            row(f"p{prompt}", call(city="Hanoi", days=d), 0.0) for d in (4, 5, 6)
        ]
    run = save(tmp_path, rows)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        export_pairs(run, tmp_path / f"{name}.jsonl.gz", PairOptions(per_prompt=1, seed=seed))
    a, b, c = ((tmp_path / f"{name}.jsonl.gz").read_bytes() for name in "abc")
    assert a == b != c


def test_the_balance_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row("a", RIGHT, 1.0), *[row("a", WRONG, 0.0)] * 3]
    rows += [
        row("n", "Rất tiếc, tôi không có công cụ nào để làm việc đó.", 0.5, wants=[], lang="vi"),
        *[row("n", RIGHT, -0.5, wants=[], lang="vi")] * 3,
    ]
    rows += [row("r", RIGHT, 1.0)] * 4 + [row("w", WRONG, 0.0)] * 4
    rows += [row("t", json.dumps([{"role": "assistant", "content": RIGHT}]), 1.0, messages=True)] * 4
    run = save(tmp_path, rows, finished=False)
    assert main(["export", str(run), "--to", "dpo", "--out", str(tmp_path / "p.jsonl")]) == 0
    told = capsys.readouterr().out
    assert "20 completions in 5 groups of 5 prompts" in told
    for reason in ("every completion is right", "no completion is right", "a trajectory of several turns"):
        assert f"1 groups give nothing: {reason}" in told
    assert "2 rows of 2 prompts" in told
    assert "a call 1 (50.0%), no call 1 (50.0%)" in told
    assert "irrelevance 1 (50.0%)" in told
    assert "vi 1 (50.0%)" in told
    assert "false_call" in told
    assert "means: margin 1.0" in told
    assert "the run has not finished" in told
    assert "not checked against a tokenizer" in told


@pytest.mark.parametrize(
    ("totals", "why"),
    [
        ([(RIGHT, 1.0)] * 4, r"every completion is right \(1 groups\)"),
        ([(WRONG, 0.0)] * 4, r"no completion is right \(1 groups\)"),
        ([(RIGHT, 0.5)] + [(WRONG, 0.5)] * 3, r"nothing wrong earned less by the margin \(1 groups\)"),
    ],
)
def test_nothing_to_write_says_why_and_leaves_no_file(tmp_path: Path, totals: list[Any], why: str) -> None:
    run = save(tmp_path, [row("a", said, total) for said, total in totals])
    with pytest.raises(UsageError, match=why):
        export_pairs(run, tmp_path / "out.jsonl")
    assert not list(tmp_path.glob("*out*"))


def test_rows_without_a_score_or_cut_alone_say_so(tmp_path: Path) -> None:
    cut = [row("a", RIGHT, 1.0)] + [row("a", "<tool", 0.0, truncated=True)] * 3
    with pytest.raises(
        UsageError, match=r"what is wrong is truncated alone \(1 groups\); without a score \(1 groups\)"
    ):
        export_pairs(save(tmp_path, cut + [row("b", RIGHT, None)] * 4), tmp_path / "out.jsonl")


def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(source: Path, *more: str, out: str = "x.jsonl") -> str:
        assert main(["export", str(source), "--to", "dpo", "--out", str(tmp_path / out), *more]) == 2
        told = capsys.readouterr().err
        assert "Traceback" not in told
        return told

    assert "no such run folder" in fails(tmp_path / "nowhere")
    (tmp_path / "warmup").mkdir()
    (tmp_path / "warmup" / "run.json").write_text("{}")
    assert "has no completions under samples/" in fails(tmp_path / "warmup")
    rows = [row("a", RIGHT, 1.0), *[row("a", WRONG, 0.0)] * 3]
    run = save(tmp_path / "runs" / "stage1", rows)
    assert f"Give one of them: {run}" in fails(run.parent)
    assert "ends in .jsonl" in fails(run, out="x.csv")
    assert "--dtype: goes with --to merged, not dpo" in fails(run, "--dtype", "float32")
    assert "per_prompt: got 0" in fails(run, "--per-prompt", "0")
    assert "give --tokenizer" in fails(run, "--form", "conversational")
    kept = (run / "run.json").read_text()
    (run / "run.json").write_text('{"finished": ')
    assert "run.json: cannot be read" in fails(run)
    (run / "run.json").write_text(kept)
    (tmp_path / "there.jsonl").write_text("kept")
    assert "--force" in fails(run, out="there.jsonl")
    assert (tmp_path / "there.jsonl").read_text() == "kept"
    part = run / "samples" / "step-00000001.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[: len(whole) // 2])
    assert f"{part}: cannot be read" in fails(run)
    part.write_bytes(b"not parquet")
    assert f"{part}: cannot be read" in fails(part)


def test_a_part_that_lacks_a_column_or_mixes_prompts(tmp_path: Path) -> None:
    from pyarrow import parquet

    run = save(tmp_path, [row("a", RIGHT, 1.0), row("b", WRONG, 0.0)] * 2)
    with pytest.raises(DataError, match="more than one prompt"):
        export_pairs(run, tmp_path / "x.jsonl")
    part = run / "samples" / "step-00000001.parquet"
    parquet.write_table(parquet.read_table(part).drop_columns(["total"]), part)
    with pytest.raises(DataError, match="lacks the column total"):
        export_pairs(run, tmp_path / "x.jsonl")


def test_what_is_held_does_not_grow_with_the_texts(tmp_path: Path) -> None:
    """40 parts hold 5 MB of completions; one part holds 0.13 MB."""
    steps = []
    for step in range(40):
        rows = [row(f"p{step}-{g}", RIGHT, 1.0) for g in range(8) for _ in range(4)]
        for i, one in enumerate(rows):
            one.completion = RIGHT if i % 4 == 0 else "x" * 4000 + str(i)
            one.scores = {"format": 1.0 if i % 4 == 0 else 0.0}
            one.completion_ids = [1]
        steps.append(rows)
    run = save(tmp_path, *steps)
    tracemalloc.start()
    done = export_pairs(run, tmp_path / "out.jsonl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert done.rows == 40 * 8 * 2
    assert peak < 2e6


def test_the_best_right_completion_of_a_prompt(tmp_path: Path) -> None:
    long = "<think>Hm.</think>\n" + RIGHT
    first = [row("a", long, 1.0), row("a", RIGHT, 0.8), row("a", WRONG, 2.0), row("a", RIGHT, 3.0, truncated=True)]
    later = [row("a", "Sure. " + RIGHT, 1.0), *[row("a", WRONG, 0.0)] * 3]
    nothing = [row("b", WRONG, 0.0)] * 4
    run = save(tmp_path, first, later + nothing)
    done = export_best(run, tmp_path / "one.jsonl")
    assert [r["completion"] for r in read(tmp_path / "one.jsonl")] == ["Sure. " + RIGHT]  # as much, and shorter
    assert done.tally.without == {"no completion is right": 1}
    export_best(run, tmp_path / "two.jsonl", per_prompt=2)
    both = read(tmp_path / "two.jsonl")
    assert [(r["completion"], r["id"]) for r in both] == [(long, "a"), ("Sure. " + RIGHT, "a~2")]
    assert "messages" not in both[0]
    with pytest.raises(UsageError, match="no right completion among 4 completions"):
        export_best(save(tmp_path / "none", nothing), tmp_path / "none.jsonl")


def test_a_sampled_completion_is_the_target_while_its_example_is_the_same(tmp_path: Path) -> None:
    example = {
        "id": "a",
        "source": "mine",
        "category": "simple",
        "messages": [{"role": "user", "content": "Weather?"}],
        "tools": TOOLS,
        "ground_truth": WANTED,
        "expects": "any",
        "meta": {"lang": "en", "license": "MIT"},
    }
    run = save(tmp_path, [row("a", "Sure. " + RIGHT, 1.0), *[row("a", WRONG, 0.0)] * 3])
    (run / "data").mkdir()
    (run / "data" / "train.jsonl").write_text(json.dumps(example) + "\n")
    export_best(run, tmp_path / "best.jsonl")
    (written,) = read(tmp_path / "best.jsonl")
    assert isinstance(written["messages"], str)  # a list would make TRL take the row for a conversation
    made = example_from_row(written, "best.jsonl:1")
    assert (made.id, made.source, made.meta["license"], made.lang) == ("a", "mine", "MIT", "en")
    assert target(made, "hermes", seed=0) == "Sure. " + RIGHT
    other = example_from_row({**written, "ground_truth": []}, "x")  # as `negatives` makes it
    assert "Sure." not in target(other, "hermes", seed=0)
    (run / "data" / "train.jsonl").write_text("[1]\n")
    with pytest.raises(DataError, match=r"train.jsonl:1: is no example of a run"):
        export_best(run, tmp_path / "again.jsonl")
