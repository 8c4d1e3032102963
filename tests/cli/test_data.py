"""`rlvr data build` and `rlvr data show`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from rlvr.cli import main
from rlvr.data.generator import GeneratorOptions, generate
from rlvr.data.license import one_key
from rlvr.data.sources.jsonl import read_jsonl

RECIPE = """\
kind: grpo
name: s
model: smollm2-135m
composition: function_calling
trl: {no_such_option: 1}
data:
  sources:
    - {source: builtin, count: 20, seed: 1}
    - {source: builtin, count: 10, seed: 2, languages: {zh: 1}}
"""


def build(out: Path, *argv: str) -> int:
    return main(["data", "build", "--source", "builtin", "--out", str(out), *argv])


@pytest.mark.parametrize("name", ["a.jsonl", "deep/er/a.jsonl.gz"])
def test_build_writes_what_the_generator_makes(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / name
    assert build(out, "--split", "heldout", "--count", "50", "--seed", "7") == 0
    assert list(read_jsonl(out)) == list(generate("heldout", 50, 7))
    assert [p.name for p in out.parent.iterdir()] == [out.name]
    text = capsys.readouterr().out
    assert f"50 examples written to {out}" in text
    for words in ("source    builtin 50", "category  ", "language  en", "negative  "):
        assert words in text


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        build(tmp_path / name, "--count", "40", "--seed", "3")
    build(tmp_path / "c.jsonl.gz", "--count", "40", "--seed", "4")
    a, b, c = ((tmp_path / f"{n}.jsonl.gz").read_bytes() for n in "abc")
    assert a == b != c


def test_languages_and_categories(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    build(out, "--count", "60", "--languages", "vi=3,zh=1", "--categories", "simple,irrelevance")
    examples = list(read_jsonl(out))
    languages = Counter(e.lang for e in examples)
    assert set(languages) == {"vi", "zh"}
    assert languages["vi"] > languages["zh"]
    assert {e.category for e in examples} == {"simple", "irrelevance"}


def test_numbers_of_tools_and_spoken_values(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    build(out, "--count", "60", "--tools", "1=1,3=1", "--spoken", "0")
    examples = list(read_jsonl(out))
    assert {len(e.tools) for e in examples} == {1, 3}
    options = GeneratorOptions(tools_offered={1: 1, 3: 1}, spoken=0.0)
    assert examples == [one_key(e, "train") for e in generate("train", 60, 0, options)]


def test_negatives_alone(tmp_path: Path) -> None:
    build(tmp_path / "a.jsonl", "--count", "30", "--categories", "irrelevance")
    assert all(not e.ground_truth for e in read_jsonl(tmp_path / "a.jsonl"))


def test_nothing_is_overwritten_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.jsonl"
    out.write_text("mine")
    assert build(out, "--count", "5") == 2
    assert "is there already. Give another --out, or --force" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert build(out, "--count", "5", "--force") == 0
    assert len(list(read_jsonl(out))) == 5


def test_a_recipe_gives_its_mixture_without_a_trainer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(RECIPE)
    out = tmp_path / "a.jsonl"
    assert main(["data", "build", "--recipe", str(recipe), "--out", str(out)]) == 0
    examples = list(read_jsonl(out))
    assert len(examples) == 30
    assert {e.lang for e in examples[20:]} == {"zh"}
    assert main(["data", "show", "--recipe", str(recipe), "--n", "1"]) == 0
    assert "source    builtin 30" in capsys.readouterr().out


def test_show_is_readable_and_seeded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.jsonl"
    build(out, "--count", "80")
    capsys.readouterr()
    texts = []
    for seed in ("0", "0", "1"):
        assert main(["data", "show", str(out), "--n", "3", "--seed", seed]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    assert texts[0].count("── builtin-train-0-") == 3
    main(["data", "show", str(out), "--n", "2", "--category", "irrelevance", "--lang", "vi"])
    shown = capsys.readouterr().out
    assert shown.count("  irrelevance  vi  (builtin)") == 2
    for words in ("→ no call  expects: refuse", "reply      ", "negative   ", "user       ", "tool       "):
        assert words in shown
    main(["data", "show", str(out), "--n", "1", "--category", "simple"])
    assert "→ call     " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["build", "--source", "builtin", "--out", "O", "--count", "0"], "--count must be at least 1, got 0"),
        (["build", "--source", "builtin", "--out", "O", "--languages", "en,fr"], "languages: fr unknown"),
        (["build", "--source", "builtin", "--out", "O", "--languages", "en=x"], "'en=x' is no NAME or NAME=SHARE"),
        (["build", "--source", "builtin", "--out", "O", "--languages", "en=-1"], "'en=-1' is no NAME"),
        (["build", "--source", "builtin", "--out", "O", "--languages", "en=0"], "every share is 0"),
        (["build", "--source", "builtin", "--out", "O", "--categories", "simpel"], "categories: simpel unknown"),
        (["build", "--source", "builtin", "--out", "O", "--categories", "multi_turn"], "not made by the generator"),
        (["build", "--source", "builtin", "--out", "O", "--tools", "two=1"], "'two' is no number of tools"),
        (["build", "--source", "builtin", "--out", "O", "--tools", "99=1"], "--tools: got {99: 1.0}"),
        (["build", "--source", "builtin", "--out", "O", "--spoken", "2"], "spoken: got 2.0, expected a share"),
        (["build", "--source", "builtin", "--out", "O", "--count", "9" * 20], "count: got 1e+20, expected at most"),
        (["build", "--source", "builtin", "--out", "O.parquet"], "what is written here is JSONL"),
        (["build", "--recipe", "qwen3-1.7b/data", "--out", "O"], "builds data: `rlvr data build qwen3-1.7b/data --out"),
        (["show", "F", "--html", "O", "--lang", "en"], "--lang: goes without --html"),
        (["show", "F", "--html", "O", "--n", "1"], "--n: goes without --html"),
        (["show", "F", "--split", "heldout"], "F is one file of JSONL, and has no splits"),
        (["build", "--recipe", "warmup", "--out", "O", "--seed", "1"], "--seed: the recipe says this"),
        (["build", "--recipe", "none", "--out", "O"], "none: no such recipe file"),
        (["build", "--out", "O"], "one of the arguments DATA_RECIPE --recipe --source is required"),
        (["show"], "give a FOLDER or FILE, or --recipe RECIPE"),
        (["show", "F", "--n", "0"], "--n must be at least 1"),
        (["show", "F", "--category", "simpel"], "Did you mean simple?"),
        (["show", "F", "--category", "multi_turn"], "none of 5 examples fits"),
        (["show", "N"], "no such file"),
    ],
)
def test_wrong_flags(
    tmp_path: Path, argv: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    build(tmp_path / "F", "--count", "5")
    capsys.readouterr()
    assert main(["data", *argv]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "O").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert build(tmp_path / "file" / "a.jsonl", "--count", "5") == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("negative", [True, {"kind": "domain_mismatch"}, {"kind": ["a"], "reason": 1}, []])
def test_what_a_row_says_of_its_negative_is_its_own(
    tmp_path: Path, negative: object, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"name": "f", "parameters": {}}],
        "ground_truth": [],
        "meta": {"negative": negative},
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert main(["data", "show", str(tmp_path / "rows.jsonl")]) == 0
    assert "Hi" in capsys.readouterr().out


def test_half_a_surrogate_pair_can_be_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a.jsonl"
    build(out, "--count", "1", "--languages", "en")
    row = json.loads(out.read_text())
    row["messages"][-1]["content"] = "What \ud83d now?"
    out.write_text(json.dumps(row) + "\n")
    capsys.readouterr()
    assert main(["data", "show", str(out)]) == 0
    assert "What ? now?" in capsys.readouterr().out
