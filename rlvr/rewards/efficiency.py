"""The efficiency component: no reasoning and no talk beyond what is needed."""

from __future__ import annotations

from dataclasses import dataclass

from rlvr.rewards.context import Context
from rlvr.rewards.judge import Sample
from rlvr.rewards.words import has_words
from rlvr.types import Outcome, ParsedCompletion

STEP = 0.1
"""The component moves in steps of this size, so that noise does not become an advantage."""

FLOOR = -1.0

ANSWERS = ("answer", "any")
"""What `expects` says where the words are what was asked for, and no talk."""

BYTES_PER_TOKEN = 4
"""Of UTF-8: a rule of thumb for byte-level tokenizers. It treats languages more alike than a count of characters, since
a letter of Vietnamese takes up to three bytes, and a Chinese character, which is most of a token, takes three."""


@dataclass(frozen=True, slots=True)
class EfficiencyParams:
    """`reasoning_penalty`: taken off for reasoning beyond `free_reasoning_tokens` (by `estimated_tokens`); at once, or
    0.1 for each `reasoning_step_tokens` begun where that is above 0. `free_characters`: text beside calls that is free;
    `refusal_characters`: the same for words where no call is wanted. Each `step_characters` begun beyond that cost 0.1,
    `max_text_penalty` at most, and no more than `max_answer_penalty` where the words answer (`expects` is `answer` or
    `any`; of a trajectory, its last words). `bonus`: for a whole reply that costs nothing. `gated`: what is not right
    gets the floor. Penalties and bonus are multiples of 0.1."""

    reasoning_penalty: float = 0.3
    free_characters: int = 20
    refusal_characters: int = 400
    step_characters: int = 50
    max_text_penalty: float = 0.2
    max_answer_penalty: float = 0.2
    bonus: float = 0.1
    gated: bool = False
    free_reasoning_tokens: int = 0
    reasoning_step_tokens: int = 0

    def __post_init__(self) -> None:
        limits = {"reasoning_penalty": 1.0, "max_text_penalty": 1.0, "max_answer_penalty": 1.0, "bonus": 0.1}
        for name, most in limits.items():
            value = float(getattr(self, name))
            if not 0.0 <= value <= most or abs(value / STEP - round(value / STEP)) > 1e-9:
                raise ValueError(f"{name}: got {value}, expected a multiple of 0.1 from 0 to {most}.")
        if self.free_characters < 0 or self.refusal_characters < 0 or self.step_characters < 1:
            raise ValueError("free_characters and refusal_characters must be 0 or more, step_characters 1 or more.")
        if self.free_reasoning_tokens < 0 or self.reasoning_step_tokens < 0:
            raise ValueError("free_reasoning_tokens and reasoning_step_tokens must be 0 or more.")


@dataclass(frozen=True, slots=True)
class EfficiencyParts:
    """What the score is made of: penalties are not negative here."""

    reasoning: float
    text: float
    characters: int
    budget: int
    bonus: float
    gate_closed: bool


def score_efficiency(
    parsed: ParsedCompletion, context: Context, params: EfficiencyParams = EfficiencyParams()
) -> float:
    """Score how directly a completion gets to the point.

    Formula: -reasoning_penalty for a reasoning block (beyond its free tokens), -0.1 for every `step_characters` of
    text begun beyond the budget (`max_text_penalty` at most, of an answer `max_answer_penalty`); where nothing was
    taken off, +bonus for a whole reply (well-formed calls, or words; not truncated). With `gated`, a completion that is
    not right gets -1, whatever it saved.
    Range: -1 to +0.1, in steps of 0.1. Never `None`.
    Earns the most: calls alone, or a short refusal. Part: some text too much. Nothing (0): what is empty, malformed or
    cut, and neither reasons nor talks.
    Not checked: how many tokens a tokenizer makes of it (reasoning is estimated, text counted in characters), and what
    the arguments' values hold.
    The exploit to try first is to say nothing at all, or to guess at once: ungated that saves the penalty, which is why
    stage 2 is gated: a wrong guess gets -1 then. The next is to think in words or in tags of another name: that is
    text, and in stage 2 of the shipped compositions (but the card's) much of it costs what reasoning does. What is left
    is the free text, 20 characters beside calls and 400 of a refusal.

    >>> from rlvr.parsers import get_parser
    >>> hermes, context = get_parser("hermes"), Context({}, expects="refuse")
    >>> refusal = "I'm sorry, I can't book flights."
    >>> [score_efficiency(hermes.parse(text), context) for text in (refusal, "<think>Hm.</think>" + refusal)]
    [0.1, -0.3]
    >>> score_efficiency(hermes.parse("It is sunny."), context, EfficiencyParams(gated=True))
    -1.0
    """
    return efficiency_of(Sample.of(parsed, context), params)


def efficiency_of(sample: Sample, params: EfficiencyParams) -> float:
    """`score_efficiency` of a sample that several components share."""
    if params.gated and not sample.right:
        return FLOOR
    reasoning, text, bonus = _taken_and_given(sample, params)
    return max(FLOOR, round(bonus - reasoning - text, 1)) + 0.0  # + 0.0 turns -0.0 into 0.0


def efficiency_parts(sample: Sample, params: EfficiencyParams) -> EfficiencyParts:
    """Take the score apart, for the breakdown."""
    reasoning, text, bonus = _taken_and_given(sample, params)
    gate_closed = params.gated and not sample.right
    return EfficiencyParts(reasoning, text, len(sample.text), _budget(sample, params), bonus, gate_closed)


def _taken_and_given(sample: Sample, params: EfficiencyParams) -> tuple[float, float, float]:
    """The penalties for reasoning and for text, and the bonus."""
    outcome = sample.outcome
    text = _text_penalty(sample, params) if sample.text else 0.0
    reasoning = _reasoning_penalty(sample.reasoning, params) if sample.reasoning else 0.0
    if text or reasoning or sample.truncated:
        return reasoning, text, 0.0
    said = outcome is Outcome.CALLS or (outcome is Outcome.ABSTAIN and has_words(sample.text))
    return reasoning, text, params.bonus if said else 0.0


def _budget(sample: Sample, params: EfficiencyParams) -> int:
    words_wanted = not sample.context.gold and sample.outcome is Outcome.ABSTAIN
    return params.refusal_characters if words_wanted else params.free_characters


def _text_penalty(sample: Sample, params: EfficiencyParams) -> float:
    over = max(0, len(sample.text) - _budget(sample, params))
    most = params.max_text_penalty
    if not sample.context.gold and sample.context.expects in ANSWERS:
        most = min(most, params.max_answer_penalty)
    return min(STEP * -(-over // params.step_characters), most)


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has, by its length in UTF-8: a pure reward knows no tokenizer.

    >>> estimated_tokens("Let me see which tool fits."), estimated_tokens("先看看哪個工具合適。")
    (7, 8)
    """
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


def _reasoning_penalty(reasoning: str, params: EfficiencyParams) -> float:
    text = reasoning.strip()
    over = estimated_tokens(text) - params.free_reasoning_tokens if text else 0
    if over <= 0:
        return 0.0
    if not params.reasoning_step_tokens:
        return params.reasoning_penalty
    return min(STEP * -(-over // params.reasoning_step_tokens), params.reasoning_penalty)
