"""One self-contained HTML page: figures as base64, tables, samples, recipes. It loads nothing, from any place.

Everything that a model or a file said is escaped by the template engine, or packed as data that the page's one script
shows as text. The page's own Content-Security-Policy forbids outside resources, and any script whose hash is another.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rlvr.errors import UsageError
from rlvr.evaluation.progress import duration
from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.tables import Table
from rlvr.extras import require
from rlvr.paths import write_whole
from rlvr.report.evaluation_section import evaluation_section, open_evaluation
from rlvr.report.explorer import pack
from rlvr.report.figures import Picture, training_picture
from rlvr.report.reproduce import reproduction
from rlvr.report.runs import Run, load_run
from rlvr.report.samples import clip, training_samples

_HERE = Path(__file__).resolve().parent
PAGE = "report.html"
PAGE_BYTES, WORDS_BYTES, LEAST_ROOM_BYTES = 4_900_000, 600_000, 500_000
"""What a page may weigh, what its words, tables and script take of it, and what samples have in any case."""


def write_report(
    runs: Sequence[Path],
    eval_dir: Path | None,
    out: Path,
    *,
    refresh_seconds: int = 0,
    tables: Sequence[Table] = (),
) -> Path:
    """Write `out/report.html` and the figures as `out/figures/*.png`; return the page's path.

    `tables` are shown beside the evaluation's own, after those of its `tables.json` (`rlvr.report.tables`).

    Each file is replaced in one step, so that a reader never meets half a page. With `refresh_seconds` a browser that
    shows the page loads it again that often, as long as one of the runs goes on.

    Raises:
        UsageError: neither a run nor an evaluation, a folder that is no run, a run twice, no evaluation records.
        DataError: a broken file in a run or evaluation folder.
        MissingExtraError: matplotlib or jinja2 is not installed.
        RunError: the disk does not take the report.
    """
    if not runs and eval_dir is None:
        raise UsageError("nothing to report on: give a run folder, or an evaluation with --eval")
    loaded = [load_run(Path(p)) for p in runs]
    if len({r.path.resolve() for r in loaded}) < len(loaded):
        raise UsageError("a run folder is given twice")
    context: dict[str, Any] = {"runs": [_run_context(r) for r in loaded], "evaluation": None}
    pictures = _distinct([p for r in loaded if (p := training_picture(r))])
    context["training"] = [_picture_context(p) for p in pictures]
    store, records = None, list[EvalRecord]()
    if eval_dir is not None:
        store, records = open_evaluation(Path(eval_dir))
        evaluation, more = evaluation_section(store, records, tables)
        evaluation["pictures"] = {k: list(map(_picture_context, v)) for k, v in evaluation["pictures"].items()}
        pictures += more
        examples, faults = evaluation.pop("to_pack")
        evaluation["packed"] = pack(records, examples, faults, room_for_samples(pictures))
        context["evaluation"] = evaluation
    context["reproduce"] = reproduction(loaded, store, records, Path(out))
    context["refresh"] = refresh_seconds if any(not r.finished for r in loaded) else 0
    context["written"] = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    page = _render(context)
    return _write(Path(out), page, pictures)


def room_for_samples(pictures: Sequence[Picture]) -> int:
    """How many bytes the packed samples may take beside these pictures, which stand in the page as base64."""
    drawn = sum(len(image) * 4 // 3 for p in pictures for image in (p.light, p.dark))
    return max(LEAST_ROOM_BYTES, PAGE_BYTES - WORDS_BYTES - drawn)


def _run_context(run: Run) -> dict[str, Any]:
    facts = {
        "stage": run.info.get("stage"),
        "model": run.info.get("model"),
        "seed": run.info.get("seed"),
        "started": run.info.get("started"),
    }
    seconds = run.info.get("seconds")
    if isinstance(seconds, (int, float)):
        facts["took"] = duration(seconds)
    memory = run.info.get("peak_memory_gib")
    if isinstance(memory, (int, float)):
        facts["memory at most"] = f"{memory:.1f} GiB"
    steps = [row["step"] for row in run.metrics]
    if steps:
        facts["steps"] = f"{steps[-1]:g}"
    if not run.finished:
        most = run.info.get("max_steps")
        facts["so far"] = f"{facts.get('steps', 0)} of {most} steps" if most else "unfinished"
    versions = run.info.get("versions")
    return {
        "name": run.name,
        "facts": {k: v for k, v in facts.items() if v is not None},
        "versions": versions if isinstance(versions, Mapping) else {},
        "recipe": run.recipe,
        "samples": [_sample(s) for s in training_samples(run.samples)],
    }


def _sample(row: Mapping[str, Any]) -> dict[str, Any]:
    scores = row.get("scores")
    total = row.get("total", row.get("reward"))
    return {
        "step": row.get("step"),
        "query": clip(str(row.get("query") or row.get("prompt") or ""))[0],
        "completion": clip(str(row.get("completion") or ""))[0],
        "scores": dict(scores) if isinstance(scores, Mapping) else {},
        "total": total,
        "outcome": row.get("outcome"),
    }


def _distinct(pictures: Sequence[Picture]) -> list[Picture]:
    """The pictures with a number behind a name that was there before: runs of two folders may share a name."""
    out: list[Picture] = []
    for picture in pictures:
        name, taken, number = picture.name, {p.name for p in out}, 2
        while name in taken:
            name, number = f"{picture.name}-{number}", number + 1
        out.append(replace(picture, name=name))
    return out


def _picture_context(picture: Picture) -> dict[str, str]:
    return {
        "name": picture.name,
        "caption": picture.caption,
        "alt": picture.alt,
        "width": str(_shown(picture.light, 16)),
        "height": str(_shown(picture.light, 20)),
        "light": base64.b64encode(picture.light).decode("ascii"),
        "dark": base64.b64encode(picture.dark).decode("ascii"),
    }


def _shown(image: bytes, at: int) -> int:
    """Width (16) or height (20) in CSS pixels, from a PNG's header: figures are drawn at 1.5 times that."""
    return int.from_bytes(image[at : at + 4], "big") * 2 // 3


def _render(context: Mapping[str, Any]) -> str:
    require("jinja2", "report", "The report")
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["score"] = _score
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    allowed = base64.b64encode(hashlib.sha256(f"\n{script}".encode()).digest()).decode("ascii")
    return environment.get_template("page.html.j2").render(style=style, script=script, allowed=allowed, **context)


def _score(value: Any) -> str:
    """A score for the eye; `n/a` for a component that does not apply."""
    if value is None:
        return "n/a"
    return f"{value:.2f}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _write(out: Path, page: str, pictures: Sequence[Picture]) -> Path:
    for picture in pictures:
        write_whole(out / "figures" / f"{picture.name}.png", picture.light)
    # A lone surrogate in a completion has no UTF-8 form: shown as "?", where the records keep it.
    write_whole(out / PAGE, page.encode("utf-8", "replace"))
    return out / PAGE
