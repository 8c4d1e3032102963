"""Shared prompts against TRL's own computation: log-probabilities, entropies, losses and gradients must be equal."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("trl", reason="needs the train extra")

from rlvr.training.sharing import difference, disagreement, drops_out, why_not  # noqa: E402

VOCABULARY = 300


def llama(**changes: Any) -> Any:
    """A random Llama whose logits are far from uniform, so that a wrong mask or position shows."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    options = {"vocab_size": VOCABULARY, "num_key_value_heads": 2, "initializer_range": 0.3, **sizes, **changes}
    return LlamaForCausalLM(LlamaConfig(**options))


def trainer(kind: type, model: Any, folder: Path, peft_config: Any = None, **options: Any) -> Any:
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import GRPOConfig

    tokenizer = AutoTokenizer.from_pretrained(folder)
    settings = {"per_device_train_batch_size": 8, "num_generations": 4, "loss_type": "dapo", "beta": 0.0, **options}
    model.config._name_or_path = str(folder)  # where TRL takes a reference model from
    args = GRPOConfig(output_dir=str(folder / "unused"), report_to=[], use_cpu=True, bf16=False, **settings)
    rows = Dataset.from_list([{"prompt": "a"}] * 8)
    return kind(
        model=model,
        reward_funcs=[lambda completions, **_: [0.0] * len(completions)],
        args=args,
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=peft_config,
    )


def inputs(seed: int, model: Any) -> dict[str, Any]:
    """What TRL hands to its loss: two prompts of different lengths, four completions each, padded, one masked."""
    rng = random.Random(seed)
    draw = lambda n: [rng.randrange(5, VOCABULARY) for _ in range(n)]  # noqa: E731
    prompts = [draw(rng.randint(20, 60)) for _ in range(2)]
    rows = [(p, draw(rng.randint(1, 24))) for p in prompts for _ in range(4)]
    rows[1] = rows[0]  # sampled twice
    rng.shuffle(rows)
    width, length = max(len(p) for p, _ in rows), max(len(c) for _, c in rows)
    left = [[0] * (width - len(p)) + p for p, _ in rows]
    right = [c + [0] * (length - len(c)) for _, c in rows]
    mask = [[1] * len(c) + [0] * (length - len(c)) for _, c in rows]
    mask[3] = [0] * length  # masked since it was truncated
    advantages = torch.tensor([rng.choice([-1.0, 0.0, 0.5, 1.5]) for _ in rows])
    noise = torch.Generator().manual_seed(seed)
    batch = {
        "prompt_ids": torch.tensor(left),
        "prompt_mask": torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p, _ in rows]),
        "completion_ids": torch.tensor(right),
        "completion_mask": torch.tensor(mask),
        "advantages": advantages,
        "num_items_in_batch": torch.tensor(sum(map(sum, mask))),
    }
    for name in ("old_per_token_logps", "ref_per_token_logps"):
        batch[name] = -3.0 + 0.3 * torch.randn(len(rows), length, generator=noise)
    return batch


