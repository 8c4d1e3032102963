"""Groups: which have no variance, others drawn in their place, and a curriculum's order, in real steps."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("trl", reason="needs the train extra")

from rlvr.data.difficulty import example_digest  # noqa: E402
from rlvr.training.advantages import group_advantages  # noqa: E402
from rlvr.training.groups import without_variance  # noqa: E402
from rlvr.training.recipe import load_recipe  # noqa: E402
from rlvr.training.run import train  # noqa: E402

REWARDS = """
import zlib

def varies(prompt):
    return zlib.crc32(prompt.encode()) % 2 == 0

def half(prompts, completions, **columns):
    # Half of the prompts earn the same whatever is said.
    return [float(len(set(c))) if varies(p) else 7.0 for p, c in zip(prompts, completions, strict=True)]
"""
GRPO = """
kind: grpo
name: grpo
model: {model}
composition: {composition}
stage: one
rollout: transformers
precision: fp32
shared_prefix: "{shared}"
seed: 4
{more}
data:
  max_prompt_tokens: 900
  sources: [{{source: builtin, count: 24, seed: 2, languages: {{en: 1}}, tools_offered: {{1: 1}}}}]
trl:
  per_device_train_batch_size: 8
  gradient_accumulation_steps: 2
  num_generations: 4
  max_completion_length: 16
  max_steps: 3
  learning_rate: 1e-3
  lr_scheduler_type: constant
  temperature: 1.0
  scale_rewards: {scale}
  loss_type: dapo
  save_steps: 1
"""


def test_groups_without_variance_by_hand() -> None:
    nan = float("nan")
    rewards = torch.tensor(
        [
            [1.0, 0.0],
            [0.0, 2.0],  # the weighted sums are the same (1 and 1), the components are not
            [0.5, nan],
            [0.5, nan],  # all the same; the second does not apply
            [0.5, nan],
            [0.6, nan],
        ]
    )
    weights = torch.tensor([1.0, 0.5])
    assert without_variance(rewards, weights, 2, by_component=False).tolist() == [True, True, False]
    assert without_variance(rewards, weights, 2, by_component=True).tolist() == [False, True, False]


@pytest.mark.parametrize("aggregation", ["sum_then_normalize", "normalize_then_sum"])
def test_a_group_without_variance_is_one_whose_advantages_are_all_0(aggregation: str) -> None:
    """Held against the arithmetic of TRL's advantages, with scores that do not apply."""
    nan, by_component = float("nan"), aggregation == "normalize_then_sum"
    groups = [
        [[0.5, 0.0], [0.5, nan]],  # one has no score of the second: its sum is the same, and its mean is the other's
        [[nan, nan], [0.5, 0.0]],  # a completion to which nothing applies takes no part
        [[0.5, nan], [nan, 0.5]],
        [[0.0, nan], [nan, 0.5]],
        [[nan, nan], [nan, nan]],
        [[0.5, 0.0], [0.5, 0.5]],
        [[0.5, nan], [0.5, 0.5]],
    ]
    weights = [1.0, 0.5]
    for group in groups:  # one by one: GDPO centres over the batch
        rewards = torch.tensor(group)
        flat = bool(without_variance(rewards, torch.tensor(weights), 2, by_component=by_component))
        scores = [[None if math.isnan(v) else v for v in row] for row in group]
        found = group_advantages(scores, weights, 2, aggregation=aggregation, scale_rewards="none")
        assert flat == all(abs(a) < 1e-6 for a in found), group


def recipe(tmp_path: Path, model: Path, more: str, shared: str = "on", scale: str = "none") -> Path:
    module, composition, path = (tmp_path / name for name in ("own_rewards.py", "own.yaml", "recipe.yaml"))
    module.write_text(REWARDS, encoding="utf-8")
    stages = "stages: {one: {weights: {format: 0.0, own: 1.0}}}"
    composition.write_text(f'name: own\ncomponents: {{format: {{}}}}\nfunctions: {{own: "{module}:half"}}\n{stages}\n')
    path.write_text(GRPO.format(model=model, composition=composition, more=more, shared=shared, scale=scale))
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(x) for x in path.read_text(encoding="utf-8").splitlines()]


def logged(run: Path) -> list[dict[str, Any]]:
    return [x for x in rows(run / "metrics.jsonl") if "reward" in x]


