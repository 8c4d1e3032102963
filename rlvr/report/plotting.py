"""The few things that all figures share: colours, axes and PNG bytes. matplotlib is imported when a figure is drawn.

Figures are drawn on a canvas of their own, never through pyplot: no global state, no window, no leak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from rlvr.evaluation.statistics import Figure as Estimate
from rlvr.extras import require

# Told apart also by people who do not see red or green, and of like weight on both grounds.
_LIGHT_SERIES = ("#2f5fd0", "#d9730d", "#0f8a6d", "#b03a8c", "#6b5b95", "#7a6a1f", "#4a4a4a")
_DARK_SERIES = ("#7fa6ff", "#ffab5e", "#4fd1ae", "#f08ccb", "#b9a7ea", "#d9c760", "#c8c8c8")


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a figure; one for light pages and one for dark."""

    name: str
    ground: str
    ink: str
    faint: str
    grid: str
    series: tuple[str, ...]


LIGHT = Theme("light", "#ffffff", "#1c2230", "#5b6474", "#e4e7ee", _LIGHT_SERIES)
DARK = Theme("dark", "#171b24", "#e8ebf2", "#a3acbd", "#2c3342", _DARK_SERIES)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
PALETTE = 256


def new_figure(
    theme: Theme, width: float, height: float, rows: int, columns: int, heights: Sequence[float] | None = None
) -> tuple[Any, list[Any]]:
    """A figure with `rows × columns` axes, styled; the axes come as a flat list. `heights` are the rows', as ratios."""
    require("matplotlib", "report", "The report")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=144, facecolor=theme.ground, layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False, height_ratios=heights).flat)
    for axis in axes:
        _style(axis, theme)
    return figure, axes


def _style(axis: Any, theme: Theme) -> None:
    axis.set_facecolor(theme.ground)
    axis.tick_params(colors=theme.faint, labelsize=8, length=0)
    axis.grid(True, axis="y", color=theme.grid, linewidth=0.8)
    axis.set_axisbelow(True)
    for side, spine in axis.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(theme.grid)


def title(axis: Any, text: str, theme: Theme, note: str = "") -> None:
    axis.set_title(text, loc="left", fontsize=10, fontweight="bold", color=theme.ink, pad=18 if note else 8)
    if note:
        axis.text(0, 1.03, note, transform=axis.transAxes, fontsize=7.5, color=theme.faint, va="bottom")


def legend(axis: Any, theme: Theme, below: float) -> None:
    """Below the axis, where it hides no point; the layout engine makes room for it. None where nothing was drawn."""
    if not axis.get_legend_handles_labels()[0]:
        return
    axis.legend(
        frameon=False,
        fontsize=8,
        labelcolor=theme.ink,
        ncols=4,
        loc="upper left",
        bbox_to_anchor=(0, -below),
        handlelength=1.6,
        borderaxespad=0.4,
    )


def safe_labels(labels: Sequence[str], longest: int = 22) -> list[str]:
    """Labels that the built-in font can draw: English letters; another label becomes `model N`.

    `$` would open a formula. A long label keeps its end, which tells checkpoints apart.
    """
    out = []
    for number, label in enumerate(labels, 1):
        text = label if label.isascii() and label.isprintable() else f"model {number}"
        text = text if len(text) <= longest else "…" + text[1 - longest :]
        out.append(text.replace("$", r"\$"))
    return out


def smooth(values: Sequence[float], window: int) -> list[float]:
    """The mean over a centred window, shorter at the ends: the same length as `values`."""
    half = window // 2
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    out = []
    for i in range(len(values)):
        low, high = max(0, i - half), min(len(values), i + half + 1)
        out.append((sums[high] - sums[low]) / (high - low))
    return out


def around(figure: Estimate, value: float) -> tuple[float, float]:
    """The interval as matplotlib wants it: around the value, which a bootstrap of a few may leave outside."""
    low = value if figure.low is None else min(value, figure.low)
    high = value if figure.high is None else max(value, figure.high)
    return low, high


def png(figure: Any) -> bytes:
    """A figure as PNG bytes with a palette: a third of the size, and no difference that one sees."""
    import numpy as np
    from PIL import Image

    figure.canvas.draw()
    drawn = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    buffer = BytesIO()
    drawn.quantize(PALETTE, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True)
    return buffer.getvalue()
