"""verl: the documented signatures, and the real package where it is installed."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from rlvr.errors import DataError
from rlvr.integrations import verl
from rlvr.types import Example

# verl 0.9, verl/experimental/reward_loop/reward_manager/naive.py and verl/workers/reward_manager/batch.py
SINGLE = ("data_source", "solution_str", "ground_truth", "extra_info")
ROUTER = ("reward_router_address", "reward_model_tokenizer")
BATCH = ("data_sources", "solution_strs", "ground_truths", "extra_infos")
EOS, PAD = 0, 9


class Letters:
    """One id a letter; special tokens are written where they are not skipped."""

    eos_token_id = EOS
    pad_token_id = PAD

    def decode(self, ids: Any, skip_special_tokens: bool = False, **_: Any) -> str:
        assert not skip_special_tokens
        return "".join(chr(int(i)) for i in ids)


class Ids(list[int]):
    """As much of a tensor of one dimension as is used."""

    @property
    def shape(self) -> tuple[int]:
        return (len(self),)

    def sum(self) -> int:
        return sum(self)

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return Ids(found) if isinstance(key, slice) else found


class Data(list[Any]):
    """A DataProto: a slice of it is one, an index gives an item."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return Data(found) if isinstance(key, slice) else found


def item(example: Example, text: str, ended: bool = True) -> SimpleNamespace:
    row = verl.to_row(example)
    ids = [ord(c) for c in text] + [EOS] * ended
    return SimpleNamespace(
        batch={"responses": Ids(ids + [PAD] * 3), "attention_mask": Ids([1] * 4 + [1] * len(ids) + [0] * 3)},
        non_tensor_batch={k: row[k] for k in ("data_source", "reward_model", "extra_info")},
    )


def test_the_signatures_are_verls() -> None:
    one = inspect.signature(verl.compute_score).parameters
    assert tuple(one)[:4] == SINGLE
    assert set(ROUTER) <= set(one)
    assert tuple(inspect.signature(verl.compute_score_batch).parameters)[:4] == BATCH


def test_a_row_pays_what_was_worked_out_by_hand(worked: tuple[Example, str, bool, float, bool]) -> None:
    example, text, cut, reward, right = worked
    row = verl.to_row(example)
    numbers = verl.compute_score(
        data_source=row["data_source"],
        solution_str=text,
        ground_truth=row["reward_model"]["ground_truth"],
        extra_info={**row["extra_info"], "truncated": cut, "num_turns": None, "rollout_reward_scores": {}},
        stage="stage1",
        reward_router_address="http://127.0.0.1:1",
        reward_model_tokenizer=None,
    )
    assert numbers["score"] == pytest.approx(reward)
    assert numbers["acc"] == float(right)
    assert all(type(v) is float for v in numbers.values())


def test_the_batch_form_gives_the_same(examples: dict[str, Example]) -> None:
    rows = [verl.to_row(e) for e in examples.values()]
    truths = [r["reward_model"]["ground_truth"] for r in rows]
    extras = [r["extra_info"] for r in rows]
    sources, texts = [r["data_source"] for r in rows], ["", "I'm sorry, I can't book flights."]
    batch = verl.compute_score_batch(sources, texts, truths, extras)
    assert batch == [verl.compute_score(*row) for row in zip(sources, texts, truths, extras, strict=True)]
    assert [list(b) for b in batch] == [list(batch[0])] * 2, "verl makes one column of each name"


def test_a_row_holds_json_strings_where_arrow_would_pad_structs(examples: dict[str, Example]) -> None:
    row = verl.to_row(examples["wants"])
    assert set(row) == {"data_source", "prompt", "ability", "reward_model", "extra_info"}
    assert row["reward_model"]["style"] == "rule"
    assert isinstance(row["extra_info"]["tools"], str)
    assert json.loads(row["reward_model"]["ground_truth"])[0]["name"] == "get_weather"


