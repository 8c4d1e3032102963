"""The commands that the page gives are commands: they parse to the settings that they were made from."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable
from pathlib import Path

from rlvr.cli import build_parser
from rlvr.evaluation.store import EvalStore
from rlvr.report.reproduce import evaluation_command, reproduction
from rlvr.report.runs import load_run

SETTINGS = {
    "data_sha256": "ab", "examples": 420, "parser": "pythonic", "matching": "exact", "max_new_tokens": 192,
    "max_prompt_tokens": 3904, "seed": 5, "chunk_size": 128, "temperature": 0.0, "data": "my data/heldout.jsonl",
    "rollout": "transformers", "thinking": "off", "structured": "on",
}  # fmt: skip


def test_the_evaluation_s_command_parses_to_its_settings(eval_dir: Path) -> None:
    store = EvalStore(eval_dir)
    store.settings = dict(SETTINGS)
    words = shlex.split(evaluation_command(store))
    assert words[0] == "rlvr"
    args = build_parser()[0].parse_args(words[1:])
    assert args.models == [f"{m}=runs/{m}/final" for m in ("base", "warmup", "stage1", "stage2")]
    assert args.data == Path("my data/heldout.jsonl")
    assert (args.parser, args.matching, args.seed, args.limit) == ("pythonic", "exact", 5, 420)
    assert (args.max_new_tokens, args.max_model_len) == (192, 4096)
    assert (args.rollout, args.thinking, args.structured) == ("transformers", "off", True)
    assert args.out == Path(f"{eval_dir}-again"), "in the folder itself all would be skipped as done"


def test_a_benchmark_is_named_and_a_folder_s_own_command_counts(eval_dir: Path) -> None:
    store = EvalStore(eval_dir)
    store.settings = {"data": "bfcl-small", "matching": "bfcl", "examples": 600}
    assert build_parser()[0].parse_args(shlex.split(evaluation_command(store))[1:]).suite == "bfcl-small"
    store.settings = {"command": "rlvr eval my own"}
    assert evaluation_command(store) == "rlvr eval my own"
    store.settings = {"seed": 0}
    assert f"--data {eval_dir}/examples.jsonl" in evaluation_command(store)


def test_a_suite_s_options_and_both_ways_are_in_its_command(eval_dir: Path) -> None:
    store = EvalStore(eval_dir)
    store.settings = {
        **SETTINGS, "data": "retention", "option.data": "my mmlu.jsonl", "option.mode": "pattern", "structured": "both",
    }  # fmt: skip
    store.models["stage2"].free = "stage1"
    args = build_parser()[0].parse_args(shlex.split(evaluation_command(store))[1:])
    assert (args.suite, args.option, args.structured) == ("retention", ["data=my mmlu.jsonl", "mode=pattern"], "both")
    assert [m.partition("=")[0] for m in args.models] == ["base", "warmup", "stage1"], "stage2 is made by the option"


def test_a_suite_s_own_matching_is_none_of_the_choices(eval_dir: Path) -> None:
    store = EvalStore(eval_dir)
    store.settings = {"data": "bfcl-multi-turn", "matching": "official", "option.seats": "8"}
    args = build_parser()[0].parse_args(shlex.split(evaluation_command(store))[1:])
    assert (args.suite, args.matching, args.option) == ("bfcl-multi-turn", None, ["seats=8"])


def test_a_server_s_evaluation_is_asked_of_the_server_again(eval_dir: Path) -> None:
    store = EvalStore(eval_dir)
    store.settings = {"data": "bfcl-small", "rollout": "endpoint", "api": "completions", "max_new_tokens": 32}
    engine = {"backend": "endpoint", "url": "http://h:1/v1", "concurrency": 4, "tokenizer": "org/name"}
    store.models["base"].made_with = {"engine": engine}
    args = build_parser()[0].parse_args(shlex.split(evaluation_command(store))[1:])
    assert (args.endpoint, args.api, args.tokenizer) == ("http://h:1/v1", "completions", "org/name")
    assert (args.rollout, args.concurrency) == ("auto", 4)


def test_all_that_is_needed_stands_there(
    eval_dir: Path, run_dir: Path, make_run: Callable[..., Path], tmp_path: Path
) -> None:
    store = EvalStore(eval_dir)
    bare = make_run(tmp_path / "bare", 2)
    (bare / "recipe.yaml").unlink()
    shown = reproduction([load_run(run_dir), load_run(bare)], store, store.records(), Path("out dir"))
    assert [what for what, _ in shown["commands"]] == ["train stage1", "evaluate", "this page"]
    train, _, page = (command for _, command in shown["commands"])
    assert train == shlex.join(["rlvr", "train", f"{run_dir}/recipe.yaml", "--out", f"{run_dir}-again"])
    assert page == shlex.join(["rlvr", "report", str(run_dir), str(bare), "--eval", str(eval_dir), "--out", "out dir"])
    assert [m["judged"] for m in shown["models"]] == ["48"] * 4
    assert shown["models"][0]["fingerprint"] == "base"
    records = hashlib.sha256((eval_dir / "records.jsonl").read_bytes()).hexdigest()
    assert shown["hashes"]["records.jsonl"] == records
    assert set(shown["hashes"]) == {"records.jsonl", "examples.jsonl", "summary.json"}
    assert shown["settings"]["examples"] == "48"


def test_a_run_alone_has_no_evaluation_to_repeat(run_dir: Path) -> None:
    shown = reproduction([load_run(run_dir)], None, [], Path("out"))
    assert [what for what, _ in shown["commands"]] == ["train stage1", "this page"]
    assert not shown["models"]
    assert not shown["hashes"]
