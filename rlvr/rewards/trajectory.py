"""A whole trajectory scored by the same components: the calls of all turns, their results, and the final answer.

A trajectory is the list of messages that a tool loop leaves: assistant turns with calls, tool results, and words at the
end. What is wanted stands in `ground_truth`, one call after the other, and `turns` says how many of them belong
together: `[1, 2]` is one call, then two in any order. Without `turns` all may come in any order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.errors import DataError
from rlvr.rewards.context import Context
from rlvr.rewards.efficiency import FLOOR, STEP, EfficiencyParams, efficiency_of, estimated_tokens
from rlvr.rewards.judge import Sample, SampleCall
from rlvr.rewards.matching.calls import compare_calls
from rlvr.rewards.parsing import parse_completion
from rlvr.rewards.words import has_words
from rlvr.types import Outcome, ParsedCompletion, ToolCall

_CALL_KEYS = {"name", "arguments"}


def read_turns(
    messages: Sequence[Mapping[str, Any]], parser: str = "hermes", *, context: Context, reasoning_parser: str = "think"
) -> list[ParsedCompletion]:
    """The assistant's turns of a trajectory, each parsed by itself; tool results are left out.

    >>> turns = [{"role": "assistant", "content": "Let me see."}, {"role": "tool", "content": "3"}]
    >>> [turn.outcome.value for turn in read_turns(turns, context=Context({}))]
    ['abstain']
    """
    return [
        parse_completion([_strictly(m)], parser, tools=context.tools, reasoning_parser=reasoning_parser)
        for m in messages
        if m.get("role") == "assistant"
    ]


def _strictly(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message whose calls hold a name and arguments alone: a loop that reads loosely drops what is beside them."""
    calls = message.get("tool_calls")
    if not isinstance(calls, (list, tuple)):
        return dict(message)
    return {**message, "tool_calls": [_only_known(c) for c in calls]}


def _only_known(call: Any) -> Any:
    body = call.get("function", call) if isinstance(call, Mapping) else None
    if isinstance(body, Mapping) and set(body) - _CALL_KEYS - ({"type", "id", "index"} if body is call else set()):
        return {"function": {"name": "", "arguments": dict(body)}}  # a call of no name: the parser's `shape` fault
    return call


class TrajectorySample(Sample):
    """What the components look at of a trajectory.

    `calls` are those of all turns in their order, and one broken attempt makes all of it malformed. `text` is the final
    answer where no call was made, else the talk beside the calls; `answer` is what stands in a last turn without calls.
    """

    def __init__(
        self, context: Context, parsed: Sequence[ParsedCompletion], sizes: Sequence[int], *, truncated: bool = False
    ) -> None:
        calls = [SampleCall(c.name, c.arguments, context) for turn in parsed for c in turn.calls]
        super().__init__(context, calls, truncated)
        attempts = [a for turn in parsed for a in turn.attempts]
        self.sizes = tuple(sizes)
        self.faults = [a.fault or "shape" for a in attempts if a.call is None or a.fault is not None]
        self.attempted = len(attempts)
        self.reasoning = "\n".join(turn.reasoning for turn in parsed if turn.reasoning)
        calling = [turn for turn in parsed if turn.attempts]
        self.rounds = len(calling)
        last = parsed[-1] if parsed else None
        self.answer = last.text if last is not None and not last.attempts else ""
        beside = [turn.text for turn in parsed if turn.text and (turn.attempts or turn is not last)]
        self.text = "\n".join(beside) if calling else self.answer
        if any(turn.outcome is Outcome.MALFORMED for turn in parsed):
            self.outcome = Outcome.MALFORMED
        elif not calling:
            self.outcome = Outcome.ABSTAIN if self.text else Outcome.EMPTY

    @property
    def in_order(self) -> bool:
        """Whether the calls are the wanted ones, turn after turn, in any order within a turn."""
        context, made = self.context, [ToolCall(c.name, c.arguments) for c in self.calls]
        if len(made) != len(context.gold):
            return False
        start = 0
        for size in self.sizes:
            part = slice(start, start + size)
            if not compare_calls(made[part], context.gold[part], context.tools, context.matching)[0]:
                return False
            start += size
        return True

    @property
    def right(self) -> bool:
        """Where calls are wanted: all of them in order, none more, nothing broken or cut, and words at the end."""
        if self._right is None:
            if not self.context.gold:
                self._right = self._right_words()
            else:
                whole = self.outcome is Outcome.CALLS and not self.truncated
                self._right = whole and has_words(self.answer) and self.in_order
        return self._right


