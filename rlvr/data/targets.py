"""Target completions for a warm-up: what a right assistant would write, some of it with words that stage 2 saves.

Whether a target reasons first depends on the example: mostly where several tools are offered, seldom where one is. A
model can learn such a rule, so that its greedy completions reason too; a coin would only make it unsure.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from rlvr.data.generator.words import preamble, reasoning, refusal
from rlvr.parsers import get_parser
from rlvr.types import Example


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """Shares, each between 0 and 1, of targets that carry a reasoning block or a preamble.

    `reasoning_many` and `reasoning_one`: where several tools are offered, and where one is. `preamble_one`: a sentence
    before the call, where one tool is offered and nothing was reasoned. `plain_refusals`: of refusals that do not name
    what was asked for (shorter, and easier to learn).
    """

    reasoning_many: float = 0.75
    reasoning_one: float = 0.1
    preamble_one: float = 0.15
    plain_refusals: float = 0.5

    def __post_init__(self) -> None:
        for name in ("reasoning_many", "reasoning_one", "preamble_one", "plain_refusals"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected a share between 0 and 1")


def target(example: Example, parser: str, seed: int, options: TargetOptions | None = None) -> str:
    """The text of a right completion, without an end-of-sequence token. The same seed gives the same text.

    A refusal is `meta["reply"]` where the example has one, else refusing words in its language.
    """
    options = options or TargetOptions()
    rng = random.Random(f"{seed}/{example.id}")
    lang = example.lang or "en"
    names = [call.name for call in example.ground_truth]
    share = options.reasoning_many if len(example.tools) > 1 else options.reasoning_one
    before = ""
    if rng.random() < share:
        before = f"<think>\n{reasoning(lang, rng, names)}\n</think>\n"
    elif names and len(example.tools) == 1 and rng.random() < options.preamble_one:
        before = preamble(lang, rng) + "\n"
    if not names:
        reply = example.meta.get("reply")
        plain = not reply or rng.random() < options.plain_refusals
        return before + (refusal(lang, rng) if plain else str(reply))
    return before + get_parser(parser).render([call.canonical() for call in example.ground_truth])
