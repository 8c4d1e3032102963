"""What a run needs, part by part, by hand; and what is there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlvr.training.preflight.machine import GIB, Machine, container_memory, main_memory
from rlvr.training.preflight.memory import Load, Shape, activations, check_memory, load_of, parts

Make = Callable[..., Any]

# SmolLM2-135M.
SMOL = Shape(
    parameters=134_515_008, trainable=134_515_008, layers=30, hidden=576, inner=1536, heads=9, kv_heads=3,
    head_size=64, vocabulary=49_152,
)  # fmt: skip


def test_keys_and_values_of_a_token_by_hand() -> None:
    """2 × 30 layers × 3 heads × 64 × 2 bytes."""
    assert SMOL.kv_a_token() == 23_040


def test_activations_by_hand() -> None:
    """A layer and token: 8 × 576 + (6 × 9 + 8 × 3) × 64 + 4 × 1536 = 15,744 numbers of 2 bytes."""
    load = Load(tokens=1000, targets=400, sequence=500)
    assert activations(SMOL, load, 2, checkpointing=False, plain=False) == 30 * 1000 * 15_744 * 2
    # Checkpointing keeps 576 numbers a layer, and one layer at a time is computed again.
    assert activations(SMOL, load, 2, checkpointing=True, plain=False) == 2 * 1000 * 30 * 576 + 2 * 1000 * 15_744
    # Plain attention keeps a share of 500 keys for each of 9 heads.
    assert activations(SMOL, load, 2, checkpointing=False, plain=True) == 30 * 1000 * 2 * (15_744 + 4_500)


def test_the_shape_is_read_off_a_model_without_weights(scene_of: Make) -> None:
    scene = scene_of()
    bare, loaded = Shape.of(scene.bare), Shape.of(scene.load())
    assert bare == loaded
    assert bare.parameters == sum(p.numel() for p in scene.load().parameters())
    assert (bare.layers, bare.hidden, bare.inner, bare.heads, bare.kv_heads, bare.head_size) == (2, 32, 64, 2, 1, 32)
    frozen = scene_of("train_last_layers=1")
    assert 0 < Shape.of(frozen.bare).trainable < bare.parameters


@pytest.mark.parametrize(("precision", "weights", "gradients", "optimizer"), [
    ("fp32", 4, 4, 8),
    ("bf16", 6, 4, 8),  # the weights of autocast beside the fp32 ones
    ("bf16-master", 2, 2, 16),  # copy, two moments, and the fp32 gradient of the update
])  # fmt: skip
def test_bytes_a_parameter(precision: str, weights: int, gradients: int, optimizer: int, scene_of: Make) -> None:
    scene = scene_of(f"precision={precision}")
    n = Shape.of(scene.bare).parameters
    found = parts(scene, Load(10, 5, 10))
    assert found["weights"] == weights * n
    assert found["gradients"] == gradients * n
    assert found["optimizer"] == optimizer * n
    width = 4 if precision == "fp32" else 2
    assert found["logits"] == 2 * width * 5 * Shape.of(scene.bare).vocabulary


@pytest.mark.parametrize(("precision", "optimizer"), [("fp32", 0), ("bf16-master", 8)])
def test_plain_gradient_descent_keeps_nothing_but_the_copies(precision: str, optimizer: int, scene_of: Make) -> None:
    scene = scene_of(f"precision={precision}", "trl.optim=sgd")
    assert parts(scene, Load(10, 5, 10))["optimizer"] == optimizer * Shape.of(scene.bare).parameters


def test_a_kl_term_holds_a_second_model(scene_of: Make) -> None:
    assert "reference model" not in parts(scene_of(), Load(10, 5, 10))
    scene = scene_of("trl.beta=0.04", "precision=fp32")
    assert parts(scene, Load(10, 5, 10))["reference model"] == 4 * Shape.of(scene.bare).parameters


def test_the_load_of_a_step(scene_of: Make) -> None:
    """8 rows in 2 groups: shared, a prompt is computed once; padded, every row is as long as the longest."""
    scene = scene_of("shared_prefix='on'")
    lengths = [len(p.token_ids) for p in scene.rendered.prompts]
    expected, most = load_of(scene)
    assert most == Load(2 * max(lengths) + 8 * 120, 8 * 120, max(lengths) + 120)
    assert expected.tokens == round(2 * sum(lengths) / len(lengths) + 8 * 60)
    assert load_of(scene, mean_completion=10)[0].targets == 80
    expected, most = load_of(scene_of("shared_prefix='off'"))
    assert expected == most == Load(8 * (max(lengths) + 120), 8 * 120, max(lengths) + 120)


def test_a_cache_that_holds_no_sequence(scene_of: Make, answers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "0.00001")
    scene = scene_of()
    object.__setattr__(scene, "backend", "vllm")
    [found, _] = check_memory(scene, answers.plenty)
    assert found.severity == "error"
    assert found.check == "KV cache"
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    assert [f.severity for f in check_memory(scene, answers.plenty)] == ["note"]


def test_the_recipes_cache_counts_and_the_environment_goes_before_it(
    scene_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the engine is given it: `rlvr.rollouts.vllm_cpu` sets the variable only where it is not set."""
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)
    found = []
    for override in ((), ("engine={kv_cache_gib: 8}",)):
        scene = scene_of("rollout=auto", *override)
        object.__setattr__(scene, "backend", "vllm")
        found.append(parts(scene, Load(10, 5, 10))["KV cache"])
    assert found == [2 * 2**30, 8 * 2**30]
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    assert parts(scene, Load(10, 5, 10))["KV cache"] == 2**30


