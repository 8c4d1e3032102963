"""What a build reads, and whether it is still the same: local files by size, time and SHA-256, the hub by revision.

A file is hashed once, when a build begins. Afterwards its size and time of change are compared, and only where the time
alone differs is it read again: to say that nothing changed costs no reading. A file that was changed and has its old
size and time again is not noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from rlvr.data.build.feeds import BUILTIN, is_local, newest_revision, place_of
from rlvr.data.build.folder import sha256
from rlvr.data.build.recipe import DataRecipe, SourceChoice
from rlvr.data.build.screens import BFCL
from rlvr.data.rows import Shard, find_shards
from rlvr.data.sources.bfcl import VERSION
from rlvr.errors import DataError, UsageError

Input: TypeAlias = dict[str, Any]
"""`file`, `bytes`, `modified_ns` and `sha256`; or `hub`, `config`, `split`, `revision` and `parts`; or `benchmark` and
`version`."""

_SHOWN = 5
_TOKENIZER_NAMES = ("special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt")
_TOKENIZER_STARTS, _TOKENIZER_ENDS = ("tokenizer", "chat_template"), (".model", ".tiktoken")


def describe(recipe: DataRecipe, shards: Sequence[Sequence[Shard]]) -> list[Input]:
    """All that a build reads, each file hashed. Raises what reading the files raises."""
    return [_hashed(f) for f in _files(recipe, shards)] + _elsewhere(recipe, shards)


def compare(
    before: Sequence[Input], recipe: DataRecipe, shards: Sequence[Sequence[Shard]]
) -> tuple[list[Input], list[str]]:
    """What a build that was begun reads now, and what of it is not what it was, a few words each."""
    now, changed = compare_files(before, _files(recipe, shards))
    elsewhere = _elsewhere(recipe, shards)
    was = [i for i in before if "file" not in i]
    changed += [_elsewhere_words(i, was) for i in elsewhere if i not in was]
    changed += [f"{_name(i)} (is no longer read)" for i in was if _name(i) not in map(_name, elsewhere)]
    return now + elsewhere, changed


def compare_finished(before: Sequence[Input], recipe: DataRecipe) -> tuple[list[Input], list[str], list[str]]:
    """The same for a finished build, without opening what lies on the hub.

    The third list tells of data sets of the hub that have moved on: a finished build stays one of its revision.
    """
    local = [_local_shards(choice) for choice in recipe.sources]
    now, changed = compare_files(before, _files(recipe, local, missing=True))
    moved = []
    for hub_id, revision in sorted({(key[0], r) for key, r in revisions(before, recipe).items() if r}):
        newest = newest_revision(hub_id)
        if newest is not None and newest != revision:
            moved.append(f"{hub_id} is at {newest} on the hub now, the build is of {revision}")
    return now + [i for i in before if "file" not in i], changed, moved


def compare_files(before: Sequence[Input], files: Sequence[Path]) -> tuple[list[Input], list[str]]:
    """The files as they are now, and what is not as it was."""
    known = {i["file"]: i for i in before if "file" in i}
    now: list[Input] = []
    changed: list[str] = []
    for path in files:
        was = known.get(str(path))
        if was is None:
            changed.append(f"{path} (is new)")
            continue
        found = _now(path, was)
        if isinstance(found, str):
            changed.append(f"{path} ({found})")
        else:
            now.append(found)
    there = set(map(str, files))
    gone = [name for name in known if name not in there]
    changed += [f"{name} (is no longer {'read' if Path(name).exists() else 'there'})" for name in gone]
    return now, changed


def unchanged(inputs: Sequence[Input]) -> None:
    """Raise `UsageError` where a file is not the one that was hashed: what was read of it is neither old nor new."""
    _, changed = compare_files(inputs, [Path(i["file"]) for i in inputs if "file" in i])
    if changed:
        raise UsageError(
            f"changed while the build read it: {listed(changed)}. What was read is of no use: wait until nothing "
            f"writes there, and begin anew with --force."
        )


def portable(inputs: Sequence[Input]) -> list[Input]:
    """Without what belongs to this machine: the manifest's bytes depend on what the files hold, not on their time."""
    return [{k: v for k, v in i.items() if k != "modified_ns"} for i in inputs]


def revisions(before: Sequence[Input], recipe: DataRecipe) -> dict[tuple[str, str | None, str], str | None]:
    """The states of the hub that a build was begun with, of sources whose recipe names none: it goes on with those."""
    named = {choice.revision for choice in recipe.sources if choice.revision}
    found = [i for i in before if "hub" in i and i["revision"] not in named]
    return {(i["hub"], i["config"], i["split"]): i["revision"] for i in found}


