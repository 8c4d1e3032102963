"""An audit's result as one self-contained HTML page: no script, nothing loaded, everything that was said escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from rlvr.audit.findings import CONTRACT, KINDS, MISSED, TITLES, AuditResult, Finding, clip, rule
from rlvr.errors import RunError

_MOST = 1_200
_CARDS = 40
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --bad: #c0392b; --good: #1e8449; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } h3 { font-size: 1rem; margin: 0; }
.tiles { display: flex; gap: 1rem; flex-wrap: wrap; }
.tile { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem 1rem; min-width: 9rem; }
.tile b { display: block; font-size: 1.6rem; } .bad b { color: var(--bad); } .good b { color: var(--good); }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .25rem .6rem; vertical-align: top;
  border-bottom: 1px solid var(--line); } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
details { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .8rem; margin: .6rem 0; }
summary { cursor: pointer; } pre { background: var(--soft); padding: .5rem .7rem; white-space: pre-wrap;
  overflow-wrap: anywhere; border-radius: .3rem; } .table { overflow-x: auto; } .quiet { opacity: .75; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def write_html(results: Sequence[AuditResult], path: Path) -> Path:
    """Write the page of one or several results. Raises `RunError` where the disk does not take it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(results), encoding="utf-8")
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error
    return path


def page(results: Sequence[AuditResult]) -> str:
    """The page as text."""
    title = "Audit of " + "; ".join(r.target for r in results)
    body = "".join(_section(r) for r in results)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_safe(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" '
        f'content="{_POLICY}"><style>{_STYLE}</style></head><body><h1>{_safe(title)}</h1>{body}</body></html>\n'
    )


def _section(result: AuditResult) -> str:
    parts = [
        f"<section><h2>{_safe(result.target)}</h2>",
        f'<p class="quiet">{result.completions:,} completions of {result.examples:,} examples; tool-call format '
        f"{_safe(result.parser)}</p>",
        '<div class="tiles">' + "".join(_tile(result, kind) for kind in KINDS) + "</div>",
        "<ul>" + "".join(f"<li>{_safe(line)}</li>" for line in rule(result.margin).splitlines()) + "</ul>",
        "".join(f"<p>{_safe(note)}</p>" for note in result.notes),
    ]
    parts += [_kind(result, kind) for kind in KINDS if result.of_kind(kind)]
    parts += [_families(result), _policies(result), "</section>"]
    return "".join(parts)


def _tile(result: AuditResult, kind: str) -> str:
    n = len(result.of_kind(kind))
    return f'<div class="tile {"bad" if n else "good"}"><b>{n:,}</b>{_safe(TITLES[kind])}</div>'


def _kind(result: AuditResult, kind: str) -> str:
    """The worst finding of each family, the worst family first; the first card stands open."""
    worst: dict[str, Finding] = {}
    counts: dict[str, int] = {}
    for finding in result.of_kind(kind):
        counts[finding.family] = counts.get(finding.family, 0) + 1
        if finding.family not in worst or finding.gap > worst[finding.family].gap:
            worst[finding.family] = finding
    ordered = sorted(worst.values(), key=lambda f: -f.gap)[:_CARDS]
    cards = "".join(_card(f, counts[f.family], first=i == 0) for i, f in enumerate(ordered))
    each = "clause" if kind == CONTRACT else "family"
    return f"<h2>{_safe(TITLES[kind].capitalize())}, the worst of each {each}</h2>{cards}"


def _card(f: Finding, count: int, first: bool) -> str:
    where = f"{f.example_id}, {f.lang or 'language not known'}; {f.what}"
    held = "Held against" if f.kind == MISSED else "The ground truth"
    counterpart = f"<p>{held}:</p><pre>{_shown(f.counterpart)}</pre>" if f.counterpart else ""
    return (
        f"<details{' open' if first else ''}><summary><b>{_safe(f.family)}</b> · {count:,} found · {_safe(f.message)}"
        f'</summary><p class="quiet">{_safe(where)}</p>'
        f"<p>{_shown(f.query)}</p><pre>{_shown(f.completion)}</pre>{counterpart}</details>"
    )


def _families(result: AuditResult) -> str:
    rows = [
        (f.family, f.about, "right" if f.right else "wrong", f"{f.tried:,}", f"{f.findings:,}") for f in result.families
    ]
    return "<h2>Families</h2>" + _table(("family", "what it tries", "made to be", "tried", "findings"), rows, numbers=2)


def _policies(result: AuditResult) -> str:
    rows = [
        (p.policy, p.about, f"{p.right:,} of {p.n:,}", f"{p.mean_reward:+.3f}", f"{p.mean_ground_truth:+.3f}")
        for p in result.policies
    ]
    head = ("policy", "what it does", "right", "mean reward", "ground truth")
    return "<h2>Degenerate policies</h2>" + _table(head, rows, numbers=3)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: int) -> str:
    words = len(head) - numbers

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(f"<{tag}{' class=n' if i >= words else ''}>{_safe(c)}</{tag}>" for i, c in enumerate(row))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="table"><table><tr>{cells("th", head)}</tr>{body}</table></div>'


def _shown(text: str) -> str:
    return _safe(clip(text, _MOST)) or "<i>(nothing)</i>"


def _safe(text: str) -> str:
    return escape(text.encode("utf-8", "backslashreplace").decode("utf-8"))