def test_a_warmups_targets_are_reckoned_whole(scene_of: Make) -> None:
    warmup = "kind: warmup\nname: tried\nmodel: {model}\ntrl: {{per_device_train_batch_size: 4}}\n"
    warmup += "data: {{max_prompt_tokens: 3000, sources: [{{source: jsonl, path: {data}}}]}}\n"
    scene = scene_of("shared_prefix='on'", text=warmup)
    expected, most = load_of(scene)
    assert expected.targets == most.targets == 4 * 96


def test_shared_prompts_keep_their_shares_on_a_cpu(scene_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(1000, 400, 500)

    def held(*overrides: str) -> int:
        scene = scene_of("precision=fp32", *overrides)
        shape = Shape.of(scene.bare)
        plain = activations(shape, load, 4, checkpointing=False, plain=True)
        return parts(scene, load)["activations"] - plain

    assert held("shared_prefix='on'") == 0
    assert held("shared_prefix='off'") < 0
    assert held("shared_prefix='on'", "trl.gradient_checkpointing=true") < 0
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert held("shared_prefix='on'") < 0


def test_a_machine_that_does_not_tell(scene_of: Make) -> None:
    [found] = check_memory(scene_of(), Machine("this machine's memory", None, None))
    assert found.severity == "note"
    assert "cannot be read" in found.found


def test_a_containers_limit(tmp_path: Path) -> None:
    assert container_memory(tmp_path) == (None, 0)
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("300\n")
    (tmp_path / "memory.stat").write_text("anon 100\ninactive_file 120\n")
    assert container_memory(tmp_path) == (None, 0)
    (tmp_path / "memory.max").write_text("1000\n")
    assert container_memory(tmp_path) == (1000, 180)


def test_this_machine_has_memory() -> None:
    machine = main_memory()
    if machine.total is not None and machine.free is not None:
        assert machine.total > GIB / 4
        assert 0 <= machine.free <= machine.total


def test_a_peak_is_counted_from_now_on() -> None:
    """In a process of its own: a training before in this one may have told the system to keep what is freed."""
    program = """
import json
from rlvr.training.preflight.machine import forget_peak, resident
obeyed = forget_peak()
seen = [resident()]
held = bytearray(64 * 2**20)
held[::4096] = b"x" * len(held[::4096])
seen.append(resident())
del held
forget_peak()
seen.append(resident())
print(json.dumps({"obeyed": obeyed, "seen": seen}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    if not found["obeyed"]:
        pytest.skip("this system does not forget a peak")
    before, holding, after = found["seen"]
    assert holding[1] - before[0] > 60 * 2**20
    assert holding[1] - after[1] > 60 * 2**20


@pytest.mark.parametrize(("told", "spread"), [
    ({}, ()),
    ({"ACCELERATE_USE_FSDP": "true"}, ("weights", "gradients", "optimizer", "reference model")),
    ({"ACCELERATE_USE_DEEPSPEED": "true"}, ("weights", "gradients", "optimizer", "reference model")),
    ({"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "2"}, ("gradients", "optimizer")),
    ({"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": "1"}, ("optimizer",)),
])  # fmt: skip
def test_what_is_spread_over_processes_is_reckoned_by_its_part(
    told: dict[str, str], spread: tuple[str, ...], scene_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = scene_of("trl.beta=0.04", "precision=fp32", "shared_prefix='off'")
    alone = parts(scene, Load(1000, 400, 500))
    monkeypatch.setenv("WORLD_SIZE", "4")
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    found = parts(scene, Load(1000, 400, 500))
    assert found == {name: size // (4 if name in spread else 1) for name, size in alone.items()}


def test_partitioned_parameters_are_counted_whole(tiny_model: Path) -> None:
    from types import SimpleNamespace

    from transformers import AutoConfig

    part: Any = SimpleNamespace(numel=lambda: 0, ds_numel=120, requires_grad=True)
    model = SimpleNamespace(config=AutoConfig.from_pretrained(tiny_model), parameters=lambda: iter([part]))
    assert (Shape.of(model).parameters, Shape.of(model).trainable) == (120, 120)
