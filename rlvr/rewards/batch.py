"""The components over whole batches, with the signature that trainers call and people call by hand.

Every function here takes `completions` and, of the same length, `tools` and `ground_truth` (JSON strings or objects),
and returns one score a completion, `None` where the component does not apply. Of further columns it reads `expects`,
`lang`, `query`, `truncated`, `reasoning_opened` and `id`, and of settings `eos_token_ids`, `reasoning_parser` (a name
of `rlvr.parsers.REASONING`) and `tokenizer` (given, text is parsed from `completion_ids`, special tokens included); all
others are ignored, since trainers pass whatever a dataset has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rlvr.errors import UsageError
from rlvr.rewards.columns import batch_samples
from rlvr.rewards.components import COMPONENTS, Params
from rlvr.rewards.correctness import CorrectnessParams
from rlvr.rewards.efficiency import EfficiencyParams
from rlvr.rewards.format import FormatParams
from rlvr.rewards.judge import Sample
from rlvr.rewards.refusal import RefusalParams

P = TypeVar("P", CorrectnessParams, EfficiencyParams, RefusalParams)
Completions = Sequence[str | Sequence[Mapping[str, Any]]]


def format_reward(
    completions: Completions,
    *,
    tools: Sequence[Any] | None = None,
    ground_truth: Sequence[Any] | None = None,
    expects: Sequence[str | None] | None = None,
    prompts: Sequence[Any] | None = None,
    completion_ids: Sequence[Sequence[int]] | None = None,
    parser: str = "hermes",
    **kwargs: Any,
) -> list[float | None]:
    """Score how well formed each completion is; `rlvr.rewards.format.score_format` has the formula.

    Range: 0 to 1. Raises `UsageError` for a column of another length, `DataError` for a row that cannot be scored.

    >>> format_reward(["It is sunny."], tools=["[]"], ground_truth=["[]"])
    [1.0]
    """
    columns = {**kwargs, "expects": expects, "prompts": prompts, "completion_ids": completion_ids}
    samples = batch_samples(completions, tools, ground_truth, parser, "typed", columns)
    return _scores("format", FormatParams(), samples)


def correctness_reward(
    completions: Completions,
    *,
    tools: Sequence[Any] | None = None,
    ground_truth: Sequence[Any] | None = None,
    expects: Sequence[str | None] | None = None,
    prompts: Sequence[Any] | None = None,
    completion_ids: Sequence[Sequence[int]] | None = None,
    parser: str = "hermes",
    matching: str = "typed",
    params: CorrectnessParams | None = None,
    **kwargs: Any,
) -> list[float | None]:
    """Score how near the calls are to the wanted ones; `rlvr.rewards.correctness.score_correctness` has the formula.

    Range: 0 to 1, `None` where no call is wanted. Raises as `format_reward`.

    >>> correctness_reward(["Hello.", "Hello."], tools=["[]", [{"name": "f"}]], ground_truth=["[]", [{"name": "f"}]])
    [None, 0.0]
    """
    columns = {**kwargs, "expects": expects, "prompts": prompts, "completion_ids": completion_ids}
    samples = batch_samples(completions, tools, ground_truth, parser, matching, columns)
    return _scores("correctness", _checked(params, CorrectnessParams), samples)


def refusal_reward(
    completions: Completions,
    *,
    tools: Sequence[Any] | None = None,
    ground_truth: Sequence[Any] | None = None,
    expects: Sequence[str | None] | None = None,
    prompts: Sequence[Any] | None = None,
    completion_ids: Sequence[Sequence[int]] | None = None,
    parser: str = "hermes",
    params: RefusalParams | None = None,
    **kwargs: Any,
) -> list[float | None]:
    """Score the words where no call is wanted; `rlvr.rewards.refusal.score_refusal` has the formula.

    Range: -1 to +1, `None` where calls are wanted (unless a penalty for refusing is set). Raises as `format_reward`.

    >>> refusal_reward(["I'm sorry, I can't do that."], tools=["[]"], ground_truth=["[]"], expects=["refuse"])
    [1.0]
    """
    columns = {**kwargs, "expects": expects, "prompts": prompts, "completion_ids": completion_ids}
    samples = batch_samples(completions, tools, ground_truth, parser, "typed", columns)
    return _scores("refusal", _checked(params, RefusalParams), samples)


def efficiency_reward(
    completions: Completions,
    *,
    tools: Sequence[Any] | None = None,
    ground_truth: Sequence[Any] | None = None,
    expects: Sequence[str | None] | None = None,
    prompts: Sequence[Any] | None = None,
    completion_ids: Sequence[Sequence[int]] | None = None,
    parser: str = "hermes",
    matching: str = "typed",
    params: EfficiencyParams | None = None,
    **kwargs: Any,
) -> list[float | None]:
    """Score how directly each completion gets to the point; `rlvr.rewards.efficiency.score_efficiency` has the formula.

    Range: -1 to +0.1. Raises as `format_reward`.

    >>> efficiency_reward(["<think>Hm.</think>It is sunny."], tools=["[]"], ground_truth=["[]"])
    [-0.3]
    """
    columns = {**kwargs, "expects": expects, "prompts": prompts, "completion_ids": completion_ids}
    samples = batch_samples(completions, tools, ground_truth, parser, matching, columns)
    return _scores("efficiency", _checked(params, EfficiencyParams), samples)


@dataclass(frozen=True)
class RewardComponent:
    """One component of a composition, bound to a parser: what goes into a trainer's list of reward functions.

    It pickles, and its `__name__` is the component's, so that each is logged under a name of its own.
    """

    name: str
    params: Params
    matching: str = "typed"
    parser: str = "hermes"
    eos_token_ids: tuple[int, ...] = ()
    reasoning_opened: bool = False
    reasoning_parser: str = "think"
    tokenizer: Any = None

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(
        self,
        completions: Completions,
        *,
        tools: Sequence[Any] | None = None,
        ground_truth: Sequence[Any] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Score a batch; `columns` are what the module's docstring names, and more that is ignored."""
        columns.setdefault("eos_token_ids", self.eos_token_ids)
        columns.setdefault("reasoning_opened", self.reasoning_opened or None)
        columns.setdefault("reasoning_parser", self.reasoning_parser)
        columns.setdefault("tokenizer", self.tokenizer)
        samples = batch_samples(completions, tools, ground_truth, self.parser, self.matching, columns)
        return _scores(self.name, self.params, samples)


def _checked(params: P | None, kind: type[P]) -> P:
    if params is None:
        return kind()
    if not isinstance(params, kind):
        raise UsageError(f"params must be a {kind.__name__}, got {params!r:.60}")
    return params


def _scores(name: str, params: Params, samples: Sequence[Sample]) -> list[float | None]:
    of = COMPONENTS[name].of
    return [of(sample, params) for sample in samples]
