"""`rlvr eval --endpoint` against a server on a real socket: figures, settings, going on, and one clear error each."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpx", reason="needs the endpoint extra")

from rlvr.cli import main
from rlvr.evaluation import evaluate, judging
from rlvr.rewards.parsing import parse_completion

TOOL = {"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}
CALL = {"function": {"name": "add", "arguments": '{"a": 1}'}}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    rows = [
        {"id": f"r{i}", "messages": [{"role": "user", "content": f"q{i}"}], "tools": [TOOL],
         "ground_truth": [{"name": "add", "arguments": {"a": 1}}] if i < 4 else []}
        for i in range(6)
    ]  # fmt: skip
    Path("d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "d.jsonl"


def say(body: dict[str, Any]) -> dict[str, Any]:
    """Right for q0 and q1, with a thought; broken arguments for q2; a call beside none wanted for q5."""
    at = body["messages"][-1]["content"]
    if at in ("q0", "q1"):
        return {"content": "", "reasoning_content": "One.", "tool_calls": [CALL]}
    if at == "q2":
        return {"content": "", "tool_calls": [{"function": {"name": "add", "arguments": '{"a": 1'}}]}
    return {"content": "Sorry, I can't.", **({"tool_calls": [CALL]} if at == "q5" else {})}


def go(*argv: str) -> int:
    return main(["eval", "tiny", "--data", "d.jsonl", "--out", "out", *argv])


def records() -> dict[str, dict[str, Any]]:
    return {r["id"]: r for r in map(json.loads, Path("out/records.jsonl").read_text().splitlines())}


def test_a_chat_endpoint_is_judged_and_told(openai: Any, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    fake = openai(say)
    assert go("--endpoint", fake.url, "--concurrency", "2", "--max-new-tokens", "32") == 0
    made = records()
    assert list(made) == [f"r{i}" for i in range(6)], "recorded in the order of the ids"
    assert [made[i]["right"] for i in made] == [True, True, False, False, True, False]
    assert [made[i]["outcome"] for i in made] == ["calls", "calls", "malformed", "abstain", "abstain", "calls"]
    assert made["r0"]["completion"].startswith("<think>\nOne.\n</think>\n<tool_call>")
    assert made["r0"]["scores"]["efficiency"] < 0 < made["r4"]["scores"]["efficiency"], "reasoning is kept, and costs"
    assert {(r["completion_tokens"], r["prompt_tokens"]) for r in made.values()} == {(7, 30)}
    out = capsys.readouterr().out
    assert "Latency" in out
    evaluation = json.loads(Path("out/evaluation.json").read_text())
    assert (evaluation["settings"]["rollout"], evaluation["settings"]["api"]) == ("endpoint", "chat")
    engine = evaluation["models"][0]["made_with"]["engine"]
    assert (engine["url"], engine["concurrency"], engine["served"]["by"]) == (fake.url, 2, "vllm")
    (row,) = json.loads(Path("out/summary.json").read_text())["latency"]["rows"]
    assert (row["n"], row["first_call_seconds"]["p50"]["n"]) == (6, 3)


def test_a_message_is_judged_as_a_trainers_message_list(openai: Any, data: str) -> None:
    """What stands in the records parses as what TRL would hand over."""
    fake = openai(say)
    assert go("--endpoint", fake.url) == 0
    for body in fake.bodies:
        at = body["messages"][-1]["content"]
        of_message = parse_completion([{"role": "assistant", **say(body)}])
        of_record = parse_completion(records()[at.replace("q", "r")]["completion"])
        assert (of_record.outcome, of_record.calls) == (of_message.outcome, of_message.calls)
        assert of_record.reasoning == of_message.reasoning


def test_text_completions_with_a_tokenizer(openai: Any, data: str, tiny_model: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    text = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'
    ids = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
    fake = openai(lambda body: {"text": text, "ids": ids})
    argv = ("--endpoint", fake.url.removesuffix("/v1"), "--tokenizer", str(tiny_model), "--max-model-len", "9999")
    assert go(*argv, "--max-new-tokens", "48") == 0
    assert {r["completion"] for r in records().values()} == {text}
    assert {r["completion_tokens"] for r in records().values()} == {len(ids)}
    asked = [tokenizer.decode(b["prompt"]) for b in fake.bodies]
    assert all("<tools>" in prompt and prompt.endswith("<|im_start|>assistant\n") for prompt in asked)
    evaluation = json.loads(Path("out/evaluation.json").read_text())
    assert evaluation["settings"]["api"] == "completions"
    assert evaluation["settings"]["max_prompt_tokens"] == 2048 - 48, "what the server says that it takes"
    assert evaluation["models"][0]["made_with"]["template"]["tools"] == "template"


def test_a_folder_belongs_to_one_tokenizer_where_prompts_are_rendered_here(
    openai: Any, data: str, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its files alone will do: the weights are the server's."""
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            if (tiny_model / file).is_file():
                shutil.copy(tiny_model / file, tmp_path / name)
    template = (tiny_model / "chat_template.jinja").read_text()
    (tmp_path / "other" / "chat_template.jinja").write_text(template + "{# another #}")
    fake = openai(lambda body: {"text": "No.", "ids": [1, 2]})
    argv = ("--endpoint", fake.url, "--max-model-len", "9999", "--max-new-tokens", "48", "--tokenizer")
    assert go(*argv, str(tmp_path / "one")) == 0
    asked = len(fake.bodies)
    assert go(*argv, str(tmp_path / "other")) == 2
    assert "holds an evaluation with other settings (tokenizer: " in capsys.readouterr().err
    assert go(*argv, str(tmp_path / "one")) == 0
    assert len(fake.bodies) == asked, "nothing is asked twice"


