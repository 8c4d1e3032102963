"""Exported weights: what is merged gives the logits that it should, and what does not is not kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("peft", reason="needs the train extra")

from rlvr.cli import main  # noqa: E402
from rlvr.errors import ModelError, RunError, UsageError  # noqa: E402
from rlvr.models import check_model_folder, export  # noqa: E402
from rlvr.models.export import TOLERANCES, difference, export_merged  # noqa: E402

FINISHED = {"finished": "2026-01-01T00:00:00Z"}


def load(folder: Path, dtype: Any = torch.float32) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()


def finished(folder: Path, model: Path) -> Path:
    shutil.copytree(model, folder / "final")
    (folder / "run.json").write_text(json.dumps(FINISHED))
    return folder


@pytest.fixture
def adapter(tiny_model: Path, tmp_path: Path) -> Path:
    """An adapter's folder that does something: PEFT begins with B = 0."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM")
    policy = get_peft_model(load(tiny_model), config)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in policy.named_parameters():
        if "lora_B" in name:
            parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    policy.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def weaken(adapter: Path, strength: float) -> None:
    from safetensors.torch import load_file, save_file

    path = adapter / "adapter_model.safetensors"
    save_file({k: v * (strength if "lora_B" in k else 1.0) for k, v in load_file(path).items()}, path)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_a_merged_adapter_gives_its_logits(adapter: Path, tiny_model: Path, tmp_path: Path, dtype: str) -> None:
    from peft import PeftModel
    from transformers import AutoTokenizer, GenerationConfig

    done = export_merged(adapter, tmp_path / "out", dtype=dtype)
    check_model_folder(tmp_path / "out")
    ids = torch.arange(40).unsqueeze(0)
    with torch.no_grad():
        wanted = PeftModel.from_pretrained(load(tiny_model), str(adapter))(ids).logits[0]
        plain = load(tiny_model)(ids).logits[0]
        found = load(tmp_path / "out")(ids).logits[0]
    assert difference(wanted, found) < TOLERANCES[dtype]
    assert difference(wanted, plain) > 2 * TOLERANCES[dtype]  # else this would show nothing
    assert done.difference is not None
    assert done.effect is not None
    assert done.difference < TOLERANCES[dtype] < done.effect
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == dtype
    before, after = (AutoTokenizer.from_pretrained(p) for p in (tiny_model, tmp_path / "out"))
    assert (after.chat_template, after.eos_token) == (before.chat_template, before.eos_token)
    assert GenerationConfig.from_pretrained(tmp_path / "out").eos_token_id == after.eos_token_id
    assert not list((tmp_path / "out").glob("adapter*"))


@pytest.mark.parametrize(("strength", "limit"), [(1.0, "0.02"), (0.0005, "0.0001")])
def test_a_wrong_merge_is_found_and_not_kept(
    adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strength: float, limit: str
) -> None:
    """Also where the adapter is so weak that bf16 hides it: then the merge is tried once more without rounding."""
    weaken(adapter, strength)
    if strength < 1:
        done = export_merged(adapter, tmp_path / "right", dtype="bfloat16")
        assert "rounding to bfloat16 hides it; in float32 it was merged right" in done.lines()[-1]
        shutil.rmtree(tmp_path / "right")

    def base_alone(model: Any) -> Any:
        state = model.get_base_model().state_dict().items()
        return ((n.replace(".base_layer", ""), v) for n, v in state if ".lora_" not in n)

    monkeypatch.setattr(export, "merged_weights", base_alone)
    with pytest.raises(RunError, match=rf"gives other logits than the run's: they differ by .* more than {limit}"):
        export_merged(adapter, tmp_path / "out", dtype="bfloat16")
    assert [p.name for p in tmp_path.iterdir()] == ["adapter"]


def test_a_tolerance_of_ones_own(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="more than 1e-09"):
        export_merged(adapter, tmp_path / "out", dtype="float16", tolerance=1e-9)
    for bad in (0.0, float("nan")):
        with pytest.raises(UsageError, match="--tolerance"):
            export_merged(adapter, tmp_path / "out", tolerance=bad)


