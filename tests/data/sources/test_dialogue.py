"""A dialogue's turns: which become examples, under which ids, with which history, and what is said of the others."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rlvr.data.answers import AnswerError, NoCallError
from rlvr.data.rows import Row
from rlvr.data.sources.dialogue import MAX_MESSAGES, Dialogue, Turn, to_examples
from rlvr.data.sources.rejects import NotUnderstood, Reject, Unused
from rlvr.tools import normalise_tool
from rlvr.types import Example, ToolCall

ROW = Row("f:1", {}, "4", "f")
TOOL = normalise_tool({"name": "f", "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}}})
OTHER = normalise_tool({"name": "g", "parameters": {}})
USER = Turn("user", "What is the square of five?")


def call(**arguments: object) -> Turn:
    return Turn("assistant", calls=(ToolCall("f", arguments),))


def made(*turns: Turn, tools: Sequence[object] = (TOOL,), **fields: object) -> list[Example | Reject]:
    return to_examples(Dialogue(turns, tuple(tools), **fields), ROW, "s", "MIT")  # type: ignore[arg-type]


def only(found: Sequence[Example | Reject]) -> Example:
    assert len(found) == 1
    assert isinstance(found[0], Example)
    return found[0]


def test_one_turn_has_the_rows_id_and_several_are_numbered() -> None:
    assert only(made(USER, call(n=5))).id == "s-4"
    assert only(made(USER, call(n=5), id="abc")).id == "s-abc"
    assert [e.id for e in made(USER, call(n=5), Turn("tool", "25"), Turn("assistant", "25."))] == ["s-4-t0", "s-4-t1"]


def test_messages_of_one_turn_are_joined() -> None:
    example = only(made(USER, Turn("assistant", "Let me see."), call(n=5), call(n=6)))
    assert [c.arguments for c in example.ground_truth] == [{"n": 5}, {"n": 6}]
    assert example.messages == ({"role": "user", "content": USER.text},)


def test_a_greeting_and_a_word_after_the_reply_are_no_turns() -> None:
    found = made(Turn("assistant", "Hello, how can I help?"), USER, call(n=5))
    assert only(found).id == "s-4"
    assert [m["role"] for m in only(found).messages] == ["assistant", "user"]


def test_results_stand_in_the_order_of_the_calls_that_they_answer() -> None:
    both = Turn("assistant", calls=(ToolCall("f", {"n": 5}), ToolCall("f", {"n": 6})), call_ids=("a", "b"))

    def order(*results: Turn) -> list[str]:
        last = made(USER, both, *results, Turn("assistant", "Both are there."))[-1]
        assert isinstance(last, Example)
        return [m["content"] for m in last.messages if m["role"] == "tool"]

    assert order(Turn("tool", "36", answers="b"), Turn("tool", "25", answers="a")) == ["25", "36"]
    assert order(Turn("tool", "25", answers="a"), Turn("tool", "36", answers="b")) == ["25", "36"]
    for one, other in (("b", "x"), ("b", "b"), ("", ""), ("b", "")):  # who answers whom is not told: as they came
        assert order(Turn("tool", "36", answers=one), Turn("tool", "25", answers=other)) == ["36", "25"]


def test_ids_that_a_later_turn_gives_again_are_its_own() -> None:
    def both(*numbers: int) -> Turn:
        return Turn("assistant", calls=tuple(ToolCall("f", {"n": n}) for n in numbers), call_ids=("a", "b"))

    turns = (USER, both(1, 2), Turn("tool", "4", answers="b"), Turn("tool", "1", answers="a"), both(3, 4))
    last = made(*turns, Turn("tool", "16", answers="b"), Turn("tool", "9", answers="a"), Turn("assistant", "So."))[-1]
    assert isinstance(last, Example)
    assert [m["content"] for m in last.messages if m["role"] == "tool"] == ["1", "4", "9", "16"]


def test_what_was_coerced_stands_so_in_the_history() -> None:
    first, last = made(USER, call(n="5"), Turn("tool", "25"), Turn("assistant", "25."))
    assert isinstance(first, Example)
    assert isinstance(last, Example)
    assert first.ground_truth[0].arguments == {"n": 5}
    assert first.meta["coercions"] == ["arguments.n: '5' → 5"]
    assert last.messages[1]["tool_calls"][0]["function"]["arguments"] == {"n": 5}


def test_an_invalid_turn_is_rejected_and_the_next_one_goes_on() -> None:
    rejected, last = made(USER, call(n="five"), Turn("tool", "error"), Turn("assistant", "I mistyped."))
    assert isinstance(rejected, Reject)
    assert (rejected.id, rejected.kind, rejected.code) == ("s-4-t0", "invalid", "wrong_type")
    assert "n: 'five' is not of type 'integer'" in rejected.reason
    assert isinstance(last, Example)


@pytest.mark.parametrize(
    ("turn", "code"),
    [
        (Turn("assistant", calls=(ToolCall("h", {}),)), "tool_not_offered"),
        (call(n=5, m=1), "unknown_argument"),
        (Turn("assistant", " … "), "empty_answer"),
        (Turn("assistant", calls=(ToolCall("f", {"n": 5}),) * 1_001), "too_large"),
        (call(n=[[]] * 10_000), "too_large"),
    ],
)
def test_codes_of_invalid_turns(turn: Turn, code: str) -> None:
    (reject,) = made(USER, turn)
    assert isinstance(reject, Reject)
    assert (reject.kind, reject.code) == ("invalid", code)


@pytest.mark.parametrize(
    ("fault", "kind"), [(AnswerError("cut"), "not_understood"), (NoCallError("no name"), "invalid")]
)
def test_a_call_that_cannot_be_read_ends_the_dialogue(fault: AnswerError, kind: str) -> None:
    found = made(USER, call(n=5), USER, Turn("assistant", fault=fault), USER, call(n=6), USER, call(n=7))
    assert [getattr(f, "kind", "example") for f in found] == ["example", kind]
    assert isinstance(found[1], Reject)
    assert "the 2 turns after it stand on it" in found[1].reason


def test_turns_that_are_history_only_make_no_examples() -> None:
    found = made(USER, Turn("assistant", "Hi.", target=False), USER, call(n=5))
    assert only(found).id == "s-4-t1"
    with pytest.raises(Unused) as caught:
        made(USER, Turn("assistant", "Hi.", target=False))
    assert caught.value.code == "no_answer"


def test_a_note_of_the_systems_parts_no_question_from_its_answer() -> None:
    note = Turn("system", "Today is Monday.")
    assert [m["role"] for m in only(made(USER, note, call(n=5))).messages] == ["user", "system"]
    found = made(USER, call(n=5), Turn("tool", "25"), note, Turn("assistant", "Which of the two roots do you mean?"))
    assert [e.id for e in found] == ["s-4-t0", "s-4-t1"]
    assert isinstance(found[1], Example)
    assert found[1].expects == "any", "it follows a result"


def test_a_turn_that_its_source_calls_invalid_is_rejected_and_stays_in_the_history() -> None:
    wrong = Turn("assistant", calls=(ToolCall("f", {"n": 7}),), invalid=("unsaid_value", "nobody said 7"))
    reject, last = made(USER, wrong, Turn("tool", "49"), Turn("assistant", "It is 49."))
    assert isinstance(reject, Reject)
    assert (reject.id, reject.kind, reject.code) == ("s-4-t0", "invalid", "unsaid_value")
    assert isinstance(last, Example)
    assert [m["role"] for m in last.messages] == ["user", "assistant", "tool"]
    (alone,) = made(USER, wrong)
    assert isinstance(alone, Reject)


def test_two_tools_of_one_name_cannot_be_told_apart() -> None:
    twin = normalise_tool({"name": "f", "description": "another", "parameters": {}})
    (reject,) = made(USER, call(n=5), tools=(TOOL, twin))
    assert isinstance(reject, Reject)
    assert (reject.kind, reject.code) == ("invalid", "tools_share_a_name")


@pytest.mark.parametrize(
    ("before", "reply", "expects"),
    [
        (USER, "I'm sorry, none of my functions can compute that.", "refuse"),
        (USER, "Which number do you mean?", "clarify"),
        (USER, "You're welcome!", "any"),
        (Turn("tool", "25"), "I'm sorry, the service is down.", "answer"),
        (Turn("tool", "25"), "Which of the two roots do you mean?", "any"),
    ],
)
def test_what_kind_of_words_is_expected(before: Turn, reply: str, expects: str) -> None:
    turns = (USER,) if before is USER else (USER, call(n=5), before)
    example = made(*turns, Turn("assistant", reply))[-1]
    assert isinstance(example, Example)
    assert (example.expects, example.meta["reference_reply"]) == (expects, reply)
    assert example.ground_truth == ()


def test_a_source_may_say_what_is_expected() -> None:
    reply = Turn("assistant", "You're welcome!")
    assert only(made(USER, reply, expects="refuse")).expects == "refuse"


@pytest.mark.parametrize(
    ("text", "lang"),
    [(USER.text, "en"), ("Bình phương của năm là bao nhiêu?", "vi"), ("五的平方是多少？", "zh"), ("25?", None)],
)
def test_the_language_of_the_user(text: str, lang: str | None) -> None:
    assert only(made(Turn("user", text), call(n=5))).lang == lang


def test_the_language_of_a_turn_is_that_of_what_was_said_before_it() -> None:
    """Later messages of the user are not in the turn's prompt, and a long foreign text is one message of three."""
    ask, quoting = Turn("user", '"Serendipity" 这个词是什么意思？'), Turn("user", '"Ephemeral" 可以翻译为 "短暂"。')
    pasted = Turn(
        "user", '"Quintessential" in Chinese is "典型的", depending on what it is that you are talking about.'
    )
    turns = made(ask, call(n=5), quoting, call(n=6), pasted, call(n=7))
    assert [t.meta["lang"] for t in turns if isinstance(t, Example)] == ["zh", "zh", "zh"]
    turned = made(ask, call(n=5), pasted, call(n=7))
    assert [t.meta["lang"] for t in turned if isinstance(t, Example)] == ["zh", "en"]  # even: the later one counts