def loss_and_gradients(job: Any, batch: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    job.model.train()
    job.model.zero_grad(set_to_none=True)
    job.current_gradient_accumulation_steps = job.args.gradient_accumulation_steps
    loss = job._compute_loss(job.model, dict(batch))
    loss.backward()
    grads = {n: p.grad.clone() for n, p in job.model.named_parameters() if p.grad is not None}
    return loss.item(), grads


def assert_same(ours: tuple[float, dict[str, Any]], theirs: tuple[float, dict[str, Any]]) -> None:
    """To 1e-4 of the loss and of the whole gradient."""
    assert ours[0] == pytest.approx(theirs[0], rel=1e-4, abs=1e-6)
    assert set(ours[1]) == set(theirs[1])
    apart = torch.cat([(ours[1][n] - theirs[1][n]).flatten() for n in ours[1]]).norm()
    assert apart <= 1e-4 * torch.cat([g.flatten() for g in theirs[1].values()]).norm()


@pytest.fixture(scope="module")
def kinds() -> tuple[type, type]:
    from trl import GRPOTrainer

    from rlvr.training.grpo import SharedPrefixGRPOTrainer

    return SharedPrefixGRPOTrainer, GRPOTrainer


CASES: dict[str, dict[str, Any]] = {
    "dapo": {},
    "grpo": {"loss_type": "grpo"},
    "bnpo": {"loss_type": "bnpo"},
    "cispo": {"loss_type": "cispo", "epsilon_high": 5.0},
    "sequence": {"importance_sampling_level": "sequence"},
    "reference": {"beta": 0.04},
    "accumulation": {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 4},
    "checkpointing": {"gradient_checkpointing": True},
    "quantile": {"top_entropy_quantile": 0.5},
    "bonus": {"entropy_coef": 0.01},
    "hot": {"temperature": 1.2},
}


@pytest.mark.parametrize("case", CASES)
def test_losses_and_gradients_are_trls(kinds: tuple[type, type], tiny_model: Path, case: str) -> None:
    model = llama()
    pair = [trainer(kind, copy.deepcopy(model), tiny_model, **CASES[case]) for kind in kinds]
    for seed in range(3):
        batch = inputs(seed, model)
        ours, theirs = (loss_and_gradients(job, batch) for job in pair)
        assert_same(ours, theirs)


def test_lora_and_its_reference_are_trls(kinds: tuple[type, type], tiny_model: Path) -> None:
    """On the layers; TRL takes no adapter on the head."""
    peft = pytest.importorskip("peft", reason="needs the train extra")
    modules = ["q_proj", "v_proj", "down_proj"]
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=modules, task_type="CAUSAL_LM", init_lora_weights=False)
    model, pair = llama(), []
    for kind in kinds:
        torch.manual_seed(1)  # the adapters' weights
        pair.append(trainer(kind, copy.deepcopy(model), tiny_model, config, beta=0.04))
    assert why_not(pair[0].model) is None
    assert disagreement(pair[0].model) is None
    for seed in range(3):
        batch = inputs(seed, model)
        for job in pair:
            ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
            mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], 1)
            with torch.no_grad(), job.accelerator.unwrap_model(job.model).disable_adapter():
                found, _, _ = job._get_per_token_logps_and_entropies(
                    job.model, ids, mask, batch["completion_ids"].size(1)
                )
            batch["ref_per_token_logps"] = found * batch["completion_mask"]
            job.reference = batch["ref_per_token_logps"]
        torch.testing.assert_close(pair[0].reference, pair[1].reference, rtol=1e-4, atol=2e-5)
        ours, theirs = (loss_and_gradients(job, batch) for job in pair)
        assert all("lora" in name for name in ours[1])
        assert_same(ours, theirs)


def test_entropies_and_log_probabilities_are_trls_at_every_token(kinds: tuple[type, type], tiny_model: Path) -> None:
    model = llama()
    ours, theirs = (trainer(kind, copy.deepcopy(model), tiny_model) for kind in kinds)
    for seed in range(5):
        batch = inputs(seed, model)
        mask = batch["completion_mask"]
        found = []
        for job in (ours, theirs):
            ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], 1)
            seen = torch.cat([batch["prompt_mask"], mask], 1)
            logps, entropies, _ = job._get_per_token_logps_and_entropies(
                job.model, ids, seen, mask.size(1), compute_entropy=True
            )
            found.append((logps * mask, entropies * mask))
        torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=2e-5)


def test_bf16_is_no_further_from_fp32_than_trls_own(kinds: tuple[type, type], tiny_model: Path) -> None:
    model = llama(initializer_range=0.1)
    apart: list[list[float]] = [[], []]
    pair = [trainer(kind, copy.deepcopy(model).to(torch.bfloat16), tiny_model) for kind in kinds]
    reference = trainer(kinds[1], copy.deepcopy(model).to(torch.bfloat16).float(), tiny_model)
    for seed in range(8):
        batch = inputs(seed, model)
        right = flat(loss_and_gradients(reference, batch)[1])
        for i, job in enumerate(pair):
            found = flat(loss_and_gradients(job, batch)[1])
            apart[i].append(float((found - right).norm() / right.norm()))
    ours, theirs = (sum(x) / len(x) for x in apart)
    assert 0 < ours <= 1.1 * theirs


def flat(gradients: dict[str, Any]) -> Any:
    return torch.cat([g.float().flatten() for _, g in sorted(gradients.items())])


def replayed(prompts: list[str], job: Any) -> dict[str, Any]:
    """Completions drawn by step and place: a rollout that both trainers get alike."""
    rng = random.Random(job.state.global_step)
    ids = [[rng.randrange(5, VOCABULARY) for _ in range(rng.randint(1, 16))] for _ in prompts]
    heads = [[5 + ord(c) % 200 for c in p * 30] for p in prompts]
    return {"prompt_ids": heads, "completion_ids": ids, "logprobs": [[0.0] * len(i) for i in ids]}


