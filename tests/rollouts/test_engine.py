"""The `engine:` block: what GRPOConfig is told for each kind of rollouts, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from rlvr.errors import ConfigError, UsageError
from rlvr.rollouts import choose_backend, make_generator
from rlvr.rollouts.engine import EngineOptions, conflicts, grpo_options, machine_problems, serve_command
from rlvr.strict import MistakesError, build

COLOCATED = EngineOptions(
    gpu_memory_utilization=0.4, tensor_parallel=2, sleep=True, max_model_len=3072, model_impl="transformers"
)
SERVER = EngineOptions(server_host="10.0.0.2", server_port=8001, server_timeout=30, group_port=51300)


def test_every_key_stands_in_the_document() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "rollouts.md").read_text(encoding="utf-8")
    assert [f.name for f in dataclasses.fields(EngineOptions) if f"`{f.name}`" not in text] == []


def test_transformers_tells_trl_nothing() -> None:
    assert grpo_options("transformers", EngineOptions(), needed_tokens=100) == {}


def test_a_colocated_engine_gets_every_setting_by_trls_name() -> None:
    assert grpo_options("vllm", COLOCATED, needed_tokens=100) == {
        "use_vllm": True,
        "vllm_mode": "colocate",
        "vllm_max_model_length": 3072,
        "vllm_gpu_memory_utilization": 0.4,
        "vllm_tensor_parallel_size": 2,
        "vllm_enable_sleep_mode": True,
        "vllm_model_impl": "transformers",
    }


def test_what_is_left_out_is_trls_own_but_for_the_length() -> None:
    told = grpo_options("vllm", EngineOptions(), needed_tokens=1280)
    assert told == {"use_vllm": True, "vllm_mode": "colocate", "vllm_max_model_length": 1280}


@pytest.mark.parametrize(
    ("options", "url"),
    [
        (EngineOptions(), "http://127.0.0.1:8000"),
        (SERVER, "http://10.0.0.2:8001"),
        (EngineOptions(server_url="https://gpu-7:8443/"), "https://gpu-7:8443"),
    ],
)
def test_a_server_is_told_by_one_address(options: EngineOptions, url: str) -> None:
    told = grpo_options("vllm_server", options, needed_tokens=100)
    assert (told["vllm_mode"], told["vllm_server_base_url"]) == ("server", url)
    assert told["vllm_server_timeout"] == options.server_timeout
    assert told.get("vllm_group_port") == options.group_port
    assert "vllm_max_model_length" not in told


def test_grpo_config_takes_all_of_it() -> None:
    pytest.importorskip("trl", reason="needs the train extra")
    from trl import GRPOConfig

    for backend, options in (("vllm", COLOCATED), ("vllm_server", SERVER), ("transformers", EngineOptions())):
        told = grpo_options(backend, options, needed_tokens=100)
        config = GRPOConfig(output_dir="unused", report_to=[], use_cpu=True, bf16=False, **told)
        assert {k: getattr(config, k) for k in told} == told


@pytest.mark.parametrize(
    ("rollout", "options", "said"),
    [
        ("transformers", {"sleep": True}, "engine: sleep: rollout: transformers has no engine"),
        ("vllm", {"server_port": 8001}, "engine: server_port: only with rollout: vllm_server"),
        ("auto", {"retries": 2}, "engine: retries: only with rollout: vllm_server"),
        ("vllm_server", {"tensor_parallel": 2, "max_model_len": 9}, "engine: max_model_len, tensor_parallel: "),
        ("vllm", {"max_model_len": 1000}, "engine: max_model_len: got 1000, but data.max_prompt_tokens and"),
    ],
)
def test_what_makes_no_sense_together_is_refused(rollout: str, options: dict[str, Any], said: str) -> None:
    assert any(line.startswith(said) for line in conflicts(rollout, EngineOptions(**options), needed_tokens=1280))


def test_what_makes_sense_is_not() -> None:
    assert conflicts("vllm", COLOCATED, needed_tokens=1280) == []
    assert conflicts("vllm_server", SERVER, needed_tokens=1280) == []
    for rollout in ("auto", "transformers", "vllm", "vllm_server"):
        assert conflicts(rollout, EngineOptions(), needed_tokens=1280) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"gpu_memory_utilization": 0}, "gpu_memory_utilization: got 0, expected a share above 0"),
        ({"tensor_parallel": 0}, "tensor_parallel: got 0, expected 1 or more"),
        ({"server_port": 70000}, "server_port: got 70000, expected a port"),
        ({"retries": -1}, "retries: got -1, expected 0 or more"),
        ({"request_timeout": 0}, "request_timeout: got 0, expected more than 0"),
        ({"server_url": "gpu-7:8000"}, "server_url: got 'gpu-7:8000', expected an address"),
        ({"server_url": "http://gpu-7:eight"}, "server_url: got 'http://gpu-7:eight', expected an address"),
        ({"server_url": "http://a:1", "server_port": 1}, "server_url: says host and port already"),
        ({"structured": True}, "structured: training under a grammar is refused"),
    ],
)
def test_values_that_are_no_settings(values: dict[str, Any], said: str) -> None:
    with pytest.raises(MistakesError) as caught:
        EngineOptions(**values)
    assert any(line.startswith(said) for line in caught.value.lines)


def test_all_mistakes_of_the_block_come_at_once() -> None:
    problems: list[str] = []
    build(EngineOptions, {"sleeep": True, "retries": -1, "server_port": 0}, where="r.yaml", problems=problems)
    assert "r.yaml: sleeep: unknown key. Did you mean sleep?" in problems
    assert any("retries: got -1" in p for p in problems)
    assert any("server_port: got 0" in p for p in problems)


@pytest.mark.parametrize(
    ("backend", "options", "cuda", "processes", "error", "note"),
    [
        ("vllm_server", EngineOptions(), False, 1, "needs a CUDA GPU of its own", ""),
        ("vllm_server", SERVER, True, 8, "", ""),
        ("vllm", COLOCATED, True, 3, "expected a multiple. Start with `accelerate launch --num_processes 2", ""),
        ("vllm", COLOCATED, True, 8, "", ""),
        ("vllm", EngineOptions(tensor_parallel=2), False, 2, "colocated in one process", ""),
        ("vllm", EngineOptions(sleep=True), False, 1, "", "engine: sleep: only on CUDA; not used here"),
        ("vllm", EngineOptions(kv_cache_gib=4), True, 1, "", "engine: kv_cache_gib: only on CPUs; not used here"),
        ("vllm", EngineOptions(kv_cache_gib=4), False, 1, "", ""),
        ("transformers", EngineOptions(), False, 1, "", ""),
    ],
)  # fmt: skip
def test_what_a_machine_can_do(
    backend: str, options: EngineOptions, cuda: bool, processes: int, error: str, note: str
) -> None:
    errors, notes = machine_problems(backend, options, cuda=cuda, processes=processes)
    assert error in " ".join(errors)
    assert bool(errors) == bool(error)
    assert notes == ([note] if note else [])


def test_the_command_that_starts_a_server_is_vllms_own() -> None:
    """`trl vllm-serve` is deprecated in TRL 1.16: it only runs this command, of which nothing may be missing."""
    command = serve_command("runs/my model", SERVER, 1280)
    assert command.startswith("VLLM_SERVER_DEV_MODE=1 vllm serve 'runs/my model' --host 10.0.0.2 --port 8001")
    pytest.importorskip("trl", reason="needs the train extra")
    from trl.scripts.vllm_serve import ScriptArguments, build_command

    theirs = build_command(ScriptArguments(model="m"))
    for flag in ("--weight-transfer-config", "--logprobs-mode"):
        value = theirs[theirs.index(flag) + 1]
        assert f"{flag} '{value}'" in command or f"{flag} {value}" in command
    # Of what they add beside, the one is for distillation and the other for images.
    known = {"--weight-transfer-config", "--logprobs-mode", "--max-logprobs", "--enable-scale-out"}
    added = set(theirs[theirs.index("--uvicorn-log-level") + 2 :])
    assert added - known <= {'{"backend": "nccl"}', "processed_logprobs", "-1"}


def test_a_generator_of_ones_own_is_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlvr.extras.has", lambda package: True)
    assert choose_backend("vllm_server") == "vllm_server"
    with pytest.raises(UsageError, match="vllm_server is for training"):
        make_generator(tmp_path, "vllm_server")


RECIPE = """
kind: grpo
name: tiny
model: smollm2-135m
composition: function_calling
stage: stage1
data: {{max_prompt_tokens: 1024, sources: [{{source: builtin, count: 8, seed: 1}}]}}
trl: {{max_steps: 2, max_completion_length: 256{trl}}}
{more}
"""


@pytest.mark.parametrize(
    ("trl", "more", "said"),
    [
        ("", "rollout: transformers\nengine: {sleep: true}", "has no engine; remove the block"),
        ("", "engine: {max_model_len: 1279}", "need 1280"),
        ("", "engine: {structured: true}", "engine: structured: training under a grammar is refused"),
        (", vllm_gpu_memory_utilization: 0.5", "", "is governed by engine.gpu_memory_utilization"),
        (", vllm_structured_outputs_regex: a+", "", "training under a grammar is refused"),
        (", generation_kwargs: {structured_outputs: {regex: a+}}", "", "training under a grammar is refused"),
        ("", "environment: 'm:f'\nselection: {data: {sources: [{source: builtin, count: 2}]}}", "judges one turn"),
    ],
)
def test_a_recipe_says_what_is_wrong_with_its_engine(tmp_path: Path, trl: str, more: str, said: str) -> None:
    pytest.importorskip("trl", reason="needs the train extra")
    from rlvr.training.recipe import load_recipe

    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(trl=trl, more=more), encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        load_recipe(path)


def test_the_needed_tokens_are_those_of_the_longer_prompts(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason="needs the train extra")
    from rlvr.training.recipe import load_recipe, tokens_needed

    path = tmp_path / "recipe.yaml"
    selection = "selection: {data: {max_prompt_tokens: 1500, sources: [{source: builtin, count: 2}]}}"
    path.write_text(RECIPE.format(trl="", more=selection), encoding="utf-8")
    assert tokens_needed(load_recipe(path)[0]) == 1756
