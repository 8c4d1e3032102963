"""Recipes with an environment: what is loaded and refused, and real GRPO steps through TRL's tool loop."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="needs the train extra")

from rlvr.data.sources.jsonl import read_jsonl
from rlvr.errors import DataError, ModelError, UsageError
from rlvr.testing.file_store import TOOLS, FileStore, main, tasks, write_tasks
from rlvr.training.environment import hermes_response_template, load_environment, prepare_tokenizer, rows_of
from rlvr.training.recipe import load_recipe
from rlvr.training.run import train

STORE = "rlvr.testing.file_store:FileStore"

RECIPE = """
kind: grpo
name: files
model: {model}
composition: function_calling
stage: stage1
rollout: transformers
environment: {environment}
data:
  max_prompt_tokens: 1400
  shuffle_groups: false
  sources: [{{source: jsonl, path: {tasks}, shuffle: false}}]
trl:
  per_device_train_batch_size: 4
  num_generations: 4
  max_completion_length: {length}
  max_steps: 2
  learning_rate: 1e-2
  lr_scheduler_type: constant
  scale_rewards: none
  loss_type: dapo
  max_tool_calling_iterations: 4
  shuffle_dataset: false
  save_steps: 10
"""


def recipe(tmp_path: Path, model: Path, environment: str = STORE, length: int = 500) -> Any:
    data = write_tasks(tmp_path / "tasks.jsonl", 4)
    path = tmp_path / "recipe.yaml"
    text = RECIPE.format(model=model, environment=environment, tasks=data, length=length)
    path.write_text(text, encoding="utf-8")
    return load_recipe(path)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(x) for x in path.read_text(encoding="utf-8").splitlines()]


def test_the_tasks_are_examples_and_solvable(tmp_path: Path) -> None:
    """Running the ground truth on the store does what the query asks, and every written text was read before."""
    examples = list(read_jsonl(write_tasks(tmp_path / "tasks.jsonl", 8, seed=3)))
    assert [len(e.ground_truth) for e in examples] == [1, 2, 3, 0] * 2
    for row in tasks(8, seed=3):
        store = FileStore()
        store.reset(**{**row, "setup": json.dumps(row["setup"])})
        results = [getattr(store, c["name"])(**c["arguments"]) for c in row["ground_truth"]]
        if len(results) > 1:
            assert results[0] == row["ground_truth"][1]["arguments"]["text"]
            assert f"wrote {row['ground_truth'][1]['arguments']['name']}" == results[1]
    assert tasks(4, 1) == tasks(4, 1) != tasks(4, 2)
    main(["--count", "2", "--out", str(tmp_path / "more.jsonl")])
    assert len(lines(tmp_path / "more.jsonl")) == 2


def test_the_store_is_described_as_the_tasks_have_it() -> None:
    found = load_environment(STORE)
    assert [t.name for t in found.tools] == [t["name"] for t in TOOLS]
    for tool, told in zip(found.tools, TOOLS, strict=True):
        assert tool.parameters.get("properties", {}) == told["parameters"]["properties"]
        assert sorted(tool.parameters.get("required", [])) == sorted(told["parameters"]["required"])
        assert tool.description == told["description"]
    assert found.trainer_options() == {"environment_factory": FileStore}


FUNCTIONS = '''
def add(a: int, b: int) -> int:
    """
    Add two numbers.

    Args:
        a: One.
        b: The other.
    """
    return a + b

def undescribed(a):
    return a

class NoReset:
    def act(self) -> str:
        """Act."""
        return ""

class Narrow:
    def reset(self):
        pass

class Empty:
    def reset(self, **row):
        pass

def broken():
    raise RuntimeError("no disk")
'''


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "my_tools.py"
    path.write_text(FUNCTIONS, encoding="utf-8")
    return path


def test_a_list_of_functions_is_an_environment_too(module: Path) -> None:
    found = load_environment([f"{module}:add"])
    assert [t.name for t in found.tools] == ["add"]
    assert found.factory is None
    (function,) = found.trainer_options()["tools"]
    assert function(2, 3) == 5


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NoReset", r"has no reset\(\*\*row\)"),
        ("Narrow", "reset must take a row's columns"),
        ("Empty", "it has no tool"),
        ("broken", "making one failed: RuntimeError: no disk"),
        ("Missing", "has no 'Missing'"),
    ],
)
def test_what_is_no_environment_is_told(module: Path, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load_environment(f"{module}:{name}")


def test_a_function_that_cannot_be_described_is_told(module: Path) -> None:
    with pytest.raises(UsageError, match="undescribed needs type hints and a docstring"):
        load_environment([f"{module}:undescribed"])


def test_rows_carry_what_the_rewards_and_reset_need(tmp_path: Path) -> None:
    environment = load_environment(STORE)
    examples = list(read_jsonl(write_tasks(tmp_path / "tasks.jsonl", 4)))
    rows = rows_of(examples, environment)
    assert rows[1]["prompt"] == [{"role": "user", "content": examples[1].query}]
    assert json.loads(rows[1]["turns"]) == [1, 1]
    assert json.loads(rows[1]["setup"]) == examples[1].meta["setup"]
    assert {t["name"] for t in json.loads(rows[0]["tools"])} == {t.name for t in environment.tools}


def test_rows_that_are_not_the_environments_are_told(tmp_path: Path, module: Path) -> None:
    examples = list(read_jsonl(write_tasks(tmp_path / "tasks.jsonl", 2)))
    with pytest.raises(DataError, match="file-store-0: the environment has no tool delete_file"):
        rows_of(examples, load_environment([f"{module}:add"]))
    from dataclasses import replace

    called = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "list_files", "arguments": {}}}]}
    later = replace(examples[0], messages=(*examples[0].messages, called, {"role": "tool", "content": "[]"}))
    with pytest.raises(DataError, match="hold earlier calls"):
        rows_of([later], load_environment(STORE))
    with pytest.raises(DataError, match="file-store-1: turns: got"):
        rows_of([replace(examples[1], meta={**examples[1].meta, "turns": [3]})], load_environment(STORE))


def test_a_response_template_reads_what_the_chat_template_writes(tiny_model: Path) -> None:
    from transformers import AutoTokenizer
    from trl.chat_template_utils import parse_response

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    prepare_tokenizer(tokenizer, "hermes")
    assert tokenizer.response_template == hermes_response_template(tokenizer)
    asked = [{"role": "user", "content": "Copy it."}]
    call = {"type": "function", "function": {"name": "read_file", "arguments": {"name": "a.txt"}}}
    said = {"role": "assistant", "content": "Let me see.", "reasoning_content": "Which?", "tool_calls": [call, call]}
    prefix = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=True, return_dict=False)
    whole = tokenizer.apply_chat_template([*asked, said], tokenize=True, return_dict=False)
    read = parse_response(tokenizer, whole[len(prefix) :], prefix=prefix)
    assert read["tool_calls"] == [call, call]
    assert read["content"].strip() == "Let me see."
    assert read["reasoning_content"].strip() == "Which?"


def test_a_template_that_cannot_render_results_is_told(tiny_model: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    with pytest.raises(ModelError, match="cannot render a dialogue with tool calls"):
        prepare_tokenizer(tokenizer, "hermes")
    other = AutoTokenizer.from_pretrained(tiny_model)
    with pytest.raises(ModelError, match="for parser pythonic rlvr has no response template"):
        prepare_tokenizer(other, "pythonic")


def call_text(tool: str, /, **arguments: str) -> str:
    call = json.dumps({"name": tool, "arguments": arguments})
    return f"<tool_call>\n{call}\n</tool_call>"


def scripted(text: str) -> str:
    """What a policy that knows the store says next, by the dialogue so far."""
    query = re.findall(r"<\|im_start\|>user\n(.*?)<\|im_end\|>", text, re.DOTALL)[0]
    results = re.findall(r"<tool_response>\n(.*?)\n</tool_response>", text, re.DOTALL)
    names = re.findall(r"\w+\.txt", query)
    if query.startswith("Print"):
        return "I'm sorry, but none of the available functions can do that."
    plan = [call_text("read_file", name=names[0])]
    if results and len(names) > 1:
        plan.append(call_text("write_file", name=names[1], text=results[0]))
        plan += [call_text("delete_file", name=names[0])] if query.startswith("Move") else []
    return plan[len(results)] if len(results) < len(plan) else "Done."


def test_two_grpo_steps_through_the_tool_loop_score_whole_trajectories(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Generation is scripted, so that the loop has something to do: half of each group solves its task, half says no.

    All else is real: the store runs, results go into the sequence, gradients flow through the model's own turns.
    """
    import torch
    from safetensors.torch import load_file
    from transformers import AutoTokenizer, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    generated = []

    def generate(self: Any, input_ids: Any, attention_mask: Any, **kwargs: Any) -> Any:
        texts = [tokenizer.decode(row[m.bool()]) for row, m in zip(input_ids, attention_mask, strict=True)]
        first = "<tool_response>" not in texts[0]
        said = ["No." if first and i % 2 else scripted(t) for i, t in enumerate(texts)]
        generated.append(said)
        ids = [[*tokenizer(s)["input_ids"], tokenizer.eos_token_id] for s in said]
        width = max(map(len, ids))
        padded = torch.tensor([row + [tokenizer.pad_token_id] * (width - len(row)) for row in ids])
        return torch.cat([input_ids, padded], dim=1)

    monkeypatch.setattr(LlamaForCausalLM, "generate", generate)
    final = train(*recipe(tmp_path, tiny_model), tmp_path / "run")
    assert [len(batch) for batch in generated] == [4, 2, 4, 2, 2]  # a task of one call, then one of two
    metrics = [m for m in lines(tmp_path / "run" / "metrics.jsonl") if "reward" in m]
    assert [m["rewards/correctness/mean"] for m in metrics] == [0.5, 0.5]
    assert [m["tools/call_frequency"] for m in metrics] == [0.5, 1.0]
    assert [m["tools/failure_frequency"] for m in metrics] == [0.0, 0.0]
    # 0.2 x 1 + 1 + 0.2 x 0.1 for what is right; words where a call is wanted earn nothing
    assert [m["reward"] for m in metrics] == pytest.approx([1.22 / 2, 1.22 / 2], abs=1e-5)
    samples = lines(tmp_path / "run" / "samples.jsonl")
    assert {s["verdict"] for s in samples} == {
        "the calls match, and an answer follows", "0 calls were made, 1 are wanted", "0 calls were made, 2 are wanted"
    }  # fmt: skip
    copied = next(s for s in samples if s["id"] == "file-store-1" and s["scores"]["correctness"] == 1.0)
    roles = [m["role"] for m in json.loads(copied["completion"])]
    assert roles == ["assistant", "tool", "assistant", "tool", "assistant"]
    assert copied["advantage"] > 0
    before, after = load_file(tiny_model / "model.safetensors"), load_file(final / "model.safetensors")
    moved = [n for n, t in before.items() if not torch.equal(t.float(), after[n].float())]
    assert len(moved) > len(before) / 2
    assert all(torch.isfinite(t.float()).all() for t in after.values())


