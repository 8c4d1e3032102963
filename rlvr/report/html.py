"""One self-contained HTML page: figures as base64, tables, samples, recipes. It loads nothing, and runs no script.

Everything that a model or a file said is escaped by the template engine, and the page forbids scripts and outside
resources by its own Content-Security-Policy as well.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rlvr.errors import RunError, UsageError
from rlvr.evaluation.compare import Comparison, compare_successive
from rlvr.evaluation.metrics import ALL, CALLING, NO_CALL, Row, find, rows
from rlvr.evaluation.progress import duration
from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.store import EvalStore
from rlvr.evaluation.tables import comparison_table, detail_table, headline_table, number, points, share
from rlvr.extras import require
from rlvr.report.figures import Picture, accuracy_picture, failures_picture, tokens_picture, training_picture
from rlvr.report.runs import Run, load_run
from rlvr.report.samples import choose_cards, clip, training_samples

_HERE = Path(__file__).resolve().parent
PAGE = "report.html"


def write_report(runs: Sequence[Path], eval_dir: Path | None, out: Path, *, refresh_seconds: int = 0) -> Path:
    """Write `out/report.html` and the figures as `out/figures/*.png`; return the page's path.

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
    if eval_dir is not None:
        evaluation, more = _evaluation_context(Path(eval_dir))
        context["evaluation"] = evaluation
        pictures += more
    context["refresh"] = refresh_seconds if any(not r.finished for r in loaded) else 0
    context["written"] = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    page = _render(context)
    return _write(Path(out), page, pictures)


def _evaluation_context(folder: Path) -> tuple[dict[str, Any], list[Picture]]:
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such evaluation folder. Give the --out folder of `rlvr eval`.")
    store = EvalStore(folder)
    records = store.records()
    if not records:
        raise UsageError(f"{folder}: holds no evaluation records. Run `rlvr eval … --out {folder}` first.")
    seed = int(store.settings.get("seed", 0))
    table, comparisons = rows(records, seed), compare_successive(records, seed=seed)
    drawn = [accuracy_picture(table), tokens_picture(table), failures_picture(table)]
    pictures = [p for p in drawn if p]
    context = {
        "tables": [headline_table(table, seed)] + ([comparison_table(comparisons, seed)] if comparisons else []),
        "detail": detail_table(table, seed),
        "pictures": [_picture_context(p) for p in pictures],
        "tiles": _tiles(table, comparisons),
        "cards": _by_language(choose_cards(records, store.examples())),
        "settings": store.settings,
        "versions": store.versions,
        "unfinished": _unfinished(records, store),
    }
    return context, pictures


def _tiles(table: Sequence[Row], comparisons: Sequence[Comparison]) -> list[dict[str, str]]:
    """The last model's figures in large, with the difference from the first model where there is one."""
    models = list(dict.fromkeys(r.model for r in table))
    last = comparisons[-1] if comparisons else None
    wanted = (
        ("Strict accuracy", CALLING, "strict_accuracy", "calling_accuracy", "%"),
        ("False calls", NO_CALL, "false_calls", "false_calls", "%"),
        ("Completion tokens", ALL, "completion_tokens", "tokens", ""),
    )
    tiles = []
    for name, category, metric, difference, unit in wanted:
        row = find(table, models[-1], category)
        if row is None:
            continue
        figure = row.figures[metric]
        shown = (share(figure) if unit else number(figure)).split(" ", 1)
        change = ""
        if last is not None:
            moved = getattr(last, difference)
            text = points(moved) + " points" if unit else number(moved, signed=True)
            change = f"{text} against {last.before}"
        tile = {"name": name, "model": models[-1], "value": shown[0] + unit, "interval": shown[1], "n": str(figure.n)}
        tiles.append(tile | {"change": change})
    return tiles


def _unfinished(records: Sequence[EvalRecord], store: EvalStore) -> str:
    total = store.settings.get("examples")
    counts = {label: sum(r.model == label for r in records) + len(m.dropped) for label, m in store.models.items()}
    short = [f"{label} {n}/{total}" for label, n in counts.items() if isinstance(total, int) and n < total]
    return ", ".join(short)


def _by_language(cards: Sequence[Any]) -> list[tuple[str, str, list[Any]]]:
    out: dict[str, tuple[str, str, list[Any]]] = {}
    for card in cards:
        out.setdefault(card.lang, (card.lang, card.language or "language not given", []))[2].append(card)
    return list(out.values())


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
        "width": str(_shown_width(picture.light)),
        "light": base64.b64encode(picture.light).decode("ascii"),
        "dark": base64.b64encode(picture.dark).decode("ascii"),
    }


def _shown_width(image: bytes) -> int:
    """The width in CSS pixels of a figure that is drawn at 1.5 times screen resolution (from the PNG's header)."""
    return int.from_bytes(image[16:20], "big") * 2 // 3


def _render(context: Mapping[str, Any]) -> str:
    require("jinja2", "report", "The report")
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["score"] = _score
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(style=style, **context)


def _score(value: Any) -> str:
    """A score for the eye; `n/a` for a component that does not apply."""
    if value is None:
        return "n/a"
    return f"{value:.2f}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _write(out: Path, page: str, pictures: Sequence[Picture]) -> Path:
    try:
        (out / "figures").mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            _replace(out / "figures" / f"{picture.name}.png", picture.light)
        # A lone surrogate in a completion has no UTF-8 form: shown as "?", where the records keep it.
        _replace(out / PAGE, page.encode("utf-8", "replace"))
    except OSError as error:
        raise RunError(f"{out}: the report cannot be written: {error.strerror or error}") from error
    return out / PAGE


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_bytes(content)
    beside.replace(path)