def test_prompts_that_are_all_too_long_for_the_server_are_told(
    openai: Any, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    too_long = (400, {"error": {"message": "maximum context length is 8 tokens"}})
    fake = openai(say, faults=[too_long] * 6)
    assert go("--endpoint", fake.url) == 2
    assert "tiny: every prompt is too long for it, so there is nothing to judge." in capsys.readouterr().err


def test_a_server_that_counts_no_tokens_is_counted_for_without_asking_twice(
    openai: Any, data: str, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the error says to do goes on from the answers that came."""
    fake = openai(say, usage=False)
    assert go("--endpoint", fake.url) == 1
    assert "--api chat --tokenizer MODEL" in capsys.readouterr().err
    assert go("--endpoint", fake.url, "--api", "chat", "--tokenizer", str(tiny_model)) == 0
    assert len(fake.bodies) == 6
    assert all(r["completion_tokens"] > 0 for r in records().values())


def test_an_evaluation_whose_server_dies_goes_on_without_asking_twice(
    openai: Any, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = openai(say, faults=[None, None, (401, {"error": {"message": "the key has expired"}})])
    argv = ("--endpoint", fake.url, "--concurrency", "1")
    assert go(*argv) == 2
    err = capsys.readouterr().err
    assert "it answers 401 (the key has expired). No key is set" in err
    assert "(example r2) The answers so far are kept in out/answers.jsonl" in err
    assert "Traceback" not in err
    assert len(fake.bodies) == 3
    assert not Path("out/records.jsonl").exists()
    assert go(*argv) == 0
    asked = [b["messages"][-1]["content"] for b in fake.bodies]
    assert asked == ["q0", "q1", "q2", "q2", "q3", "q4", "q5"]
    interrupted = Path("out/records.jsonl").read_bytes()
    assert main(["eval", "tiny", "--data", "d.jsonl", "--out", "whole", *argv]) == 0
    assert Path("whole/records.jsonl").read_bytes() == interrupted


@pytest.fixture
def heard() -> Iterator[None]:
    """What starts the tests in the background has them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_keeps_what_came_and_the_same_command_goes_on(
    openai: Any, data: str, capsys: pytest.CaptureFixture[str], heard: None
) -> None:
    def interrupting(body: dict[str, Any]) -> dict[str, Any]:
        if body["messages"][-1]["content"] == "q3" and len(fake.bodies) == 4:
            os.kill(os.getpid(), signal.SIGINT)
            fake.released.wait(10)
        return say(body)

    fake = openai(interrupting)
    argv = ("--endpoint", fake.url, "--concurrency", "1")
    assert go(*argv) == 130
    fake.released.set()
    err = capsys.readouterr().err
    assert "tiny 0 of 6 each. A batch that was cut is done again, from the answers that came. Go on with: rlvr" in err
    assert "--endpoint" in err
    assert go(*argv) == 0
    assert [b["messages"][-1]["content"] for b in fake.bodies] == ["q0", "q1", "q2", "q3", "q3", "q4", "q5"]


def test_prompts_that_the_server_cannot_take_are_left_out_and_stay_so(
    openai: Any, data: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """r1 does not fit. Chunks of two; the third is interrupted, and going on neither repeats nor loses a record."""
    monkeypatch.setattr("rlvr.evaluation.evaluate", partial(evaluate, chunk_size=2))
    too_long = (400, {"error": {"message": "maximum context length is 8 tokens", "code": "context_length_exceeded"}})
    fake = openai(say, faults=[None, too_long, None, None, (403, "")])
    argv = ("--endpoint", fake.url, "--concurrency", "1")
    assert go(*argv) == 2
    assert go(*argv) == 0
    assert "tiny: 1 of 6 examples left out, their prompts being too long." in capsys.readouterr().out
    lines = Path("out/records.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["r0", "r2", "r3", "r4", "r5"]
    assert [b["messages"][-1]["content"] for b in fake.bodies] == ["q0", "q1", "q2", "q3", "q4", "q4", "q5"]
    (model,) = json.loads(Path("out/evaluation.json").read_text())["models"]
    assert model["dropped"] == ["r1"]
    before = Path("out/records.jsonl").read_bytes()
    assert go(*argv) == 0
    assert Path("out/records.jsonl").read_bytes() == before
    assert len(fake.bodies) == 7


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"looks": (500, {"error": "dead"})}, "the server answers 500 when asked for its models (dead)"),
        ({"looks": (200, "<html>")}, "it is no OpenAI-compatible API"),
        ({"looks": (200, '{"data": [{"id"')}, "it is no OpenAI-compatible API"),
        ({"looks": "hang"}, "no answer within 0.3 s"),
        ({"models": ("tinier",)}, "serves no model 'tiny'. Did you mean tinier?"),
        ({"key": "k"}, "put it into the environment variable OPENAI_API_KEY"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_clear_error(
    settings: dict[str, Any], words: str, openai: Any, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = openai(say, **settings)
    assert go("--endpoint", fake.url, "--timeout", "0.3") == 2
    err = capsys.readouterr().err
    assert err.count("rlvr:") == 1
    assert words in err
    assert fake.url in err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--api", "chat"], "--api belongs to --endpoint"),
        (["--tokenizer", "x"], "--tokenizer belongs to --endpoint"),
        (["--endpoint", "http://x", "--rollout", "vllm"], "leave --rollout vllm out"),
        (["--endpoint", "http://x", "--structured"], "--structured needs vLLM"),
        (["--endpoint", "http://x", "--parser", "mistral"], "the server reads the calls"),
        (["--endpoint", "http://x", "--api", "completions"], "give the model's own with --tokenizer"),
        (["--endpoint", "x"], "--endpoint: got 'x'"),
        (["--endpoint", "http://x", "--concurrency", "0"], "--concurrency must be at least 1"),
        (["--endpoint", "http://x", "--tokenizer", "nope"], "neither a known model"),
    ],
)
def test_options_that_do_not_go_together(
    argv: list[str], words: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert go(*argv) == 2
    assert words in capsys.readouterr().err
    assert not Path("out").exists()


def test_what_a_judge_sees_is_text(openai: Any, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Suites judge texts: a server's message comes to them as one."""
    seen: list[Any] = []
    whole = judging.judge_generation

    def judge(example: Any, completion: Any, **told: Any) -> Any:
        seen.append(completion)
        return whole(example, completion, **told)

    monkeypatch.setattr("rlvr.evaluation.judging.judge_generation", judge)
    assert go("--endpoint", openai(say).url, "--limit", "2") == 0
    assert len(seen) == 2
    assert all(isinstance(text, str) for text in seen)