def test_two_grpo_steps_of_a_random_model_with_functions(tmp_path: Path, tiny_model: Path) -> None:
    """What a random model says is no call: it is scored all the same, and nothing breaks."""
    body = '    """Say it.\n\n    Args:\n        text: What.\n    """\n    return text\n'
    module = tmp_path / "talk.py"
    module.write_text("".join(f"def {n}(text: str) -> str:\n{body}\n\n" for n in ("echo", "shout")), encoding="utf-8")
    row = {
        "id": "e-1",
        "messages": [{"role": "user", "content": "Say hi."}],
        "tools": [{"name": "echo", "parameters": {"type": "object", "properties": {"text": {"type": "string"}}}}],
        "ground_truth": [{"name": "echo", "arguments": {"text": "hi"}}],
    }
    loaded, resolved = recipe(tmp_path, tiny_model, f"[{module}:echo, {module}:shout]", 16)
    (tmp_path / "tasks.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    train(loaded, resolved, tmp_path / "run")
    metrics = [m for m in lines(tmp_path / "run" / "metrics.jsonl") if "reward" in m]
    assert [m["step"] for m in metrics] == [1, 2]
    assert all(m["rewards/correctness/mean"] == 0.0 for m in metrics)


def test_an_order_of_rows_knows_which_were_dropped(tmp_path: Path, tiny_model: Path) -> None:
    """A prompt that fits with its own tools and not with the environment's is out of the even order as well."""
    from transformers import AutoTokenizer

    from rlvr.prompts import render

    body = '    """Say it.\n\n    Args:\n        text: What.\n    """\n    return text\n'
    module = tmp_path / "talk.py"
    module.write_text("".join(f"def {n}(text: str) -> str:\n{body}\n\n" for n in ("echo", "shout")), encoding="utf-8")
    tool = {"name": "echo", "parameters": {"type": "object", "properties": {"text": {"type": "string"}}}}
    rows = [
        {
            "id": f"e-{i}",
            "messages": [{"role": "user", "content": "Say hi. " * times}],
            "tools": [tool],
            "ground_truth": [{"name": "echo", "arguments": {"text": "hi"}}],
        }
        for i, times in enumerate((60, 1, 2))
    ]
    recipe(tmp_path, tiny_model, f"[{module}:echo, {module}:shout]", 16)
    tasks_file = tmp_path / "tasks.jsonl"
    tasks_file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    longest = len(render(next(iter(read_jsonl(tasks_file))), AutoTokenizer.from_pretrained(tiny_model)).token_ids)
    text = (tmp_path / "recipe.yaml").read_text(encoding="utf-8").replace("shuffle_groups: false", "order: even")
    (tmp_path / "recipe.yaml").write_text(text.replace("tokens: 1400", f"tokens: {longest}"), encoding="utf-8")
    train(*load_recipe(tmp_path / "recipe.yaml"), tmp_path / "run")
    trained = {row["id"] for row in lines(tmp_path / "run" / "samples.jsonl")}
    assert trained == {"e-1", "e-2"}