@pytest.mark.parametrize(("shared", "scale"), [("on", "none"), ("off", "batch")])
def test_groups_without_variance_are_drawn_again(
    tiny_model: Path, tmp_path: Path, shared: str, scale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the prompts cannot vary. With two rounds hardly any is left, over two batches of accumulation, and what
    TRL makes of the merged batch is what its own formula makes of those rows."""
    from rlvr.training import groups

    plain = groups.GroupsMixin._generate_and_score_completions
    outputs: list[tuple[dict[str, Any], list[float], float]] = []

    def kept(self: Any, inputs: Any) -> Any:
        out = plain(self, inputs)
        outputs.append((out, list(self._logs["rewards"]["own"])[-16:], len(set(self._logs["prompt"]))))
        return out

    monkeypatch.setattr(groups.GroupsMixin, "_generate_and_score_completions", kept)
    train(*load_recipe(recipe(tmp_path, tiny_model, "", shared, scale)), tmp_path / "plain")
    outputs.clear()
    train(*load_recipe(recipe(tmp_path, tiny_model, "resample: {rounds: 2}", shared, scale)), tmp_path / "run")
    before, after = logged(tmp_path / "plain"), logged(tmp_path / "run")
    assert "resample/rounds" not in before[0]
    # The first generation is drawn from the same prompts and the same random state.
    assert after[0]["resample/zero_variance_drawn"] == before[0]["groups/zero_variance"] > 0
    assert after[0]["completions/mean_length"] == before[0]["completions/mean_length"]
    for row in after:
        assert row["groups/zero_variance"] <= row["resample/zero_variance_drawn"]
        replaced = 4 * (row["resample/zero_variance_drawn"] - row["groups/zero_variance"])
        assert row["resample/groups_replaced"] == pytest.approx(replaced)
        assert row["resample/extra_completions"] >= 4 * row["resample/groups_replaced"]
    assert sum(x["groups/zero_variance"] for x in after) < sum(x["groups/zero_variance"] for x in before)
    assert after[0]["num_tokens"] > before[0]["num_tokens"]  # what was thrown away is counted
    for out, rewards, _ in outputs:
        grouped = torch.tensor(rewards).view(-1, 4)
        advantages = (grouped - grouped.mean(1, keepdim=True)).flatten()
        if scale == "batch":
            advantages = advantages / (torch.tensor(rewards).std() + 1e-4)
        torch.testing.assert_close(out["advantages"], advantages)
        assert int(out["num_items_in_batch"]) == int(out["completion_mask"].sum())
    own = {}
    exec(REWARDS, own)
    trained = {e["id"]: e for e in rows(tmp_path / "run" / "data" / "train.jsonl")}
    for sample in rows(tmp_path / "run" / "samples.jsonl"):
        assert sample["query"] == trained[sample["id"]]["messages"][-1]["content"]
        assert sample["scores"]["own"] in (7.0, float(len(set(sample["completion"]))))


def interrupt_after(step: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    from rlvr.training.callbacks import LogCallback

    plain = LogCallback.on_save

    def on_save(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        plain(self, args, state, control, **kwargs)
        if state.global_step == step:
            raise KeyboardInterrupt

    monkeypatch.setattr(LogCallback, "on_save", on_save)
    return plain


def test_a_curriculum_is_followed_and_resumed_with_resampling_among_what_is_open(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trace of a run that was interrupted after its first step is that of one that was left alone."""
    from rlvr.data.sources.jsonl import read_jsonl
    from rlvr.training.callbacks import LogCallback

    train(*load_recipe(recipe(tmp_path, tiny_model, ""), ["trl.max_steps=1"]), tmp_path / "look")
    examples = list(read_jsonl(tmp_path / "look" / "data" / "train.jsonl"))
    probe = tmp_path / "probe.jsonl"
    rates = {e.id: i / len(examples) for i, e in enumerate(examples)}
    probed = [{"id": e.id, "k": 8, "pass_rate": rates[e.id], "digest": example_digest(e)} for e in examples]
    probe.write_text("".join(json.dumps(x) + "\n" for x in probed))
    more = f"curriculum: {{file: {probe}, order: easy_first, start: 0.4, until: 1}}\nresample: {{rounds: 1}}"
    path = recipe(tmp_path, tiny_model, more)
    train(*load_recipe(path), tmp_path / "whole")
    plan = rows(tmp_path / "whole" / "data" / "curriculum.jsonl")
    assert [len(x["ids"]) for x in plan] == [4, 4, 4]  # 16 completions of a generation, 4 a prompt
    assert plan[0]["open"] < plan[1]["open"] < plan[2]["open"] < len(examples)
    plain = interrupt_after(1, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        train(*load_recipe(path), tmp_path / "run")
    monkeypatch.setattr(LogCallback, "on_save", plain)
    train(*load_recipe(path), tmp_path / "run", resume=True)
    keys = ("step", "reward", "loss", "groups/zero_variance", "resample/groups_replaced", "num_tokens")
    assert [{k: x[k] for k in keys} for x in logged(tmp_path / "run")] == [
        {k: x[k] for k in keys} for x in logged(tmp_path / "whole")
    ]
    assert rows(tmp_path / "run" / "samples.jsonl") == rows(tmp_path / "whole" / "samples.jsonl")
    replaced = 0
    for sample in rows(tmp_path / "whole" / "samples.jsonl"):
        generation = plan[sample["step"] - 1]
        replaced += sample["id"] not in generation["ids"]
        # The easiest of each category are open; none that is hard comes in the first generation.
        assert rates[sample["id"]] >= min(rates[i] for x in plan[: sample["step"]] for i in x["ids"]) - 0.35
    assert replaced > 0, "nothing was resampled: the test would show less than it says"


# Run by two processes over gloo: what each of them trains on goes to a file of its own.
TWO = """
import json, sys
from pathlib import Path
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig
sys.path.insert(0, sys.argv[2])
from own_rewards import half
from rlvr.training.groups import trainer_class

tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], padding_side="left")
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)
rows = [{"prompt": f"What is {i} days in Hanoi?"} for i in range(24)]
args = GRPOConfig(
    output_dir=sys.argv[2] + "/out", use_cpu=True, bf16=False, report_to=[], disable_tqdm=True, save_strategy="no",
    per_device_train_batch_size=8, num_generations=4, max_completion_length=8, max_steps=2, logging_steps=1,
    scale_rewards="none", loss_type="dapo", gradient_checkpointing=False,
)
trainer = trainer_class(False)(model=model, reward_funcs=[half], args=args, train_dataset=Dataset.from_list(rows),
                               processing_class=tokenizer)
trainer.resample(3, 0)
seen = []
plain = trainer._generate_and_score_completions
def kept(inputs):
    out = plain(inputs)
    texts = tokenizer.batch_decode(out["completion_ids"], skip_special_tokens=True)
    prompts = tokenizer.batch_decode(out["prompt_ids"], skip_special_tokens=True)
    logs = {k: list(trainer._logs[k]) for k in ("prompt", "completion", "advantages")}
    seen.append({"prompts": prompts, "texts": texts, "advantages": out["advantages"].tolist(), "logs": logs,
                 "items": int(out["num_items_in_batch"]), "own_items": int(out["completion_mask"].sum())})
    return out
trainer._generate_and_score_completions = kept
trainer.train()
rank = trainer.accelerator.process_index
history = [x for x in trainer.state.log_history if "reward" in x]
Path(sys.argv[2], f"rank{rank}.json").write_text(json.dumps({"seen": seen, "history": history}))
"""


@pytest.mark.slow
def test_two_processes_replace_each_their_own_groups(tiny_model: Path, tmp_path: Path) -> None:
    """Four groups over two processes: both generate equally often, and each keeps its own rows in their order."""
    import subprocess
    import sys

    (tmp_path / "own_rewards.py").write_text(REWARDS)
    (tmp_path / "two.py").write_text(TWO)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launch, str(tmp_path / "two.py"), str(tiny_model), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ranks = [json.loads((tmp_path / f"rank{r}.json").read_text()) for r in (0, 1)]
    assert ranks[0]["history"][0]["groups/zero_variance"] == ranks[1]["history"][0]["groups/zero_variance"]
    own: dict[str, Any] = {}
    exec(REWARDS, own)
    replaced = 0.0
    for step in (0, 1):
        one, two = (r["seen"][step] for r in ranks)
        assert one["logs"] == two["logs"]
        assert one["logs"]["prompt"] == one["prompts"] + two["prompts"]
        assert len(set(one["logs"]["prompt"])) == 4
        assert one["items"] == two["items"] == one["own_items"] + two["own_items"]
        for part in (one, two):
            scores = torch.tensor(own["half"](part["prompts"], part["texts"])).view(-1, 4)
            expected = (scores - scores.mean(1, keepdim=True)).flatten()
            torch.testing.assert_close(torch.tensor(part["advantages"]), expected)
        row = ranks[0]["history"][step]
        replaced += row["resample/groups_replaced"]
        assert row["resample/zero_variance_drawn"] - row["groups/zero_variance"] == row["resample/groups_replaced"] / 4
    assert replaced > 0


def test_resampling_needs_whole_groups() -> None:
    from rlvr.training.groups import GroupsMixin

    class Fake(GroupsMixin):
        num_generations = 4
        tools = environments = None

        class args:  # noqa: N801
            per_device_train_batch_size, steps_per_generation = 2, 3

    with pytest.raises(Exception, match="6 completions at a time, which is no multiple of num_generations = 4"):
        Fake().resample(1, 0)


def test_drift_leaves_out_what_tools_have_said() -> None:
    """TRL pads a tool's result with 0 where the sampled log-probabilities stand: no policy has sampled it."""
    from collections import defaultdict
    from types import SimpleNamespace

    from rlvr.training.groups import GroupsMixin

    trainer: Any = SimpleNamespace(
        _step=0,
        args=SimpleNamespace(steps_per_generation=1, gradient_accumulation_steps=1),
        num_iterations=1,
        _metrics={"train": defaultdict(list)},
        accelerator=SimpleNamespace(gather=lambda x: x),
    )
    logps = torch.tensor([[-0.1, -0.2, -8.0, -9.0, -0.5]])
    sampled = torch.tensor([[-0.1, -0.2, 0.0, 0.0, -0.3]])
    inputs = {"sampling_per_token_logps": sampled, "completion_mask": torch.ones(1, 5)}
    GroupsMixin._log_drift(trainer, logps, {**inputs, "tool_mask": torch.tensor([[1, 1, 0, 0, 1]])})
    GroupsMixin._log_drift(trainer, logps, inputs)
    found = trainer._metrics["train"]
    assert found["sampling/sampling_logp_difference/mean"] == pytest.approx([0.2 / 3, 17.2 / 5])
    assert found["sampling/sampling_logp_difference/max"] == pytest.approx([0.2, 9.0])
