"""One frame of `rlvr watch`: where a run is, from the files in its folder, as lines of text.

A frame is a pure function of a `Run` and the time. Whatever a model said is shown without control characters, so that
no completion can write to the terminal.
"""

from __future__ import annotations

import itertools
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rlvr.evaluation.progress import duration
from rlvr.evaluation.statistics import wilson
from rlvr.report.runs import Run
from rlvr.types import CATEGORIES

BLOCKS = "▁▂▃▄▅▆▇█"
RECENT = 20
"""How many of the last steps tell the pace."""
_BOLD, _FAINT, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `left_seconds` is `None` where nothing tells; `state` is running, finished or stopped."""

    step: int
    steps: int | None
    pace_seconds: float | None
    left_seconds: float | None
    state: str


def progress(run: Run, quiet_seconds: float | None) -> Progress:
    """Where a run is. It counts as stopped after a silence of ten steps, ten minutes at least."""
    steps = [row for row in run.metrics if "seconds" in row]
    step = int(run.metrics[-1]["step"]) if run.metrics else 0
    most = run.info.get("max_steps")
    total = int(most) if isinstance(most, (int, float)) and most > 0 else None
    pace = _pace(steps)
    if run.finished:
        return Progress(step, total, pace, 0.0, "finished")
    left = [] if pace is None or total is None else [pace * max(0, total - step)]
    budget = _budget_left(run, steps)
    if budget is not None:
        left.append(budget)
    patience = max(600.0, 10 * (pace or 0.0))
    stopped = quiet_seconds is not None and quiet_seconds > patience
    return Progress(step, total, pace, min(left, default=None), "stopped" if stopped else "running")


def _pace(steps: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds a step over the last ones. The clock of a resumed run begins anew, so only what grows counts."""
    seconds = moved = 0.0
    recent = steps[-RECENT - 1 :]
    for before, after in itertools.pairwise(recent):
        passed, done = after["seconds"] - before["seconds"], after["step"] - before["step"]
        if passed > 0 and done > 0:
            seconds, moved = seconds + passed, moved + done
    if moved:
        return seconds / moved
    return float(steps[0]["seconds"] / steps[0]["step"]) if len(steps) == 1 and steps[0]["step"] else None


def _budget_left(run: Run, steps: Sequence[Mapping[str, Any]]) -> float | None:
    """What is left of `max_minutes`, where the recipe has one."""
    import yaml

    try:
        recipe = yaml.safe_load(run.recipe)
    except yaml.YAMLError:
        return None
    minutes = recipe.get("max_minutes") if isinstance(recipe, dict) else None
    if not isinstance(minutes, (int, float)) or not steps:
        return None
    used = sum(
        now["seconds"] if now["seconds"] < before else now["seconds"] - before
        for before, now in zip([0.0, *(s["seconds"] for s in steps)], steps, strict=False)
    )
    return max(0.0, float(minutes * 60 - used))


def frame(run: Run, *, quiet_seconds: float | None = None, width: int = 100, colour: bool = False) -> str:
    """What `rlvr watch` shows of a run, without a newline at its end; no line is wider than `width` columns.

    `quiet_seconds` is how long ago the last metrics were written.
    """
    out: list[str] = []
    for text, style in _lines(run, quiet_seconds, width):
        line = clip(text, width)
        out.append(f"{style}{line}{_PLAIN}" if colour and style else line)
    return "\n".join(out)


Line = tuple[str, str]


def _lines(run: Run, quiet_seconds: float | None, width: int) -> Iterator[Line]:
    info, at = run.info, progress(run, quiet_seconds)
    about = [str(info[key]) for key in ("kind", "model", "precision", "rollout") if info.get(key) not in (None, "none")]
    yield f"{run.stage} · {at.state} · {' · '.join(about)}", _BOLD
    yield str(run.path), _FAINT
    yield _bar(at, quiet_seconds), ""
    if not run.metrics:
        yield "no step was logged yet", _FAINT
        return
    yield "", ""
    yield from _table(run, width)
    yield from _slices(run)
    yield from _looks(run)
    yield from _samples(run)


def _bar(at: Progress, quiet_seconds: float | None) -> str:
    parts = []
    if at.steps:
        share = min(1.0, at.step / at.steps)
        parts.append(f"{'█' * round(24 * share):░<24} step {at.step}/{at.steps}")
    else:
        parts.append(f"step {at.step}")
    if at.pace_seconds is not None:
        parts.append(f"{at.pace_seconds:.1f} s/step")
    if at.state == "running" and at.left_seconds is not None:
        end = datetime.fromtimestamp(time.time() + at.left_seconds, tz=UTC).astimezone()
        parts.append(f"{duration(at.left_seconds)} left, until {end:%H:%M}")
    if at.state != "finished" and quiet_seconds is not None:
        parts.append(f"last line {duration(quiet_seconds)} ago")
    return " · ".join(parts)


_HEALTH = (
    ("loss", "loss"), ("mean_token_accuracy", "token accuracy"), ("completions/mean_length", "tokens"),
    ("completions/clipped_ratio", "cut"), ("entropy", "entropy"), ("kl", "KL"), ("grad_norm", "gradient"),
    ("learning_rate", "learning rate"),
)  # fmt: skip


