"""The warm-up's loss: which tokens decide whether to call, and that these alone count more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("trl", reason="needs the train extra")

from rlvr.data.targets import TargetOptions  # noqa: E402
from rlvr.errors import ModelError, UsageError  # noqa: E402
from rlvr.training.shared_prefix import Row  # noqa: E402
from rlvr.training.warmup import build_trainer, decision_weights, opening_ids  # noqa: E402

OPENING = (7, 8)


def weights(*rows: Row, weight: float = 3.0) -> list[float]:
    return list(decision_weights(rows, OPENING, weight).tolist())


def test_the_first_two_tokens_of_a_completion_decide() -> None:
    assert weights(Row((1, 2, 3, 4, 5, 6), 2)) == [3, 3, 1, 1]


def test_so_do_the_first_two_after_an_opening_reasoning_tag() -> None:
    assert weights(Row((1, 7, 8, 20, 21, 22), 1)) == [3, 3, 3, 3, 1]
    assert weights(Row((1, 7, 8), 1)) == [3, 3]  # nothing after it


def test_an_opening_tag_later_in_the_completion_decides_nothing() -> None:
    assert weights(Row((1, 5, 5, 7, 8, 20), 1)) == [3, 3, 1, 1, 1]


def test_rows_follow_each_other() -> None:
    assert weights(Row((1, 2, 3, 4), 1), Row((7, 8, 9, 10), 0)) == [3, 3, 1, 3, 3, 3, 3]


def test_a_weight_of_one_changes_nothing() -> None:
    assert set(weights(Row((1, 7, 8, 20, 21, 22), 1), weight=1.0)) == {1.0}


def test_the_opening_is_what_every_reasoning_block_begins_with(tiny_model: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    opening = opening_ids(tokenizer)
    assert opening
    for text in ("I should use a tool.", "應該用工具。", "Đúng vậy."):
        assert tuple(tokenizer(f"<think>\n{text}", add_special_tokens=False)["input_ids"][: len(opening)]) == opening


@pytest.mark.parametrize("option", ["completion_only_loss=false", "packing=true"])
def test_rows_that_cannot_share_prompts_train_by_trls_own_loss(
    tmp_path: Path, tiny_model: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from rlvr.training.recipe import load_recipe
    from rlvr.training.run import train

    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"kind: warmup\nname: w\nmodel: {tiny_model}\nprecision: fp32\n"
        "data: {max_prompt_tokens: 900, sources: [{source: builtin, count: 8, seed: 1, languages: {en: 1}}]}\n"
        "trl: {per_device_train_batch_size: 2, max_steps: 1, learning_rate: 1e-3}\n",
        encoding="utf-8",
    )
    final = train(*load_recipe(path, [f"trl.{option}"]), tmp_path / "run")
    assert (final / "model.safetensors").is_file()
    assert f"prompts are not shared: {'the loss takes' if 'loss' in option else 'several examples'}" in "".join(
        capsys.readouterr()
    )
    with pytest.raises(ModelError, match="shared_prefix: on"):
        train(*load_recipe(path, [f"trl.{option}", "shared_prefix='on'"]), tmp_path / "on")


@pytest.mark.parametrize("weight", [0.0, 0.5, float("inf"), float("nan")])
def test_a_weight_below_one_is_told(weight: float) -> None:
    with pytest.raises(ValueError, match="decision_weight"):
        TargetOptions(decision_weight=weight)


def test_without_shared_prefixes_it_is_told() -> None:
    unused: Any = None
    with pytest.raises(UsageError, match="shared_prefix: on"):
        build_trainer(unused, unused, [{}], unused, shared=False, decision_weight=2.0, optimizer=None, callbacks=[])


def test_a_mixture_of_experts_is_balanced_where_prompts_are_shared(tmp_path: Path, tiny_model: Path) -> None:
    """TRL adds the experts' balancing loss to the tokens' own: a shared prompt may not lose it."""
    from transformers import AutoTokenizer, Qwen3MoeConfig, Qwen3MoeForCausalLM, set_seed
    from trl import SFTConfig

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "head_dim": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "router_aux_loss_coef": 0.5}
    set_seed(5)
    model = Qwen3MoeForCausalLM(Qwen3MoeConfig(vocab_size=len(tokenizer), **shape, **heads, **experts))
    rows = [{"input_ids": [5, 6, 7, 8, last], "completion_mask": [0, 0, 0, 1, 1]} for last in (9, 10)]

    def built(coefficient: float, shared: bool, decision_weight: float = 1.0) -> Any:
        args = SFTConfig(
            output_dir=str(tmp_path),
            completion_only_loss=True,
            router_aux_loss_coef=coefficient,
            use_cpu=True,
            bf16=False,
            report_to=[],
        )
        return build_trainer(
            model, tokenizer, rows, args, shared=shared, decision_weight=decision_weight, optimizer=None, callbacks=[]
        )

    def losses(coefficient: float) -> list[float]:
        trainers = [built(coefficient, shared) for shared in (True, False)]
        with torch.no_grad():
            return [float(t.compute_loss(t.model, next(iter(t.get_train_dataloader())))) for t in trainers]

    balanced, plain = losses(0.5), losses(0.0)
    assert balanced[0] == pytest.approx(balanced[1], rel=1e-5)
    assert plain[0] == pytest.approx(plain[1], rel=1e-5)
    assert balanced[0] > plain[0] + 0.1
    with pytest.raises(UsageError, match="TRL balances"):
        built(0.5, shared=True, decision_weight=2.0)
