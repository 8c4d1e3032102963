"""`rlvr eval --suite bfcl` with a fake engine: what it asks, writes, reads back and refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rlvr.cli import main
from rlvr.data.sources.bfcl_single import CATEGORIES, OFFICIAL
from rlvr.errors import UsageError
from rlvr.evaluation.suites.bfcl.suite import GROUPS, SUITE, categories, scorer_sha256
from rlvr.evaluation.suites.bfcl.tables import template_of
from rlvr.prompts import RenderedPrompt
from rlvr.rollouts import Generation

CALL = '<tool_call>\n{"name": "math.add", "arguments": {"a": 1, "at": [1.0, 2.5]}}\n</tool_call>'


class Tokenizer:
    chat_template = None
    bos_token = None

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": list(range(len(text) // 4))}


class Engine:
    """Makes the same call always, but refuses where the prompt says so."""

    backend = "transformers"
    tokenizer = Tokenizer()

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.text = CALL

    def start(self, model: Any, backend: str, **_: Any) -> Engine:
        return self

    def generate(self, prompts: Sequence[RenderedPrompt], **_: Any) -> list[list[Generation]]:
        self.prompts += [p.text for p in prompts]
        return [[Generation(self.text, tuple(range(9)), False)] for _ in prompts]

    def set_model(self, path: Any) -> None: ...
    def close(self) -> None: ...


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    fake = Engine()
    monkeypatch.setattr("rlvr.rollouts.make_generator", fake.start)
    monkeypatch.setattr("rlvr.evaluation.statistics.RESAMPLES", 50)  # intervals of tokens are not looked at here
    return fake


Run = Callable[..., int]


@pytest.fixture
def run(engine: Engine, package: Callable[..., Path], tmp_path: Path) -> Run:
    folder = package(2)
    model = tmp_path / "tiny"
    model.mkdir()
    (model / "config.json").write_text('{"max_position_embeddings": 4096}')
    (model / "model.safetensors").write_bytes(b"w")
    (model / "tokenizer.json").write_text("{}")
    (model / "tokenizer_config.json").write_text('{"chat_template": "{{ tools }}"}')

    def of(*options: str, out: str = "out", label: str = "my model/1") -> int:
        words = [w for o in options for w in (["--option", o] if "=" in o else [o])]
        command = [
            "eval",
            f"{label}={model}",
            "--suite",
            "bfcl",
            "--suite-dir",
            str(folder),
            "--rollout",
            "transformers",
        ]
        return main([*command, "--out", str(tmp_path / out), *words])

    return of


def test_every_category_is_asked_and_written_in_the_official_layout(
    run: Run, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    assert len(engine.prompts) == 2 * len(CATEGORIES)
    root = tmp_path / "out" / "official" / "my_model_1" / "result" / "Qwen_Qwen3-1.7B-FC"
    files = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
    live = {f"live/BFCL_v4_{c}_result.json" for c in CATEGORIES if c.startswith("live_")}
    assert files == live | {f"non_live/BFCL_v4_{c}_result.json" for c in CATEGORIES if not c.startswith("live_")}
    rows = [json.loads(line) for line in (root / "live/BFCL_v4_live_simple_result.json").read_text().splitlines()]
    assert [r["id"] for r in rows] == ["live_simple_0-0-0", "live_simple_1-1-0"]
    assert rows[0]["result"] == CALL
    assert rows[0]["output_token_count"] == 9
    printed = capsys.readouterr().out
    for words in ("reference card's V3 style", "category average, card's arithmetic", "no V4 overall, for want of",
                  "multi_turn_base", "which writes tools", "bfcl evaluate --model Qwen/Qwen3-1.7B-FC",
                  "bfcl-eval==2026.3.23"):  # fmt: skip
        assert words in printed


def test_the_figures_are_those_of_the_answers(run: Run, tmp_path: Path) -> None:
    run()
    figures = json.loads((tmp_path / "out" / "bfcl.json").read_text())["models"]["my model/1"]
    right = {name: c["right"] for name, c in figures["categories"].items()}
    # the one call is right where it is wanted alone or any call is; wrong in other languages and where none is wanted
    calling = ("simple_python", "multiple", "parallel", "parallel_multiple", "live_simple", "live_multiple",
               "live_parallel", "live_parallel_multiple", "live_relevance")  # fmt: skip
    assert right == {c: 2 if c in calling else 0 for c in CATEGORIES}
    assert [figures[a]["value"] for a in ("overall", "category_average")] == [pytest.approx(9 / 18)] * 2
    assert figures["v4_overall"]["value"] is None
    assert set(figures["v4_missing"]) == {
        "multi_turn_base", "multi_turn_miss_func", "multi_turn_miss_param", "multi_turn_long_context",
        "web_search_base", "web_search_no_snippet", "memory_kv", "memory_vector", "memory_rec_sum",
    }  # fmt: skip
    assert figures["v4_parts"]["irrelevance"]["value"] == 0.0
    settings = json.loads((tmp_path / "out" / "evaluation.json").read_text())["settings"]
    assert settings["release"] == "bfcl-eval==2026.3.23"
    assert settings["scorer"].endswith(scorer_sha256())


def test_what_the_official_checker_found_is_read_back(
    run: Run, engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.text = (
        '<tool_call>\n{"name": "Box.put", "arguments": {"ids": "new ArrayList<>() {{ add(1); }}"}}\n</tool_call>'
    )
    run("categories=simple_java")
    assert "0.0 to 100.0 (2 open)" in capsys.readouterr().out
    place = tmp_path / "out/official/my_model_1/score/Qwen_Qwen3-1.7B-FC/non_live/BFCL_v4_simple_java_score.json"
    place.parent.mkdir(parents=True)
    place.write_text('{"accuracy": 0.5, "correct_count": 1, "total_count": 2}\n{"id": "x"}\n')
    asked = len(engine.prompts)
    run("categories=simple_java")
    assert len(engine.prompts) == asked  # nothing is generated again
    printed = capsys.readouterr().out
    assert "50.0 [9.5, 90.5]" in printed
    assert " open)" not in printed
    place.write_text('{"accuracy": 0.5, "correct_count": 1, "total_count": 3}\n')  # of other answers
    run("categories=simple_java")
    assert "(2 open)" in capsys.readouterr().out


def test_unjudged_answers_count_in_no_accuracy(run: Run, engine: Engine, tmp_path: Path) -> None:
    engine.text = (
        '<tool_call>\n{"name": "Box.put", "arguments": {"ids": "new ArrayList<>() {{ add(1); }}"}}\n</tool_call>'
    )
    run("categories=simple_java,simple_python")
    rows = json.loads((tmp_path / "out" / "summary.json").read_text())["rows"]
    java = next(r for r in rows if r["category"] == "simple_java")
    assert (java["n"], java["figures"]["strict_accuracy"]["n"], java["figures"]["strict_accuracy"]["value"]) == (
        2,
        0,
        None,
    )
    every = next(r for r in rows if r["category"] == "all")
    assert (every["n"], every["figures"]["strict_accuracy"]["n"]) == (4, 2)


def test_prompt_mode_shows_the_official_prompt_and_reads_lists_of_calls(
    run: Run, engine: Engine, tmp_path: Path
) -> None:
    engine.text = "[math.add(a=1)]"
    assert run("mode=prompt", "categories=simple_python,chatable") == 0
    assert sum("Made persona." in p for p in engine.prompts) == 2
    assert not any("<tool_call>" in p for p in engine.prompts)
    settings = json.loads((tmp_path / "out" / "evaluation.json").read_text())["settings"]
    assert (settings["parser"], settings["option.mode"]) == ("pythonic", "prompt")
    figures = json.loads((tmp_path / "out" / "bfcl.json").read_text())["models"]["my model/1"]
    assert figures["categories"]["simple_python"]["right"] == 2
    assert (tmp_path / "out/official/my_model_1/result/Qwen_Qwen3-1.7B/non_live").is_dir()


def test_a_model_without_a_chat_template_gets_chatml(run: Run, engine: Engine) -> None:
    run("categories=simple_python,chatable")
    tools, chat = sorted(engine.prompts, key=lambda p: "Chat" in p)[::2]
    assert tools.startswith("<|im_start|>system\nYou may call one or more functions")
    assert chat == "<|im_start|>user\nChat 0?<|im_end|>\n<|im_start|>assistant\n"


def test_fewer_questions_a_category_are_drawn_by_the_seed(engine: Engine, package: Callable[..., Path]) -> None:
    folder = package(6)

    def drawn(count: int, seed: int) -> list[str]:
        chosen = SUITE.choose([f"per_category={count}", "categories=python"], folder=folder, seed=seed)
        return [e.id for e in SUITE.load(chosen)]

    one, two = drawn(2, 0), drawn(4, 0)
    assert len(one) == 2 * len(GROUPS["python"])
    assert set(one) < set(two)
    assert drawn(2, 0) == one
    assert drawn(2, 1) != one


def test_categories_and_groups_are_named_as_the_benchmark_names_them() -> None:
    assert categories("all") == CATEGORIES
    assert categories("single_turn") == OFFICIAL
    assert categories("multiple, simple_python,exec") == (
        "simple_python", "multiple", "exec_simple", "exec_multiple", "exec_parallel", "exec_parallel_multiple",
    )  # fmt: skip
    assert len(categories("python")) == 11


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ["categories=live_simpel"],
            r"no category 'live_simpel' in BFCL's single-turn sets\. Did you mean live_simple\?",
        ),
        (["categories=multi_turn_base"], "no category 'multi_turn_base'"),
        (["categories="], "no category ''"),
        (["per_category=0"], "must be a number of at least 1, got '0'"),
        (["per_category=ten"], "must be a number of at least 1"),
        (["mode=promt"], "Did you mean prompt"),
        (["mode=prompt", "--parser", "mistral"], "leave --parser mistral out"),
        (["mode=prompt", "--structured"], "--structured is for the formats"),
    ],
)
def test_bad_options_are_one_clear_error(run: Run, options: list[str], words: str, capsys: Any) -> None:
    assert run(*options) == 2
    printed = capsys.readouterr()
    assert re.search(words, printed.err)
    assert "Traceback" not in printed.err


def test_an_altered_or_missing_data_file_is_refused(run: Run, tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "bfcl_eval" / "data" / "BFCL_v4_multiple.json"
    file.write_bytes(file.read_bytes() + b"\n")
    assert run("categories=multiple") == 2
    assert "BFCL_v4_multiple.json: is not the file of bfcl-eval==2026.3.23" in capsys.readouterr().err
    file.unlink()
    assert run("categories=multiple") == 2
    assert "no such file" in capsys.readouterr().err


def test_a_folder_belongs_to_one_scorer(run: Run, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    run("categories=multiple")
    monkeypatch.setattr("rlvr.evaluation.suites.bfcl.suite.scorer_sha256", lambda: "another")
    assert run("categories=multiple") == 2
    assert "holds an evaluation with other settings (scorer: " in capsys.readouterr().err


def test_options_of_other_suites_are_refused() -> None:
    with pytest.raises(UsageError, match="has no option 'kinds'"):
        SUITE.choose(["kinds=1"])


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('{"chat_template": "{{ messages }}"}', "which knows no tools: they stand in a system prompt of ours"),
        (
            '{"chat_template": "{{ tools }} <tool_call> <function= <parameter="}',
            "WHERE ANSWERS WERE READ AS hermes: give --parser qwen3",
        ),
        ('{"chat_template": "{{ tools }} <tool_call> \\"arguments\\""}', ", which writes tools"),
        ("{}", "no chat template: ChatML"),
        ("[", "no tokenizer's settings to read"),
    ],
)
def test_the_chat_template_is_told(tmp_path: Path, config: str, words: str) -> None:
    (tmp_path / "tokenizer_config.json").write_text(config)
    found = template_of(tmp_path, "hermes")
    assert words in found
    assert ("READ AS" in found) == ("READ AS" in words)
    assert template_of("org/name", "hermes") == "chat template of the hub's model"


def test_answers_of_another_format_are_written_in_hermes(run: Run, engine: Engine, tmp_path: Path) -> None:
    engine.text = '{"name": "math.add", "parameters": {"a": 1}}'
    assert run("categories=simple_python", "--parser", "llama3_json") == 0
    place = tmp_path / "out/official/my_model_1/result/Qwen_Qwen3-1.7B-FC/non_live/BFCL_v4_simple_python_result.json"
    results = [json.loads(line)["result"] for line in place.read_text().splitlines()]
    assert results == ['<tool_call>\n{"name": "math.add", "arguments": {"a": 1}}\n</tool_call>'] * 2
    figures = json.loads((tmp_path / "out" / "bfcl.json").read_text())["models"]["my model/1"]
    assert figures["categories"]["simple_python"]["right"] == 2
