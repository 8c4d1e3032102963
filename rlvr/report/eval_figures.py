"""Pictures of an evaluation beside `figures`: the trade-off, the calibration of refusals, the anatomy of errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from rlvr.evaluation.anatomy import FAULTS, AnatomyRow
from rlvr.evaluation.metrics import ALL, CALLING, NO_CALL, Row, find
from rlvr.evaluation.refusals import RefusalRow
from rlvr.evaluation.statistics import Figure
from rlvr.evaluation.tables import number, share
from rlvr.report.figures import Picture
from rlvr.report.plotting import DARK, LIGHT, MARKERS, Theme, around, legend, new_figure, png, safe_labels, title
from rlvr.types import CATEGORIES

MODELS_A_PICTURE = 4
"""Anatomies side by side: more would leave no room for their words."""
_SIDES = ((True, "Where a call is wanted"), (False, "Where no call is wanted"))


def tradeoff_picture(rows: Sequence[Row]) -> Picture | None:
    """Strict accuracy against completion tokens, each model a point with both intervals, joined in their order.

    Both axes of a panel are over the same examples, but that accuracy, whose n is shown, leaves out what nobody here
    can judge. Better is up and to the left.
    """
    models = list(dict.fromkeys(r.model for r in rows))
    slices = ((ALL, "All examples"), (CALLING, "Examples that want a call"))
    panels = [(c, name) for c, name in slices if any(find(rows, m, c) for m in models)]
    if len(panels) == 2 and all(_same(find(rows, m, ALL), find(rows, m, CALLING)) for m in models):
        panels = panels[:1]
    if not panels:
        return None

    def draw(theme: Theme) -> bytes:
        figure, axes = new_figure(theme, 5.6 * max(1, len(panels)), 4.2, 1, len(panels))
        for axis, (category, name) in zip(axes, panels, strict=True):
            found = [(m, r) for m in models if (r := find(rows, m, category))]
            places = [(r.figures["completion_tokens"], r.figures["strict_accuracy"]) for _, r in found]
            _points(axis, [m for m, _ in found], models, [(x, _percent(y)) for x, y in places], theme, joined=True)
            n = _span(r.figures["strict_accuracy"].n for _, r in found)
            title(axis, name, theme, f"strict accuracy in percent, 95% intervals; n {n}")
            axis.set_xlabel("completion tokens, mean (fewer is cheaper)", fontsize=8, color=theme.faint)
        return png(figure)

    said = "; ".join(
        f"{m} {share(r.figures['strict_accuracy'])}% at {number(r.figures['completion_tokens'])} tokens"
        for m in models
        if (r := find(rows, m, panels[0][0]))
    )
    return _picture(
        "trade-off",
        "The trade-off: accuracy against the length of completions, every checkpoint a point, joined in order. "
        "Up and to the left is better.",
        f"Strict accuracy against mean completion tokens. {panels[0][1]}: {said}.",
        draw,
    )


def category_picture(rows: Sequence[Row]) -> Picture | None:
    """Strict accuracy by category, a line each: for suites whose categories are more than those that lines show."""
    models = list(dict.fromkeys(r.model for r in rows))
    names = [c for c in dict.fromkeys(r.category for r in rows) if c not in (ALL, CALLING, NO_CALL)]
    if set(names) <= set(CATEGORIES):
        return None
    found = [(name, [_accuracy(find(rows, model, name)) for model in models]) for name in names]

    def draw(theme: Theme) -> bytes:
        figure, axes = new_figure(theme, 8.0, 1.3 + len(names) * (0.16 + 0.1 * len(models)), 1, 1)
        _dots(axes[0], found, theme)
        for j, label in enumerate(safe_labels(models)):
            axes[0].plot([], [], linestyle="none", label=label, **_marker(theme, j, 5.5))
        legend(axes[0], theme, below=0.4 / (0.5 + 0.3 * len(names)))
        title(axes[0], "Strict accuracy by category", theme, "percent, 95% interval (Wilson); n in brackets")
        return png(figure)

    said = "; ".join(
        f"{name.replace('_', ' ')}: " + ", ".join(f"{m} {share(f)}%" for m, f in zip(models, figures, strict=True) if f)
        for name, figures in found
    )
    return _picture("categories", "Strict accuracy by category, every category of the suite.", said, draw)


def refusal_picture(rows: Sequence[RefusalRow]) -> Picture | None:
    """How often nothing is called where none fits against where one fits; then by language and kind of negative."""
    overall = [r for r in rows if r.by == ALL]
    models = [r.model for r in overall]
    both = [r for r in overall if r.none_fits.n and r.one_fits.n]
    if not both:
        return None
    slices = list(dict.fromkeys((r.by, r.name) for r in rows if r.by != ALL and r.none_fits.n))

    def draw(theme: Theme) -> bytes:
        columns = 2 if slices else 1
        figure, axes = new_figure(theme, 5.6 * columns, max(4.4, 2.0 + 0.11 * len(slices) * len(models)), 1, columns)
        axes[0].plot([0, 100], [0, 100], color=theme.faint, linewidth=1, linestyle=(0, (4, 4)))
        places = [(_percent(r.one_fits), _percent(r.none_fits)) for r in both]
        _points(axes[0], [r.model for r in both], models, places, theme, joined=False)
        axes[0].set_xlim(-3, 103)
        axes[0].set_ylim(-3, 103)
        counts = f"n {_span(r.one_fits.n for r in both)} across, {_span(r.none_fits.n for r in both)} up"
        title(axes[0], "Called nothing where none fits", theme, f"percent, 95% intervals (Wilson); {counts}")
        axes[0].set_xlabel("called nothing where one fits, percent", fontsize=8, color=theme.faint)
        if slices:
            _by_slice(axes[1], rows, slices, models, theme)
        return png(figure)

    said = "; ".join(f"{r.model} {share(r.none_fits)}% against {share(r.one_fits)}%" for r in both)
    more = " Right: the same share by language and by kind of negative." if slices else ""
    return _picture(
        "refusals",
        "Calibration of refusals. Top left is right: silent where nothing fits, calling where something does. On the "
        f"dashed line a model refuses without regard to the tools.{more}",
        f"Share that called nothing where no tool fits, against where one fits: {said}.",
        draw,
    )


def anatomy_pictures(rows: Sequence[AnatomyRow], models: Sequence[str]) -> list[Picture]:
    """What is wrong, a panel a model: the share of completions by their first fault, with its interval."""
    if not rows:
        return []
    groups = [models[i : i + MODELS_A_PICTURE] for i in range(0, len(models), MODELS_A_PICTURE)]
    return [_anatomy(rows, g, f"anatomy-{i}" if len(groups) > 1 else "anatomy") for i, g in enumerate(groups, 1)]


def _anatomy(rows: Sequence[AnatomyRow], models: Sequence[str], name: str) -> Picture:
    sides = []
    for wants_call, heading in _SIDES:
        seen = {r.fault for r in rows if r.wants_call is wants_call and r.first.value}
        if seen:
            sides.append((wants_call, heading, [f for f in FAULTS if f in seen]))
    found = {(r.model, r.wants_call, r.fault): r.first for r in rows}
    most = 100 * max((f.high or 0.0) for f in found.values())

    def draw(theme: Theme) -> bytes:
        heights = [len(names) + 0.2 for _, _, names in sides]
        size = 1.2 + 2.5 * len(models), 0.9 * len(sides) + 0.26 * sum(heights)
        figure, axes = new_figure(theme, *size, len(heights), len(models), heights)
        for i, (wants_call, heading, names) in enumerate(sides):
            for j, (model, label) in enumerate(zip(models, safe_labels(models), strict=True)):
                bars = [found.get((model, wants_call, fault)) for fault in names]
                axis = axes[i * len(models) + j]
                _bars(axis, bars, theme.series[0 if wants_call else 1], theme)
                axis.set_xlim(0, 1.34 * most)
                axis.set_xticks([t for t in (0, 20, 40, 60, 80, 100) if t <= 1.1 * most])
                axis.set_yticks(
                    range(len(names)), [f.replace("_", " ") for f in names] if j == 0 else [""] * len(names)
                )
                axis.tick_params(axis="y", labelcolor=theme.ink)
                n = max((b.n for b in bars if b), default=0)
                title(
                    axis, label, theme, (f"{heading.lower()}, " if j == 0 else "") + (f"n {n}" if n else "none wrong")
                )
        return png(figure)

    return _picture(
        name,
        "Error anatomy: percent of the completions by their first fault, with 95% intervals (Wilson) and counts. The "
        "bars of a panel and its right completions add up to 100.",
        "Error anatomy. " + " ".join(_said(rows, m) for m in models),
        draw,
    )


def _bars(axis: Any, figures: Sequence[Figure | None], colour: str, theme: Theme) -> None:
    axis.grid(False, axis="y")
    axis.grid(True, axis="x", color=theme.grid, linewidth=0.8)
    for i, figure in enumerate(figures):
        if figure is None or figure.value is None:
            continue
        low, high = around(figure, figure.value)
        value = 100 * figure.value
        axis.barh(i, value, height=0.66, color=colour)
        axis.plot([100 * low, 100 * high], [i, i], color=theme.ink, linewidth=1)
        text = f" {value:.1f} ({round(figure.value * figure.n)})"
        axis.annotate(text, (100 * max(high, figure.value), i), va="center", fontsize=7.5, color=theme.faint)
    axis.set_ylim(len(figures) - 0.4, -0.6)


def _by_slice(
    axis: Any, rows: Sequence[RefusalRow], slices: Sequence[tuple[str, str]], models: Sequence[str], theme: Theme
) -> None:
    """One line a language or kind of negative, a dot a model."""
    known = {(r.model, r.by, r.name): r.none_fits for r in rows}
    found = [(name, [known.get((model, by, name)) for model in models]) for by, name in slices]
    _dots(axis, found, theme)
    title(axis, "By language and kind of negative", theme, "called nothing where none fits, percent (n)")


def _dots(axis: Any, slices: Sequence[tuple[str, Sequence[Figure | None]]], theme: Theme) -> None:
    """One line a slice with its n, a dot with its interval a model, in percent."""
    for i, (_, figures) in enumerate(slices):
        for j, figure in enumerate(figures):
            if figure is not None and figure.value is not None:
                low, high = around(figure, figure.value)
                y = i + (j - (len(figures) - 1) / 2) * 0.7 / len(figures)
                axis.plot([100 * low, 100 * high], [y, y], color=_colour(theme, j), linewidth=1.2)
                axis.plot([100 * figure.value], [y], linestyle="none", **_marker(theme, j, 5.5))
    labels = [f"{name.replace('_', ' ')} ({_span(f.n for f in figures if f)})" for name, figures in slices]
    axis.set_yticks(range(len(slices)), safe_labels(labels, 34), color=theme.ink)
    axis.set_ylim(len(slices) - 0.5, -0.5)
    axis.set_xlim(-3, 103)
    axis.grid(True, axis="x", color=theme.grid, linewidth=0.8)
    axis.grid(False, axis="y")


def _points(
    axis: Any,
    names: Sequence[str],
    models: Sequence[str],
    places: Sequence[tuple[Figure, Figure]],
    theme: Theme,
    *,
    joined: bool,
) -> None:
    known = [(n, x, y) for n, (x, y) in zip(names, places, strict=True) if x.value is not None and y.value is not None]
    if joined:
        for (_, x, y), (_, to_x, to_y) in pairwise(known):
            arrow = {"arrowstyle": "-|>", "color": theme.faint, "linewidth": 1, "shrinkA": 7, "shrinkB": 7}
            axis.annotate("", (to_x.value, to_y.value), (x.value, y.value), arrowprops=arrow)
    labels = dict(zip(models, safe_labels(models), strict=True))
    for name, x, y in known:
        i = list(models).index(name)
        assert x.value is not None
        assert y.value is not None
        (left, right), (low, high) = around(x, x.value), around(y, y.value)
        spans = {"xerr": [[x.value - left], [right - x.value]], "yerr": [[y.value - low], [high - y.value]]}
        colour = _colour(theme, i)
        axis.errorbar([x.value], [y.value], **spans, fmt="none", ecolor=colour, elinewidth=1.1, capsize=2.5)
        axis.plot([x.value], [y.value], linestyle="none", label=labels[name], **_marker(theme, i, 8))
    axis.grid(True, axis="x", color=theme.grid, linewidth=0.8)
    legend(axis, theme, below=0.15)


def _colour(theme: Theme, i: int) -> str:
    return theme.series[i % len(theme.series)]


def _marker(theme: Theme, i: int, size: float) -> dict[str, Any]:
    """Shape and colour tell models apart; those beyond the colours are hollow."""
    hollow = (i // len(theme.series)) % 2 == 1
    colour = _colour(theme, i)
    face = theme.ground if hollow else colour
    shape = MARKERS[i % len(MARKERS)]
    return {"marker": shape, "markersize": size, "color": colour, "markerfacecolor": face, "markeredgecolor": colour}


def _percent(figure: Figure) -> Figure:
    value, low, high = (None if v is None else 100 * v for v in (figure.value, figure.low, figure.high))
    return replace(figure, value=value, low=low, high=high)


def _accuracy(row: Row | None) -> Figure | None:
    return None if row is None else row.figures["strict_accuracy"]


def _same(one: Row | None, other: Row | None) -> bool:
    return one is None or (other is not None and one.n == other.n)


def _span(counts: Any) -> str:
    found = sorted(set(counts))
    return "0" if not found else str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"


def _said(rows: Sequence[AnatomyRow], model: str) -> str:
    parts = []
    for wants_call, heading in _SIDES:
        mine = [r for r in rows if r.model == model and r.wants_call is wants_call and r.first.value]
        if mine:
            named = ", ".join(f"{r.fault.replace('_', ' ')} {share(r.first)}%" for r in mine)
            parts.append(f"{heading.lower()} (n {mine[0].first.n}): {named}")
    return f"{model}: {'; '.join(parts) or 'nothing is wrong'}."


def _picture(name: str, caption: str, alt: str, draw: Callable[[Theme], bytes]) -> Picture:
    return Picture(name, caption, alt, draw(LIGHT), draw(DARK))