def test_a_row_without_tools_and_a_setting_that_is_none_are_errors(examples: dict[str, Example]) -> None:
    with pytest.raises(DataError, match="write the rows with to_row"):
        verl.compute_score("rlvr", "", "[]", {"index": 3})
    with pytest.raises(TypeError, match="composion"):
        verl.compute_score("rlvr", "", "[]", {"tools": "[]"}, composion="function_calling")  # type: ignore[call-arg]


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The reward manager on a base class of verl's signature, for machines without Ray."""

    class Base:
        def __init__(self, config: Any, tokenizer: Any, compute_score: Any) -> None:
            self.config, self.tokenizer = config, tokenizer

    name = "verl.experimental.reward_loop.reward_manager.base"
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules[name], "RewardManagerBase", Base, raising=False)
    verl._manager.cache_clear()
    yield verl.RewardManager
    verl._manager.cache_clear()


def test_the_reward_manager_sees_special_tokens_and_what_was_cut(
    manager: Any, worked: tuple[Example, str, bool, float, bool]
) -> None:
    example, text, cut, reward, right = worked
    data = Data([item(example, "another sequence"), item(example, text, ended=not cut)])
    made = manager(config={}, tokenizer=Letters(), compute_score=None, reward_router_address=None)
    result = asyncio.run(made.run_single(data))
    assert result["reward_score"] == pytest.approx(reward)
    assert result["reward_extra_info"]["acc"] == float(right)
    assert manager.__name__ == "RewardManager"


def test_a_function_of_ones_own_may_give_a_number(manager: Any, examples: dict[str, Example]) -> None:
    made = manager(config={}, tokenizer=Letters(), compute_score=lambda **k: len(k["solution_str"]))
    result = asyncio.run(made.run_single(Data([item(examples["none"], "abc")])))
    assert result == {"reward_score": 3.0, "reward_extra_info": {"score": 3.0}}


def test_the_end_is_taken_off_and_padding_is_not_read() -> None:
    one = SimpleNamespace(batch={"responses": Ids([65, 66, EOS, PAD]), "attention_mask": Ids([1, 1, 1, 1, 0])})
    assert verl.completion_ids(one, frozenset({EOS})) == ([65, 66], False)
    assert verl.completion_ids(one, frozenset({77})) == ([65, 66, EOS], True)
    assert verl.completion_ids(one, frozenset()) == ([65, 66, EOS], False)


def test_no_other_attribute_is_made_up() -> None:
    with pytest.raises(AttributeError, match="NaiveManager"):
        _ = verl.NaiveManager


@pytest.mark.trainers
def test_the_real_package_loads_and_runs_the_manager(examples: dict[str, Example]) -> None:
    pytest.importorskip("ray", reason="needs verl")
    pytest.importorskip("verl", reason="needs verl")
    import numpy as np
    import torch
    from verl import DataProto
    from verl.utils.import_utils import load_extern_object

    cls = load_extern_object("pkg://rlvr.integrations.verl", "RewardManager")
    score = load_extern_object("pkg://rlvr.integrations.verl", "compute_score")
    row = verl.to_row(examples["none"])
    ids = [ord(c) for c in "I'm sorry, I can't book flights."] + [EOS]
    data = DataProto.from_single_dict(
        {
            "prompts": torch.ones(1, 4, dtype=torch.long),
            "responses": torch.tensor([[*ids, PAD]]),
            "attention_mask": torch.tensor([[1] * (4 + len(ids)) + [0]]),
            **{k: np.array([row[k]], dtype=object) for k in ("data_source", "reward_model", "extra_info")},
        }
    )
    manager = cls(config={}, tokenizer=Letters(), compute_score=score, reward_router_address=None)
    result = asyncio.run(manager.run_single(data))
    assert result["reward_score"] == pytest.approx(0.52)
    assert cls.assemble_rm_scores(data, [result["reward_score"]]).sum().item() == pytest.approx(0.52)


@pytest.mark.parametrize(("opening", "right"), [("<think>\n", 0.0), ("", 1.0)])
def test_the_reward_manager_sees_that_a_prompt_opened_reasoning(
    manager: Any, examples: dict[str, Example], opening: str, right: float
) -> None:
    data = item(examples["none"], "I'm sorry, I can't book flights.")
    data.batch["prompts"] = Ids([PAD] * 60 + [ord(c) for c in f"assistant\n{opening}"])
    made = manager(config={}, tokenizer=Letters(), compute_score=None)
    assert asyncio.run(made.run_single(Data([data])))["reward_extra_info"]["acc"] == right
