"""TRL: what the tokenizer decides, and the real trainer's own way of calling the functions."""

from __future__ import annotations

import importlib.util
import math
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlvr.errors import UsageError
from rlvr.integrations import row_of
from rlvr.integrations.trl import grpo_rewards, markup_is_special
from rlvr.rewards import load_composition
from rlvr.types import Example

HERMES = '{{ \'<tool_call>\\n{"name": "\' + name + \'", "arguments": \' }}'


class Letters:
    """A tokenizer of one id a letter, with `<tool_call>` as one token: special, or not."""

    chat_template = HERMES
    eos_token_id = 0

    def __init__(self, special: bool = False) -> None:
        self.all_special_ids = [0, 1] if special else [0]

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [1 if c == "\ue000" else ord(c) for c in text.replace("<tool_call>", "\ue000")]}

    def decode(self, ids: Any, **_: Any) -> str:
        return "".join("<tool_call>" if i == 1 else chr(i) for i in ids)


def test_the_tokenizer_decides_what_need_not_be_named() -> None:
    rewards = grpo_rewards("function_calling", stage="stage2", tokenizer=Letters())
    assert rewards.parser == "hermes"
    assert rewards.eos_token_ids == (0,)
    assert not rewards.by_ids
    assert [f.__name__ for f in rewards.reward_funcs] == ["format", "correctness", "refusal", "efficiency"]
    assert rewards.reward_weights == load_composition("function_calling", "stage2").weights()
    assert grpo_rewards(tokenizer=Letters(), eos_token_ids=[7, 3]).eos_token_ids == (3, 7)
    assert grpo_rewards(tokenizer=Letters(), eos_token_ids=7).eos_token_ids == (7,)
    with pytest.raises(UsageError, match="eos_token_ids: expected token ids"):
        grpo_rewards(tokenizer=Letters(), eos_token_ids=["<|im_end|>"])  # type: ignore[list-item]


def test_where_markup_is_a_special_token_text_is_parsed_from_ids(examples: dict[str, Example]) -> None:
    tokenizer = Letters(special=True)
    assert markup_is_special(tokenizer, "hermes")
    rewards = grpo_rewards("function_calling", tokenizer=tokenizer)
    assert rewards.by_ids
    text = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Hanoi", "days": 3}}\n</tool_call>'
    row = {name: [value] for name, value in row_of(examples["wants"]).items()}
    ids = [[*tokenizer(text)["input_ids"], 0]]
    correctness = rewards.reward_funcs[1]
    assert correctness(completions=[text.replace("<tool_call>", "")], completion_ids=ids, **row) == [1.0]
    plain = grpo_rewards("function_calling", tokenizer=Letters()).reward_funcs[1]
    assert plain(completions=[text.replace("<tool_call>", "")], completion_ids=ids, **row) == [0.0]


def test_without_a_tokenizer_the_parser_is_named() -> None:
    assert grpo_rewards(parser="pythonic").parser == "pythonic"
    with pytest.raises(UsageError, match="name the parser"):
        grpo_rewards()
    with pytest.raises(UsageError, match="is at stage1"):
        grpo_rewards(load_composition("function_calling"), stage="stage2", parser="hermes")


def test_they_pickle(own: str) -> None:
    for function in grpo_rewards(own, parser="hermes").reward_funcs:
        assert pickle.loads(pickle.dumps(function)) == function


@pytest.mark.slow
@pytest.mark.parametrize("conversational", [False, True])
def test_the_real_trainer_takes_them_sync_and_async(
    own: str, examples: dict[str, Example], conversational: bool
) -> None:
    """`GRPOTrainer._calculate_rewards` itself, on a stand-in for the rest of the trainer: no model is needed for it."""
    if importlib.util.find_spec("trl") is None:
        pytest.skip("needs the train extra")
    from accelerate import PartialState
    from trl import GRPOTrainer
    from trl.trainer.utils import (
        get_callable_name,
        is_async_callable,
        shutdown_event_loop_in_daemon,
        start_event_loop_in_daemon,
    )

    PartialState(cpu=True)
    functions = grpo_rewards(own, parser="hermes", eos_token_ids=[0]).reward_funcs
    thread, loop, ready = start_event_loop_in_daemon()
    ready.wait()
    trainer = SimpleNamespace(
        accelerator=SimpleNamespace(device="cpu", is_main_process=True),
        args=SimpleNamespace(report_to=[]),
        state=SimpleNamespace(global_step=1),
        reward_funcs=functions,
        reward_processing_classes=[None] * len(functions),
        reward_func_names=[get_callable_name(f) for f in functions],
        environments=None,
        async_loop=loop,
        _log_completion_extra=lambda *_: None,
        _log_metric=lambda *_: None,
    )
    assert trainer.reward_func_names == ["format", "correctness", "polite", "judge", "slow"]
    assert [is_async_callable(f) for f in functions] == [False, False, False, True, True]
    inputs = [{"prompt": e.query, **row_of(e)} for e in (examples["wants"], examples["none"])]
    prompts: list[Any] = [i["prompt"] for i in inputs]
    completions: list[Any] = ["please", "I'm sorry, I can't book flights."]
    if conversational:
        prompts = [[{"role": "user", "content": p}] for p in prompts]
        completions = [[{"role": "assistant", "content": c}] for c in completions]
    try:
        rewards = GRPOTrainer._calculate_rewards(trainer, inputs, prompts, completions, [[5, 0], [6, 0]])
    finally:
        shutdown_event_loop_in_daemon(thread, loop)
    rows = rewards.tolist()
    polite = 0.0 if conversational else 0.5  # a function of one's own sees messages as TRL has them
    assert rows[0] == pytest.approx([0.0, 0.0, polite, 1.0, 0.25])
    assert rows[1][0] == 1.0
    assert math.isnan(rows[1][1]), "None, where no call is wanted, reaches TRL as NaN"
    assert rows[1][2:] == pytest.approx([0.0, 1.0, 0.25])


def test_the_trainer_still_calls_them_as_the_stand_in_expects() -> None:
    """The source of the installed TRL: cheap to read, where importing it takes ten seconds."""
    spec = importlib.util.find_spec("trl")
    if spec is None or spec.origin is None:
        pytest.skip("needs the train extra")
    source = (Path(spec.origin).parent / "trainer" / "grpo_trainer.py").read_text(encoding="utf-8")
    for part in (
        "prompts=prompts, completions=completions, completion_ids=completion_ids_list, **reward_kwargs",
        "elif is_async_callable(reward_func)",
        "await asyncio.gather(*coros)",
    ):
        assert part in source
