"""GGUF by somebody else's converter: how it is found, run and checked. A stand-in script takes its place here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rlvr.cli import main
from rlvr.errors import RunError, UsageError
from rlvr.models.gguf import SCRIPT, export_gguf, find_converter

# Reads the model folder that it is given, and writes a file that is GGUF but for its tensors.
STAND_IN = """
import json, sys
from pathlib import Path
folder, _, out, _, outtype = sys.argv[1:6]
config = json.loads((Path(folder) / "config.json").read_text())
template = (Path(folder) / "chat_template.jinja").read_text()
import gguf
writer = gguf.GGUFWriter(out, config["model_type"])
writer.add_chat_template(template)
writer.add_file_type({"f16": 1, "auto": 0}[outtype])
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
"""


@pytest.fixture
def converter(tmp_path: Path) -> Path:
    pytest.importorskip("gguf", reason="needs the train extra")
    (tmp_path / "llama.cpp").mkdir()
    (tmp_path / "llama.cpp" / SCRIPT).write_text(STAND_IN)
    return tmp_path / "llama.cpp"


def test_the_converter_is_found_as_given_by_variable_or_on_the_path(converter: Path, tmp_path: Path) -> None:
    script = converter / SCRIPT
    script.chmod(0o755)
    assert find_converter(converter, {}) == find_converter(script, {}) == script
    assert find_converter(None, {"LLAMA_CPP": str(converter)}) == script
    assert find_converter(None, {"PATH": str(converter)}) == script
    with pytest.raises(UsageError, match=r"which is not here. Get llama.cpp .*--converter or LLAMA_CPP"):
        find_converter(None, {"PATH": str(tmp_path)})
    with pytest.raises(UsageError, match=r"LLAMA_CPP: .* holds no convert_hf_to_gguf.py"):
        find_converter(None, {"LLAMA_CPP": str(tmp_path)})
    with pytest.raises(UsageError, match=r"--converter: .* holds no"):
        find_converter(tmp_path / "nowhere", {})


def test_a_run_becomes_a_file_that_is_read_back(
    converter: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny_model, run / "final")
    (run / "run.json").write_text(json.dumps({"finished": "2026-01-01T00:00:00Z"}))
    out = tmp_path / "files" / "m.gguf"
    argv = ["export", str(run), "--to", "gguf", "--out", str(out), "--converter", str(converter)]
    assert main([*argv, "--outtype", "f16"]) == 0
    told = capsys.readouterr().out
    assert str(converter / SCRIPT) in told
    assert "llama, 0 tensors, with a chat template" in told
    assert out.read_bytes()[:4] == b"GGUF"
    assert [p.name for p in out.parent.iterdir()] == ["m.gguf"]
    assert main(argv) == 2
    assert "is there already" in capsys.readouterr().err
    assert main([*argv, "--force"]) == 0


def test_an_adapter_is_merged_first(converter: Path, tiny_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="needs the train extra")
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(tmp_path / "adapter")
    done = export_gguf(tmp_path / "adapter", tmp_path / "m.gguf", converter=converter)
    assert (done.architecture, done.chat_template) == ("llama", True)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "import sys; sys.stderr.write('a\\nModel Foo is not supported\\n'); sys.exit(1)",
            "Model Foo is not supported",
        ),
        ("import sys; sys.exit(3)", "ended with code 3"),
        ("print('done')", "wrote no GGUF file"),
        ("import sys; open(sys.argv[3], 'wb').write(b'GGUF' + b'x' * 9)", "what it wrote cannot be read"),
    ],
)
def test_a_converter_that_fails(converter: Path, tiny_model: Path, tmp_path: Path, script: str, message: str) -> None:
    (converter / SCRIPT).write_text(script)
    out = tmp_path / "m.gguf"
    out.write_text("before")
    with pytest.raises(RunError, match=message):
        export_gguf(tiny_model, out, converter=converter, force=True)
    assert out.read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["llama.cpp", "m.gguf"]


def test_a_file_in_the_folders_place(converter: Path, tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file: cannot be made"):
        export_gguf(tiny_model, tmp_path / "file" / "m.gguf", converter=converter)
