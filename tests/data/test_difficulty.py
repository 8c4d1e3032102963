"""Probing: what is recorded, by hand; that it goes on after a kill; what the band keeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.difficulty import ProbeOptions, ProbeProgress, example_digest, probe, summarise
from rlvr.data.filters.difficulty import DifficultyBand, chosen
from rlvr.data.probe_file import read_probe
from rlvr.errors import DataError, RunError, UsageError
from rlvr.rollouts import Generation
from rlvr.types import Example, GoldCall, Tool

TOOL = Tool("add", "", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
RIGHT = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'
WRONG = '<tool_call>\n{"name": "add", "arguments": {"a": 2}}\n</tool_call>'
REFUSAL = "I'm sorry, but none of the available functions can do that."


def example(number: int, calls: bool = True) -> Example:
    gold = (GoldCall("add", {"a": 1}),) if calls else ()
    category, expects = ("simple", "any") if calls else ("irrelevance", "refuse")
    messages = ({"role": "user", "content": f"question number {number} of the test"},)
    return Example(f"e{number:03}", "t", category, messages, (TOOL,), gold, expects, {"lang": "en"})


class Words:
    chat_template = None
    bos_token = None

    def __call__(self, text: Any, **kwargs: Any) -> Any:
        return {"input_ids": text.split()}


class Engine:
    """Says what `answers(prompt's number)` gives, and keeps what it was asked."""

    tokenizer = Words()

    def __init__(self, answers: Callable[[int], Sequence[str]]) -> None:
        self.answers, self.asked = answers, []

    def __call__(self) -> Engine:
        return self

    def generate(self, prompts: Sequence[Any], **sampling: Any) -> list[list[Generation]]:
        numbers = [int(p.text.split("question number ")[1].split()[0]) for p in prompts]
        self.asked.append((numbers, sampling))
        return [[Generation(t, (1, 2, 3), False) for t in self.answers(n)] for n in numbers]


def options(**changes: Any) -> ProbeOptions:
    return ProbeOptions(**{"k": 4, "chunk_size": 2, **changes})


def test_pass_rate_mean_and_variance_by_hand(tmp_path: Path) -> None:
    engine = Engine(lambda n: [RIGHT, RIGHT, RIGHT, WRONG])
    (row,) = probe(engine, [example(1)], tmp_path / "p", options(), model="m")
    assert (row["id"], row["category"], row["k"], row["pass_rate"]) == ("e001", "simple", 4, 0.75)
    # Stage 1 weighs format 0.2, correctness 1.0, efficiency 0.2. A wrong number earns no partial credit.
    assert row["mean"]["correctness"] == 0.75
    assert row["variance"]["correctness"] == pytest.approx(0.75 * 0.25)
    assert (row["mean"]["format"], row["variance"]["format"]) == (1.0, 0.0)
    assert (row["mean"]["refusal"], row["variance"]["refusal"]) == (None, None)
    assert row["mean"]["reward"] == pytest.approx(0.2 + 0.75 + 0.2 * row["mean"]["efficiency"])
    assert (row["zero_variance"], row["truncated"]) == (False, 0.0)


def test_a_group_that_all_earns_the_same_has_no_variance(tmp_path: Path) -> None:
    rows = probe(Engine(lambda n: [REFUSAL] * 4), [example(1, False), example(2)], tmp_path / "p", options())
    assert [r["pass_rate"] for r in rows] == [1.0, 0.0]
    assert [r["zero_variance"] for r in rows] == [True, True]
    assert summarise(rows) == [
        {"category": "irrelevance", "n": 1, "pass_rate": 1.0, "never": 0.0, "always": 1.0, "zero_variance": 1.0},
        {"category": "simple", "n": 1, "pass_rate": 0.0, "never": 1.0, "always": 0.0, "zero_variance": 1.0},
        {"category": "all", "n": 2, "pass_rate": 0.5, "never": 0.5, "always": 0.5, "zero_variance": 1.0},
    ]


def test_it_samples_as_it_is_told_in_the_order_of_the_ids(tmp_path: Path) -> None:
    engine = Engine(lambda n: [RIGHT] * 4)
    probe(engine, [example(n) for n in (5, 1, 3)], tmp_path / "p", options(temperature=1.2, seed=7, max_new_tokens=9))
    assert [numbers for numbers, _ in engine.asked] == [[1, 3], [5]]
    assert [s["seed"] for _, s in engine.asked] == [7, 8]
    assert engine.asked[0][1] == {"max_new_tokens": 9, "temperature": 1.2, "seed": 7, "n": 4}


def test_a_prompt_that_is_too_long_is_skipped_and_said(tmp_path: Path) -> None:
    engine = Engine(lambda n: [RIGHT] * 4)
    rows = probe(engine, [example(1)], tmp_path / "p", options(max_prompt_tokens=3))
    assert (rows[0]["k"], rows[0]["skipped"]) == (0, "too_long")
    assert engine.asked == []
    assert summarise(rows) == []


@pytest.mark.parametrize("left", ["nothing", "chunk", "half a chunk", "half a line", "all"])
def test_a_killed_probe_goes_on_with_the_same_bytes(tmp_path: Path, left: str) -> None:
    examples = [example(n, n % 3 != 0) for n in range(7)]
    answers = lambda n: [RIGHT, WRONG, REFUSAL, RIGHT if n % 2 else WRONG]  # noqa: E731
    probe(Engine(answers), examples, tmp_path / "whole", options())
    wanted = (tmp_path / "whole").read_bytes()
    lines = wanted.splitlines(keepends=True)
    kept = {"nothing": 0, "chunk": 2, "half a chunk": 3, "half a line": 4, "all": 7}[left]

    out = tmp_path / "p"
    with pytest.raises(KeyboardInterrupt):
        probe(Engine(stop), examples, out, options())
    out.write_bytes(b"".join(lines[:kept]) + (lines[kept][:30] if left == "half a line" else b""))
    engine = Engine(answers)
    seen: list[ProbeProgress] = []
    rows = probe(engine, examples, out, options(), progress=seen.append)
    assert out.read_bytes() == wanted
    assert [r["id"] for r in rows] == [e.id for e in examples]
    assert [numbers for numbers, _ in engine.asked] == [[0, 1], [2, 3], [4, 5], [6]][kept // 2 if kept < 7 else 4 :]
    assert not seen or (seen[-1].done, seen[-1].new) == (7, 7 - kept // 2 * 2)


def stop(number: int) -> Sequence[str]:
    raise KeyboardInterrupt


def test_a_finished_probe_loads_no_model(tmp_path: Path) -> None:
    probe(Engine(lambda n: [RIGHT] * 4), [example(1)], tmp_path / "p", options())
    probe(lambda: pytest.fail("a model was loaded"), [example(1)], tmp_path / "p", options())


def test_other_settings_or_examples_never_mix(tmp_path: Path) -> None:
    engine = Engine(lambda n: [RIGHT] * 4)
    probe(engine, [example(1)], tmp_path / "p", options())
    with pytest.raises(UsageError, match=r"temperature: 1\.0 there, 1\.2 now"):
        probe(engine, [example(1)], tmp_path / "p", options(temperature=1.2))
    with pytest.raises(UsageError, match="data: "):
        probe(engine, [example(2)], tmp_path / "p", options())
    (tmp_path / "q").write_text("mine\n")
    with pytest.raises(UsageError, match=r"without q\.settings\.json"):
        probe(engine, [example(1)], tmp_path / "q", options())
    assert (tmp_path / "q").read_text() == "mine\n"


def test_bad_input_is_told_before_a_model_is_loaded(tmp_path: Path) -> None:
    load = lambda: pytest.fail("a model was loaded")  # noqa: E731
    with pytest.raises(UsageError, match="no example"):
        probe(load, [], tmp_path / "p", options())
    with pytest.raises(DataError, match="e001: two examples carry this id"):
        probe(load, [example(1), example(1)], tmp_path / "p", options())
    with pytest.raises(UsageError, match="hermez"):
        probe(load, [example(1)], tmp_path / "p", options(parser="hermez"))
    for wrong in ({"k": 1}, {"temperature": 0.0}, {"chunk_size": 0}, {"temperature": float("nan")}):
        with pytest.raises(UsageError, match=f"{next(iter(wrong))}: got"):
            options(**wrong)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        probe(load, [example(1)], tmp_path / "file" / "p", options())


def rows(*given: tuple[str, str, float]) -> list[dict[str, Any]]:
    return [
        {"id": i, "category": c, "k": 8, "pass_rate": rate, "zero_variance": rate in (0, 1)} for i, c, rate in given
    ]


def test_the_band_keeps_what_lies_between() -> None:
    given = rows(
        ("a", "simple", 0.0), ("b", "simple", 0.125), ("c", "simple", 0.5), ("d", "simple", 0.9), ("e", "simple", 1.0)
    )
    assert chosen(given, 0.125, 0.9, {}, 0) == {"b", "c", "d"}
    given[2]["zero_variance"] = True
    assert chosen(given, 0.125, 0.9, {}, 0) == {"b", "d"}


def test_every_category_keeps_its_floor_nearest_to_the_band_first() -> None:
    easy = [(f"n{i}", "irrelevance", 1.0) for i in range(10)] + [("n10", "irrelevance", 0.95)]
    given = rows(("a", "simple", 0.5), ("b", "simple", 0.0), *easy)
    kept = chosen(given, 0.1, 0.9, {"irrelevance": 0.25}, 0)  # a quarter of 11 is 2.75: three
    assert kept & {"a", "b"} == {"a"}
    assert len(kept) == 4
    assert "n10" in kept
    assert chosen(given, 0.1, 0.9, {"irrelevance": 0.25}, 0) == kept
    assert any(chosen(given, 0.1, 0.9, {"irrelevance": 0.25}, seed) != kept for seed in range(1, 5))
    assert len(chosen(given, 0.1, 0.9, {"*": 0.5}, 0)) == 1 + 6
    assert chosen(list(reversed(given)), 0.1, 0.9, {"irrelevance": 0.25}, 0) == kept


def write_probe(path: Path, *pairs: tuple[Example, float]) -> Path:
    lines = [{**r, "digest": example_digest(e)} for e, rate in pairs for r in rows((e.id, e.category, rate))]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_the_filter_gives_reasons(tmp_path: Path) -> None:
    made = [example(n) for n in range(5)]
    file = write_probe(tmp_path / "p", *zip(made, (0.0, 0.5, 1.0, 0.5), strict=False))
    band = DifficultyBand(file, 0.1, 0.9, 0.0)
    assert [band.why_not(e) for e in made] == ["too_hard", None, "too_easy", None, "not_probed"]
    assert DifficultyBand(file, 0.1, 0.9, 0.0, unprobed="keep").why_not(made[4]) is None
    assert DifficultyBand(file, 0.1, 0.9, {"simple": 1.0}).why_not(made[0]) is None
    changed = Example(
        made[1].id, "t", "simple", ({"role": "user", "content": "other"},), made[1].tools, made[1].ground_truth
    )
    assert band.why_not(changed) == "probed_differently"


def test_bad_bands_and_files_are_refused(tmp_path: Path) -> None:
    file = write_probe(tmp_path / "p", (example(1), 0.5))
    with pytest.raises(UsageError, match=r"band 0\.9 to 0\.1"):
        DifficultyBand(file, 0.9, 0.1)
    with pytest.raises(UsageError, match=r"simple: 2"):
        DifficultyBand(file, 0.1, 0.9, {"simple": 2})
    with pytest.raises(DataError, match=r"no such file\. Make one with `rlvr data probe"):
        DifficultyBand(tmp_path / "none")
    for line, message in [
        ('{"id": "a"}', "is no row of a probe"),
        ('{"id": "a", "k": 8, "pass_rate": 2}', "pass_rate: got 2"),
    ]:
        (tmp_path / "bad").write_text(line + "\n")
        with pytest.raises(DataError, match=f"bad:1: {message}"):
            read_probe(tmp_path / "bad")


@pytest.mark.slow
def test_a_real_model_is_probed(tiny_model: Path, tmp_path: Path) -> None:
    from rlvr.rollouts import make_generator

    examples = [example(n, n % 2 == 0) for n in range(4)]
    load = lambda: make_generator(tiny_model, "transformers", max_model_len=1024)  # noqa: E731
    first = probe(load, examples, tmp_path / "a", options(max_new_tokens=8))
    assert [r["k"] for r in first] == [4] * 4
    assert all(0 <= r["pass_rate"] <= 1 and r["truncated"] > 0 for r in first)
    again = probe(load, examples, tmp_path / "b", options(max_new_tokens=8))
    assert again == first
