"""The whole way against a fake endpoint: nothing at fault where all fits, and each planted fault by its name."""

from __future__ import annotations

from typing import Any

import pytest

from rlvr.evaluation.serving import Check, Endpoint, Report, serve_check
from rlvr.evaluation.serving.scenes import PARALLEL, SINGLE


def check(fake: Any, **kwargs: Any) -> Report:
    kwargs = {"client": False, "concurrent": 1, **kwargs}  # one at a time: the order of what is asked is known
    return serve_check(Endpoint(fake.url, sleep=lambda s: None), **kwargs)


def of(report: Report, name: str) -> Check:
    return next(c for c in report.checks if c.name == name)


def faults(report: Report) -> dict[str, str]:
    return {c.name: c.code for c in report.faults}


def test_where_all_fits_nothing_is_at_fault(answering: Any) -> None:
    with answering() as fake:
        report = check(fake)
    assert [c.name for c in report.checks if c.status != "ok"] == []
    assert len(report.checks) == 15
    # 3 queries of one call; the first 2 of two calls are enough; one stream of each.
    assert report.counts["queries"] == 5
    assert report.counts["queries_with_calls"] == 5
    assert report.counts["queries_with_two_calls_or_more"] == 2
    assert report.counts["streams"] == 2
    assert report.counts["streamed_calls"] == 3
    # plain, without tools, 5 queries, none, required, named, results, longer ones, a further question; and 2 streams
    assert report.counts["requests"] == 15 == len(fake.bodies)
    # 3 + 2 x 2 of the queries, required, named, the further question; and those streamed
    assert report.counts["calls"] == 7 + 3 + 3
    assert of(report, "stream").figures["equal"] == 2
    assert of(report, "arguments").figures == {"calls": 10, "objects": 10, "fitting": 10}
    assert report.model == "small"
    assert report.to_json()["ok"] is True


def test_several_at_a_time_see_the_same(answering: Any) -> None:
    with answering() as fake:
        one, many = check(fake).to_json(), check(fake, concurrent=8).to_json()
    assert one["checks"] == many["checks"]
    assert one["counts"] == many["counts"]
    assert [(a["what"], a["asked"]) for a in one["asked"]] == [(a["what"], a["asked"]) for a in many["asked"]]


def test_what_is_sent_is_what_openai_documents(answering: Any) -> None:
    with answering() as fake:
        check(fake, max_tokens=77)
    assert {b["temperature"] for b in fake.bodies} == {0}
    assert {b["max_tokens"] for b in fake.bodies} == {64, 77, 1}
    assert all(t["type"] == "function" for b in fake.bodies for t in b.get("tools", []))
    choices = [b["tool_choice"] for b in fake.bodies if "tool_choice" in b]
    assert {str(c) for c in choices} == {
        *("auto", "none", "required"),
        str({"type": "function", "function": {"name": "convert_currency"}}),
    }
    given, longer = (b for b in fake.bodies if b["messages"][-1]["role"] == "tool")
    query, calls, *results = given["messages"]
    assert query == {"role": "user", "content": PARALLEL[0]}
    assert [c["id"] for c in calls["tool_calls"]] == [r["tool_call_id"] for r in results]
    assert len(results) == 2
    assert longer["max_tokens"] == 1
    assert longer["messages"][-1]["content"].startswith(results[-1]["content"] + " ")
    assert all(isinstance(c["function"]["arguments"], str) for c in calls["tool_calls"])
    assert [b["messages"][-1]["content"] for b in fake.bodies if b.get("stream")] == [PARALLEL[0], SINGLE[0]]


@pytest.mark.parametrize(
    ("plant", "name", "code", "said", "way"),
    [
        ("wrong_parser", "calls", "wrong_parser", "hermes's form and none in tool_calls", "--tool-call-parser hermes"),
        ("template_without_tools", "tools", "template_without_tools", "the model never sees a tool", "--chat-template"),
        ("arguments_object", "arguments", "arguments_object", "not as a string that holds one", "json.loads"),
        ("ids_missing", "ids", "ids", "the id of a call is missing", "id"),
        ("ids_repeated", "ids", "ids", "two calls of one reply have the id 'call_0'", "mixed up"),
        ("reasoning_swallows", "reasoning", "reasoning_swallows", "whole calls", "--reasoning-parser"),
        ("reasoning_swallows_newer", "reasoning", "reasoning_swallows", "whole calls", "--reasoning-parser"),
        ("reasoning_waits", "reasoning", "reasoning_swallows", "whole calls", "--reasoning-parser"),
        ("reasoning_refuses", "reasoning", "reasoning_swallows", "whole calls", "--reasoning-parser"),
        ("reasoning_swallows_streams", "reasoning", "reasoning_swallows", "2 whole calls", "--reasoning-parser"),
        ("reasoning_unforced", "reasoning", "reasoning_swallows", "2 whole calls", "--reasoning-parser"),
        ("ids_each_turn", "ids", "ids", "a later turn of one dialogue gives the id 'call_0' again", "id"),
        ("arguments_python", "arguments", "arguments_no_json", "{'city': 'Hanoi', 'days': 3}", "--tool-call-parser"),
        ("tools_refused", "tools", "tools_refused", '400: "auto" tool choice requires', "--enable-auto-tool-choice"),
        ("finish_stop", "finish", "finish_reason", "'stop' in place of 'tool_calls'", "finish_reason"),
        ("first_call_only", "parallel", "parallel_lost", "bring one call, and leave more", "--tool-call-parser"),
        ("none_calls", "choice none", "choice_none", "tool_choice none brought 1 calls", "leave the tools out"),
        ("required_ignored", "choice required", "choice_required", "no call came, but words", "do not rely on it"),
        ("named_ignored", "choice named", "choice_named", "'get_weather', which is not convert_currency", "vLLM"),
        ("results_refused", "results", "results_refused", "400: After the optional system", "--chat-template"),
        ("results_dropped", "results", "results_dropped", "the chat template leaves them out", "--chat-template"),
        ("turns_refused", "turns", "turns_refused", "500: Internal Server Error", "--chat-template"),
        ("stream_left", "stream", "stream", "in the content when it is streamed", "without stream=True"),
        ("stream_loses", "stream", "stream", "streamed calls are not those of the plain reply", "stream=True"),
        ("stream_no_index", "stream", "stream", "a delta of a call has no index", "stream=True"),
        ("stream_id_again", "stream", "stream", "the id of a call comes again in a later delta", "stream=True"),
        ("stream_cut_arguments", "stream", "stream", "put together from deltas are no JSON object", "stream=True"),
        ("stream_no_finish", "stream", "stream", "without a finish_reason", "stream=True"),
        ("stream_no_done", "stream", "stream", "without `data: [DONE]`", "stream=True"),
        ("usage_missing", "usage", "usage", "no usage", "counts"),
        ("usage_wrong", "usage", "usage", "total_tokens is not the sum of both", "counts"),
    ],
)
def test_a_planted_fault_is_named(answering: Any, plant: str, name: str, code: str, said: str, way: str) -> None:
    with answering(plant) as fake:
        report = check(fake)
    assert faults(report)[name] == code
    assert said in of(report, name).said
    assert way in of(report, name).way
    # What follows from the one fault is not reported as another, but for what is a fault of both.
    beside = {"first_call_only": {"calls"}, "arguments_object": {"stream"}}
    assert set(faults(report)) - {name} <= beside.get(plant, set())
    assert report.to_json()["ok"] is False


