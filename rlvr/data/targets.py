"""Target completions for a warm-up: what a right assistant would write, some of it with words that stage 2 saves.

Whether a target reasons first depends on the example: mostly where several tools are offered, seldom where one is. A
model can learn such a rule, so that its greedy completions reason too; a coin would only make it unsure.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from typing import Any

from rlvr.data.generator.words import preamble, reasoning, refusal
from rlvr.errors import DataError
from rlvr.negatives.refusals import language_of
from rlvr.parsers import get_parser
from rlvr.types import Example

SAMPLED = "sampled_completion"


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """Shares, each between 0 and 1, of targets that carry a reasoning block or a preamble.

    `reasoning_many` and `reasoning_one`: where several tools are offered, and where one is. `preamble_one`: a sentence
    before the call, where one tool is offered and nothing was reasoned. `reasoning_refusals`: of targets that call
    nothing, in place of the first two (None: they hold for these too). With 0 whether to call is decided at the first
    token alone, so that a second stage that drops the thoughts does not drop the refusals with them.
    `plain_refusals`: of refusals that do not name what was asked for (shorter, and easier to learn).
    `refusal_wordings`: how many wordings a language has for those (all, where it is left out). With many, a small
    model's probability of refusing is spread over as many first tokens, and its most probable one is still the call's.

    `decision_weight`: how often the tokens count in the loss that decide whether to call: the first two of a target,
    and the first two after an opening reasoning tag. They are a few in fifty, and learnt last where they count once.
    """

    reasoning_many: float = 0.75
    reasoning_one: float = 0.1
    preamble_one: float = 0.15
    plain_refusals: float = 0.5
    refusal_wordings: int | None = None
    decision_weight: float = 1.0
    reasoning_refusals: float | None = None

    def __post_init__(self) -> None:
        for name in ("reasoning_many", "reasoning_one", "preamble_one", "reasoning_refusals", "plain_refusals"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise ValueError(f"{name}: got {share}, expected a share between 0 and 1")
        if self.refusal_wordings is not None and self.refusal_wordings < 1:
            raise ValueError(f"refusal_wordings: got {self.refusal_wordings}, expected at least 1")
        if not 1 <= self.decision_weight < float("inf"):
            raise ValueError(f"decision_weight: got {self.decision_weight}, expected 1 or more")


def target(example: Example, parser: str, seed: int, options: TargetOptions | None = None) -> str:
    """The text of a right completion, without an end-of-sequence token. The same seed gives the same text.

    Where nothing is to be called, it is the reply that the example carries (`meta["reply"]`, or a published row's
    `meta["reference_reply"]`), else refusing words in its language, and in its script where that is Chinese. Raises
    `DataError` where a question or an answer is expected and the example carries none: a refusal would be the wrong
    thing to learn. A completion that `rlvr export --to sft` chose (`with_sampled`) is taken as it
    is, while the tools and calls are those that it was sampled for.
    """
    sampled = example.meta.get(SAMPLED)
    if isinstance(sampled, dict) and sampled.get("for") == _what(example):
        return str(sampled["text"])
    options = options or TargetOptions()
    rng = random.Random(f"{seed}/{example.id}")
    lang = language_of(example)
    names = [call.name for call in example.ground_truth]
    share = options.reasoning_many if len(example.tools) > 1 else options.reasoning_one
    if not names and options.reasoning_refusals is not None:
        share = options.reasoning_refusals
    before = ""
    if rng.random() < share:
        before = f"<think>\n{reasoning(lang, rng, names)}\n</think>\n"
    elif names and len(example.tools) == 1 and rng.random() < options.preamble_one:
        before = preamble(lang, rng) + "\n"
    if not names:
        return before + _words(example, lang, rng, options)
    return before + get_parser(parser).render([call.canonical() for call in example.ground_truth])


def _words(example: Example, lang: str, rng: random.Random, options: TargetOptions) -> str:
    reply = example.meta.get("reply") or example.meta.get("reference_reply")
    if example.expects in ("clarify", "answer") and not reply:
        raise DataError(
            example.id,
            f"expects {example.expects!r} and carries no reply to learn from. Add meta.reply, or drop the row.",
        )
    refusing = example.expects == "refuse"
    if not reply or (refusing and rng.random() < options.plain_refusals):
        return refusal(lang, rng, wordings=options.refusal_wordings)
    return str(reply)


def with_sampled(example: Example, text: str) -> dict[str, Any]:
    """The example's `meta` with a completion that was sampled for it, and is right.

    Beside it stands what it was sampled for: `vary` and `negatives` change an example and keep its `meta`.
    """
    return {**example.meta, SAMPLED: {"text": text, "for": _what(example)}}


def _what(example: Example) -> str:
    shown = [[t.to_json() for t in example.tools], [c.to_json() for c in example.ground_truth]]
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:16]
