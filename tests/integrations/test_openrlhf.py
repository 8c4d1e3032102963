"""OpenRLHF: the documented signature, a server as it asks one, and the real executor where it is installed."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlvr.errors import DataError, UsageError
from rlvr.integrations.openrlhf import RemoteReward, completion_of, server, to_label
from rlvr.parsers import get_parser
from rlvr.types import Example, GoldCall

END = "<|im_end|>"
PROMPT = "<|im_start|>user\nWhat will the weather be like?<|im_end|>\n<|im_start|>assistant\n"


def test_the_signature_is_openrlhfs() -> None:
    """README of 0.11: `reward_func(queries, prompts, labels)` with rewards, scores and extra_logs."""
    assert list(inspect.signature(RemoteReward()).parameters)[:3] == ["queries", "prompts", "labels"]


def test_it_pays_what_was_worked_out_by_hand(worked: tuple[Example, str, bool, float, bool]) -> None:
    example, text, cut, reward, right = worked
    query = PROMPT + text + ("" if cut else END)
    numbers = RemoteReward("function_calling", "stage1", ends=(END,)).numbers([query], [PROMPT], [to_label(example)])
    assert numbers["rewards"] == pytest.approx([reward])
    assert numbers["scores"] == [float(right)]
    assert set(numbers["extra_logs"]) == {"format", "correctness", "refusal", "efficiency", "acc"}


def test_without_ends_nothing_counts_as_cut(examples: dict[str, Example]) -> None:
    query = PROMPT + "I'm sorry, I can't book flights."
    assert RemoteReward().numbers([query], [PROMPT], [to_label(examples["none"])])["scores"] == [1.0]
    assert RemoteReward(ends=(END,)).numbers([query], [PROMPT], [to_label(examples["none"])])["scores"] == [0.0]


def test_one_end_may_stand_without_a_tuple(examples: dict[str, Example]) -> None:
    """Its letters are no ends: what is left of a marker would be text beside a call, which xLAM's format forbids."""
    example = examples["wants"]
    text = get_parser("xlam").render([example.ground_truth[0].canonical()])
    for ends in (END, (END,), [END]):
        reward = RemoteReward(parser="xlam", ends=ends)  # type: ignore[arg-type]
        assert reward.numbers([PROMPT + text + END], [PROMPT], [to_label(example)])["rewards"] == pytest.approx([1.22])
    for ends in (("",), (7,)):
        with pytest.raises(UsageError, match="ends must be the texts"):
            RemoteReward(ends=ends)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "prompt", "completion"),
    [
        (PROMPT + "Yes.", PROMPT, "Yes."),
        (PROMPT, PROMPT, ""),
        (PROMPT[20:] + "Yes.", PROMPT, "Yes."),  # a long prompt's beginning was cut
        (PROMPT[20:] + PROMPT[20:], PROMPT, PROMPT[20:]),  # and the model copied the prompt
        ("ab" * 40 + "c", "x" + "ab" * 40, "c"),
        ("ab" * 40 + "abc", "ab" * 50, "c"),  # as much of it as can be
    ],
)
def test_the_completion_is_what_follows_the_prompt(query: str, prompt: str, completion: str) -> None:
    assert completion_of(query, prompt) == completion


@pytest.mark.parametrize("query", ["", "something else", PROMPT[-10:] + "Yes."])
def test_a_query_of_another_prompt_is_an_error(query: str) -> None:
    with pytest.raises(UsageError, match="does not go on from its prompt"):
        completion_of(query, PROMPT)


def test_finding_the_completion_takes_linear_time() -> None:
    start = time.process_time()
    with pytest.raises(UsageError):
        completion_of("b" + "a" * 100_000, "a" * 100_000)
    assert len(completion_of("a" * 100_000, "b" + "a" * 100_000)) == 0
    assert time.process_time() - start < 3