def listed(changed: Sequence[str]) -> str:
    more = len(changed) - _SHOWN
    return ", ".join(changed[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _files(recipe: DataRecipe, shards: Iterable[Sequence[Shard]], *, missing: bool = False) -> list[Path]:
    """Every local file that is read, once. Raises `UsageError` where one is missing, unless that is allowed."""
    found = [Path(s.location) for parts in shards for s in parts if not s.hub]
    return list(dict.fromkeys([*found, *_other_files(recipe, missing)]))


def _other_files(recipe: DataRecipe, missing: bool) -> Iterator[Path]:
    """Local files that a recipe reads beside its sources."""
    for key, name in _named(recipe):
        path = Path(name).expanduser()
        if path.exists():
            yield from _below(path)
        elif not missing:
            raise UsageError(
                f"{path}: no such file or folder, and the recipe reads it ({key}). Paths are relative to the working "
                f"folder."
            )
    if recipe.negatives and recipe.negatives.embeddings:
        folder = Path(recipe.negatives.embeddings).expanduser()
        yield from _below(folder) if folder.is_dir() else ()
    if recipe.filters.tokenizer:
        folder = Path(recipe.filters.tokenizer).expanduser()
        yield from sorted(filter(_of_tokenizer, folder.iterdir())) if folder.is_dir() else ()


def _below(path: Path) -> list[Path]:
    """A file, or all files of a folder but hidden ones: a clone's `.git` changes when it is looked at."""
    if not path.is_dir():
        return [path]
    inside = ((f, f.relative_to(path).parts) for f in path.rglob("*"))
    return sorted(f for f, parts in inside if f.is_file() and not any(p.startswith(".") for p in parts))


def _named(recipe: DataRecipe) -> Iterator[tuple[str, str]]:
    yield from (("filters.decontaminate", name) for name in recipe.filters.decontaminate if name != BFCL)
    if recipe.negatives and recipe.negatives.servers:
        yield "negatives.servers", recipe.negatives.servers
    if recipe.filters.difficulty:
        yield "filters.difficulty.file", recipe.filters.difficulty.file


def _of_tokenizer(path: Path) -> bool:
    """Whether a file of a model's folder decides how prompts are written and counted; weights do not."""
    name = path.name
    named = name in _TOKENIZER_NAMES or name.startswith(_TOKENIZER_STARTS) or name.endswith(_TOKENIZER_ENDS)
    return named and path.is_file()


def _elsewhere(recipe: DataRecipe, shards: Iterable[Sequence[Shard]]) -> list[Input]:
    """What is read and is no local file."""
    out: list[Input] = []
    for parts in shards:
        hub = {(s.location, s.config, s.split, s.revision): len(parts) for s in parts if s.hub}
        found = [{"hub": h, "config": c, "split": s, "revision": r, "parts": n} for (h, c, s, r), n in hub.items()]
        out += [i for i in found if i not in out]
    if BFCL in recipe.filters.decontaminate:
        out.append({"benchmark": BFCL, "version": VERSION})
    return out


def _elsewhere_words(now: Mapping[str, Any], was: Sequence[Input]) -> str:
    old = next((i for i in was if _name(i) == _name(now)), None)
    if old is None:
        return f"{_name(now)} (is new)"
    differ = [f"{k} {now[k]}, was {old.get(k)}" for k in now if now[k] != old.get(k)]
    return f"{_name(now)} ({'; '.join(differ)})"


def _name(one: Mapping[str, Any]) -> str:
    return str(one.get("benchmark") or "/".join(str(one[k]) for k in ("hub", "config", "split") if one.get(k)))


def _local_shards(choice: SourceChoice) -> list[Shard]:
    """The files of a local source; none where they are gone, or it lies on the hub."""
    if choice.source == BUILTIN or not is_local(choice):
        return []
    location, config = place_of(choice)
    return find_shards(location, config=config, split=choice.split)


def _now(path: Path, was: Mapping[str, Any]) -> Input | str:
    """A file as it is, its hash taken over where size and time are equal; in words where it is another one."""
    try:
        stat = path.stat()
    except OSError as error:
        return str(error.strerror).lower()
    if stat.st_size != was["bytes"]:
        return f"{stat.st_size:,} bytes, had {was['bytes']:,}"
    if stat.st_mtime_ns == was.get("modified_ns"):
        return dict(was)
    found = _hashed(path)
    return found if found["sha256"] == was["sha256"] else f"of the same {stat.st_size:,} bytes, other content"


def _hashed(path: Path) -> Input:
    try:
        stat = path.stat()
        return {
            "file": str(path),
            "bytes": stat.st_size,
            "modified_ns": stat.st_mtime_ns,
            "sha256": sha256(path),
        }
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror}") from error
