"""`rlvr preflight`: exit codes, the report, JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from rlvr.cli import main

pytest.importorskip("trl", reason="needs the train extra")

ROW = {
    "id": "one",
    "messages": [{"role": "user", "content": "Weather in Hanoi?"}],
    "tools": [{"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}],
    "ground_truth": [{"name": "get_weather", "arguments": {"city": "Hanoi"}}],
    "lang": "en",
}
NONE = {
    **ROW,
    "id": "none",
    "ground_truth": [],
    "expects": "refuse",
    "messages": [{"role": "user", "content": "Sing."}],
}
RECIPE = """\
kind: grpo
name: mine
model: {model}
composition: function_calling
stage: stage1
rollout: transformers
data: {{max_prompt_tokens: 2000, sources: [{{source: jsonl, path: {data}}}]}}
trl: {{per_device_train_batch_size: 4, num_generations: 2, max_completion_length: 90}}
"""


@pytest.fixture
def recipe(tmp_path: Path, tiny_model: Path) -> str:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(r) + "\n" for r in (ROW, NONE)))
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE.format(model=tiny_model, data=data))
    return str(path)


def test_a_recipe_without_errors(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preflight", recipe, "--prompts", "2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("preflight of mine (")
    assert "0 errors" in out.splitlines()[0]
    for check in ("tool names", "audit", "memory", "first step", "advantages", "serving"):
        assert f"note: {check}\n" in out or f"warning: {check}\n" in out


def test_a_recipe_with_errors(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preflight", recipe, "--set", "parser=llama3_json", "--depth", "cheap"]) == 1
    out = capsys.readouterr().out
    assert "1 error" in out.splitlines()[0]
    assert out.index("error: parser and template") < out.index("note: tool names"), "the worst first"
    assert "\n  → Set parser: hermes.\n" in out


def test_json(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preflight", recipe, "--set", "trl.top_p=0.5", "--depth", "mixture", "--json"]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    [warning] = [f for f in report["findings"] if f["severity"] == "warning"]
    assert warning["check"] == "sampling"
    assert warning["figures"]["top_p"] == 0.5
    assert warning["change"]
    assert report["counts"] == {"error": 0, "warning": 1, "note": len(report["findings"]) - 1}


def test_a_missing_run_is_one_clear_error(capsys: pytest.CaptureFixture[str], tmp_path: Path,
                                          monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["preflight", "smollm2-135m/stage1"]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "runs/demo/warmup: the run that this recipe starts from is not there" in message


def test_wrong_flags(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preflight", recipe, "--prompts", "0"]) == 2
    assert "--prompts must be at least 1, got 0" in capsys.readouterr().err
    assert main(["preflight", recipe, "--set", "serving.tool_parser=hermse"]) == 2
    assert "Did you mean hermes?" in capsys.readouterr().err
    assert main(["preflight", recipe, "--set", "serving.reasoning_parser=r1"]) == 2
    assert "serving.reasoning_parser" in capsys.readouterr().err


SHIPPED = (
    "smollm2-135m/warmup",
    "smollm2-135m/stage1",
    "smollm2-135m/stage2",
    "qwen3-1.7b/stage1",
    "qwen3-1.7b/stage2",
)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_recipes_settings_are_silent(
    name: str, tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their own mixture in small and all of their settings, with a model that is quick. (Its tokenizer writes one token
    a letter of Vietnamese and Chinese: lengths are the recipe's in the slow test.)"""
    room = ["data.max_prompt_tokens=1500", "data.sources.0.count=36"]
    if name.startswith("qwen3"):
        room += ["trl.max_completion_length=500", "selection=null", "guards={}", "engine={}", "rollout=transformers"]
    elif not name.endswith("warmup"):
        room += ["trl.max_completion_length=500", "selection=null", "guards={}"]
    overrides = [x for r in room for x in ("--set", r)]
    assert main(["preflight", name, "--model", str(tiny_model), *overrides, "--depth", "mixture", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    loud = [f for f in report["findings"] if f["severity"] != "note" and f["check"] != "memory"]
    assert loud == []  # (how much memory is free is the machine's affair)


DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["warmup", "stage1", "stage2", "real-warmup", "real-stage1", "real-stage2"])
def test_the_shipped_recipes_are_silent_on_their_model(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole, with SmolLM2's tokenizer and shape (what its weights say is another matter: the base calls nothing)."""
    from rlvr.models.fetch import folder_of

    if not (folder_of("smollm2-135m") / "config.json").is_file():
        pytest.skip("SmolLM2-135M is not fetched: rlvr models fetch smollm2-135m")
    overrides = []
    if name.startswith("real"):
        files = ("train_real", "nocall_real", "train_real")
        if not all((DATA / f"{f}.jsonl.gz").is_file() for f in files):
            pytest.skip("the published rows are not here")
        overrides = [x for i, f in enumerate(files)
                     for x in ("--set", f"data.sources.{i}.path={DATA / f}.jsonl.gz")]  # fmt: skip
    argv = ["preflight", f"smollm2-135m/{name}", "--model", "smollm2-135m", *overrides, "--depth", "mixture", "--json"]
    assert main(argv) == 0
    report = json.loads(capsys.readouterr().out)
    assert [f for f in report["findings"] if f["severity"] != "note" and f["check"] != "memory"] == []


@pytest.mark.slow
def test_a_warmed_up_model_is_silent_and_it_takes_less_than_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    """RLVR_WARMED_UP names the run of `smollm2-135m/warmup`; the clock counts where the machine is otherwise idle."""
    model = os.environ.get("RLVR_WARMED_UP")
    if not model:
        pytest.skip("RLVR_WARMED_UP names no warmed-up SmolLM2-135M")
    assert main(["preflight", "smollm2-135m/stage1", "--model", model, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [f for f in report["findings"] if f["severity"] != "note"] == []
    assert sum(report["seconds"].values()) < 60
