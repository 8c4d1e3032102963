"""Shared prefixes under LoRA and gradient checkpointing: log-probabilities, entropies, loss and gradients are TRL's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("trl", reason="needs the train extra")
pytest.importorskip("peft", reason="needs the train extra")

from rlvr.training.lora import LoraOptions, lora_config  # noqa: E402


def with_adapter(model: Any, seed: int = 0, **options: Any) -> Any:
    """A model with an adapter that does something: PEFT starts with B = 0."""
    from peft import get_peft_model

    policy = get_peft_model(model, lora_config(LoraOptions(r=4, lora_alpha=8, **options)))
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in policy.named_parameters():
        if "lora_B" in name:
            parameter.data = 0.05 * torch.randn(parameter.shape, generator=generator)
    return policy


def load(folder: Path, dtype: Any = torch.float32) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)


def batch(seed: int = 3) -> dict[str, Any]:
    """Two prompts of four completions each, padded as TRL pads: prompts on the left, completions on the right."""
    generator = torch.Generator().manual_seed(seed)
    prompts = [torch.randint(10, 400, (n,), generator=generator) for n in (30, 22)]
    rows = [(p, torch.randint(10, 400, (n,), generator=generator)) for p in prompts for n in (3, 9, 1, 6)]
    ids, mask = torch.zeros(8, 39, dtype=torch.long), torch.zeros(8, 39, dtype=torch.long)
    for row, (prompt, completion) in enumerate(rows):
        ids[row, 30 - len(prompt) : 30], mask[row, 30 - len(prompt) : 30] = prompt, 1
        ids[row, 30 : 30 + len(completion)], mask[row, 30 : 30 + len(completion)] = completion, 1
    return {
        "prompt_ids": ids[:, :30],
        "prompt_mask": mask[:, :30],
        "completion_ids": ids[:, 30:],
        "completion_mask": mask[:, 30:],
        "advantages": torch.tensor([1.0, -1.0, 0.5, 0.0, 2.0, 0.0, -0.5, -1.5]),
        "num_items_in_batch": mask[:, 30:].sum(),
    }


def grpo_trainer(model: Any, tokenizer: Any, folder: Path, **options: Any) -> Any:
    from datasets import Dataset
    from trl import GRPOConfig

    from rlvr.training.grpo import SharedPrefixGRPOTrainer

    args = GRPOConfig(
        output_dir=str(folder),
        report_to=[],
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=8,
        num_generations=4,
        loss_type="dapo",
        temperature=1.2,
        **{"gradient_checkpointing": False, **options},
    )
    return SharedPrefixGRPOTrainer(
        model=model,
        reward_funcs=[lambda completions, **_: [0.0] * len(completions)],
        args=args,
        train_dataset=Dataset.from_list([{"prompt": "a"}] * 8),
        processing_class=tokenizer,
    )


def losses_and_gradients(trainer: Any, inputs: dict[str, Any], cls: Any) -> tuple[Any, Any, Any, dict[str, Any]]:
    """Log-probabilities, entropies, loss and the adapter's gradients by the methods of `cls`."""
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
    mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1)
    trainer.model.train()
    trainer.model.zero_grad()
    original, cls_method = type(trainer)._get_per_token_logps_and_entropies, cls._get_per_token_logps_and_entropies
    try:
        type(trainer)._get_per_token_logps_and_entropies = cls_method
        logps, entropies, _ = trainer._get_per_token_logps_and_entropies(
            trainer.model, ids, mask, 9, compute_entropy=True
        )
        loss = cls._compute_loss(trainer, trainer.model, dict(inputs))
    finally:
        type(trainer)._get_per_token_logps_and_entropies = original
    loss.backward()
    kept = inputs["completion_mask"].bool()
    gradients = {n: p.grad.clone() for n, p in trainer.model.named_parameters() if p.grad is not None}
    return logps[kept].detach(), entropies[kept].detach(), loss.detach(), gradients


@pytest.mark.parametrize("checkpointing", [False, True])
def test_with_lora_log_probabilities_loss_and_gradients_equal_trls(
    tmp_path: Path, tiny_model: Path, checkpointing: bool
) -> None:
    from transformers import AutoTokenizer
    from trl import GRPOTrainer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model, padding_side="left")
    trainer = grpo_trainer(with_adapter(load(tiny_model)), tokenizer, tmp_path, gradient_checkpointing=checkpointing)
    if checkpointing:
        trainer.model.gradient_checkpointing_enable()
        assert trainer.model.get_base_model().model.is_gradient_checkpointing
    trainer.current_gradient_accumulation_steps = 1
    shared = losses_and_gradients(trainer, batch(), type(trainer))
    plain = losses_and_gradients(trainer, batch(), GRPOTrainer)
    for ours, theirs in zip(shared[:3], plain[:3], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-5)
    assert set(shared[3]) == set(plain[3])
    assert all("lora_" in name for name in plain[3])
    assert any(float(g.abs().max()) > 1e-4 for g in plain[3].values()), "nothing to compare"
    for name, gradient in plain[3].items():
        torch.testing.assert_close(shared[3][name], gradient, rtol=1e-3, atol=1e-6)


def test_the_reference_of_an_adapter_is_the_model_below_with_a_shared_prefix_too(
    tiny_model: Path,
) -> None:
    """TRL switches the adapter off for the reference's log-probabilities; the shared pass must see that."""
    from peft import PeftModel

    from rlvr.training.shared_prefix import Row, score_targets
    from rlvr.training.sharing import why_not

    plain = load(tiny_model)
    row = [Row(tuple(range(20, 60)), 30)]
    below = score_targets(plain, row).logps.detach()
    policy = with_adapter(plain)
    assert isinstance(policy, PeftModel)
    assert why_not(policy) is None
    assert float((score_targets(policy, row).logps.detach() - below).abs().max()) > 1e-3
    with policy.disable_adapter():
        torch.testing.assert_close(score_targets(policy, row).logps.detach(), below, rtol=0, atol=1e-6)


def test_an_adapter_that_is_not_loras_is_not_shared(tiny_model: Path) -> None:
    from peft import PromptTuningConfig, get_peft_model

    from rlvr.training.sharing import why_not

    prompts = get_peft_model(load(tiny_model), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2))
    assert "virtual tokens" in str(why_not(prompts))


def test_in_bf16_checkpointed_layers_are_computed_again_as_they_were(tiny_model: Path) -> None:
    """On a CPU bf16 has an attention of its own inside a block that is over when the backward pass comes."""
    from rlvr.training.shared_prefix import Row, score_targets

    rows = [Row((*range(20, 60), *range(n, n + 8)), 40) for n in (100, 200, 300)]
    found = []
    for again in (False, True):
        model = load(tiny_model, torch.bfloat16).train()
        if again:
            model.gradient_checkpointing_enable()
        scores = score_targets(model, rows)
        scores.logps.sum().backward()
        found.append((scores.logps.detach(), {n: p.grad.float() for n, p in model.named_parameters()}))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=0, atol=0.05)
    for name, gradient in found[0][1].items():
        difference = float((gradient - found[1][1][name]).norm() / gradient.norm().clamp_min(1e-9))
        assert difference < 0.05, (name, difference)
