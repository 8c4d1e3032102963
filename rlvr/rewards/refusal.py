"""The refusal component: where nothing is to be called, are the words the right kind."""

from __future__ import annotations

from dataclasses import dataclass

from rlvr.rewards.context import Context
from rlvr.rewards.judge import Sample, fits_language
from rlvr.rewards.words import classify_words, has_words
from rlvr.rewards.written import writes_call
from rlvr.types import Outcome, ParsedCompletion


@dataclass(frozen=True, slots=True)
class RefusalParams:
    """`other_text`: for clean text of another kind than wanted. `wrong_language`: for the right kind in another
    language than the query's. `penalty_for_refusing`: on examples that want calls, for an abstention (`None`: the
    component does not apply there)."""

    other_text: float = 0.2
    wrong_language: float = 0.2
    penalty_for_refusing: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("other_text", self.other_text), ("wrong_language", self.wrong_language)):
            if not 0.0 <= value < 1.0:
                raise ValueError(f"{name}: got {value}, expected at least 0 and below 1.")
        if self.penalty_for_refusing is not None and not -1.0 <= self.penalty_for_refusing <= 0.0:
            raise ValueError(f"penalty_for_refusing: got {self.penalty_for_refusing}, expected null or -1 to 0.")


def score_refusal(parsed: ParsedCompletion, context: Context, params: RefusalParams = RefusalParams()) -> float | None:
    """Score the words where no call is wanted.

    Formula: +1 for words of the kind that `expects` asks for, in the query's language; `other_text` for other clean
    text, `wrong_language` for the right words in another language (the smaller where both fail); 0 for nothing; -1 for
    any call, a broken one or one written out as text (`w(city="Hanoi")`) too. Other text that was cut earns 0 at most.
    Range: -1 to +1. `None` where calls are wanted, unless `penalty_for_refusing` is set: then that for an abstention
    and 0 otherwise.
    Earns the most: a refusal, a question or an answer, as the example expects (`any`: each of them). Part: other words.
    Nothing: empty or cut text, text without a letter or digit.
    Not checked: whether the reason given is true, whether an answer is, whether a question asks for the right thing;
    which of the two scripts Chinese is written in. How often words are taken for the wrong kind stands in
    docs/refusal.md; words in a language without a word list are read as English.
    The exploit to try first is to refuse and then answer or call all the same: with a plain answer it is no refusal and
    earns `other_text`, with a call -1. An answer that is short, or put as a reason, is not noticed.

    >>> from rlvr.parsers import get_parser
    >>> hermes, context = get_parser("hermes"), Context({}, expects="refuse", lang="en")
    >>> score_refusal(hermes.parse("I'm sorry, none of my tools can order a pizza."), context)
    1.0
    >>> score_refusal(hermes.parse("I can't order it, but the best pizza in town is at Mario's."), context)
    0.2
    >>> score_refusal(hermes.parse("很抱歉，我無法訂披薩。"), context)
    0.2
    """
    return refusal_of(Sample.of(parsed, context), params)


def refusal_of(sample: Sample, params: RefusalParams) -> float | None:
    """`score_refusal` of a sample that several components share."""
    context, outcome = sample.context, sample.outcome
    if context.gold:
        if params.penalty_for_refusing is None:
            return None
        return params.penalty_for_refusing if outcome is Outcome.ABSTAIN else 0.0
    if outcome is Outcome.CALLS or outcome is Outcome.MALFORMED:
        return -1.0
    if writes_call(sample.text, context.tools):
        return -1.0
    if outcome is Outcome.EMPTY or sample.truncated or not has_words(sample.text):
        return 0.0
    right = context.expects == "any" or classify_words(sample.text, context.lang).kind == context.expects
    score = 1.0 if right else params.other_text
    return score if fits_language(sample.text, context) else min(score, params.wrong_language)
