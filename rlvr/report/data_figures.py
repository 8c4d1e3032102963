"""Figures of a data card: rows by source, kind and language; how many tools and calls; how long the prompts are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlvr.data.card_tables import totals
from rlvr.report.plotting import LIGHT, Theme, new_figure, png, safe_labels, title

_MOST_BARS = 14
_COMPOSITION = (("source", "source"), ("kind", "kind"), ("lang", "language"))


def draw_figures(counts: Mapping[str, Any], folder: Path) -> list[tuple[str, str]]:
    """Draw the figures as PNG into `folder`; return (file name, caption) of each. The same counts give the same bytes.

    Raises `MissingExtraError` where matplotlib is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    out = []
    for name, caption, image in pictures(counts, LIGHT):
        (folder / name).write_bytes(image)
        out.append((name, caption))
    return out


def pictures(counts: Mapping[str, Any], theme: Theme) -> list[tuple[str, str, bytes]]:
    """(file name, caption, PNG) of each figure."""
    unit = str(counts["length_unit"])
    return [
        ("composition.png", "Rows by source, by kind and by language", _composition(counts, theme)),
        ("shape.png", f"Tools offered, calls wanted, and {unit} of a prompt", _shape(counts, unit, theme)),
    ]


def _composition(counts: Mapping[str, Any], theme: Theme) -> bytes:
    most = max(len(_bars(counts, by)) for by, _ in _COMPOSITION)
    figure, axes = new_figure(theme, 10.5, 1.2 + 0.3 * most, 1, 3)
    for axis, by, name, color in zip(
        axes, ("source", "kind", "lang"), ("source", "kind", "language"), theme.series, strict=False
    ):
        bars = _bars(counts, by)
        axis.barh(range(len(bars)), [n for _, n in bars], color=color, height=0.68)
        axis.set_yticks(range(len(bars)), safe_labels([label for label, _ in bars]))
        axis.set_ylim(most - 0.4, -0.6)  # bars of one thickness in all three
        axis.grid(False, axis="y")
        axis.grid(True, axis="x", color=theme.grid, linewidth=0.8)
        axis.margins(x=0.18)
        for i, (_, n) in enumerate(bars):
            axis.annotate(f" {n:,}", (n, i), va="center", fontsize=7.5, color=theme.faint)
        title(axis, f"Rows by {name}", theme)
    return png(figure)


def _bars(counts: Mapping[str, Any], by: str) -> list[tuple[str, int]]:
    rows = [(name, n) for name, n, _ in totals(counts, by)]
    rest = rows[_MOST_BARS - 1 :]
    if len(rest) > 1:
        rows = [*rows[: _MOST_BARS - 1], (f"{len(rest)} others", sum(n for _, n in rest))]
    return rows


def _shape(counts: Mapping[str, Any], unit: str, theme: Theme) -> bytes:
    figure, axes = new_figure(theme, 10.5, 2.9, 1, 3)
    panels = (
        ("Tools offered", _steps(counts["tools"], 16)),
        ("Calls wanted", _steps(counts["calls"], 8)),
        (f"{unit.capitalize()} of a prompt", [(_power(bits), n) for bits, n in counts["spread"]]),
    )
    for axis, (name, bars), color in zip(axes, panels, theme.series, strict=False):
        axis.bar(range(len(bars)), [n for _, n in bars], color=color, width=0.78)
        axis.set_xticks(range(len(bars)), [label for label, _ in bars], rotation=45 if len(bars) > 9 else 0)
        title(axis, name, theme, "rows")
    return png(figure)


def _steps(histogram: Sequence[Sequence[int]], most: int) -> list[tuple[str, int]]:
    """Each value by itself up to `most`, what is beyond together."""
    bars = [(str(value), n) for value, n in histogram if value < most]
    beyond = sum(n for value, n in histogram if value >= most)
    return [*bars, (f"{most}+", beyond)] if beyond else bars


def _power(bits: int) -> str:
    """The upper bound of the lengths of so many bits: a length of 300 has 9 bits and is below 512."""
    bound = 1 << bits
    return f"<{bound}" if bound < 1_024 else f"<{bound >> 10}k"
