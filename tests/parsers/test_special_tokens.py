"""What decoding drops and what ends a completion, by a real tokenizer whose config names few of its tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("transformers", reason="needs the train extra")

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer

from rlvr.integrations import verl
from rlvr.integrations.trl import grpo_rewards, markup_is_special
from rlvr.parsers import get_parser, text_of
from rlvr.parsers.token_ids import completion_text, end_token_ids, special_tokens
from rlvr.types import Outcome, ToolCall

MARKUP = ("[TOOL_CALLS]", "[ARGS]", "<start_function_call>", "<end_function_call>", "<escape>", "<|python_tag|>")
ENDS = ("<|eot_id|>", "<|eom_id|>", "<end_of_turn>")
CALL = ToolCall("get_weather", {"city": "Hanoi"})
TOOL = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
GOLD = [{"name": "get_weather", "arguments": {"city": "Hanoi"}}]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Bytes as tokens; every special one in `tokenizer.json`, and the end alone in the config."""
    folder = tmp_path_factory.mktemp("tokenizer")
    made = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(pre_tokenizers.ByteLevel.alphabet())}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in (*MARKUP, *ENDS, "<|im_start|>")])
    made.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|eot_id|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return AutoTokenizer.from_pretrained(folder)


def ids_of(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def test_what_no_config_names_is_special_too(tokenizer: Any) -> None:
    assert set(tokenizer.all_special_tokens) == {"<|eot_id|>"}, "which is why they are looked up elsewhere"
    known = special_tokens(tokenizer)
    assert set(known.values()) == {*MARKUP, *ENDS, "<|im_start|>"}
    assert all(tokenizer.decode([i], skip_special_tokens=True) == "" for i in known)


@pytest.mark.parametrize("name", ["mistral", "functiongemma"])
def test_calls_in_special_tokens_are_read_from_ids(tokenizer: Any, name: str) -> None:
    ids = ids_of(tokenizer, get_parser(name).render([CALL]) + "<|eot_id|>")
    assert markup_is_special(tokenizer, name)
    for text in (completion_text(ids, tokenizer), text_of(ids, tokenizer)):
        assert get_parser(name).parse(text).calls == (CALL,)
    rewards = grpo_rewards("function_calling", stage="stage2", tokenizer=tokenizer, parser=name)
    stripped = tokenizer.decode(ids, skip_special_tokens=True)
    row = {"tools": [[TOOL]], "ground_truth": [GOLD], "completion_ids": [ids]}
    assert [f(completions=[stripped], **row)[0] for f in rewards.reward_funcs] == [1.0, 1.0, None, 0.1]


def test_a_python_tag_stays_before_what_it_opens(tokenizer: Any) -> None:
    """Without it a call in Python's form would be words, and right where nothing is to be called."""
    text = '<|python_tag|>get_weather.call(city="Hanoi")'
    ids = ids_of(tokenizer, text + "<|eom_id|>")
    assert markup_is_special(tokenizer, "llama3_json")
    assert completion_text(ids, tokenizer) == text
    assert get_parser("llama3_json").parse(text).outcome is Outcome.MALFORMED


@pytest.mark.parametrize("end", ENDS)
def test_every_end_of_a_turn_ends_a_completion(tokenizer: Any, end: str) -> None:
    (end_id,) = ids_of(tokenizer, end)
    assert end_id in end_token_ids(tokenizer)
    rewards = grpo_rewards("function_calling", stage="stage2", tokenizer=tokenizer, parser="hermes")
    call = get_parser("hermes").render([CALL])
    row = {"tools": [[TOOL]], "ground_truth": [GOLD]}
    whole, cut = ids_of(tokenizer, call + end), ids_of(tokenizer, call)
    assert end_id in verl._ends(tokenizer)
    efficiency = rewards.reward_funcs[-1]
    assert efficiency(completions=[call], completion_ids=[whole], **row) == [0.1]
    assert efficiency(completions=[call], completion_ids=[cut], **row) == [-1.0]


def test_the_beginning_of_a_turn_ends_none(tokenizer: Any) -> None:
    assert ids_of(tokenizer, "<|im_start|>")[0] not in end_token_ids(tokenizer)
    assert end_token_ids(None) == frozenset()
