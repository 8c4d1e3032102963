"""The first step: it is tried on the longest samples, it finds what is broken, and it changes nothing."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlvr.training.preflight import check
from rlvr.training.preflight.first_step import check_first_step, first_step, longest_rows
from rlvr.training.preflight.probe_engine import ProcessGenerator, random_state_kept

Make = Callable[..., Any]


def test_nothing_is_changed(scene_of: Make, answers: Any) -> None:
    """Weights, gradients, mode, and every random state are as before all checks."""
    import numpy as np
    import torch

    scene = scene_of("trl.max_completion_length=16")
    model = scene.load().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    drawn = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state())
    report = check(scene, machine=answers.plenty, prompts=2)
    assert {f.check for f in report.findings} >= {"first step", "components", "advantages", "audit"}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert not model.training
    assert random.getstate() == drawn[0]
    assert np.random.get_state()[1].tolist() == drawn[1]
    assert torch.equal(torch.get_rng_state(), drawn[2])


def test_the_rows_are_the_longest_with_whole_completions(scene_of: Make) -> None:
    scene = scene_of()
    rows = longest_rows(scene, None)
    assert len(rows) == 8
    longest = sorted((len(p.token_ids) for p in scene.rendered.prompts), reverse=True)[:2]
    assert [start for _, start in rows] == [longest[0]] * 4 + [longest[1]] * 4
    assert {len(ids) - start for ids, start in rows} == {120}
    assert len(set(rows)) == 8, "equal rows would be computed once"
    assert len(longest_rows(scene, longest[0] + 3 * 120)) == 3
    assert len(longest_rows(scene, 10)) == 1


def test_a_warm_ups_rows_are_its_own(scene_of: Make, answers: Any) -> None:
    scene = scene_of(text=answers.warmup)
    rows = longest_rows(scene, None)
    assert len(rows) == 4
    assert "<tool_call>" in scene.tokenizer.decode(rows[0][0][rows[0][1] :])
    assert check(scene, machine=answers.plenty).ok


@pytest.mark.parametrize("shared", ["on", "off"])
def test_the_step_is_the_plain_one(shared: str, scene_of: Make) -> None:
    """Loss and gradients against a plain forward pass over the same rows, one by one."""
    import torch

    scene = scene_of(f"shared_prefix='{shared}'", "precision=fp32", "trl.max_completion_length=20")
    model = scene.load()
    step = first_step(scene, model)
    rows = longest_rows(scene, 1536)
    model.zero_grad()
    parts = []
    for ids, start in rows:
        logits = model(input_ids=torch.tensor([ids])).logits[0, start - 1 : -1]
        parts.append(torch.log_softmax(logits, -1).gather(-1, torch.tensor(ids[start:])[:, None]))
    loss = -torch.cat(parts).mean()
    loss.backward()
    norm = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
    assert step.loss == pytest.approx(float(loss.detach()), rel=1e-4)
    assert step.norm == pytest.approx(float(norm), rel=1e-3)


def test_broken_weights(scene_of: Make) -> None:
    scene = scene_of()
    model = scene.load()
    model.model.norm.weight.data[0] = math.nan
    [found] = check_first_step(scene, model)
    assert found.severity == "error"
    assert "the loss is nan" in found.found


def test_a_model_that_has_fewer_embeddings_than_the_tokenizer_has_tokens(
    scene_of: Make, make_model: Make, answers: Any
) -> None:
    scene = scene_of(model=make_model(vocab_size=300))
    [found] = check_first_step(scene, scene.load())
    assert found.severity == "error"
    assert "the first step on the longest samples fails: IndexError" in found.found
    report = check(scene, depth="cheap", machine=answers.plenty)
    assert [f.check for f in report.of("error")] == ["vocabulary"]


def test_memory_that_runs_out(scene_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def fail(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr("rlvr.training.preflight.first_step._logps", fail)
    scene = scene_of()
    [found] = check_first_step(scene, scene.load())
    assert found.severity == "error"
    assert "OutOfMemoryError: CUDA out of memory" in found.found
    assert "per_device_train_batch_size" in found.change


def test_what_needs_weights_waits_until_the_errors_are_mended(scene_of: Make, make_model: Make, answers: Any) -> None:
    scene = scene_of(model=make_model(end="<|endoftext|>"))
    object.__setattr__(scene, "load", lambda: pytest.fail("the weights were loaded"))
    report = check(scene, machine=answers.plenty)
    assert not report.ok
    assert "mend the errors first" in next(f for f in report.findings if f.check == "model").found


@pytest.mark.slow
def test_a_generator_in_a_process_of_its_own(scene_of: Make, make_model: Make) -> None:
    """What a CUDA machine does with vLLM, here with transformers."""
    from rlvr.rollouts import make_generator

    scene, sampling = scene_of(), {"max_new_tokens": 8, "temperature": 1.0, "seed": 3, "n": 2}
    prompts = scene.rendered.prompts[:2]
    apart = ProcessGenerator(scene.source, "transformers", max_model_len=2048, seed=1).generate(prompts, **sampling)
    here = make_generator(scene.source, "transformers", max_model_len=2048, seed=1).generate(prompts, **sampling)
    assert apart == here
    assert [len(group) for group in apart] == [2, 2]


def test_greedy_groups_are_those_of_transformers(scene_of: Make, make_model: Make) -> None:
    """Prompts of other lengths, rows that end early: the same tokens as `generate` gives."""
    from rlvr.rollouts.transformers import TransformersGenerator
    from rlvr.training.preflight.sampler import GroupSampler

    lively = make_model(tie_word_embeddings=False, initializer_range=0.5)
    scene = scene_of("precision=fp32", model=lively)
    model, prompts = scene.load(), scene.rendered.prompts
    plain = TransformersGenerator.around(model, scene.tokenizer).generate(prompts, max_new_tokens=24)
    texts = [list(group[0].token_ids) for group in plain]
    # A token that stands at different places: rows end there one after the other.
    often = max({t for ids in texts for t in ids}, key=lambda t: len({ids.index(t) for ids in texts if t in ids}))
    ends = (*scene.ends, often)
    made = GroupSampler(model, scene.tokenizer, ends).generate(prompts, max_new_tokens=24, n=2)
    for group, [whole] in zip(made, plain, strict=True):
        ids = list(whole.token_ids)
        first = next((i for i, t in enumerate(ids) if t in ends), len(ids) - 1)
        assert [list(g.token_ids) for g in group] == [ids[: first + 1]] * 2
        assert all(g.truncated == (g.token_ids[-1] not in ends) for g in group)
    assert len({len(g.token_ids) for group in made for g in group}) > 1, "no row ended before the others"


def test_sampled_groups_vary_and_keep_their_seed(scene_of: Make) -> None:
    from rlvr.training.preflight.sampler import GroupSampler

    scene = scene_of()
    sampler = GroupSampler(scene.load(), scene.tokenizer, scene.ends)
    draw = [
        sampler.generate(scene.rendered.prompts[:2], max_new_tokens=8, temperature=1.0, seed=s, n=4) for s in (1, 1, 2)
    ]
    assert draw[0] == draw[1] != draw[2]
    assert len({g.token_ids for g in draw[0][0]}) > 1


def test_random_states_go_on_as_if_nothing_had_been() -> None:
    import numpy as np
    import torch

    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    with random_state_kept():
        inside = draw()
    assert draw() == inside


@pytest.mark.parametrize("depth", ["cheap", "model"])
def test_several_processes_do_not_probe_at_once(
    depth: str, scene_of: Make, answers: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    report = check(scene_of(), depth=depth, machine=answers.plenty)
    assert not [f for f in report.findings if f.check in ("first step", "components")]