def test_a_full_run_is_copied(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = finished(tmp_path / "run", tiny_model)
    (run / "final" / "README.md").write_text("card")
    (run / "final" / "trainer_state.json").write_text("{}")
    assert main(["export", str(run), "--to", "merged", "--out", str(tmp_path / "out")]) == 0
    assert "every file has the bytes of the run's" in capsys.readouterr().out
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert {"README.md", "model.safetensors", "chat_template.jinja", "generation_config.json"} <= names
    assert "trainer_state.json" not in names
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (run / "final" / name).read_bytes()


def test_a_run_that_merged_is_held_against_its_adapter(adapter: Path, tiny_model: Path, tmp_path: Path) -> None:
    merged = export_merged(adapter, tmp_path / "merged").path
    run = finished(tmp_path / "run", merged)
    shutil.copytree(adapter, run / "final" / "adapter")
    done = export_merged(run, tmp_path / "out")
    assert done.difference is not None
    assert done.difference < TOLERANCES["bfloat16"]
    other = finished(tmp_path / "other", tiny_model)  # its weights are not what its adapter makes
    shutil.copytree(adapter, other / "final" / "adapter")
    with pytest.raises(RunError, match="gives other logits"):
        export_merged(other, tmp_path / "wrong")
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(tmp_path / "gone")
    (run / "final" / "adapter" / "adapter_config.json").write_text(json.dumps(config))
    assert "were not compared with the run's adapter" in export_merged(run, tmp_path / "again").lines()[1]


def test_another_number_format_is_written_anew(tiny_model: Path, tmp_path: Path) -> None:
    run = finished(tmp_path / "run", tiny_model)
    done = export_merged(run, tmp_path / "out", dtype="float32")
    assert (done.dtype, done.how[:7]) == ("float32", "written")
    assert done.difference == pytest.approx(0.0, abs=1e-6)
    assert load(tmp_path / "out", "auto").dtype == torch.float32


def test_pickled_weights_become_safetensors(tiny_model: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(tiny_model, old)
    torch.save(load(old, "auto").state_dict(), old / "pytorch_model.bin")
    (old / "model.safetensors").unlink()
    export_merged(old, tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").is_file()
    assert not list((tmp_path / "out").glob("*.bin"))


def test_bad_input(adapter: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(*argv: str) -> str:
        assert main(["export", *argv]) == 2
        told = capsys.readouterr().err
        assert "Traceback" not in told
        return told

    out = ["--to", "merged", "--out", str(tmp_path / "out")]
    assert "no such folder" in fails(str(tmp_path / "nowhere"), *out)
    (tmp_path / "empty").mkdir()
    assert "holds neither a run" in fails(str(tmp_path / "empty"), *out)
    assert "is there already" in fails(str(adapter), "--to", "merged", "--out", str(tmp_path / "empty"))
    assert "goes with an adapter" in fails(str(tiny_model), *out, "--base", "org/model")
    assert "--per-prompt: goes with --to dpo or sft, not merged" in fails(str(adapter), *out, "--per-prompt", "2")
    run = finished(tmp_path / "run", tiny_model)
    config = run / "final" / "config.json"
    kept = config.read_text()
    config.write_text(json.dumps({**json.loads(kept), "model_type": "nobody_knows"}))
    assert "its config.json cannot be read" in fails(str(run), *out)
    config.write_text(kept)
    (run / "run.json").write_text("{}")
    assert "has not finished" in fails(str(run), *out)
    (run / "run.json").write_text("{")
    assert "cannot be read" in fails(str(run), *out)
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": str(tmp_path / "x")}))
    assert "Name its model with --base" in fails(str(adapter), *out)
    assert not (tmp_path / "out").exists()
    cut = finished(tmp_path / "cut", tiny_model) / "final" / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:-4])
    with pytest.raises(ModelError, match="its header wants"):
        export_merged(tmp_path / "cut", tmp_path / "out")
