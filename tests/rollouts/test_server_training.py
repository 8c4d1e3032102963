"""A run whose server dies in the middle: a checkpoint of the step that stands, a clear error, and a resumed run.

TRL's own client and trainer over real sockets. Weights go over NCCL, which no CPU has: that part alone is left out.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="needs the train extra")

from rlvr.errors import RunError, UsageError
from rlvr.extras import has
from rlvr.training.recipe import load_recipe
from rlvr.training.run import train

pytestmark = pytest.mark.skipif(not has("vllm"), reason="TRL's client needs vLLM installed")

RECIPE = """
kind: grpo
name: served
model: {model}
composition: function_calling
stage: stage1
rollout: vllm_server
engine: {{server_url: "{url}", server_timeout: 0, retries: 1, retry_wait: 0}}
data:
  max_prompt_tokens: 900
  sources: [{{source: builtin, count: 8, seed: 2, languages: {{en: 1}}, tools_offered: {{1: 1}}}}]
trl:
  per_device_train_batch_size: 4
  num_generations: 4
  max_completion_length: 16
  max_steps: 4
  scale_rewards: none
  loss_type: dapo
  save_steps: 10
"""


@pytest.fixture
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """As if there were a GPU to send weights from; returns how many parameters were sent, an entry a time."""
    from trl.generation.vllm_client import VLLMClient

    sent: list[int] = []

    def send(self: Any, metadata: Any, named_params: Any) -> None:
        self._start_weight_update()
        sent.append(sum(1 for _ in named_params))
        self._finish_weight_update()

    monkeypatch.setattr("rlvr.training.rollout_engine.machine_problems", lambda *a, **k: ([], []))
    monkeypatch.setattr("rlvr.training.rollout_engine.check_ports", lambda **k: None)
    monkeypatch.setattr(VLLMClient, "init_communicator", lambda self, device: None)
    monkeypatch.setattr(VLLMClient, "update_named_params", send)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return sent


def recipe(tmp_path: Path, model: Path, url: str) -> Any:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(model=model, url=url), encoding="utf-8")
    return load_recipe(path)


def test_a_server_that_dies_leaves_a_checkpoint_and_the_run_goes_on(
    tmp_path: Path, tiny_model: Path, on_a_gpu: list[int], serving: Any
) -> None:
    run = tmp_path / "run"
    with serving(dies_after=2) as fake:
        with pytest.raises(RunError) as caught:
            train(*recipe(tmp_path, tiny_model, fake.url), run)
        port = fake.port
    said = str(caught.value)
    assert f"the vLLM server at {fake.url} failed when completions were asked for" in said
    assert f"The last complete checkpoint is {run / 'checkpoints' / 'checkpoint-2'}." in said
    assert f"vllm serve {tiny_model} --host 127.0.0.1 --port {port}" in said
    assert said.endswith("Then go on with --resume.")
    assert len(on_a_gpu) == 3  # at the start and after each of two steps; the server died on the third request
    assert fake.bodies[0]["n"] == 4
    with serving(port=port) as again:  # on the same port, as the message says
        train(*recipe(tmp_path, tiny_model, again.url), run, resume=True)
        assert again.answered == 2
    steps = [json.loads(x)["step"] for x in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4]
    assert (run / "final" / "config.json").is_file()


def test_a_server_that_is_down_at_the_start_leaves_nothing(
    tmp_path: Path, tiny_model: Path, on_a_gpu: list[int]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = made.getsockname()[1]
    with pytest.raises(UsageError, match=rf"http://127.0.0.1:{port}: no vLLM server answers") as caught:
        train(*recipe(tmp_path, tiny_model, f"http://127.0.0.1:{port}"), tmp_path / "run")
    assert "VLLM_SERVER_DEV_MODE=1 vllm serve" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_without_a_gpu_a_server_is_refused_at_once(tmp_path: Path, tiny_model: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UsageError, match="the trainer needs a CUDA GPU of its own"):
        train(*recipe(tmp_path, tiny_model, "http://127.0.0.1:1"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


# TRL's own generation in two processes: the first talks to the server, both wait for what it got.
TWO_PROCESSES = """
import sys
from accelerate import Accelerator
from trl.generation.vllm_generation import VLLMGeneration
from rlvr.rollouts.server import GuardedClient, ServerLostError

class Client:
    def generate(self, **kwargs):
        raise ConnectionError("refused")

generation = VLLMGeneration.__new__(VLLMGeneration)
generation.accelerator = Accelerator(cpu=True)
generation.mode, generation.enable_sleep_mode, generation.structured_outputs_regex = "server", False, None
generation.temperature = generation.top_p = generation.repetition_penalty = 1.0
generation.top_k, generation.min_p, generation.max_completion_length, generation.logprobs = 0, None, 8, 0
generation.generation_kwargs = {}
if generation.accelerator.is_main_process:
    generation.vllm_client = GuardedClient(Client(), "http://here")
try:
    generation.generate([[1], [1]], None, num_generations=2)
except ServerLostError as error:
    generation.accelerator.wait_for_everyone()  # as the saving of a checkpoint does
    sys.stdout.write(f"LOST {generation.accelerator.process_index} {error}\\n")
"""


@pytest.mark.slow
def test_a_lost_server_is_the_same_error_in_every_process(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES, encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    done = subprocess.run(launch, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    said = "the vLLM server at http://here failed when completions were asked for: refused"
    assert sorted(x for x in done.stdout.splitlines() if x.startswith("LOST")) == [f"LOST 0 {said}", f"LOST 1 {said}"]
