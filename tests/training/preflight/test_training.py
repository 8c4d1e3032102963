"""`rlvr train` runs preflight first: errors stop it before anything is written, and nothing else is changed by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlvr.errors import ModelError, RunError
from rlvr.training.recipe import load_recipe
from rlvr.training.run import model_source, train

Make = Callable[..., Any]


def test_an_error_stops_the_run_before_anything_is_written(
    write_recipe: Make, make_model: Make, tmp_path: Path
) -> None:
    path = write_recipe(make_model(end="<|endoftext|>"))
    with pytest.raises(RunError, match=r"preflight found errors \(end of the turn\), so the run was not started"):
        train(*load_recipe(path), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_keeps_its_report_and_says_its_warnings(
    write_recipe: Make, make_model: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_recipe(make_model())
    options = ["trl.max_completion_length=8", "trl.max_steps=1"]
    train(*load_recipe(path, options), tmp_path / "run")
    report = json.loads((tmp_path / "run" / "preflight.json").read_text())
    assert report["ok"]
    assert report["counts"]["warning"] == 1
    assert not [f for f in report["findings"] if f["check"] == "first step"], "asked for the cheap checks alone"
    said = capsys.readouterr().err
    assert "warning: room for the answer" in said
    assert "note:" not in said


def test_calls_written_in_special_tokens_are_read_from_the_ids(
    write_recipe: Make, make_model: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TRL's texts lack [TOOL_CALLS] and [ARGS]: without the ids every right call here would be malformed."""
    from rlvr.parsers import get_parser
    from rlvr.training import assemble
    from rlvr.training.fixed_rollouts import FixedRollouts
    from rlvr.types import ToolCall

    def answers(prompt: str, truth: str) -> list[str]:
        wanted = [ToolCall(c["name"], c["arguments"]) for c in json.loads(truth)]
        call = get_parser("mistral").render(wanted or [ToolCall("sendNote", {"text": "Hm."})])
        return [call, "I'm sorry, I can't do that with the tools I have."]

    build = assemble.build_trainer

    def with_answers(job: Any) -> Any:
        trainer = build(job)
        rows = trainer.train_dataset
        trainer.rollout_func = FixedRollouts({r["prompt"]: answers(r["prompt"], r["ground_truth"]) for r in rows})
        return trainer

    monkeypatch.setattr(assemble, "build_trainer", with_answers)
    path = write_recipe(make_model())
    options = ["parser=mistral", "trl.max_steps=1", "shared_prefix=off"]
    run = train(*load_recipe(path, options), tmp_path / "run", preflight=False).parent
    samples = [json.loads(line) for line in (run / "samples.jsonl").read_text().splitlines()]
    calls = [s for s in samples if s["completion"].startswith("[TOOL_CALLS]")]
    assert calls
    assert all(s["outcome"] == "calls" for s in calls)
    right = [s for s in calls if json.loads(s["ground_truth"])]
    assert all(s["scores"]["correctness"] == 1 for s in right)
    assert {s["outcome"] for s in samples} == {"calls", "abstain"}


@pytest.mark.slow
def test_the_run_is_the_same_with_and_without(write_recipe: Make, make_model: Make, tmp_path: Path) -> None:
    """Two steps, bit for bit: the probe draws from its own random numbers, and the step leaves nothing behind."""
    import torch
    from safetensors.torch import load_file

    (tmp_path / "mine.py").write_text(
        "def length(completions, **columns):\n    return [len(c) / 100 for c in completions]\n"
    )
    composition = tmp_path / "own.yaml"
    composition.write_text(  # a random model's texts earn all the same of the shipped ones on some machines
        "name: own\ndescription: One of mine.\nmatching: typed\n"
        "components: {format: {}, correctness: {}, refusal: {}}\n"
        f"functions: {{length: {{function: '{tmp_path / 'mine.py'}:length'}}}}\n"
        "stages: {stage1: {weights: {format: 0.2, correctness: 1.0, refusal: 1.0, length: 0.0001}}}\n"
    )
    options = ["trl.max_completion_length=16", f"composition={composition}"]
    path = write_recipe(make_model(tie_word_embeddings=False, initializer_range=0.5))
    runs = [train(*load_recipe(path, options), tmp_path / str(p), preflight=p) for p in (False, True)]
    plain, checked = (load_file(r / "model.safetensors") for r in runs)
    for name, tensor in plain.items():
        torch.testing.assert_close(checked[name], tensor, rtol=0, atol=0)
    start = load_file(Path(make_model(tie_word_embeddings=False, initializer_range=0.5)) / "model.safetensors")
    assert any(not torch.equal(start[n].float(), t.float()) for n, t in plain.items()), "the steps changed nothing"
    found = {f["check"] for f in json.loads((tmp_path / "True" / "preflight.json").read_text())["findings"]}
    assert {"first step", "advantages", "audit"} <= found
    with pytest.raises(ValueError, match="never"):
        _resume_without_probe(path, options, tmp_path / "True")


def _resume_without_probe(path: Path, options: list[str], run: Path) -> None:
    """A resumed run has been probed: it begins training at once (here: fails there)."""
    import rlvr.training.run as runner

    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "finished": False}))  # as a kill before the end leaves it

    def never(*_: Any) -> None:
        raise ValueError("never")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rlvr.training.preflight.run.take_probe", lambda *a, **k: pytest.fail("probed again"))
        patch.setattr(runner, "_fit", never)
        train(*load_recipe(path, options), run, resume=True, preflight=True)


def test_a_run_that_the_recipe_starts_from_and_that_is_not_there() -> None:
    with pytest.raises(ModelError) as caught:
        model_source("runs/demo/warmup")
    assert str(caught.value).startswith("runs/demo/warmup: the run that this recipe starts from is not there.")
    assert "--model" in str(caught.value)
    assert model_source("org/name") == "org/name"