@pytest.mark.parametrize(
    ("habit", "calls", "parallel"),
    [
        ("shy", "the model called in none of 12 queries (12 words): this is the model's choice", "no call to look at"),
        ("sloppy", "the model called in none of 12 queries (12 a broken call): this is the model's choice", "no call"),
        ("single", None, "the model made one call at a time in all of 6 queries"),
    ],
)
def test_what_the_model_chose_is_no_fault_of_the_server(
    answering: Any, habit: str, calls: str | None, parallel: str
) -> None:
    with answering(habit=habit) as fake:
        report = check(fake)
    assert faults(report) == {}
    assert of(report, "calls").status == ("unclear" if calls else "ok")
    assert calls is None or of(report, "calls").said == calls
    assert of(report, "parallel").status == "unclear"
    assert of(report, "parallel").said.startswith(parallel)


def test_a_shy_model_behind_a_faulty_server_is_told_apart(answering: Any) -> None:
    """It calls nothing, and the tools do not reach it: the second is the fault, and the reason of the first."""
    with answering("template_without_tools") as fake:
        report = check(fake)
    assert of(report, "calls").status == "unclear"
    assert "the tools never reach it (see tools)" in of(report, "calls").said
    assert of(report, "choice required").status == "ok"  # the server forces calls all the same


def test_thinking_that_stays_text_is_told(answering: Any) -> None:
    with answering(habit="thinks") as fake:
        report = check(fake)
    assert faults(report) == {}
    assert of(report, "calls").said == "5 of 5 queries brought calls; 5 show their reasoning as text"


def test_a_forced_call_without_an_end_is_tried_otherwise_and_then_left_open(answering: Any) -> None:
    with answering("endless") as fake:
        report = check(fake)
    assert of(report, "choice required").status == "unclear"
    assert "--max-tokens" in of(report, "choice required").way
    assert sum(b.get("tool_choice") == "required" for b in fake.bodies) == 2


def test_an_endpoint_of_newer_names_is_asked_with_them(answering: Any) -> None:
    with answering("new_names") as fake:
        report = check(fake)
    assert faults(report) == {}
    assert "max_tokens" not in fake.bodies[-1]
    assert fake.bodies[-1]["max_completion_tokens"] == 512
    assert "temperature" not in fake.bodies[-1]


def test_the_text_says_a_line_a_check_and_the_way_out_of_faults(answering: Any) -> None:
    with answering("ids_missing") as fake:
        text = check(fake).text()
    lines = text.splitlines()
    assert lines[0] == f"{fake.url}, model small (vLLM 0.0)"
    assert any(line.startswith("FAULT       ids            the id of a call is missing") for line in lines)
    assert sum("→" in line for line in lines) == 1
    assert lines[-1].startswith("15 checks: ")
    assert "1 at fault" in lines[-1]


def test_the_way_is_gone_with_openais_client_too(answering: Any) -> None:
    pytest.importorskip("openai", reason="needs the serve extra")
    with answering(key="open sesame") as fake, pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_KEY", "open sesame")
        patch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # for the network outside, not for this machine
        report = serve_check(Endpoint(fake.url, key_env="FAKE_KEY"))
    found = of(report, "openai")
    assert (found.status, found.figures) == ("ok", {"calls": 2, "streamed_calls": 2, "answered": True})


def test_what_openais_client_stumbles_over_is_told(answering: Any) -> None:
    pytest.importorskip("openai", reason="needs the serve extra")
    with answering("arguments_object") as fake:
        report = serve_check(Endpoint(fake.url))
    assert of(report, "openai").status == "fault"
    assert of(report, "openai").said.startswith("OpenAI's client fails: ")
