"""The judge, against a server of our own: what is asked, what is kept, and what is said when nothing answers."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.client import IncompleteRead
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rlvr.errors import RunError, UsageError
from rlvr.negatives import Judge, NegativeOptions, Tally, synthesize
from rlvr.negatives.judge import question, read_verdict
from rlvr.types import Example, Tool

YES = '{"call": true, "function": "x", "why": "it fits"}'
NO = '```json\n{"call": false, "function": null, "why": "no"}\n```'


class Server(ThreadingHTTPServer):
    """Answers each question by `say`; an integer is a status to fail with."""

    say: Callable[[str], str | int]
    asked: list[dict[str, Any]]
    keys: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(body)
        self.server.keys.append(self.headers.get("Authorization"))
        answer = self.server.say(body["messages"][0]["content"]) if self.path == "/v1/chat/completions" else 404
        self.send_response(answer if isinstance(answer, int) else 200)
        self.end_headers()
        if isinstance(answer, str):
            self.wfile.write(json.dumps({"choices": [{"message": {"content": answer}}]}).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.asked, server.keys, server.say = [], [], lambda _: NO
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def judge(server: Server, tmp_path: Path) -> Judge:
    address = f"http://127.0.0.1:{server.server_address[1]}/v1/"
    return Judge(address, "m", tmp_path / "judge" / "answers.sqlite", timeout_s=10, sleep=lambda _: None)


def test_verdicts_in_order_and_each_question_once(judge: Judge, server: Server, parent: Callable[..., Example]) -> None:
    server.say = lambda text: YES if "question 1" in text else NO
    examples = [parent(0), parent(1), parent(0)]
    assert [v.outcome for v in judge.verdicts(examples)] == ["unanswerable", "answerable", "unanswerable"]
    assert len(server.asked) == 2
    assert server.asked[0]["model"] == "m"
    assert server.asked[0]["temperature"] == 0
    assert "question" in server.asked[0]["messages"][0]["content"]
    assert "get_forecast" in server.asked[0]["messages"][0]["content"]


def test_answers_are_kept_on_disk(judge: Judge, server: Server, parent: Callable[..., Example]) -> None:
    judge.verdicts([parent(0)])
    server.say = lambda _: 500
    assert [v.outcome for v in judge.verdicts([parent(0)])] == ["unanswerable"]
    assert len(server.asked) == 1
    with pytest.raises(RunError, match="gave no answer in 5 tries"):
        judge.verdicts([parent(1)])


def test_a_busy_server_is_asked_again(judge: Judge, server: Server, parent: Callable[..., Example]) -> None:
    server.say = lambda _: 429 if len(server.asked) < 3 else NO
    assert judge.verdicts([parent(0)])[0].why == "no"
    assert len(server.asked) == 3


@pytest.mark.parametrize("status", [401, 404])
def test_a_mistake_is_said_at_once(status: int, judge: Judge, server: Server, parent: Callable[..., Example]) -> None:
    server.say = lambda _: status
    with pytest.raises(UsageError, match=f"answers HTTP {status} for the model 'm'.*OPENAI_API_KEY"):
        judge.verdicts([parent(0)])
    assert len(server.asked) == 1


def test_the_key_goes_into_the_header_only(
    judge: Judge, server: Server, parent: Callable[..., Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    judge.verdicts([parent(0)])
    assert server.keys == ["Bearer sk-secret"]
    server.say = lambda _: 401
    with pytest.raises(UsageError) as error:
        judge.verdicts([parent(1)])
    assert "sk-secret" not in str(error.value)
    assert b"sk-secret" not in judge.cache.read_bytes()


def test_nobody_there(tmp_path: Path, parent: Callable[..., Example]) -> None:
    waits: list[float] = []
    judge = Judge("http://127.0.0.1:9/v1", "m", tmp_path / "a.sqlite", retries=2, timeout_s=2, sleep=waits.append)
    with pytest.raises(RunError, match=r"gave no answer in 3 tries .* not asked for again\. Run again to go on\."):
        judge.verdicts([parent(0)])
    assert waits == [2.0, 4.0]


def test_it_is_asked_beforehand_whether_it_answers(
    judge: Judge, server: Server, parent: Callable[..., Example]
) -> None:
    assert judge.check() is None
    assert len(server.asked) == 1
    server.say = lambda _: 401
    with pytest.raises(UsageError, match=r"answers HTTP 401 for the model 'm'.*OPENAI_API_KEY\. No row was read yet"):
        judge.check()
    server.say = lambda _: 503
    with pytest.raises(UsageError, match=r"no answer in 2 tries \(HTTP 503\)\. Start it, or correct its address"):
        judge.check()
    server.say = lambda _: NO
    judge.verdicts([parent(0)])
    server.say = lambda _: 503
    assert "gave no answer" in str(judge.check())  # the kept answers may be enough
    blocked = dataclasses.replace(judge, cache=judge.cache / "below")
    with pytest.raises(RunError, match="the judge's answers cannot be kept there"):
        blocked.check()


def test_every_answer_that_came_is_kept_whatever_fails_beside_it(
    judge: Judge, server: Server, parent: Callable[..., Example]
) -> None:
    """Eight are asked side by side: four fail at once, and four answers come later."""

    all_asked = threading.Barrier(8)

    def say(text: str) -> str | int:
        all_asked.wait(60)  # one that is still in the queue when another fails is rightly not asked
        if any(f"question {n}" in text for n in range(4)):
            return 401
        time.sleep(0.3)
        return NO

    server.say = say
    with pytest.raises(UsageError, match="HTTP 401"):
        judge.verdicts([parent(n) for n in range(8)])
    server.say = lambda _: 500
    assert [v.outcome for v in judge.verdicts([parent(n) for n in range(4, 8)])] == ["unanswerable"] * 4


def test_an_answer_that_is_cut_off_is_no_crash(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, parent: Callable[..., Example]
) -> None:
    def cut(self: Judge, text: str) -> Any:
        raise IncompleteRead(b"{")

    monkeypatch.setattr(Judge, "_send", cut)
    with pytest.raises(RunError, match="IncompleteRead"):
        judge.verdicts([parent(0)])


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (YES, "answerable"),
        (NO, "unanswerable"),
        ('The answer: {"call": false} {"call": true}', "unanswerable"),
        ('{"call": "false"}', "unclear"),
        ("[]", "unclear"),
        ("", "unclear"),
        ("{" * 100_000, "unclear"),
        ('{"call": ', "unclear"),
    ],
)
def test_reading_a_verdict(text: str, outcome: str) -> None:
    assert read_verdict(text).outcome == outcome


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"endpoint": "localhost:8000"}, "begins with http"),
        ({"endpoint": "file:///etc/passwd"}, "begins with http"),
        ({"concurrent": 0}, "at least 1"),
        ({"timeout_s": 0}, "more than 0"),
    ],
)
def test_mistakes(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        Judge(**{"endpoint": "http://x/v1", "model": "m", "cache": tmp_path / "c", **given})


def test_a_cache_that_is_no_database(judge: Judge, parent: Callable[..., Example]) -> None:
    judge.cache.parent.mkdir()
    judge.cache.write_text("something else entirely, longer than a header " * 50)
    with pytest.raises(RunError, match="the judge's answers cannot be kept there"):
        judge.verdicts([parent(0)])


def test_the_question_shows_schema_and_dialogue(parent: Callable[..., Example]) -> None:
    text = question(parent(7))
    assert "question 7" in text
    assert '"required"' in text


def test_what_the_judge_calls_answerable_is_made_of_others(
    judge: Judge, server: Server, parent: Callable[..., Example], tool: Callable[..., Tool]
) -> None:
    server.say = lambda text: YES if "question 1" in text else NO
    songs = tool("play_song", "Plays a song on a loudspeaker.", title="string")
    parents = [parent(i) for i in range(3)] + [parent(3, songs, "music", title="x")]
    tally = Tally()
    options = NegativeOptions(kinds={"missing_permission": 1.0}, count=3, parents=4)
    made = list(synthesize(parents, options, judge=judge, tally=tally))
    assert "p1/missing_permission" not in {e.id for e in made}
    assert len(made) == 3
    assert tally.judged["unanswerable"] == 3
    assert tally.refused["missing_permission", "the judge's verdict: answerable"] == 1
