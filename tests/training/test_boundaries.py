"""Where a run can be cut, by hand; what changed between two recipes; what runs in several processes share."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlvr.errors import RunError
from rlvr.training import processes
from rlvr.training.boundaries import at_boundary, fit_save_steps, interval
from rlvr.training.changes import changes


def options(**more: Any) -> SimpleNamespace:
    plain = {"gradient_accumulation_steps": 1, "logging_steps": 1, "logging_strategy": "steps"}
    return SimpleNamespace(**{**plain, "save_strategy": "steps", "save_steps": 10, **more})


@pytest.mark.parametrize(
    ("more", "steps"),
    [
        ({}, 1),  # SFT: no generations
        ({"steps_per_generation": 4, "num_iterations": 1, "gradient_accumulation_steps": 4}, 1),
        ({"steps_per_generation": 4, "num_iterations": 1}, 4),
        ({"steps_per_generation": 4, "num_iterations": 2, "gradient_accumulation_steps": 4}, 2),
        ({"steps_per_generation": 1, "num_iterations": 1, "gradient_accumulation_steps": 4}, 1),
        ({"steps_per_generation": 6, "num_iterations": 1, "gradient_accumulation_steps": 4}, 3),
        ({"steps_per_generation": 4, "num_iterations": 1, "logging_steps": 6}, 12),
        ({"steps_per_generation": 4, "num_iterations": 1, "logging_steps": 6, "logging_strategy": "epoch"}, 4),
    ],
)
def test_a_generation_and_a_row_end_every(more: dict[str, Any], steps: int) -> None:
    assert interval(options(**more)) == steps


def test_save_steps_are_raised_to_the_next_boundary_and_that_is_said() -> None:
    args = options(steps_per_generation=4, num_iterations=1)
    note = fit_save_steps(args)
    assert args.save_steps == 12
    assert note is not None
    assert note.startswith("trl.save_steps: 10 → 12: ")
    assert fit_save_steps(args) is None
    for left in (options(save_steps=0.5), options(save_strategy="epoch", steps_per_generation=4, num_iterations=1)):
        assert fit_save_steps(left) is None


@pytest.mark.parametrize(("step", "passes", "logging", "there"), [(4, 8, 1, True), (3, 6, 1, False), (4, 8, 3, False)])
def test_at_a_boundary(step: int, passes: int, logging: int, there: bool) -> None:
    args = options(steps_per_generation=4, num_iterations=1, gradient_accumulation_steps=2)
    state = SimpleNamespace(global_step=step, logging_steps=logging)
    assert at_boundary(SimpleNamespace(args=args, state=state, _step=passes)) is there


BEFORE = {
    "kind": "warmup",
    "name": "w",
    "model": "m",
    "data": {"sources": [{"source": "builtin", "count": 4}, {"source": "jsonl", "path": "a.jsonl"}]},
    "trl": {"max_steps": 3},
}


def test_changes_say_the_key_and_both_values() -> None:
    sources = [{"source": "builtin", "count": 5}, {"source": "jsonl", "path": "b.jsonl"}]
    now = {**BEFORE, "data": {"sources": sources}, "seed": 2, "max_minutes": 5}
    found = changes(BEFORE, now)
    assert [str(c) for c in found if not c.harmless] == [
        "data.sources.0.count: 4 → 5",
        'data.sources.1.path: "a.jsonl" → "b.jsonl"',
        "seed: 0 → 2",
    ]
    assert [str(c) for c in found if c.harmless] == ["max_minutes: null → 5"]


def test_a_server_that_came_back_elsewhere_is_no_other_run() -> None:
    """What a run says after its server died: start one, and go on with --resume. Its address may be new."""
    run = {**BEFORE, "kind": "grpo", "composition": "function_calling", "rollout": "vllm_server"}
    now = {**run, "engine": {"server_url": "http://other:8001", "retries": 9}, "serving": {"reasoning_parser": "qwen3"}}
    found = changes(run, now)
    assert [c.key for c in found] == ["engine.retries", "engine.server_url", "serving.reasoning_parser"]
    assert all(c.harmless for c in found)
    other = changes({**run, "rollout": "vllm"}, {**run, "rollout": "vllm", "engine": {"max_model_len": 4000}})
    assert [c.key for c in other if not c.harmless] == ["engine.max_model_len"]


def test_a_default_that_is_written_out_is_no_change() -> None:
    assert changes(BEFORE, {**BEFORE, "seed": 0, "parser": "hermes"}) == []


def test_a_key_that_is_gone_and_a_long_value() -> None:
    (change,) = changes(BEFORE, {**BEFORE, "trl": {}})
    assert str(change) == "trl.max_steps: 3 → (not there)"
    (change,) = changes(BEFORE, {**BEFORE, "model": "m" * 500})
    assert len(str(change)) < 100


def test_alone_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert (processes.count(), processes.rank(), processes.is_main()) == (1, 0, True)
    assert processes.from_main(lambda: 5) == 5
    assert processes.any_of(True)
    assert not processes.any_of(False)
    processes.barrier()
    with pytest.raises(RunError, match="full"):
        processes.from_main(lambda: (_ for _ in ()).throw(RunError("full")))


def test_through_computes_within_the_wrappers_forward() -> None:
    class Inner:
        def forward(self) -> str:
            return "plain"

    class Wrapper:
        entered = 0

        def __init__(self, inner: Inner) -> None:
            self.inner = inner

        def __call__(self, *given: Any) -> Any:
            self.entered += 1
            return self.inner.forward(*given)

    inner = Inner()
    wrapper = Wrapper(inner)
    assert processes.through(wrapper, inner, lambda m: (m, 1)) == (inner, 1)
    assert wrapper.entered == 1
    assert inner.forward() == "plain"
    inner.forward = lambda: "patched"  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        processes.through(wrapper, inner, lambda m: (1 // 0,))
    assert inner.forward() == "patched"
    assert processes.through(inner, inner, lambda m: (m,)) == (inner,)


def test_through_computes_within_ddp_as_it_stands_on_a_gpu(tmp_path: Path) -> None:
    """There it has `device_ids`, and moves what it is given to the device; of nothing it takes the first and fails."""
    torch = pytest.importorskip("torch", reason="needs the train extra")
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    try:
        inner = torch.nn.Linear(2, 2)
        wrapper: Any = torch.nn.parallel.DistributedDataParallel(inner)
        wrapper.device_ids, wrapper.device_type = [0], "cpu"
        (found,) = processes.through(wrapper, inner, lambda m: (m.weight.sum() * 3,))
        found.backward()
        assert torch.equal(inner.weight.grad, torch.full((2, 2), 3.0))
        assert "forward" not in inner.__dict__
    finally:
        torch.distributed.destroy_process_group()