def trajectory_efficiency(sample: TrajectorySample, params: EfficiencyParams) -> float:
    """Score how directly a trajectory gets to its end.

    Formula: -reasoning_penalty for reasoning, that of all turns counted together; -0.1 for every `step_characters` of
    talk beside calls beyond `free_characters`, and of the final answer beyond `refusal_characters`, and -0.1 for each
    call or calling turn beyond the wanted ones (for the final answer `max_answer_penalty`, together `max_text_penalty`
    at most); where nothing was taken off, +bonus for a whole trajectory that ends in words. With `gated`, a trajectory
    that is not right gets -1.
    Range: -1 to +0.1, in steps of 0.1. Where no call is wanted it is `score_efficiency` of the words.
    Earns the most: the wanted calls in as few turns as they need, and a short answer. Part: a call or a turn too much.
    Not checked: whether the answer says what the results say.
    The exploit to try first is to call everything in one turn: that saves turns, and each call too many costs.

    >>> from rlvr.types import GoldCall, Tool
    >>> context = Context({"now": Tool("now", "", {"type": "object"})}, (GoldCall("now", {}),))
    >>> call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "now", "arguments": {}}}]}
    >>> words = {"role": "assistant", "content": "It is noon."}
    >>> def score(*messages):
    ...     made = TrajectorySample(context, read_turns(messages, context=context), (1,))
    ...     return trajectory_efficiency(made, EfficiencyParams())
    >>> score(call, words), score(call, call, words)
    (0.1, -0.2)
    """
    if not sample.context.gold:
        return efficiency_of(sample, params)
    if params.gated and not sample.right:
        return FLOOR
    talk = _steps(len(sample.text) - params.free_characters, params.step_characters)
    more = max(0, sample.attempted - len(sample.context.gold)) + max(0, sample.rounds - len(sample.sizes))
    taken = STEP * (talk + more)
    if sample.rounds:  # without a call, what is said is talk as in one turn
        over = _steps(len(sample.answer) - params.refusal_characters, params.step_characters)
        taken += min(STEP * over, params.max_answer_penalty)
    taken = min(taken, params.max_text_penalty) + _reasoning(sample.reasoning, params)
    whole = sample.outcome is Outcome.CALLS and not sample.truncated and has_words(sample.answer)
    bonus = params.bonus if whole and not taken else 0.0
    return max(FLOOR, round(bonus - taken, 1)) + 0.0


def _steps(over: int, size: int) -> int:
    return -(-max(0, over) // size)


def _reasoning(text: str, params: EfficiencyParams) -> float:
    over = estimated_tokens(text) - params.free_reasoning_tokens if text.strip() else 0
    if over <= 0:
        return 0.0
    if not params.reasoning_step_tokens:
        return params.reasoning_penalty
    return min(STEP * _steps(over, params.reasoning_step_tokens), params.reasoning_penalty)


def turn_sizes(turns: Any, wanted: int, where: str = "") -> tuple[int, ...]:
    """How many wanted calls belong to each turn: a list or its JSON; all in one where it says nothing.

    Raises `DataError` where they are not positive numbers that add up to the calls that are `wanted`.

    >>> turn_sizes("[1, 2]", 3), turn_sizes(None, 3), turn_sizes(None, 0)
    ((1, 2), (3,), ())
    """
    if turns is None or turns == "":
        return (wanted,) if wanted else ()
    try:
        read = json.loads(turns) if isinstance(turns, str) else turns
    except ValueError as error:
        raise DataError(where, f"turns: not JSON: {error}") from error
    if read is None:
        return turn_sizes(None, wanted)
    numbers = isinstance(read, (list, tuple)) and all(type(n) is int and n > 0 for n in read)
    if not numbers or sum(read) != wanted:
        raise DataError(
            where, f"turns: got {read!r:.60}, expected numbers above 0 that add up to the {wanted} wanted calls"
        )
    return tuple(read)


@dataclass(frozen=True, slots=True)
class TrajectoryVerdict:
    """Whether a trajectory is right, and in one sentence why."""

    right: bool
    reason: str


def judge_trajectory(sample: TrajectorySample) -> TrajectoryVerdict:
    """`sample.right`, with the reason: the first thing that is wrong."""
    if not sample.context.gold:
        return TrajectoryVerdict(sample.right, _why_words(sample))
    made, wanted = sample.attempted, len(sample.context.gold)
    if sample.outcome is Outcome.MALFORMED:
        reason = "a call is broken"
    elif made != wanted:
        reason = f"{made} calls were made, {wanted} are wanted"
    elif not sample.in_order:
        reason = "the calls or their order are not the wanted ones"
    elif sample.truncated:
        reason = "cut at the length limit"
    else:
        reason = "the calls match, and an answer follows" if sample.right else "no answer follows the calls"
    return TrajectoryVerdict(sample.right, reason)


def _why_words(sample: TrajectorySample) -> str:
    if sample.attempted:
        return "no call is wanted"
    if sample.truncated:
        return "cut at the length limit"
    if sample.right:
        return "nothing was called, as wanted"
    return "nothing was called, and the words are not those wanted" if has_words(sample.answer) else "nothing was said"