def test_categories_are_those_of_bfcl() -> None:
    assert only(made(USER, call(n=5))).category == "simple"
    assert only(made(USER, call(n=5), tools=(TOOL, OTHER))).category == "multiple"
    assert only(made(USER, call(n=5), call(n=6))).category == "parallel"
    assert only(made(USER, Turn("assistant", "No."))).category == "irrelevance"


@pytest.mark.parametrize(
    ("turns", "code"),
    [
        ((USER, call(n=5)), "no_tools"),
        ((Turn("system", "x"), call(n=5)), "no_user"),
        ((USER,), "no_answer"),
    ],
)
def test_what_holds_nothing_to_learn_is_unused(turns: tuple[Turn, ...], code: str) -> None:
    with pytest.raises(Unused) as caught:
        made(*turns, tools=() if code == "no_tools" else (TOOL,))
    assert caught.value.code == code


@pytest.mark.parametrize("odd", ["\ud83d", float("nan"), 10**400, b"x"])
def test_what_no_file_can_hold_is_not_understood(odd: object) -> None:
    with pytest.raises(NotUnderstood) as caught:
        made(USER, call(n=odd))
    assert caught.value.code == "not_writable"


def test_a_dialogue_without_end_is_not_read() -> None:
    rounds = [
        t for _ in range(MAX_MESSAGES // 4) for t in (USER, call(n="5"), Turn("tool", "25"), Turn("assistant", "25"))
    ]
    assert len(made(*rounds)) == MAX_MESSAGES // 2
    with pytest.raises(Unused) as caught:
        made(*rounds, USER)
    assert caught.value.code == "too_long"
