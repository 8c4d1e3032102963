"""Near duplicates: what is near, what is not, how well it is found, and that a build goes on after a kill."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("datasketch", reason="needs the data extra")

from rlvr.data.filters import NearDuplicates, RememberingFilter
from rlvr.data.filters.near_duplicates import rows_a_band, shingles, similarity
from rlvr.errors import UsageError
from rlvr.types import Example, Tool

Make = Callable[..., Example]
LONG = "Please tell me what the weather in Paris will be like tomorrow in the morning"


def jaccard(a: Example, b: Example) -> float:
    one, two = set(shingles(a)), set(shingles(b))
    return len(one & two) / len(one | two)


def test_nearly_the_same_query_to_the_same_tools_is_dropped(example: Make) -> None:
    keep = NearDuplicates(0.8)
    assert isinstance(keep, RememberingFilter)
    assert keep.why_not(example(LONG)) is None
    assert keep.why_not(example(LONG + "!")) == "near_duplicate"
    assert keep.why_not(example(LONG.upper() + " please")) == "near_duplicate"
    other = LONG.replace("Paris", "Da Nang").replace("tomorrow", "today")
    assert keep.why_not(example(other)) is None
    asked = (LONG + "?", other + ".", "How high is the tower?")
    assert [keep.original(keep.key(example(q))) for q in asked] == [0, 1, None]


def test_the_sets_by_hand(example: Make, tool: Callable[..., Tool]) -> None:
    # "abcdefgh" has the 5-grams abcde bcdef cdefg defgh, and there is one tool: five elements.
    assert len(shingles(example("abcdefgh"))) == 5
    assert len(shingles(example("abc"))) == 2
    assert len(shingles(example("ABC-defgh!", earlier=[{"role": "user", "content": "Hi"}]))) == 4 + 1 + 1 + 1
    # Four grams are shared of the four and five; the tools of one are two.
    assert jaccard(example("abcdefgh"), example("abcdefghi", [tool(), tool("b")])) == 5 / 7


def test_other_calls_and_other_turns_are_never_near(example: Make, tool: Callable[..., Tool]) -> None:
    offered = [tool(), tool("other")]
    base = example(LONG, offered)
    turn = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "get_weather", "arguments": {}}}]}
    assert jaccard(base, example(LONG, offered, [])) == 0
    assert jaccard(base, example(LONG, offered, [("other", {})])) == 0
    assert jaccard(base, example(LONG, offered, after=[turn, {"role": "tool", "content": "{}"}])) == 0
    assert jaccard(base, example(LONG, offered, [("get_weather", {"city": "Hue"})])) == 1


def test_a_system_prompt_and_many_tools_in_common_do_not_make_two_queries_alike(
    example: Make, tool: Callable[..., Tool]
) -> None:
    system = {"role": "system", "content": "You are a helpful assistant. " * 50}
    tools = [tool(f"tool_{n}") for n in range(30)] + [tool()]
    one = example(LONG, tools, earlier=[system])
    other = example(
        "Which museums in the old town are open on Sundays, and what do they cost?", tools, earlier=[system]
    )
    assert jaccard(one, other) < 0.4


@pytest.mark.parametrize(("threshold", "num_perm"), [(0.8, 128), (0.5, 128), (0.9, 64)])
def test_at_the_threshold_nine_of_ten_share_a_band(threshold: float, num_perm: int) -> None:
    rows = rows_a_band(threshold, num_perm)
    found = 1 - (1 - threshold**rows) ** (num_perm // rows)
    assert found >= 0.9
    assert rows == 8 or 1 - (1 - threshold ** (rows + 1)) ** (num_perm // (rows + 1)) < 0.9


def test_the_estimate_is_near_the_truth(example: Make) -> None:
    rng = random.Random(0)
    keep = NearDuplicates()
    words = ["weather", "museum", "ticket", "price", "town", "river", "bridge", "market", "morning", "train"]
    errors = []
    for _ in range(60):
        query = [rng.choice(words) + str(rng.randrange(100)) for _ in range(30)]
        changed = [rng.choice(words) if rng.random() < 0.1 else w for w in query]
        a, b = example(" ".join(query)), example(" ".join(changed))
        errors.append(similarity(keep.key(a), keep.key(b)) - jaccard(a, b))
    assert abs(sum(errors) / 60) < 0.02  # no bias
    assert max(map(abs, errors)) < 4 * 0.044  # four standard deviations at 128


def test_near_ones_are_found_among_many(example: Make) -> None:
    rng = random.Random(3)
    keep = NearDuplicates(0.8)
    queries = [" ".join(f"{rng.randrange(10**6):x}" for _ in range(16)) for _ in range(400)]
    assert [keep.why_not(example(q)) for q in queries] == [None] * 400
    # One character of about 95 changed: at most 5 of about 92 elements on either side, a similarity near 0.9.
    dropped = [keep.why_not(example(q[:50] + "x" + q[51:])) for q in queries]
    assert dropped.count("near_duplicate") >= 390


def test_a_killed_build_goes_on_where_its_state_was_taken(example: Make, tmp_path: Path) -> None:
    rng = random.Random(5)
    rows = [example(f"{LONG} at {rng.randrange(40)} in city number {rng.randrange(10**9)}") for _ in range(300)]
    whole = NearDuplicates(0.85, store=tmp_path / "whole")
    wanted = [whole.why_not(e) for e in rows]
    assert 20 < wanted.count("near_duplicate") < 280

    first = NearDuplicates(0.85, store=tmp_path / "keys")
    got = [first.why_not(e) for e in rows[:120]]
    state = first.state()
    for row in rows[120:200]:
        first.why_not(row)
    second = NearDuplicates(0.85, store=tmp_path / "keys")
    second.restore(state)
    got += [second.why_not_key(second.key(e)) for e in rows[120:]]
    assert got == wanted
    second.state(), whole.state()
    assert (tmp_path / "keys").read_bytes() == (tmp_path / "whole").read_bytes()


def test_bad_settings_are_refused() -> None:
    with pytest.raises(UsageError, match=r"near_threshold: got 1\.2"):
        NearDuplicates(1.2)
    with pytest.raises(UsageError, match="num_perm: got 4"):
        NearDuplicates(0.8, 4)


def test_the_key_is_pinned(example: Make) -> None:
    """A store outlives the process that wrote it: another release must give the same signatures, or say otherwise."""
    assert NearDuplicates(num_perm=16).key(example("abcdefgh")).hex() == "6e0a115e87ec1a736eb3014195079ac3"
