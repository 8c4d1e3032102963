"""Sharing prefixes must not change log-probabilities or gradients."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")

from rlvr.training import attention, shared_prefix  # noqa: E402
from rlvr.training.shared_prefix import Row, group_rows, packs, score_targets  # noqa: E402


@pytest.fixture(scope="module")
def model(tiny_model: Path):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)


def make_rows(seed: int = 0) -> list[Row]:
    rng = random.Random(seed)

    def tokens(n: int) -> list[int]:
        return [rng.randrange(10, 400) for _ in range(n)]

    rows = []
    for prefix in (tokens(40), tokens(25)):
        for _ in range(4):
            query, completion = tokens(rng.randint(3, 12)), tokens(rng.randint(1, 30))
            rows.append(Row(tuple(prefix + query + completion), len(prefix) + len(query)))
    prompt = tokens(30)  # a group of completions of one prompt
    rows += [Row(tuple(prompt + tokens(n)), len(prompt)) for n in (1, 5, 9)]
    return rows


def plain_logps(model, rows: list[Row], temperature: float):
    out = []
    for row in rows:
        ids = torch.tensor([row.ids])
        logits = model(input_ids=ids).logits[0].float() / temperature
        logps = torch.log_softmax(logits[row.start - 1 : -1], dim=-1)
        out.append(logps.gather(-1, ids[0, row.start :, None])[:, 0])
    return torch.cat(out)


@pytest.fixture(params=["segments", "mask"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A CPU's way, and that of CUDA and of gradient checkpointing: one mask over the whole pack."""
    if request.param == "mask":
        for module in (attention, shared_prefix):
            monkeypatch.setattr(module, "takes_segments", lambda _: False)
    return str(request.param)


def test_each_way_computes_as_its_name_says(model, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(attention, "_causal", lambda *args, made=attention._causal: called.append(1) or made(*args))
    limits = []
    monkeypatch.setattr(shared_prefix, "packs", lambda *args: limits.append(args[2]) or packs(*args))
    score_targets(model, make_rows())
    assert bool(called) == (way == "segments")
    assert limits == [4096 if way == "segments" else 1024]


@pytest.mark.parametrize("temperature", [1.0, 1.2])
def test_log_probabilities_and_gradients_equal_the_plain_computation(model, way: str, temperature: float) -> None:
    rows = make_rows()
    shared = score_targets(model, rows, temperature=temperature)
    (-shared.logps.mean()).backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    plain = plain_logps(model, rows, temperature)
    (-plain.mean()).backward()
    torch.testing.assert_close(shared.logps, plain, rtol=0, atol=2e-5)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-3, atol=1e-6)
    model.zero_grad()


def test_entropy_and_hits_are_those_of_the_distribution(model) -> None:
    row = make_rows()[0]
    scores = score_targets(model, [row])
    logits = model(input_ids=torch.tensor([row.ids])).logits[0, row.start - 1 : -1].float()
    expected = torch.distributions.Categorical(logits=logits).entropy()
    torch.testing.assert_close(scores.entropies, expected, rtol=1e-4, atol=1e-4)
    assert scores.hits.tolist() == (logits.argmax(-1) == torch.tensor(row.ids[row.start :])).tolist()


def test_rows_without_anything_in_common_stand_alone() -> None:
    rows = [Row(tuple(range(i, i + 40)), 30) for i in (1, 100, 200)]
    assert group_rows(rows) == [(29, [0]), (29, [1]), (29, [2])]


def test_a_prefix_never_reaches_the_token_that_predicts_the_first_target() -> None:
    rows = [Row((*range(1, 31), 5, 6), 30), Row((*range(1, 31), 7), 30)]
    assert group_rows(rows) == [(29, [0, 1])]


def test_a_row_whose_completion_begins_at_once_is_scored(model) -> None:
    """A prompt of one token leaves no prefix at all."""
    rows = [Row((11, 12, 13), 1)]
    torch.testing.assert_close(score_targets(model, rows).logps, plain_logps(model, rows, 1.0), rtol=0, atol=2e-5)


def test_a_prompt_longer_than_a_pack_is_shared_too() -> None:
    prompt = tuple(range(10, 210))
    rows = [Row((*prompt, *range(300 + 20 * i, 310 + 20 * i)), 200) for i in range(8)]
    found = packs(group_rows(rows), rows, 100)
    assert [[members for _, members in pack] for pack in found] == [[[0, 1, 2, 3]], [[4, 5, 6, 7]]]


@pytest.mark.parametrize("limit", [1, 60, 150, 10_000])
def test_packs_hold_every_row_once_in_order_whatever_their_size(model, way: str, monkeypatch, limit: int) -> None:
    rows = make_rows()
    expected = score_targets(model, rows).logps
    monkeypatch.setattr(shared_prefix, "PACK_TOKENS_LONG" if way == "segments" else "PACK_TOKENS", limit)
    found = packs(group_rows(rows), rows, limit)
    assert [i for pack in found for _, members in pack for i in members] == list(range(len(rows)))
    torch.testing.assert_close(score_targets(model, rows).logps, expected, rtol=0, atol=2e-5)
