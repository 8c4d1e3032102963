"""Tables as plain text and Markdown: shares in percent with their 95% interval, tokens as numbers, `–` for undefined.

Rounding happens here, for the eye, and nowhere else; `summary.json` holds every figure unrounded.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from rlvr.evaluation.compare import Comparison
from rlvr.evaluation.metrics import ALL, CALLING, NO_CALL, Row, find
from rlvr.evaluation.statistics import Figure

NONE = "–"


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text; the first `left` columns are words and stand left, the others right."""

    title: str
    header: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    left: int = 1
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """For a terminal: columns aligned, CJK letters counted as two cells."""
        grid = [self.header, *self.body]
        widths = [max(_width(row[i]) for row in grid) for i in range(len(self.header))]
        lines = [self.title] if self.title else []
        for number, row in enumerate(grid):
            lines.append("  ".join(self._pad(cell, widths[i], i) for i, cell in enumerate(row)).rstrip())
            if number == 0:
                lines.append("  ".join("-" * w for w in widths))
        return "\n".join([*lines, *self.notes])

    def markdown(self) -> str:
        lines = [f"### {self.title}", ""] if self.title else []
        lines.append("| " + " | ".join(map(_markdown_cell, self.header)) + " |")
        marks = ("---" if i < self.left else "---:" for i in range(len(self.header)))
        lines.append("| " + " | ".join(marks) + " |")
        lines += ["| " + " | ".join(map(_markdown_cell, row)) + " |" for row in self.body]
        for note in self.notes:
            lines += ["", note]
        return "\n".join(lines)

    def _pad(self, cell: str, width: int, column: int) -> str:
        gap = " " * (width - _width(cell))
        return cell + gap if column < self.left else gap + cell


def headline_table(rows: Sequence[Row], seed: int) -> Table:
    """One line a model: what one looks at first."""
    body = []
    for model in dict.fromkeys(r.model for r in rows):
        every = find(rows, model, ALL)
        calling, silent = find(rows, model, CALLING), find(rows, model, NO_CALL)
        if every is None:
            continue
        body.append(
            (
                model,
                str(every.n),
                _of(calling, "strict_accuracy") + judged_of(calling),
                _of(silent, "abstained"),
                _of(silent, "false_calls"),
                share(every.figures["malformed"]),
                share(every.figures["truncated"]),
                number(every.figures["completion_tokens"]),
            )
        )
    header = ("model", "n", "strict accuracy", "abstained", "false calls", "malformed", "truncated", "tokens")
    calling_n, silent_n = _slice_n(rows, CALLING), _slice_n(rows, NO_CALL)
    notes = (
        f"Percent with 95% intervals; tokens a mean a completion. Strict accuracy over {calling_n} examples that want "
        f"a call, abstained and false calls over {silent_n} that want none, the rest over all. Bootstrap seed {seed}.",
    )
    return Table("By model", header, tuple(body), notes=notes)


def detail_table(rows: Sequence[Row], seed: int) -> Table:
    """One line a model, category and language, with every metric."""
    names = ("strict_accuracy", "abstained", "malformed", "truncated", "false_calls")
    body = []
    for row in _without_repeats(rows):
        cells = [share(row.figures[name]) for name in names]
        cells[0] += judged_of(row)
        tokens = number(row.figures["completion_tokens"])
        body.append((row.model, row.category, row.lang, str(row.n), *cells, tokens))
    header = ("model", "category", "lang", "n", *(n.replace("_", " ") for n in names), "tokens")
    notes = [f"Percent with 95% intervals (Wilson; tokens: bootstrap-t, seed {seed}). –: no such example."]
    official = [r for r in rows if r.category == NO_CALL and r.lang == ALL]
    if official:
        values = "; ".join(f"{r.model} {share(r.figures['no_valid_call'])}" for r in official)
        notes.append(
            "BFCL counts an undecodable call as a right abstention. By that count, examples that want no call and got "
            f"no well-formed one: {values}."
        )
    return Table("By category and language", header, tuple(body), left=3, notes=tuple(notes))


def judged_of(row: Row | None) -> str:
    """What stands behind an accuracy over fewer examples than its row: some answers no checker here can judge."""
    judged = None if row is None else row.figures["strict_accuracy"].n
    return "" if row is None or judged is None or judged >= row.n else f" (of {judged} judged)"


def comparison_table(comparisons: Sequence[Comparison], seed: int) -> Table:
    """One line a pair of models: differences on the same examples."""
    body = tuple(
        (
            f"{c.before} → {c.after}",
            str(c.n),
            points(c.calling_accuracy),
            points(c.accuracy) + (f" (of {c.accuracy.n} judged)" if c.accuracy.n < c.n else ""),
            points(c.false_calls),
            number(c.tokens, signed=True),
            share(c.changed),
        )
        for c in comparisons
    )
    header = ("models", "n", "calling accuracy", "accuracy, all", "false calls", "tokens", "changed")
    notes = [
        "Differences on the same examples: points of percent (Tango's paired interval), tokens a completion (paired "
        f"bootstrap-t, seed {seed}); “changed” is the share of completions that are not the same text."
    ]
    notes += [f"{c.before} → {c.after}: {c.unpaired} unpaired examples left out." for c in comparisons if c.unpaired]
    return Table("Paired comparison", header, body, notes=tuple(notes))


def share(figure: Figure) -> str:
    """A share in percent.

    >>> share(Figure(0.5, 0.25, 0.75, 12, "wilson"))
    '50.0 [25.0, 75.0]'
    """
    return _format(figure, 100.0, "{:.1f}")


def points(figure: Figure) -> str:
    """A difference of shares in points of percent, with its sign."""
    return _format(figure, 100.0, "{:+.1f}")


def number(figure: Figure, signed: bool = False) -> str:
    """A mean as it is."""
    return _format(figure, 1.0, "{:+.1f}" if signed else "{:.1f}")


def _format(figure: Figure, factor: float, form: str) -> str:
    if figure.value is None:
        return NONE
    value = _no_minus_zero(form.format(factor * figure.value))
    if figure.low is None or figure.high is None:
        return f"{value} [{NONE}]"
    low, high = (_no_minus_zero(form.format(factor * bound)) for bound in (figure.low, figure.high))
    return f"{value} [{low}, {high}]"


def _no_minus_zero(text: str) -> str:
    return text.replace("-", "+") if float(text) == 0 and text.startswith("-") else text


def _without_repeats(rows: Sequence[Row]) -> list[Row]:
    """The rows without a summary row that one narrower row repeats, as where one category alone wants no call.

    A summary holds every example of the narrower row, so an equal n, of examples that want no call too, means the very
    same examples. Categories are never left out, however equal their figures.
    """
    out: list[Row] = []
    for row in reversed(rows):
        if row.category not in (ALL, CALLING, NO_CALL) or not any(_same_examples(row, other) for other in out):
            out.append(row)
    return out[::-1]


def _same_examples(summary: Row, row: Row) -> bool:
    same_slice = (summary.model, summary.lang, summary.n) == (row.model, row.lang, row.n)
    return same_slice and summary.figures["false_calls"].n == row.figures["false_calls"].n


def _of(row: Row | None, name: str) -> str:
    return NONE if row is None else share(row.figures[name])


def _slice_n(rows: Sequence[Row], category: str) -> str:
    counts = sorted({r.n for r in rows if r.category == category and r.lang == ALL})
    return " to ".join(map(str, counts[:1] + counts[1:][-1:])) if counts else "0"


def _markdown_cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text if not unicodedata.combining(c))
