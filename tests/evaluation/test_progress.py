"""Progress: rates count what this process did, and lines do not flood a log."""

from __future__ import annotations

import io

import pytest

from rlvr.evaluation.progress import Progress, StderrLines, duration


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_rate_and_time_left_by_hand() -> None:
    said: list[str] = []
    clock = Clock()
    progress = Progress(100, said.append, clock)
    clock.now = 50.0  # loading the engine does not count
    progress.start()
    clock.now = 60.0
    progress.add("m", 30, 110, 20, 400)
    assert said == ["m: 30/110 examples, 2.0 examples/s, 40 tokens/s, 40 s left"]
    progress.drop(30)
    clock.now = 70.0
    progress.add("m", 50, 110, 20, 400)
    assert said[-1].endswith("2.0 examples/s, 40 tokens/s, 15 s left")


def test_without_elapsed_time_no_rate_is_claimed() -> None:
    said: list[str] = []
    progress = Progress(10, said.append, Clock())
    progress.start()
    progress.add("m", 5, 10, 5, 50)
    progress.note("done")
    assert said == ["m: 5/10 examples", "done"]


def test_a_log_gets_a_line_now_and_then_and_the_last_one() -> None:
    stream, clock = io.StringIO(), Clock()
    say = StderrLines(stream, every=5.0, clock=clock)
    for second in range(8):
        clock.now = float(second)
        say(f"line {second}")
    say.close()
    assert stream.getvalue().splitlines() == ["line 0", "line 5", "line 7"]


def test_a_terminal_is_rewritten_in_place() -> None:
    stream = Terminal()
    say = StderrLines(stream)
    say("a longer line")
    say("short")
    say.close()
    assert stream.getvalue() == "\ra longer line\rshort        \n"


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0 s"), (59.6, "1 min 0 s"), (3599.7, "1 h 0 min")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
