"""Build a data recipe: sources → normalise → filter → negatives → mix → split → Parquet, in bounded memory.

Every step writes files that are named when they are whole, and is a function of the recipe, the inputs and the files
before it. So a build that was killed goes on where it was, and gives the same bytes, on any number of processes.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rlvr
from rlvr.data.build.ahead import look_ahead
from rlvr.data.build.assemble import Assembly, assemble
from rlvr.data.build.folder import (
    DATA,
    FIGURES,
    INPUTS,
    README,
    RECIPE,
    REJECTS,
    SAMPLES,
    BuildFolder,
    sha256,
    write_whole,
)
from rlvr.data.build.inputs import compare, compare_finished, describe, listed, portable, revisions, unchanged
from rlvr.data.build.progress import Note, Say
from rlvr.data.build.reading import Sizes, open_sources, read_sources
from rlvr.data.build.recipe import DataRecipe
from rlvr.data.build.rejects import write_rejects
from rlvr.data.build.screens import LoadTokenizer, benchmarks
from rlvr.data.build.steps import prepare
from rlvr.data.build.summary import load_stats, merged_samples, summarise
from rlvr.data.build.workers import Workers
from rlvr.data.card import card
from rlvr.errors import RunError, UsageError
from rlvr.extras import require

Illustrate = Callable[[Mapping[str, Any], Path], Sequence[tuple[str, str]]]
FORMAT = 1


@dataclass(frozen=True, slots=True)
class How:
    """How a build is run; nothing of it changes a byte but `sizes`. `say` is told how far it is, `note` what a person
    should know; `load_tokenizer` is called in each process."""

    jobs: int = 1
    resume: bool = False
    force: bool = False
    sizes: Sizes = field(default_factory=Sizes)
    say: Say | None = None
    note: Note | None = None
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
        return _finished(recipe, resolved, folder, how.note)
    try:
        with folder.lock():
            return _build(recipe, resolved, folder, how)
    except OSError as error:
        raise RunError(
            f"{out}: reading or writing failed ({error}). What is done is kept: mend it (free space?), then --resume."
        ) from error


def _finished(
    recipe: DataRecipe, resolved: Mapping[str, Any], folder: BuildFolder, note: Note | None
) -> dict[str, Any]:
    """The manifest of a finished build. Raises `UsageError` where it is not what the recipe would give now."""
    manifest = folder.manifest()
    if manifest["recipe"] != json.loads(json.dumps(resolved)):
        raise UsageError(f"{folder.path}: holds a finished build of another recipe. Give another --out, or --force.")
    before = folder.inputs()
    now, changed, moved = compare_finished(before, recipe)
    if changed:
        raise UsageError(
            f"{folder.path}: holds a finished build, and its inputs changed since: {listed(changed)}. Give another "
            f"--out to keep it, or --force to build anew here."
        )
    if note:
        for words in moved:
            note(f"{words}. --force builds anew from the newest; a `revision` in the recipe keeps to one.")
    if now != before:
        with contextlib.suppress(RunError):  # a folder that cannot be written is read all the same
            write_whole(folder.path / INPUTS, _inputs_text(now))
    return manifest


def _build(recipe: DataRecipe, resolved: Mapping[str, Any], folder: BuildFolder, how: How) -> dict[str, Any]:
    before = None if how.force else folder.begun(resolved, how.sizes)
    if before is not None and folder.is_sealed():
        folder.publish()
        return _finished(recipe, resolved, folder, how.note)
    servers = look_ahead(recipe, how.note)
    shards = open_sources(recipe, revisions(before, recipe) if before is not None else None)
    if before is None:
        inputs = describe(recipe, shards)
    else:
        inputs, changed = compare(before, recipe, shards)
        if changed:
            raise UsageError(
                f"{folder.path}: inputs changed since this build was begun, so that going on would mix two: "
                f"{listed(changed)}. Begin anew with --force, or give another --out."
            )
    benchmarks(recipe.filters)  # fetched and read here, not by each job first
    if how.force:
        folder.clear()  # now, when nothing is left that could have been known before
    if before != inputs:
        folder.begin(resolved, inputs, how.sizes)
    with Workers(how.jobs, prepare, (recipe, how.load_tokenizer)) as workers:
        reads = read_sources(recipe, folder.scratch / "read", workers, how.sizes, how.say, shards, how.note)
        unchanged(inputs)
        made = assemble(recipe, folder, reads, servers, workers, how.sizes, how.say, how.note)
    stats = load_stats(made.stats)
    samples = merged_samples(stats)
    manifest = {
        "format": FORMAT,
        "name": recipe.name,
        "seed": recipe.seed,
        "versions": _versions(),
        "recipe": dict(resolved),
        "inputs": portable(inputs),
        "files": [
            {"file": f"{DATA}/{p.name}", "rows": sum(row[-2] for row in s["counts"]), "sha256": sha256(p)}
            for p, s in zip(made.parquet, stats, strict=True)
        ],
        "counts": summarise(recipe, made, stats),
    }
    write_whole(folder.finished / INPUTS, _inputs_text(inputs))
    _write_words(folder, manifest, samples, made, how.illustrate)
    folder.seal(manifest)
    return folder.publish()


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
    write_rejects(done / REJECTS, made.reads, made.negative_files)
    figures = illustrate(manifest["counts"], done / FIGURES) if illustrate else ()
    write_whole(done / README, card(manifest, samples, figures))


def _inputs_text(inputs: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(list(inputs), ensure_ascii=False, indent=1) + "\n"


def _versions() -> dict[str, str]:
    """What the bytes depend on beside the recipe."""
    from importlib.metadata import version

    return {"rlvr": rlvr.__version__, "pyarrow": version("pyarrow")}
