"""The built-in generator: examples without limit from the catalogue, in three languages, seeded.

Examples come in groups that share one list of tools, as the requests to one assistant do: beside the same tools stand
queries that one of them answers, queries that need several calls, and queries that none of them answers. (A trainer may
compute the shared tools once.) Group `g` is a pure function of the split, the seed and `g`.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar

from rlvr.data.generator.catalogue import LANGUAGES, CatalogueTool, Template, load_catalogue
from rlvr.data.generator.tasks import load_tasks
from rlvr.data.generator.two_steps import TwoStepGroup
from rlvr.data.generator.values import sample_arguments
from rlvr.data.generator.words import join_queries, refusal
from rlvr.negatives import ToolSet, action_mismatch, domain_mismatch, server_shuffle, why_answerable
from rlvr.types import Example, GoldCall, Tool

K = TypeVar("K")
_Part: TypeAlias = tuple[str, dict[str, Any]]  # a query, and the arguments that it asks for

# Which categories a list of one tool, and of several, can serve.
FOR_ONE = ("simple", "parallel")
FOR_MANY = ("multiple", "parallel_multiple")
MOST_TOOLS = 16
NEGATIVE_KINDS = {"domain_mismatch": 0.35, "action_mismatch": 0.35, "server_shuffle": 0.3}


@dataclass(frozen=True, slots=True)
class GeneratorOptions:
    """Shares are relative weights. `group_size` examples share one list of tools.

    `spoken` is the share, between 0 and 1, of lists of tools whose queries may say a value in other words than the
    call's ("by text message" for `sms`, "nhà bếp" for `kitchen`, "without audio guides" for `false`). In the others
    every value stands in the query as the call has it.

    `two_step` is the share, between 0 and 1, of groups that are made of tasks of two steps (`two_steps`): half of their
    examples want the first call, half the second, after the first one's result (`multi_turn`). The other groups are the
    same whatever it is.

    `states_optional` is the share, between 0 and 1, of requests for a tool whose query states an optional parameter of
    it, where the tool has templates that do and such that do not; `None` leaves it to the templates. Requests that
    nothing fits are drawn alike, so that what a query states does not tell whether to call.

    Raises `ValueError` on shares that no example could be drawn with.
    """

    languages: Mapping[str, float] = field(default_factory=lambda: {"en": 0.5, "vi": 0.25, "zh": 0.25})
    categories: Mapping[str, float] = field(
        default_factory=lambda: {
            "simple": 0.3,
            "multiple": 0.25,
            "parallel": 0.12,
            "parallel_multiple": 0.08,
            "irrelevance": 0.25,
        }
    )
    tools_offered: Mapping[int, float] = field(default_factory=lambda: {1: 0.5, 2: 0.4, 3: 0.1})
    negatives: Mapping[str, float] = field(default_factory=lambda: dict(NEGATIVE_KINDS))
    group_size: int = 6
    spoken: float = 0.2
    two_step: float = 0.0
    states_optional: float | None = None

    def __post_init__(self) -> None:
        for name in ("languages", "categories", "tools_offered", "negatives"):
            shares = getattr(self, name)
            if not any(shares.values()) or not all(0 <= share < float("inf") for share in shares.values()):
                raise ValueError(f"{name}: got {dict(shares)}, expected shares from 0 up, one at least above 0")
        for name, known in (("languages", LANGUAGES), ("negatives", NEGATIVE_KINDS)):
            unknown = sorted({*map(str, getattr(self, name))} - {*known})
            if unknown:
                raise ValueError(f"{name}: got {', '.join(unknown)}, expected some of {', '.join(known)}")
        unserved = sorted(set(self.categories) - {*FOR_ONE, *FOR_MANY, "irrelevance"})
        if unserved:
            raise ValueError(f"categories: {', '.join(unserved)} is not made by the generator")
        for name in ("spoken", "two_step", "states_optional"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise ValueError(f"{name}: got {share}, expected a share between 0 and 1")
        if not all(type(size) is int and 1 <= size <= MOST_TOOLS for size in self.tools_offered):
            raise ValueError(f"tools_offered: got {dict(self.tools_offered)}, expected sizes from 1 to {MOST_TOOLS}")
        if type(self.group_size) is not int or self.group_size < 1:
            raise ValueError(f"group_size: got {self.group_size}, expected 1 or more")
        if not _sizes(self):
            raise ValueError(
                "tools_offered: no size fits the categories (one tool: simple, parallel; more: the others)"
            )


def generate(split: str, count: int, seed: int, options: GeneratorOptions | None = None) -> Iterator[Example]:
    """Yield `count` examples of a split, each with its ground truth or a refusal expected.

    The splits are `train`, `heldout` for an evaluation, and `validation` for what is chosen while training. Raises
    `ValueError` on `two_step` with a split that has no tasks of two steps.
    """
    options = options or GeneratorOptions()
    if options.two_step and not any(task.asks.split == split for task in load_tasks()):
        raise ValueError(f"two_step: the split {split} has no tasks of two steps")
    made = (example for g in itertools.count() for example in _group(split, seed, g, options))
    yield from itertools.islice(made, count)


def _group(split: str, seed: int, g: int, options: GeneratorOptions) -> Iterator[Example]:
    steps = random.Random(f"{split}/{seed}/{g}/two steps")
    if steps.random() < options.two_step:
        literal = steps.random() >= options.spoken
        group = TwoStepGroup(split, f"builtin-{split}-{seed}-{g}", steps, options.languages, literal)
        yield from group.examples(options.group_size)
        return
    rng = random.Random(f"{split}/{seed}/{g}")
    catalogue = [t for t in load_catalogue() if t.split == split]
    size = _weighted(rng, _sizes(options))
    literal = rng.random() >= options.spoken
    languages = [lang for lang, share in options.languages.items() if share]
    able = [t for t in catalogue if all(t.literal(lang) for lang in languages)] if literal else catalogue
    offered = _offer(rng, able, int(size))
    for k in range(options.group_size):
        lang, category = _weighted(rng, options.languages), _category(rng, options, len(offered))
        maker = _Maker(split, f"builtin-{split}-{seed}-{g}-{k}", lang, rng, offered, catalogue, options, literal)
        example = maker.make(category)
        if example is not None:
            yield example


def _category(rng: random.Random, options: GeneratorOptions, size: int) -> str:
    """The share of irrelevance is kept whatever is offered; the others are drawn among those that the size serves."""
    total, none = sum(options.categories.values()), options.categories.get("irrelevance", 0.0)
    if rng.random() * total < none:
        return "irrelevance"
    fits = FOR_ONE if size == 1 else FOR_MANY
    return _weighted(rng, {c: w for c, w in options.categories.items() if c in fits and c != "irrelevance"})


def _sizes(options: GeneratorOptions) -> dict[int, float]:
    """Leave out the sizes whose every category was given no share."""
    wanted = {c for c, share in options.categories.items() if share}
    sizes = {n: w for n, w in options.tools_offered.items() if w}
    if wanted == {"irrelevance"}:
        return sizes
    return {n: w for n, w in sizes.items() if wanted & set(FOR_ONE if n == 1 else FOR_MANY)}


def _offer(rng: random.Random, catalogue: Sequence[CatalogueTool], size: int) -> list[CatalogueTool]:
    """Half the lists are of one domain, where choosing is hard; the others mix domains."""
    first = rng.choice(catalogue)
    near = [t for t in catalogue if t.domain == first.domain and t is not first]
    others = near if rng.random() < 0.5 and len(near) >= size - 1 else [t for t in catalogue if t is not first]
    offered = [first, *rng.sample(others, size - 1)]
    rng.shuffle(offered)
    return offered


def _weighted(rng: random.Random, shares: Mapping[K, float]) -> K:
    return rng.choices(list(shares), weights=list(shares.values()))[0]


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes one example of a group."""

    split: str
    id: str
    lang: str
    rng: random.Random
    offered: Sequence[CatalogueTool]
    catalogue: Sequence[CatalogueTool]
    options: GeneratorOptions
    literal: bool

    def make(self, category: str) -> Example | None:
        if category == "irrelevance":
            return self._irrelevance()
        if category == "parallel":
            wanted = [self.rng.choice(self.offered)] * self.rng.choice((2, 2, 2, 2, 2, 3))
        elif category == "parallel_multiple":
            wanted = self.rng.sample(list(self.offered), 2)
        else:
            wanted = [self.rng.choice(self.offered)]
        return self._calling(category, wanted, self.offered)

    def _calling(
        self, category: str, wanted: Sequence[CatalogueTool], offered: Sequence[CatalogueTool]
    ) -> Example | None:
        """An example that asks for these; `None` where no requests for them go together."""
        parts = [self._query(tool, self.rng) for tool in wanted]
        if len(wanted) > 1 and parts[0][1] == parts[1][1] and wanted[0] is wanted[1]:
            parts[1] = self._query(wanted[1], self.rng)  # the same call twice: draw again, once
        apart = self._unlike(wanted, parts)
        if apart is None:
            return None
        parts = apart
        query = parts[0][0]
        for text, _ in parts[1:]:
            query = join_queries(query, text, self.lang, self.split, self.rng, len(parts))
        gold = tuple(GoldCall(t.name, arguments) for t, (_, arguments) in zip(wanted, parts, strict=True))
        first = wanted[0]
        meta = {
            "lang": self.lang,
            "domain": first.domain,
            "ability": first.ability[self.lang],
            "licence": "Apache-2.0",
            "split": self.split,
        }
        messages = ({"role": "user", "content": query},)
        return Example(self.id, "builtin", category, messages, tuple(t.tool for t in offered), gold, "any", meta)

    def _unlike(self, wanted: Sequence[CatalogueTool], parts: list[_Part]) -> list[_Part] | None:
        """Ask for no call twice, nor for what contradicts another; `None` where twenty draws find nothing else.

        Draws from a generator of its own, so that the examples after stay what they are.
        """
        rng = random.Random(f"{self.id}/unlike")
        out: list[_Part] = []
        for tool, part in zip(wanted, parts, strict=True):
            seen = [p[1] for w, p in zip(wanted, out, strict=False) if w is tool]
            for _ in range(20):
                if not any(tool.clash(part[1], earlier) for earlier in seen):
                    break
                part = self._query(tool, rng)
            else:
                return None
            out.append(part)
        return out

    def _query(self, tool: CatalogueTool, rng: random.Random) -> _Part:
        templates, share = self._templates(tool), self.options.states_optional
        if share is not None:
            stating = rng.random() < share
            templates = [t for t in templates if tool.states_optional(t) == stating] or templates
        return sample_arguments(tool, rng.choice(templates), self.lang, rng.randrange(2**32))

    def _templates(self, tool: CatalogueTool) -> Sequence[Template]:
        """A tool that is asked for beside a list that does not offer it may have no literal template."""
        return (self.literal and tool.literal(self.lang)) or tool.templates[self.lang]

    def _irrelevance(self) -> Example | None:
        """A query for a tool that is not offered, made into a negative of one of the kinds and checked."""
        kind = _weighted(self.rng, self.options.negatives)
        names = {t.name for t in self.offered}
        others = [t for t in self.catalogue if t.name not in names]
        siblings = [t for t in others if t.domain == self.offered[0].domain]
        if kind == "action_mismatch" and siblings:
            others = siblings
        tools: tuple[Tool, ...] = tuple(t.tool for t in self.offered)
        for _ in range(20):
            asked = self.rng.choice(others)
            parent = self._calling("simple", [asked], [asked])
            if parent is not None and why_answerable(parent, tools) is None:
                made = self._negative(kind, parent, tools, asked)
                if made is not None:
                    reply = refusal(self.lang, self.rng, asked.ability[self.lang], self._topic(asked))
                    return replace(made, meta={**made.meta, "reply": reply})
        return None

    def _topic(self, asked: CatalogueTool) -> str | None:
        """What the offered tools are about, where that is one thing and another than what is asked for."""
        topics = {t.topic[self.lang] for t in self.offered}
        return topics.pop() if len(topics) == 1 and asked.topic[self.lang] not in topics else None

    def _negative(self, kind: str, parent: Example, tools: tuple[Tool, ...], asked: CatalogueTool) -> Example | None:
        domain = self.offered[0].domain
        if kind == "action_mismatch" and asked.domain == domain:
            return action_mismatch(parent, tools, seed=0, count=len(tools))
        if kind == "server_shuffle":
            donor = replace(parent, id=self.id + "/donor", tools=tools, ground_truth=())
            return next(iter(server_shuffle([parent], seed=0, donors=[donor])), None)
        if asked.domain == domain:
            return None
        return domain_mismatch(parent, [ToolSet(domain, tools)], seed=0)
