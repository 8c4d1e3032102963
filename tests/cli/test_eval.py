"""`rlvr eval` with a fake generator behind it: flags, labels, tables, messages."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rlvr.cli import eval as command
from rlvr.cli import main
from rlvr.errors import DataError, ModelError, UsageError
from rlvr.prompts import RenderedPrompt
from rlvr.rollouts import Generation

TOOL = {
    "name": "add",
    "description": "Add.",
    "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
}
CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'


class Tokenizer:
    chat_template = None
    bos_token = None

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": list(range(len(text) // 4))}


class Engine:
    """Calls `add` always."""

    backend = "transformers"
    tokenizer = Tokenizer()

    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []

    def start(self, model: Any, backend: str, **options: Any) -> Engine:
        self.started.append({"model": str(model), "backend": backend, **options})
        return self

    def generate(self, prompts: Sequence[RenderedPrompt], **_: Any) -> list[list[Generation]]:
        return [[Generation(CALL, tuple(range(9)), False)] for _ in prompts]

    def set_model(self, path: Any) -> None: ...
    def close(self) -> None: ...


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    fake = Engine()
    monkeypatch.setattr("rlvr.rollouts.make_generator", fake.start)
    return fake


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "held_out.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for i in range(6):
            row = {
                "id": f"r{i}",
                "messages": [{"role": "user", "content": "Add one." if i % 2 else "Thêm một."}],
                "tools": [TOOL],
                "ground_truth": [{"name": "add", "arguments": {"a": 1}}] if i < 4 else [],
                "meta": {"lang": "en" if i % 2 else "vi"},
            }
            file.write(json.dumps(row) + "\n")
    return path


def model(folder: Path, context: int = 4096) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": context}))
    (folder / "model.safetensors").write_bytes(str(folder).encode())
    (folder / "tokenizer.json").write_text("{}")
    return folder


def parse(*argv: Any) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return parser.parse_args(["eval", *map(str, argv)])


def test_it_prints_and_writes_the_tables(
    engine: Engine, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = model(tmp_path / "a"), model(tmp_path / "b")
    args = parse(f"base={one}", two, "--data", data, "--out", tmp_path / "out", "--rollout", "transformers")
    assert args.run(args) == 0
    printed = capsys.readouterr()
    for words in ("strict accuracy", "false calls", "tokens", "base → b", "100.0 [51.0, 100.0]", "written to"):
        assert words in printed.out
    assert "base: loading" in printed.err
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "evaluation.json", "examples.jsonl", "records.jsonl", "summary.json", "table.md",
    }  # fmt: skip
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["settings"]["matching"] == "typed"
    assert summary["settings"]["rollout"] == "transformers"
    assert engine.started[0]["max_model_len"] == 4096


def test_a_model_of_a_short_context_bounds_the_prompts(engine: Engine, data: Path, tmp_path: Path) -> None:
    folder = model(tmp_path / "m", context=512)
    args = parse(folder, "--data", data, "--out", tmp_path / "out", "--rollout", "transformers")
    args.run(args)
    assert engine.started[0]["max_model_len"] == 512
    settings = json.loads((tmp_path / "out" / "evaluation.json").read_text())["settings"]
    assert settings["max_prompt_tokens"] == 512 - 256


def test_a_limit_draws_evenly(engine: Engine, data: Path, tmp_path: Path) -> None:
    args = parse(
        model(tmp_path / "m"), "--data", data, "--out", tmp_path / "out", "--limit", 4, "--rollout", "transformers"
    )
    args.run(args)
    rows = [json.loads(line) for line in (tmp_path / "out" / "records.jsonl").read_text().splitlines()]
    assert sorted((r["wants_call"], r["lang"]) for r in rows) == [
        (False, "en"), (False, "vi"), (True, "en"), (True, "vi"),
    ]  # fmt: skip


def test_a_suite_is_scored_as_the_benchmark_does(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rlvr.data.sources import bfcl

    asked: list[Any] = []
    question = {"id": "simple_python_0", "question": [[{"role": "user", "content": "Add one."}]], "function": [TOOL]}
    answer = {"id": "simple_python_0", "ground_truth": [{"add": {"a": [1]}}]}

    def load(folder: Any, categories: Any) -> list[Any]:
        asked.append((folder, tuple(categories)))
        return [bfcl.to_example(question, answer)]

    monkeypatch.setattr(bfcl, "load_suite", load)
    args = parse(model(tmp_path / "m"), "--suite", "bfcl-small", "--out", tmp_path / "out", "--rollout", "transformers")
    assert args.run(args) == 0
    assert asked == [(None, ("simple_python", "multiple", "parallel", "irrelevance"))]
    record = json.loads((tmp_path / "out" / "records.jsonl").read_text())
    assert (record["matching"], record["right"]) == ("bfcl", True)


def test_ctrl_c_says_what_is_kept_and_how_to_go_on(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """200 examples are two batches of 128 and 72: the second is interrupted, and the printed command makes it alone."""
    rows = [
        {"id": f"r{i:03}", "messages": [{"role": "user", "content": "Add one."}], "tools": [TOOL],
         "ground_truth": [{"name": "add", "arguments": {"a": 1}}]}
        for i in range(200)
    ]  # fmt: skip
    (tmp_path / "my data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    sizes: list[int] = []
    whole = engine.generate

    def cut(prompts: Sequence[RenderedPrompt], **options: Any) -> list[list[Generation]]:
        sizes.append(len(prompts))
        if len(sizes) == 2:
            raise KeyboardInterrupt
        return whole(prompts, **options)

    monkeypatch.setattr(engine, "generate", cut)
    argv = [f"a={model(tmp_path / 'm')}", "--data", "my data.jsonl", "--rollout", "transformers", "--seed", "3"]
    assert main(["eval", *argv]) == 130
    message = capsys.readouterr().err.splitlines()[-1]
    assert "interrupted. What is judged is kept in eval/my data: a 128 of 200 each." in message
    words = shlex.split(message.partition("Go on with: ")[2])
    assert words[:2] == ["rlvr", "eval"]
    assert parse(*words[2:]) == argparse.Namespace(**{**vars(parse(*argv)), "out": Path("eval/my data")})
    assert main(words[1:]) == 0
    assert sizes == [128, 72, 72]
    assert len((tmp_path / "eval" / "my data" / "records.jsonl").read_text().splitlines()) == 200


def test_ctrl_c_before_anything_was_written(
    engine: Engine, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "load_examples", stop)
    argv = ["eval", str(model(tmp_path / "m")), "--data", str(data), "--out", str(tmp_path / "o")]
    assert main([*argv, "--rollout", "transformers"]) == 130
    assert "had not begun: nothing was written. Run the same command again." in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "evaluation.json").write_text("{")  # of nobody knows what
    assert main([*argv, "--rollout", "transformers"]) == 130
    assert "Run the same command again." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["m"], "one of the arguments --data --suite is required"),
        (["m", "--data", "x", "--suite", "bfcl-small"], "not allowed with"),
        (["m", "--suite", "bfcl", "--rollout", "x"], "invalid choice"),
        (["--data", "x"], "MODEL"),
    ],
)
def test_wrong_flags_exit_with_two(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(*argv)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--limit", 0], "--limit must be at least 1"),
        (["--seed", -1], "--seed must be at least 0"),
        (["--suite-dir", "x"], "--suite-dir belongs to --suite"),
        (["--max-new-tokens", 4096], "leaves no room for a prompt"),
        (["--max-new-tokens", 0], "max_new_tokens must be at least 1"),
        (["--parser", "hermse"], "Did you mean hermes"),
    ],
)
def test_wrong_values_are_told(engine: Engine, data: Path, tmp_path: Path, extra: list[Any], message: str) -> None:
    args = parse(model(tmp_path / "m"), "--data", data, "--out", tmp_path / "o", "--rollout", "transformers", *extra)
    with pytest.raises(UsageError, match=message):
        args.run(args)
    assert engine.started == []


def test_missing_files_are_told(engine: Engine, data: Path, tmp_path: Path) -> None:
    args = parse(model(tmp_path / "m"), "--data", tmp_path / "no.jsonl", "--rollout", "transformers")
    with pytest.raises(DataError, match="no such file"):
        args.run(args)
    args = parse(tmp_path / "none", "--data", data, "--rollout", "transformers")
    with pytest.raises(ModelError, match="none"):
        args.run(args)


def test_a_run_folder_stands_for_its_final_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "stage1"
    final = model(run / "final")
    spec = command.resolve_model(str(run))
    assert (spec.label, Path(spec.path)) == ("stage1", final)
    labelled = command.resolve_model(f"x={run}")
    assert (labelled.label, Path(labelled.path)) == ("x", final)


def test_a_path_that_holds_an_equals_sign(tmp_path: Path) -> None:
    folder = model(tmp_path / "lr=3e-5")
    assert command.resolve_model(str(folder)).label == "lr=3e-5"


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("runs/stage1/final", "stage1"),
        ("/x/stage1/best", "stage1@best"),
        ("runs/stage1/checkpoints/step-80", "stage1@step-80"),
        ("./stage1/", "stage1"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct"),
        ("smollm2-135m", "smollm2-135m"),
        ("/", "/"),
    ],
)
def test_labels(path: str, label: str) -> None:
    assert command.default_label(path) == label


@pytest.mark.parametrize(("text", "length"), [('{"max_position_embeddings": 2048}', 2048), ("{}", None), ("[]", None)])
def test_context_length(tmp_path: Path, text: str, length: int | None) -> None:
    (tmp_path / "config.json").write_text(text)
    assert command.context_length(tmp_path) == length
    assert command.context_length("org/name") is None


def test_a_run_that_saved_an_adapter_alone_names_the_command_that_makes_it_whole(tmp_path: Path) -> None:
    (tmp_path / "run" / "final").mkdir(parents=True)
    (tmp_path / "run" / "final" / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"rlvr models merge .*run/final --out FOLDER"):
        command.resolve_model(str(tmp_path / "run"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--suite", "bfcl-smal"], "Did you mean bfcl-small"),
        (["--data", "x", "--option", "a=b"], "--option belongs to --suite"),
        (["--suite", "bfcl-small", "--option", "a=b"], "has no option 'a'"),
    ],
)
def test_an_unknown_suite_and_an_option_that_it_has_not_are_refused(
    words: list[str], message: str, tmp_path: Path
) -> None:
    args = parse(model(tmp_path / "m"), *words, "--out", tmp_path / "out", "--rollout", "transformers")
    with pytest.raises(UsageError, match=message):
        args.run(args)


def test_the_suites_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse("--suites")
    assert caught.value.code == 0
    assert "bfcl-small: " in capsys.readouterr().out


def test_a_limit_of_tokens_above_the_models_own_context_is_told(engine: Engine, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    given = model(folder)
    (folder / "config.json").write_text(json.dumps({"max_position_embeddings": 100}))
    args = parse(given, "--data", data, "--out", tmp_path / "o", "--rollout", "transformers",
                 "--max-model-len", 4096, "--max-new-tokens", 100)  # fmt: skip
    with pytest.raises(UsageError, match="--max-new-tokens 100 leaves no room for a prompt in 100 tokens"):
        args.run(args)
    assert engine.started == []
    assert not (tmp_path / "o").exists()
