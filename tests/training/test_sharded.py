"""Weights that two processes hold in halves (FSDP2 over gloo) are saved whole, with LoRA merged or alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("peft", reason="needs the train extra")

from rlvr.models.adapter import merged, merged_state  # noqa: E402
from rlvr.training.lora import LoraOptions, lora_config  # noqa: E402
from rlvr.training.sharded import is_spread, spread_while_loading, whole_state  # noqa: E402

SPREAD = """
import sys
from pathlib import Path
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from peft import get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer
from rlvr.training.lora import LoraOptions, lora_config
from rlvr.training.run_folder import save_model
from rlvr.training.sharded import is_spread

folder, out, kind = sys.argv[1:]
dist.init_process_group("gloo")
mesh = init_device_mesh("cpu", (2,))
torch.manual_seed(0)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
if kind != "whole":
    model = get_peft_model(model, lora_config(LoraOptions(r=4, lora_alpha=8)))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    model.saves_merged = kind == "merged"
reference = {}
if dist.get_rank() == 0:
    save_model(model, AutoTokenizer.from_pretrained(folder), Path(out) / "before")
base = model.get_base_model() if kind != "whole" else model
for layer in base.model.layers:
    fully_shard(layer, mesh=mesh)
fully_shard(model, mesh=mesh)
assert is_spread(model)
save_model(model, AutoTokenizer.from_pretrained(folder), Path(out) / "after")
dist.barrier()
dist.destroy_process_group()
"""


def with_adapter(folder: Path) -> Any:
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    policy = get_peft_model(model, lora_config(LoraOptions(r=4, lora_alpha=8, use_rslora=True)))
    for name, parameter in policy.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return policy


def test_a_gathered_state_merges_to_what_the_layers_merge_to(tiny_model: Path) -> None:
    policy = with_adapter(tiny_model)
    from_layers = dict(merged(policy))
    from_state = merged_state(policy, whole_state(policy))
    assert set(from_state) == set(from_layers)
    for name, value in from_layers.items():
        torch.testing.assert_close(from_state[name], value, rtol=0, atol=1e-6)
    plain = dict(policy.get_base_model().named_parameters())
    name = "model.layers.0.mlp.up_proj"
    assert not torch.equal(from_state[f"{name}.weight"], plain[f"{name}.base_layer.weight"]), "nothing was merged"


def test_a_state_can_be_of_the_adapter_alone(tiny_model: Path) -> None:
    policy = with_adapter(tiny_model)
    assert not is_spread(policy)
    state = whole_state(policy, wanted=lambda name: ".lora_" in name)
    assert state
    assert all(".lora_" in name for name in state)


def test_zero3_is_told_to_transformers_before_weights_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """DeepSpeed is not installed here: what stands in for accelerate's plugin says when it was asked."""
    import accelerate.utils

    calls = []

    class Plugin:
        def set_deepspeed_weakref(self) -> None:
            calls.append("told")

    monkeypatch.setattr(accelerate.utils, "DeepSpeedPlugin", Plugin)
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "false")
    with spread_while_loading():
        assert calls == []
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with spread_while_loading():
        assert calls == ["told"]


def test_zero3_parameters_are_gathered_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """By DeepSpeed's own context, in which a partitioned parameter holds its values."""
    held = torch.arange(6.0).view(2, 3)
    layer = torch.nn.Linear(3, 2, bias=False)
    layer.weight.data = torch.empty(0)
    layer.weight.ds_id = 0

    class Gathered:
        def __init__(self, parameters: list[Any]) -> None:
            self.parameters = parameters

        def __enter__(self) -> None:
            self.parameters[0].data = held

        def __exit__(self, *_: object) -> None:
            self.parameters[0].data = torch.empty(0)

    zero = ModuleType("deepspeed.zero")
    zero.GatheredParameters = Gathered  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "deepspeed", SimpleNamespace(zero=zero))
    monkeypatch.setitem(sys.modules, "deepspeed.zero", zero)
    assert is_spread(layer)
    torch.testing.assert_close(whole_state(layer)["weight"], held)
    assert layer.weight.numel() == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["whole", "merged", "adapter"])
def test_two_processes_save_one_whole_model(tmp_path: Path, tiny_model: Path, kind: str) -> None:
    from safetensors.torch import load_file

    script = tmp_path / "spread.py"
    script.write_text(SPREAD, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(tiny_model), str(tmp_path), kind], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for place in ("", "adapter") if kind == "merged" else ("",):
        name = "adapter_model.safetensors" if kind == "adapter" or place else "model.safetensors"
        before, after = (load_file(tmp_path / when / place / name) for when in ("before", "after"))
        assert set(before) == set(after)
        for key, value in before.items():
            torch.testing.assert_close(after[key], value, rtol=0, atol=1e-6)
    assert not list(tmp_path.glob(".*.tmp")), "no scratch folder is left"
    if kind == "adapter":
        assert json.loads((tmp_path / "after" / "adapter_config.json").read_text())["r"] == 4
