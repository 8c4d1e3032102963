"""Build a data recipe: sources → normalise → filter → negatives → mix → split → Parquet, in bounded memory.

Every step writes files that are named when they are whole, and is a function of the recipe, the inputs and the files
before it. So a build that was killed goes on where it was, and gives the same bytes, on any number of processes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rlvr
from rlvr.data.build.assemble import Assembly, assemble
from rlvr.data.build.folder import (
    DATA,
    FIGURES,
    README,
    RECIPE,
    REJECTS,
    SAMPLES,
    BuildFolder,
    describe_inputs,
    sha256,
    write_whole,
)
from rlvr.data.build.negate import negatives_left_out
from rlvr.data.build.progress import Say
from rlvr.data.build.reading import Sizes, left_out_path, open_sources
from rlvr.data.build.recipe import DataRecipe
from rlvr.data.build.screens import BFCL, LoadTokenizer, benchmarks
from rlvr.data.build.steps import prepare
from rlvr.data.build.summary import load_stats, merged_samples, summarise
from rlvr.data.build.workers import Workers
from rlvr.data.card import card
from rlvr.data.sources.bfcl import VERSION
from rlvr.errors import RunError, UsageError
from rlvr.extras import require

Illustrate = Callable[[Mapping[str, Any], Path], Sequence[tuple[str, str]]]
FORMAT = 1


@dataclass(frozen=True, slots=True)
class How:
    """How a build is run; nothing of it changes a byte but `sizes`. `load_tokenizer` is called in each process."""

    jobs: int = 1
    resume: bool = False
    force: bool = False
    sizes: Sizes = field(default_factory=Sizes)
    say: Say | None = None
    illustrate: Illustrate | None = None
    load_tokenizer: LoadTokenizer | None = None


def build(recipe: DataRecipe, resolved: Mapping[str, Any], out: str | Path, how: How | None = None) -> dict[str, Any]:
    """Build `recipe` into the folder `out` and return its manifest. `resolved` is the recipe as it is recorded.

    `how.illustrate` draws figures of the counts into a folder and returns (file name, caption) of each.

    Raises:
        UsageError: the folder holds something else, or a build that was begun otherwise; a source cannot be reached.
        DataError: an input is damaged or gives nothing.
        RunError: the disk is full, or a worker was killed; what is done is kept.
    """
    how = how or How()
    if how.jobs < 1:
        raise UsageError(f"jobs: got {how.jobs}, expected at least 1")
    require("pyarrow", "data", "Building data")
    folder = BuildFolder(out)
    folder.check(resume=how.resume, force=how.force)
    if folder.is_finished() and not how.force:
        folder.tidy()
        manifest = folder.manifest()
        if manifest["recipe"] != json.loads(json.dumps(resolved)):
            raise UsageError(f"{out}: holds a finished build of another recipe. Give another --out, or --force.")
        return manifest
    try:
        with folder.lock():
            if how.force:
                folder.clear()
            return _build(recipe, resolved, folder, how)
    except OSError as error:
        raise RunError(
            f"{out}: reading or writing failed ({error}). What is done is kept: mend it (free space?), then --resume."
        ) from error


def _build(recipe: DataRecipe, resolved: Mapping[str, Any], folder: BuildFolder, how: How) -> dict[str, Any]:
    shards = open_sources(recipe)
    inputs = describe_inputs(shards, other_inputs(recipe))
    if benchmarks(recipe.filters) is not None and BFCL in recipe.filters.decontaminate:  # fetched here, not by each job
        inputs.append({"benchmark": BFCL, "version": VERSION})
    folder.begin(resolved, inputs, how.sizes)
    if folder.is_sealed():
        return folder.publish()
    with Workers(how.jobs, prepare, (recipe, how.load_tokenizer)) as workers:
        made = assemble(recipe, folder, shards, workers, how.sizes, how.say)
    stats = load_stats(made.stats)
    samples = merged_samples(stats)
    manifest = {
        "format": FORMAT,
        "name": recipe.name,
        "seed": recipe.seed,
        "versions": _versions(),
        "recipe": dict(resolved),
        "inputs": inputs,
        "files": [
            {"file": f"{DATA}/{p.name}", "rows": sum(row[-2] for row in s["counts"]), "sha256": sha256(p)}
            for p, s in zip(made.parquet, stats, strict=True)
        ],
        "counts": summarise(recipe, made, stats),
    }
    _write_words(folder, manifest, samples, made, how.illustrate)
    folder.seal(manifest)
    return folder.publish()


def other_inputs(recipe: DataRecipe) -> list[Path]:
    """Local files that a recipe reads beside its sources."""
    named = [d for d in recipe.filters.decontaminate if d != BFCL]
    named += [recipe.negatives.servers] if recipe.negatives and recipe.negatives.servers else []
    named += [recipe.filters.difficulty.file] if recipe.filters.difficulty else []
    paths = [Path(name).expanduser() for name in named]
    missing = [p for p in paths if not p.exists()]
    if missing:
        raise UsageError(
            f"{missing[0]}: no such file, and the recipe reads it. Paths are relative to the working folder."
        )
    return [f for p in paths for f in (sorted(x for x in p.rglob("*") if x.is_file()) if p.is_dir() else [p])]


def _write_words(
    folder: BuildFolder, manifest: Mapping[str, Any], samples: Sequence[Mapping[str, str]], made: Assembly,
    illustrate: Illustrate | None,
) -> None:  # fmt: skip
    """What people read: the card with its figures, the rows that it shows, the rows that were left out."""
    import yaml

    done = folder.finished
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in samples)
    write_whole(done / SAMPLES, "".join(lines))
    write_whole(done / RECIPE, yaml.safe_dump(dict(manifest["recipe"]), allow_unicode=True, sort_keys=False))
    with (done / REJECTS).open("w", encoding="utf-8", newline="\n") as file:
        for path in (f for read in made.reads for f in read.files):
            file.write(left_out_path(path).read_text(encoding="utf-8"))
        for path in made.negative_files:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in negatives_left_out(path))
    figures = illustrate(manifest["counts"], done / FIGURES) if illustrate else ()
    write_whole(done / README, card(manifest, samples, figures))


def _versions() -> dict[str, str]:
    """What the bytes depend on beside the recipe."""
    from importlib.metadata import version

    return {"rlvr": rlvr.__version__, "pyarrow": version("pyarrow")}