@pytest.mark.parametrize("options", [{}, {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 4}])
def test_twenty_steps_on_replayed_rollouts_end_with_the_same_weights(
    kinds: tuple[type, type], tiny_model: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    """AdamW divides by the gradient's size, so that rounding shows: to 1e-3 of how far the weights moved."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import GRPOConfig

    model, ends = llama(), []
    for kind in kinds:
        settings = {"per_device_train_batch_size": 8, "num_generations": 4, "loss_type": "dapo", **options}
        args = GRPOConfig(
            output_dir=str(tmp_path / kind.__name__),
            report_to=[],
            use_cpu=True,
            bf16=False,
            max_steps=20,
            learning_rate=1e-3,
            adam_epsilon=1e-4,
            scale_rewards="none",
            disable_tqdm=True,
            save_strategy="no",
            seed=0,
            **settings,
        )
        job = kind(
            model=copy.deepcopy(model),
            reward_funcs=[lambda completions, **_: [(len(c) * 7919 % 11) / 10 for c in completions]],
            args=args,
            train_dataset=Dataset.from_list([{"prompt": chr(65 + i)} for i in range(16)]),
            processing_class=AutoTokenizer.from_pretrained(tiny_model),
            rollout_func=replayed,
        )
        job.train()
        ends.append({n: p.detach().clone() for n, p in job.model.named_parameters()})
    start = dict(model.named_parameters())
    moved = flat({n: ends[1][n] - start[n].detach() for n in ends[1]}).norm()
    apart = flat({n: ends[0][n] - ends[1][n] for n in ends[1]}).norm()
    assert moved > 0.1
    assert apart <= 1e-3 * moved


def test_a_model_that_cannot_is_named_with_its_reason() -> None:
    from transformers import AutoModelForCausalLM, BloomConfig, CohereConfig, Gemma2Config, MistralConfig

    small = {"vocab_size": 101, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "initializer_range": 0.3}

    def made(config: Any) -> Any:
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config)

    assert "slides over a window" in str(why_not(made(MistralConfig(sliding_window=16, **small, **heads))))
    assert "sliding_attention" in str(why_not(made(Gemma2Config(head_dim=16, **small, **heads))))
    assert why_not(made(MistralConfig(sliding_window=None, **small, **heads))) is None
    # What only trying shows: a scale on the logits, and a model that takes no positions.
    scaled = made(CohereConfig(**small, **heads))
    assert why_not(scaled) is None
    assert "differ by" in str(disagreement(scaled))
    assert "cannot be called" in str(
        disagreement(made(BloomConfig(vocab_size=101, hidden_size=32, n_layer=2, n_head=2)))
    )


def test_a_model_with_dropout_of_its_own_does_not_share_unless_that_is_off() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": VOCABULARY}
    assert drops_out(llama()) is None
    gpt2 = GPT2LMHeadModel(GPT2Config(**sizes))
    assert drops_out(gpt2) == "the model drops out 0.1 of its own values, others for every completion of a prompt"
    assert drops_out(gpt2, disabled=True) is None
    attentive = llama(attention_dropout=0.2)  # no layer of its own, so that TRL's option does not reach it
    assert drops_out(attentive, disabled=True) is not None


def test_flash_attention_a_compiled_model_and_a_split_one_fall_back(monkeypatch: pytest.MonkeyPatch) -> None:
    model = llama()
    assert why_not(model) is None
    model.config._attn_implementation = "flash_attention_2"
    assert "flash_attention_2" in str(why_not(model))
    model.config._attn_implementation = "sdpa"
    assert why_not(torch.compile(model)) == "the model is compiled"
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert "split over processes" in str(why_not(model))


def test_the_trial_leaves_the_model_as_it_was() -> None:
    model = llama()
    assert model.train().training
    assert difference(model) < 1e-5
    assert model.training
    assert all(p.grad is None for p in model.parameters())


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("raised", "said"),
    [(NotImplementedError(), "(NotImplementedError)"), (RuntimeError("\nno mask\nmore"), "(RuntimeError: no mask)")],
)
def test_a_model_that_cannot_be_called_is_told_whatever_the_error_says(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, said: str
) -> None:
    from rlvr.training import sharing

    def fails(model: Any) -> float:
        raise raised

    monkeypatch.setattr(sharing, "difference", fails)
    assert said in str(sharing.disagreement(None))


def test_memory_that_runs_out_is_no_disagreement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Swallowed, it would send the run to TRL's computation, which needs more."""
    from rlvr.training import sharing

    def full(model: Any) -> float:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(sharing, "difference", full)
    with pytest.raises(torch.OutOfMemoryError):
        sharing.disagreement(None)
