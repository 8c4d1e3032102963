"""The tables of a comparison: all columns over all examples, then accuracy and the other columns slice by slice."""

from __future__ import annotations

from collections.abc import Sequence

from rlvr.evaluation.contrast import COLUMNS, SHARES, TITLES, TOKENS, Cell, Contrast, Slice, tested
from rlvr.evaluation.metrics import ALL
from rlvr.evaluation.statistics import RESAMPLES, Figure
from rlvr.evaluation.tables import NONE, Table, number, points, share

_IN_SLICES = ("calling_accuracy", "abstained", "false_calls", "missed_calls", "malformed", "truncated", TOKENS)


def overview_table(found: Sequence[Contrast]) -> Table:
    """One line a comparison, for where there are several: the differences of all columns."""
    body = tuple(
        (f"{c.before} → {c.after}", str(c.top.n), *(_difference(c.top.cells[name], name) for name in COLUMNS))
        for c in found
    )
    header = ("models", "n", *(TITLES[name] for name in COLUMNS))
    notes = ("Differences on the same examples, after minus before: points of percent (tokens: a completion).",)
    return Table("All comparisons", header, body, notes=notes)


def column_table(found: Contrast, tests: int, seed: int) -> Table:
    """Every column over all examples: both levels, the difference, who shows it alone, and McNemar's p."""
    body = []
    for name in COLUMNS:
        cell = found.top.cells[name]
        alone = [NONE if v is None or not cell.n else str(v) for v in (cell.only_before, cell.only_after)]
        levels = [_level(figure, name) for figure in (cell.before, cell.after)]
        p = [p_value(v) for v in (cell.p, cell.p_holm)]
        body.append((TITLES[name], str(cell.n), *levels, _difference(cell, name), _bootstrap(cell, name), *alone, *p))
    header = (
        *("column", "n", found.before, found.after, "difference", "by bootstrap"),
        *(f"only {found.before}", f"only {found.after}", "p", "p (Holm)"),
    )
    notes = (
        f"{found.after} minus {found.before} on the same examples, with 95% intervals. Shares in percent (Wilson), "
        "their differences in points (Tango's paired score interval; beside it the paired bootstrap-t's), tokens a "
        f"mean (bootstrap-t), {RESAMPLES:,} resamples, seed {seed}. “Only”: examples that show it on that side alone. "
        "p: McNemar's exact test of those; "
        f"Holm: adjusted for the {tests} tests of this table{_and_others(found, tests)}. {_changed(found)}",
        "Intervals and p speak of other examples of this kind, not of another training run of the same recipe.",
        *found.pairing.notes,
    )
    return Table(f"{found.before} → {found.after}, all examples", header, tuple(body), notes=notes)


def accuracy_table(found: Contrast, tests: int) -> Table | None:
    """Accuracy by language and category, with what was won and lost; `None` where there is one slice alone."""
    if len(found.slices) < 2:
        return None
    body = []
    for part in found.slices:
        cell = part.cells["accuracy"]
        levels = [share(cell.before), share(cell.after)]
        p = [p_value(cell.p), NONE if part is found.top else p_value(cell.p_holm)]
        counts = (str(cell.only_after), str(cell.only_before))
        body.append((part.category, part.lang, str(cell.n), *levels, points(cell.difference), *counts, *p))
    header = ("category", "lang", "n", found.before, found.after, "difference", "won", "lost", "p", "p (Holm)")
    notes = (
        f"Accuracy, as above. Won: right in {found.after} alone; lost: in {found.before} alone. Where nothing differs, "
        f"up to about {0.05 * tests:.1f} of the {tests} tests of slices fall below 0.05 by chance; adjusted by Holm's "
        "rule, any of them does in at most 5% of such tables. The intervals are approximate and not adjusted: where "
        "one misses 0 and p is above 0.05, take it for undecided.",
    )
    return Table(
        f"{found.before} → {found.after}, accuracy by category and language", header, tuple(body), left=2, notes=notes
    )


def other_table(found: Contrast) -> Table | None:
    """The differences of the other columns by category and by language, without columns that nothing ever shows."""
    slices = [part for part in found.slices if ALL in (part.category, part.lang)]
    if len(slices) < 2:
        return None
    names = [name for name in _IN_SLICES if any(_shows(part.cells[name]) for part in slices)]
    body = tuple((part.category, part.lang, str(part.n), *(_with_n(part, name) for name in names)) for part in slices)
    shown = sum(part.cells[name].difference.low is not None for part in slices for name in names)
    absent = [TITLES[name] for name in _IN_SLICES if name not in names]
    notes = (
        f"Differences with 95% intervals; n stands behind where a column is over fewer examples than its row. {shown} "
        f"intervals: where nothing differs, about {0.05 * shown:.1f} of them miss 0 by chance. They are not adjusted.",
        *([f"Neither side ever shows: {', '.join(absent)}."] if absent else []),
    )
    header = ("category", "lang", "n", *(TITLES[name] for name in names))
    return Table(f"{found.before} → {found.after}, other columns by category and by language", header, body, 2, notes)


def tables(found: Sequence[Contrast], seed: int) -> list[Table]:
    """All tables of a comparison, in the order in which they are read."""
    out = [overview_table(found)] if len(found) > 1 else []
    whole, parts = families(found)
    for one in found:
        more = (column_table(one, whole, seed), accuracy_table(one, parts), other_table(one))
        out += [table for table in more if table is not None]
    return out


def families(found: Sequence[Contrast]) -> tuple[int, int]:
    """How many tests each family holds: columns over all examples, accuracy by slice."""
    whole = sum(cell.p is not None for one in found for cell in one.top.cells.values())
    return whole, sum(tested(part) for one in found for part in one.slices[1:])


def p_value(p: float | None) -> str:
    """A p-value for the eye.

    >>> p_value(0.0421), p_value(0.00004), p_value(None)
    ('0.042', '<0.001', '–')
    """
    if p is None:
        return NONE
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _level(figure: Figure, name: str) -> str:
    return number(figure) if name == TOKENS else share(figure)


def _difference(cell: Cell, name: str) -> str:
    return number(cell.difference, signed=True) if name == TOKENS else points(cell.difference)


def _bootstrap(cell: Cell, name: str) -> str:
    """The interval alone; `–` where the bootstrap has none."""
    figure = cell.difference if name == TOKENS else cell.bootstrap
    if figure is None or figure.low is None:
        return NONE
    text = number(figure, signed=True) if name == TOKENS else points(figure)
    return text.split(" ", 1)[1]


def _with_n(part: Slice, name: str) -> str:
    cell = part.cells[name]
    text = _difference(cell, name)
    return text if cell.n in (0, part.n) else f"{text} (n {cell.n})"


def _shows(cell: Cell) -> bool:
    return bool(cell.before.value or cell.after.value)


def _and_others(found: Contrast, tests: int) -> str:
    mine = sum(found.top.cells[c.name].p is not None for c in SHARES)
    return "" if mine == tests else f" and of the other comparisons ({mine} here)"


def _changed(found: Contrast) -> str:
    return f"Completions that are not the same text: {share(found.top.changed)}% of {found.top.n}."