def _table(run: Run, width: int) -> Iterator[Line]:
    """The reward and its components: now, at first, spread, groups without variance; then the run's health."""
    room = max(10, min(40, width - 66))
    yield f"{'':<22}{'now':>9}{'first':>9}{'spread':>9}{'no variance':>13}", _FAINT
    rows = [("reward", "reward", "reward_std", "frac_reward_zero_std")]
    rows += [
        (f"  {name}", f"rewards/{name}/mean", f"rewards/{name}/std", f"rewards/{name}/zero_std")
        for name in run.components()
    ]
    for label, *keys in rows:
        _, values = run.series(keys[0])
        if values:
            spread, dead = _last(run, keys[1]), _last(run, keys[2])
            cells = f"{_number(values[-1])}{_number(values[0])}{_number(spread)}{_percent(dead):>13}"
            yield f"{label:<22}{cells}  {sparkline(values, room)}", ""
    for key, label in _HEALTH:
        _, values = run.series(key)
        if values:
            yield f"{label:<22}{_number(values[-1])}{_number(values[0])}{'':22}  {sparkline(values, room)}", ""


def _slices(run: Run) -> Iterator[Line]:
    """The reward by category and language, over the last steps that had any of it."""
    names = [k.removeprefix("groups/") for row in run.metrics for k in row if k.startswith("groups/")]
    found = dict.fromkeys(names)
    ordered = [n for n in CATEGORIES if n in found] + sorted(n for n in found if n not in CATEGORIES)
    if not ordered:
        return
    yield "", ""
    yield f"{'by category, language':<22}{'reward':>9}{'first':>9}{'spread':>9}{'no variance':>13}{'groups':>9}", _FAINT
    for name in ordered:
        _, values = run.series(f"reward/{name}/mean")
        if not values:
            continue
        spread, dead = _last(run, f"reward/{name}/std"), _last(run, f"reward/{name}/zero_std")
        cells = f"{_number(values[-1])}{_number(values[0])}{_number(spread)}{_percent(dead):>13}"
        yield f"  {name:<20}{cells}{int(_last(run, f'groups/{name}') or 0):>9}", ""


def _looks(run: Run) -> Iterator[Line]:
    looks = [row for row in run.metrics if isinstance(row.get("selection/strict"), (int, float))]
    if not looks:
        return
    selected = run.info.get("selected")
    best = selected.get("step") if isinstance(selected, Mapping) else None
    yield "", ""
    yield "held-out looks: strict score, 95% interval", _FAINT
    for row in looks[-6:]:
        value, n = row["selection/strict"], int(row.get("selection/n") or 0)
        figure = wilson(min(n, max(0, round(value * n))), n)
        bounds = (
            "" if figure.low is None or figure.high is None else f" [{100 * figure.low:.1f}, {100 * figure.high:.1f}]"
        )
        chosen = "  selected" if row["step"] == best else ""
        yield f"  step {row['step']:<6g} {100 * value:5.1f}%{bounds} (n {n}){chosen}", ""


def _samples(run: Run, count: int = 3) -> Iterator[Line]:
    if not run.samples:
        return
    last = [s for s in run.samples if s.get("step") == run.samples[-1].get("step")][:count]
    yield "", ""
    yield f"samples of step {last[0].get('step')}", _FAINT
    for row in last:
        scores = row.get("scores")
        named = scores.items() if isinstance(scores, Mapping) else ()
        shown = " · ".join(f"{k} {v:.2f}" for k, v in named if isinstance(v, (int, float)))
        total = row.get("total")
        earned = f"{total:+.2f}" if isinstance(total, (int, float)) else "–"
        yield f"  {earned} {row.get('outcome') or ''} · {shown}", ""
        yield f"    query  {plain(str(row.get('query') or ''))}", _FAINT
        yield f"    says   {plain(str(row.get('completion') or '(nothing)'))}", ""


def sparkline(values: Sequence[float], room: int) -> str:
    """A series as blocks, from its least to its greatest value, the mean of each stretch where it is longer.

    >>> sparkline([0, 1, 2, 3], 4), sparkline([5.0, 5.0], 4)
    ('▁▃▆█', '▁▁')
    """
    if len(values) > room:
        cuts = [len(values) * i // room for i in range(room + 1)]
        values = [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(cuts)]
    low, high = min(values), max(values)
    step = (high - low) / (len(BLOCKS) - 1)
    return "".join(BLOCKS[round((v - low) / step) if step else 0] for v in values)


def plain(text: str) -> str:
    """A text on one line, what would steer a terminal replaced.

    >>> plain("a\\x1b[31mb\\n c")
    'a?[31mb c'
    """
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def clip(text: str, width: int) -> str:
    """A text cut to so many columns of a terminal; East Asian characters take two.

    >>> clip("臺北天氣", 5), clip("abc", 3)
    ('臺北…', 'abc')
    """
    taken = 0
    for i, c in enumerate(text):
        taken += columns_of(c)
        if taken > width:
            while i and sum(map(columns_of, text[:i])) > width - 1:
                i -= 1
            return text[:i] + "…"
    return text


def columns_of(c: str) -> int:
    return 0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1


def _last(run: Run, key: str) -> float | None:
    values = run.series(key)[1]
    return values[-1] if values else None


def _number(value: float | None) -> str:
    if value is None:
        return f"{'–':>9}"
    return f"{value:>9.3f}" if value == 0 or 0.001 <= abs(value) < 10_000 else f"{value:>9.1e}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f}%"
