"""docs/choosing.md: its tables are what its script computes, and the formulas give what was worked out by hand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("memory_table", ROOT / "scripts" / "memory_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["memory_table"] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(script: ModuleType) -> None:
    shipped = (ROOT / "docs" / "choosing.md").read_text(encoding="utf-8")
    assert shipped == script.page(shipped), "run python scripts/memory_table.py"
    assert script.main(["--check"]) == 0


def test_the_formulas_give_what_was_worked_out_by_hand(script: ModuleType) -> None:
    small, large = script.SHAPES[0], script.SHAPES[-1]
    # 80 layers of 855,638,016, and twice 128,256 × 8,192; the published 70,553,706,496 has 1,318,912 of norms
    assert large.parameters == 70_553_706_496 - 1_318_912
    # q, o: 16,384; k, v: 9,216 each; gate, up, down: 36,864 each; 80 layers
    assert large.adapter(1) == 80 * (2 * 16_384 + 2 * 9_216 + 3 * 36_864)
    assert small.cache_per_token == 112 * 1024
    assert large.cache_per_token == 320 * 1024
    assert small.checkpointed(1000) == 28 * 1000 * 1024 * 4 + 34 * 1000 * 1024
    assert small.logits(10) == 10 * 151_936 * 8


def test_a_shape_is_the_models(script: ModuleType) -> None:
    """Counted by transformers, on no device; the norms are what the formula leaves out."""
    torch = pytest.importorskip("torch", reason="needs the train extra")
    transformers = pytest.importorskip("transformers", reason="needs the train extra")
    shape = script.SHAPES[0]
    config = transformers.Qwen3Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        head_dim=shape.head_dim,
        tie_word_embeddings=shape.tied,
    )
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    counted = sum(p.numel() for name, p in model.named_parameters() if "norm" not in name)
    assert counted == shape.parameters
    assert model.num_parameters() / shape.parameters == pytest.approx(1, abs=2e-4)


def test_lora_names_what_is_in_the_page() -> None:
    text = (ROOT / "docs" / "choosing.md").read_text(encoding="utf-8")
    for file in ("ddp.yaml", "fsdp2.yaml", "zero3.yaml", "rlvr models merge", "lora.merged"):
        assert file in text
