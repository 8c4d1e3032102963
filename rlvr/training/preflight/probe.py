"""A small probe: a few prompts of the mixture, a group of completions each, scored as the trainer will score them."""

from __future__ import annotations

import inspect
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.parsers import get_parser
from rlvr.prompts import RenderedPrompt
from rlvr.rewards import Context, judge
from rlvr.rewards.functions import run_async
from rlvr.rollouts.base import Generation
from rlvr.training.dataset import Rendered, grpo_rows
from rlvr.training.preflight.advantages import Scores
from rlvr.training.preflight.scene import Scene
from rlvr.types import Example, Outcome, ParsedCompletion

PROMPTS = 6
"""Prompts of a probe. Each gives a whole group, so that advantages are what they will be."""

SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Sampled:
    """One completion: as generated, parsed, judged, and its score by component (`None`: does not apply)."""

    generation: Generation
    parsed: ParsedCompletion
    right: bool
    scores: Scores


@dataclass(frozen=True, slots=True)
class Group:
    """One prompt and its completions."""

    example: Example
    prompt: RenderedPrompt
    members: tuple[Sampled, ...]

    def totals(self, weights: Sequence[float]) -> list[float]:
        return [sum(w * s for w, s in zip(weights, m.scores, strict=True) if s is not None) for m in self.members]


@dataclass(frozen=True, slots=True)
class Probe:
    """What was sampled. `names` and `weights` are the components', in the order of every `scores`."""

    groups: tuple[Group, ...]
    names: tuple[str, ...]
    weights: tuple[float, ...]
    temperature: float
    seed: int
    backend: str

    @property
    def size(self) -> int:
        """Completions of a group."""
        return len(self.groups[0].members)

    @property
    def members(self) -> list[Sampled]:
        return [m for g in self.groups for m in g.members]

    @property
    def calling(self) -> list[Group]:
        return [g for g in self.groups if g.example.ground_truth]

    def passed(self, *, calling: bool) -> tuple[int, int]:
        """How many completions are right, and of how many, where a call is wanted or where none is."""
        members = [m for g in self.groups if bool(g.example.ground_truth) == calling for m in g.members]
        return sum(m.right for m in members), len(members)

    def abstained(self, *, calling: bool) -> float:
        """The share of completions that are words and no call."""
        members = [m for g in self.groups if bool(g.example.ground_truth) == calling for m in g.members]
        return sum(m.parsed.outcome is Outcome.ABSTAIN for m in members) / len(members) if members else 0.0

    def without_variance(self) -> int:
        """How many groups earn the same throughout: they give no gradient."""
        return sum(max(t) - min(t) <= SAME for t in (g.totals(self.weights) for g in self.groups))


def chosen(scene: Scene, prompts: int, seed: int) -> list[int]:
    """Places of the rows to probe: drawn at random, rows that want a call and rows that want none as in the mixture.

    Where both are there, at least one of each is drawn.
    """
    rng = random.Random(seed)
    calling = list(scene.calling)
    inside = set(calling)
    words = [i for i in range(len(scene.rendered.examples)) if i not in inside]
    n = min(prompts, len(scene.rendered.examples))
    of_words = round(n * len(words) / len(scene.rendered.examples))
    if words and calling and n > 1:
        of_words = min(max(of_words, 1), n - 1)
    of_words = max(min(of_words, len(words)), n - len(calling))
    return sorted([*rng.sample(calling, n - of_words), *rng.sample(words, of_words)])


def take_probe(scene: Scene, generator: Any, *, prompts: int = PROMPTS, seed: int | None = None) -> Probe:
    """Sample and score. `generator` is a `rlvr.rollouts.Generator`; scores come from the functions that a trainer gets.

    Raises what a reward function raises: so would the trainer.
    """
    seed = scene.recipe.seed if seed is None else seed
    places = chosen(scene, prompts, seed)
    rendered = Rendered(
        tuple(scene.rendered.examples[i] for i in places), tuple(scene.rendered.prompts[i] for i in places), 0, 0
    )
    temperature = float(scene.option("temperature"))
    made = generator.generate(
        rendered.prompts,
        max_new_tokens=int(scene.option("max_completion_length")),
        temperature=temperature,
        seed=seed,
        n=scene.group_size,
    )
    return scored(scene, rendered, made, temperature=temperature, seed=seed, backend=generator.backend)


def scored(
    scene: Scene,
    rendered: Rendered,
    made: Sequence[Sequence[Generation]],
    *,
    temperature: float,
    seed: int,
    backend: str,
) -> Probe:
    """A probe of completions that are there already."""
    composition = scene.composition
    functions = composition.reward_functions(parser=scene.recipe.parser, eos_token_ids=scene.ends)
    columns = _columns(grpo_rows(rendered, scene.tokenizer), made)
    by_function = [_called(f, columns) for f in functions]
    rows = iter(zip(*by_function, strict=True))  # one tuple of scores a completion
    groups = []
    for example, prompt, group in zip(rendered.examples, rendered.prompts, made, strict=True):
        context = Context.of(example, composition.matching)
        members = []
        for generation in group:
            parsed = read(scene.recipe.parser, generation, prompt, example)
            members.append(Sampled(generation, parsed, judge(parsed, context).right, next(rows)))
        groups.append(Group(example, prompt, tuple(members)))
    names = tuple(f.__name__ for f in functions)
    return Probe(tuple(groups), names, tuple(composition.weights()), temperature, seed, backend)


def read(
    parser: str, generation: Generation, prompt: RenderedPrompt, example: Example, reasoning: str = "think"
) -> ParsedCompletion:
    """A completion taken apart, as the rewards do it."""
    return get_parser(parser, reasoning).parse(
        generation.text,
        truncated=generation.truncated,
        reasoning_opened=prompt.reasoning_opened,
        tools=example.tools,
    )


def _columns(rows: Sequence[Mapping[str, Any]], made: Sequence[Sequence[Generation]]) -> dict[str, Any]:
    """What TRL hands to a reward function: prompts, completions, ids, and every column of the rows."""
    repeated = [row for row, group in zip(rows, made, strict=True) for _ in group]
    columns: dict[str, Any] = {key: [row[key] for row in repeated] for key in rows[0] if key != "prompt"}
    return {
        **columns,
        "prompts": [row["prompt"] for row in repeated],
        "completions": [g.text for group in made for g in group],
        "completion_ids": [list(g.token_ids) for group in made for g in group],
        "trainer_state": None,
        "log_extra": lambda *_, **__: None,
        "log_metric": lambda *_, **__: None,
    }


def _called(function: Any, columns: Mapping[str, Any]) -> list[float | None]:
    values = function(**columns)
    if inspect.isawaitable(values):
        values = run_async(values)
    return list(values)