def test_a_label_that_could_not_be_scored_is_no_label(examples: dict[str, Example]) -> None:
    example = examples["wants"]
    broken = Example("broken", "", "simple", example.messages, example.tools, (GoldCall("other", {}),))
    with pytest.raises(DataError, match="broken"):
        to_label(broken)
    with pytest.raises(DataError, match=r"labels\[0\]"):
        RemoteReward().numbers([PROMPT], [PROMPT], ["paris"])


def test_a_server_answers_as_openrlhf_asks(examples: dict[str, Example]) -> None:
    running = server(RemoteReward("function_calling", "stage1"), port=0)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{running.server_address[1]}/get_reward"

    def ask(payload: Any) -> Any:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=60) as response:
            return json.loads(response.read())

    try:
        query = PROMPT + "I'm sorry, I can't book flights."
        answer = ask({"query": [query], "prompts": [PROMPT], "labels": [to_label(examples["none"])]})
        assert answer["rewards"] == pytest.approx([0.52])
        assert answer["scores"] == [1.0]
        numbers = {"query": [1], "prompts": [PROMPT], "labels": ["{}"]}
        for wrong in (b"{", {"query": "x"}, {"query": [], "prompts": [], "labels": [1]}, numbers):
            with pytest.raises(urllib.error.HTTPError) as caught:
                ask(wrong)
            assert caught.value.code == 400
            caught.value.close()
    finally:
        running.shutdown()
        running.server_close()


@pytest.mark.slow
def test_as_tensors_for_a_python_file(examples: dict[str, Example]) -> None:
    torch = pytest.importorskip("torch", reason="needs the train extra")
    query = PROMPT + "I'm sorry, I can't book flights."
    result = RemoteReward()([query], [PROMPT], [to_label(examples["none"])], unknown=3)
    assert result["rewards"].dtype == torch.float32
    assert result["rewards"].tolist() == pytest.approx([0.52])
    assert result["extra_logs"]["acc"].tolist() == [1.0]


@pytest.mark.trainers
def test_the_real_executor_takes_it(tmp_path: Path, examples: dict[str, Example]) -> None:
    """`SingleTurnAgentExecutor` with an engine that says the same always."""
    agent = pytest.importorskip("openrlhf.utils.agent", reason="needs OpenRLHF")
    import torch

    path = tmp_path / "my_reward.py"
    path.write_text(
        "from rlvr.integrations.openrlhf import RemoteReward\n"
        f'reward_func = RemoteReward("function_calling", stage="stage1", ends=("{END}",))\n',
        encoding="utf-8",
    )

    class Letters:
        def __call__(self, text: str, **_: Any) -> dict[str, Any]:
            return {"input_ids": torch.tensor([[ord(c) for c in text]])}

        def decode(self, ids: list[int], skip_special_tokens: bool = True) -> str:
            assert not skip_special_tokens
            return "".join(map(chr, ids))

    class Engine:
        async def generate(self, *_: Any, **__: Any) -> Any:
            ids = [ord(c) for c in "I'm sorry, I can't book flights." + END]
            return SimpleNamespace(outputs=[SimpleNamespace(token_ids=ids, finish_reason="stop", logprobs=None)])

    executor = agent.SingleTurnAgentExecutor(str(path))
    sampling = SimpleNamespace(max_tokens=64, logprobs=None)
    label = to_label(examples["none"])
    output = asyncio.run(executor.execute(PROMPT, label, sampling, 4096, Letters(), Engine()))
    assert output["reward"].tolist() == pytest.approx([0.52])
    assert output["scores"].tolist() == [1.0]


def test_a_prompt_that_ends_inside_reasoning_is_seen(examples: dict[str, Example]) -> None:
    refusal, opened, label = "I'm sorry, I can't book flights.", f"{PROMPT}<think>\n", to_label(examples["none"])
    texts = [refusal, f"No tool.</think>{refusal}"]
    numbers = RemoteReward().numbers([opened + text for text in texts], [opened] * 2, [label] * 2)
    assert numbers["scores"] == [0.0, 1.0]
