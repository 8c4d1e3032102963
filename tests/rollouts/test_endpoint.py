"""A generator behind an OpenAI-compatible server: both APIs, on real sockets, with everything that goes wrong there."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

pytest.importorskip("httpx", reason="needs the endpoint extra")

from rlvr.errors import DataError, RlvrError, RunError, UsageError
from rlvr.prompts import RenderedPrompt
from rlvr.rollouts.answers import Building
from rlvr.rollouts.endpoint import EndpointGenerator
from rlvr.rollouts.endpoint_http import EndpointOptions, TryAgainError, events, look
from rlvr.rollouts.wire import chat_prompt
from rlvr.types import Example, Tool

ADD = Tool("add", "Add.", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
SURE = {"content": "No."}
CALLS = [
    {"function": {"name": "add", "arguments": '{"a": 1}'}},
    {"function": {"name": "add", "arguments": '{"a": 22}'}},
]
QUICK = {"retries": 2, "retry_wait": 0.01, "timeout": 5.0}


class Bytes:
    """A tokenizer whose tokens are bytes."""

    chat_template = None

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": list(text.encode())}

    def decode(self, ids: list[int], skip_special_tokens: bool = False) -> str:
        return bytes(i for i in ids if i or not skip_special_tokens).decode()


def prompts(count: int) -> list[Any]:
    examples = [
        Example(f"e{i}", "s", "simple", ({"role": "user", "content": f"q{i}"},), (ADD,), ()) for i in range(count)
    ]
    return [chat_prompt(e) for e in examples]


def engine(url: str, api: str = "chat", tokenizer: Any = None, **changes: Any) -> EndpointGenerator:
    return EndpointGenerator("tiny", EndpointOptions(url, api, **{**QUICK, **changes}), tokenizer=tokenizer)


def question(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def test_a_chat_with_reasoning_and_two_streamed_calls(openai: Any, tmp_path: Path) -> None:
    fake = openai(lambda body: {"reasoning_content": "Two.", "content": "", "tool_calls": CALLS})
    made, told = engine(fake.url), []
    made.begin(tmp_path, "m", told.append)
    ((answer,),) = made.generate(prompts(1), max_new_tokens=64, seed=3)
    assert told == ["m: 1 of 1 answers of this batch"]
    assert answer.text == (
        "<think>\nTwo.\n</think>\n"
        '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>\n'
        '<tool_call>\n{"name": "add", "arguments": {"a": 22}}\n</tool_call>'
    )
    assert (answer.length, answer.prompt_tokens, answer.truncated) == (7, 30, False)
    assert 0 < answer.first_token_seconds <= answer.first_call_seconds <= answer.seconds
    (body,) = fake.bodies
    assert body["path"] == "/v1/chat/completions"
    assert body["tools"] == [{"type": "function", "function": ADD.to_json()}]
    assert (body["model"], body["max_tokens"], body["temperature"], body["seed"]) == ("tiny", 64, 0.0, 3)
    kept = json.loads((tmp_path / "answers.jsonl").read_text())["answer"]["message"]
    assert kept["reasoning_content"] == "Two."
    assert [c["id"] for c in kept["tool_calls"]] == ["id-0", "id-1"]


def test_the_first_call_ends_with_its_own_last_part() -> None:
    building = Building(begun=100.0)
    part = {"index": 0, "function": {"name": "add", "arguments": "{"}}
    steps = [
        (101.0, {"delta": {"reasoning": "Hm."}}),
        (102.0, {"delta": {"tool_calls": [part]}}),
        (103.0, {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}}),
        (105.0, {"delta": {"tool_calls": [{**part, "index": 1}]}}),
        (109.0, {"delta": {}, "finish_reason": "tool_calls"}),
    ]
    for clock, choice in steps:
        building.take({"choices": [choice]}, clock)
    building.take({"choices": [], "usage": {"completion_tokens": 5}}, 150.0)
    answer = building.answer()
    assert (answer.first_token_seconds, answer.first_call_seconds, answer.seconds) == (1.0, 3.0, 9.0)
    assert answer.message["tool_calls"][0]["function"] == {"name": "add", "arguments": "{}"}


def test_pieces_without_an_index_begin_a_call_where_it_is_named() -> None:
    building = Building(begun=100.0)
    pieces = [
        {"index": None, "id": "a", "function": {"name": "add", "arguments": '{"a": '}},
        {"index": None, "function": {"arguments": "1}"}},
        {"id": "b", "function": {"name": "add", "arguments": ""}},
    ]
    for piece in pieces:
        building.take({"choices": [{"delta": {"tool_calls": [piece]}}]}, 101.0)
    building.take({"choices": [{"delta": {"reasoning_details": [{"text": "Hm."}]}, "finish_reason": "stop"}]}, 102.0)
    message = building.answer().message
    assert [c["function"] for c in message["tool_calls"]] == [
        {"name": "add", "arguments": '{"a": 1}'},
        {"name": "add", "arguments": ""},
    ]
    assert message["reasoning_content"] == "Hm."


def test_a_server_that_does_not_stream_gives_no_first_token(openai: Any) -> None:
    fake = openai(lambda body: {"content": "No."} if "messages" in body else {"text": "No."}, streams=False)
    ((chat,),) = engine(fake.url).generate(prompts(1), max_new_tokens=8)
    ((text,),) = engine(fake.url, "completions", Bytes()).generate([RenderedPrompt("q", (113,))], max_new_tokens=8)
    for answer in (chat, text):
        assert (answer.text, answer.length, answer.first_token_seconds) == ("No.", 7, None)
        assert answer.seconds > 0


def test_text_completions_take_our_prompt_as_ids_from_vllm_and_as_text_from_others(openai: Any) -> None:
    ids = [*b"No.", 0]
    fake = openai(lambda body: {"text": "not what the ids say", "ids": ids, "finish": "length"})
    ((answer,),) = engine(fake.url, "completions", Bytes()).generate(
        [RenderedPrompt("qq", (113, 113))], max_new_tokens=4
    )
    assert (answer.text, answer.token_ids, answer.truncated) == ("No.", tuple(ids), True)
    assert 0 < answer.first_token_seconds <= answer.seconds
    (body,) = fake.bodies
    assert (body["path"], body["prompt"], body["return_token_ids"]) == ("/v1/completions", [113, 113], True)
    assert (body["repetition_penalty"], body["top_k"], body["min_p"]) == (1.0, -1, 0.0)
    other = openai(lambda body: {"text": "No."}, owned_by="somebody")
    ((answer,),) = engine(other.url, "completions", Bytes()).generate(
        [RenderedPrompt("qq", (113, 113))], max_new_tokens=4
    )
    assert (answer.text, answer.token_ids, answer.length) == ("No.", (), 7)
    (body,) = other.bodies
    assert body["prompt"] == "qq"
    assert {"return_token_ids", "repetition_penalty", "top_k", "min_p"}.isdisjoint(body)


def test_requests_run_beside_each_other_and_come_back_in_order(openai: Any) -> None:
    barrier = threading.Barrier(3)

    def say(body: dict[str, Any]) -> Any:
        if question(body) in ("q0", "q1", "q2"):
            barrier.wait(5)  # passes only where three are on their way at once
        time.sleep(0.05 if question(body) == "q0" else 0.0)
        return {"content": question(body)}

    fake = openai(say)
    made = engine(fake.url, concurrency=3).generate(prompts(9), max_new_tokens=8)
    assert [g[0].text for g in made] == [f"q{i}" for i in range(9)]
    assert fake.most == 3
    assert {question(b) for b in fake.bodies[:3]} == {"q0", "q1", "q2"}


def test_one_at_a_time_asks_in_order(openai: Any) -> None:
    fake = openai(lambda body: SURE)
    engine(fake.url, concurrency=1).generate(prompts(5), max_new_tokens=8)
    assert [question(b) for b in fake.bodies] == ["q0", "q1", "q2", "q3", "q4"]


@pytest.mark.parametrize(
    "fault",
    [
        (503, {"error": {"message": "busy"}}),
        (429, {"error": {"message": "slow down"}}, [("Retry-After", "0")]),
        (500, "oops"),
        (200, {"error": {"message": "worker died", "code": 500}}),
        "cut",
        "broken",
        "html",
    ],
)
def test_what_may_pass_is_tried_again(openai: Any, fault: Any) -> None:
    fake = openai(lambda body: {"content": "Yes, all of it."}, faults=[fault])
    ((answer,),) = engine(fake.url).generate(prompts(1), max_new_tokens=8)
    assert answer.text == "Yes, all of it."
    assert len(fake.bodies) == 2


def test_the_wait_doubles_and_retry_after_goes_before_it(monkeypatch: pytest.MonkeyPatch, openai: Any) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("rlvr.rollouts.endpoint_http.asyncio.sleep", sleep)
    fake = openai(lambda body: SURE, faults=[(500, "")] * 2 + [(429, "", [("Retry-After", "9")]), (500, "")])
    engine(fake.url, retries=4, retry_wait=2.0).generate(prompts(1), max_new_tokens=8)
    assert waited == [2.0, 4.0, 9.0, 16.0]


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (
            (500, {"error": {"message": "out of memory"}}),
            RunError,
            "no answer in 3 tries (it answers 500: out of memory)",
        ),
        ("cut", RunError, "the answer breaks off before its end"),
        ("broken", RunError, 'the answer is no JSON, or is cut off: \'{"choices"'),
        ("html", RunError, "the answer is no JSON, or is cut off: '<html>"),
        ("hang", RunError, "no whole answer within 0.3 s"),
        ((401, {"error": {"message": "who?"}}), UsageError, "it answers 401 (who?). No key is set: put it into the"),
        ((404, {"message": "no such model"}), UsageError, "it answers 404 to chat/completions: no such model"),
        ((400, {"detail": "bad tools"}), UsageError, "it answers 400 to chat/completions: bad tools"),
        ((302, "moved"), UsageError, "it answers 302"),
    ],
)
def test_what_stays_wrong_is_one_clear_error(
    openai: Any, fault: Any, kind: type[RlvrError], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    fake = openai(lambda body: SURE, faults=[fault] * 3)
    made = engine(fake.url, timeout=0.3 if fault == "hang" else 5.0)
    made.begin(tmp_path, "m")
    with pytest.raises(kind) as caught:
        made.generate(prompts(1), max_new_tokens=8)
    assert str(caught.value).startswith(fake.url)
    assert words in str(caught.value)
    assert "(example e0)" in str(caught.value)
    assert "the same command goes on" in str(caught.value)
    assert len(fake.bodies) == (3 if kind is RunError else 1)


def test_the_key_is_read_from_the_environment(openai: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = openai(lambda body: SURE, key="secret")
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(UsageError, match=r"it answers 401 \(wrong key\)\. No key is set: .* variable MY_KEY"):
        engine(fake.url, key_env="MY_KEY")
    monkeypatch.setenv("MY_KEY", "guessed")
    with pytest.raises(UsageError, match="The key in MY_KEY is not accepted"):
        engine(fake.url, key_env="MY_KEY")
    monkeypatch.setenv("MY_KEY", "secret")
    assert engine(fake.url, key_env="MY_KEY").generate(prompts(1), max_new_tokens=8)[0][0].text == "No."


@pytest.mark.parametrize(
    ("looks", "words"),
    [
        ((200, "<html>"), "it is no OpenAI-compatible API (GET {url}/models: 200, no list of models)"),
        ((200, {"models": []}), "it is no OpenAI-compatible API"),
        ((404, {"detail": "Not Found"}), "it is no OpenAI-compatible API (GET {url}/models: 404"),
        ((500, {"error": "dead"}), "the server answers 500 when asked for its models (dead)"),
        ("hang", "no answer within 0.2 s"),
    ],
)
def test_what_is_no_endpoint_is_told_before_any_work(openai: Any, looks: Any, words: str) -> None:
    fake = openai(lambda body: SURE, looks=looks)
    with pytest.raises(UsageError) as caught:
        look(EndpointOptions(fake.url, timeout=0.2), "tiny")
    assert words.format(url=fake.url) in str(caught.value)
    assert fake.bodies == []


def test_nobody_there_and_an_unknown_model(openai: Any) -> None:
    fake = openai(lambda body: SURE)
    with pytest.raises(UsageError, match=r"serves no model 'tine'\. Did you mean tiny\?"):
        look(EndpointOptions(fake.url), "tine")
    fake.close()
    with pytest.raises(UsageError, match=r"no server answers .* Start it, or correct --endpoint"):
        look(EndpointOptions(fake.url), "tiny")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "localhost:8000"}, "--endpoint: got 'localhost:8000'"),
        ({"api": "responses"}, "--api: got 'responses'"),
        ({"concurrency": 0}, "--concurrency must be at least 1"),
        ({"timeout": 0.0}, "--timeout must be more than 0"),
    ],
)
def test_options_that_cannot_be(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        EndpointOptions(**{"url": "http://x/v1", **changes})


@pytest.mark.parametrize(
    ("url", "is_at", "shown"),
    [
        ("http://x:1", "http://x:1/v1", "http://x:1/v1"),
        ("http://x:1/v1/", "http://x:1/v1", "http://x:1/v1"),
        ("https://me:word@x/openai/v1", "https://me:word@x/openai/v1", "https://x/openai/v1"),
    ],
)
def test_addresses(url: str, is_at: str, shown: str) -> None:
    options = EndpointOptions(url)
    assert (options.url, options.shown) == (is_at, shown)


def test_after_a_failure_nothing_is_asked_twice(openai: Any, tmp_path: Path) -> None:
    """Of eight, q3 is refused. Those on their way beside it come back and are kept; the rest is not asked."""
    begun = threading.Event()

    def say(body: dict[str, Any]) -> Any:
        if question(body) == "q4":
            begun.wait(5)
            time.sleep(0.1)  # answered after q3 was refused
        return {"content": question(body)}

    fake = openai(say)
    refusing = fake.say

    def refuse(body: dict[str, Any]) -> Any:
        if question(body) == "q3":
            begun.set()
            raise ValueError("the handler dies: the connection breaks off")
        return refusing(body)

    fake.say = refuse
    made = engine(fake.url, concurrency=2, retries=0)
    made.begin(tmp_path, "m")
    with pytest.raises(RunError, match=r"answers\.jsonl: the same command goes on"):
        made.generate(prompts(8), max_new_tokens=8)
    asked = [question(b) for b in fake.bodies]
    assert sorted(asked) == ["q0", "q1", "q2", "q3", "q4"]
    fake.say, fake.bodies = refusing, []
    again = engine(fake.url)
    again.begin(tmp_path, "m")
    assert [g[0].text for g in again.generate(prompts(8), max_new_tokens=8)] == [f"q{i}" for i in range(8)]
    assert sorted(question(b) for b in fake.bodies) == ["q3", "q5", "q6", "q7"]
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == 8


def test_other_labels_and_settings_are_asked_anew_and_a_cut_line_too(openai: Any, tmp_path: Path) -> None:
    fake = openai(lambda body: {"content": str(body["max_tokens"])})
    for label, length, asked in (("a", 8, 2), ("a", 8, 0), ("b", 8, 2), ("a", 9, 2)):
        fake.bodies = []
        made = engine(fake.url)
        made.begin(tmp_path, label)
        assert [g[0].text for g in made.generate(prompts(2), max_new_tokens=length)] == [str(length)] * 2
        assert len(fake.bodies) == asked
    path = tmp_path / "answers.jsonl"
    path.write_bytes(path.read_bytes()[:-9])  # as a kill leaves it
    fake.bodies = []
    made = engine(fake.url)
    made.begin(tmp_path, "a")
    made.generate(prompts(2), max_new_tokens=9)
    assert len(fake.bodies) == 1
    assert all(json.loads(line) for line in path.read_text().splitlines())
    path.write_text("{}\n" + path.read_text())
    with pytest.raises(DataError, match=r"answers\.jsonl:1: not an answer"):
        made.begin(tmp_path, "a")


def test_equal_prompts_are_asked_each(openai: Any) -> None:
    fake = openai(lambda body: SURE)
    made = engine(fake.url).generate([*prompts(1), *prompts(1)], max_new_tokens=8, temperature=1.0, n=2, seed=5)
    assert [len(g) for g in made] == [2, 2]
    assert sorted(b["seed"] for b in fake.bodies) == [5, 5, 6, 6]


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 2048 tokens. However, you requested 3000.",
        "context_length_exceeded",
        "the request exceeds the available context size",
    ],
)
def test_a_prompt_that_is_too_long_has_no_completion(openai: Any, words: str) -> None:
    fake = openai(lambda body: SURE, faults=[(400, {"error": {"message": words}})])
    assert [len(g) for g in engine(fake.url, concurrency=1).generate(prompts(2), max_new_tokens=8)] == [0, 1]


def test_a_server_that_counts_no_tokens(openai: Any) -> None:
    fake = openai(lambda body: SURE, usage=False)
    with pytest.raises(RunError, match=r"does not say how many tokens .* --api chat --tokenizer"):
        engine(fake.url).generate(prompts(1), max_new_tokens=8)
    ((answer,),) = engine(fake.url, tokenizer=Bytes()).generate(prompts(1), max_new_tokens=8)
    assert answer.length == 3


def test_thinking_is_told_to_the_servers_template(openai: Any) -> None:
    fake = openai(lambda body: SURE)
    engine(fake.url, thinking=False).generate(prompts(1), max_new_tokens=8)
    assert fake.bodies[0]["chat_template_kwargs"] == {"enable_thinking": False}


def test_prompts_that_do_not_fit_the_api(openai: Any) -> None:
    fake = openai(lambda body: SURE)
    with pytest.raises(UsageError, match="--api chat renders on the server"):
        engine(fake.url).generate([RenderedPrompt("q", (1,))], max_new_tokens=8)
    with pytest.raises(UsageError, match="no structured outputs"):
        engine(fake.url).generate([RenderedPrompt("q", (1,), structure="{}")], max_new_tokens=8)
    with pytest.raises(UsageError, match="--tokenizer"):
        engine(fake.url, "completions")


def test_an_event_may_hold_a_line_separator() -> None:
    """U+2028 inside an answer is no end of a line of the stream."""

    class Answer:
        status_code = 200
        headers = MappingProxyType({"content-type": "text/event-stream"})

        async def __aenter__(self) -> Answer:
            return self

        async def __aexit__(self, *_: Any) -> None: ...

        async def aiter_bytes(self) -> Any:
            whole = 'data: {"choices": "a\u2028b"}\r\n\r\n: a comment\ndata: [DONE]\n'.encode()
            for i in range(0, len(whole), 7):
                yield whole[i : i + 7]

    class Client:
        def stream(self, *_: Any, **__: Any) -> Answer:
            return Answer()

    async def read() -> list[Any]:
        return [e async for e in events(Client(), "p", {}, EndpointOptions("http://x/v1"))]

    assert asyncio.run(read()) == [{"choices": "a\u2028b"}, None]


@pytest.mark.parametrize("event", [{"hello": 1}, {"choices": [{}]}, {"choices": [3]}, {"choices": {"a": 1}}])
def test_an_answer_of_another_form_is_no_answer(event: dict[str, Any]) -> None:
    def read() -> None:
        building = Building(0.0)
        building.take(event, 1.0)
        building.answer()

    with pytest.raises(TryAgainError):
        read()


def test_what_is_kept_of_the_engine(openai: Any) -> None:
    fake = openai(lambda body: SURE)
    told = engine(fake.url.replace("http://", "http://me:word@")).describe(max_new_tokens=8)
    assert told["engine"]["url"] == fake.url
    assert told["engine"]["served"] == {"name": "tiny", "by": "vllm", "root": "r", "max_model_len": 2048}
    assert told["sampling"]["repetition_penalty"] == 1.0
    assert "stream" not in told["sampling"]
    assert "word" not in json.dumps(told)
