"""Write docs/components.md: every component as its docstring, its parameters and its worked cases have it.

Run it after one of these changed: `python scripts/component_docs.py`. `--check` writes nothing, and exits with 1 where
the page is not what it would write; the tests do the same.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from rlvr.rewards.components import COMPONENTS, Component

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "components.md"
CASES = ROOT / "rewards" / "cases"
PARTS = {
    "Formula:": "Formula",
    "Range:": "Range",
    "Earns the most:": "Earns the most",
    "Part:": "Earns part",
    "Nothing (0):": "Earns nothing",
    "Nothing:": "Earns nothing",
    "Not checked:": "Not checked",
    "The exploit to try first is": "The exploit to try first is",
}
"""What a component's docstring holds, in this order, and how the page calls it."""
_HEAD = """\
# The components, one by one

Written by `scripts/component_docs.py` from each component's docstring, parameters and worked cases (`rewards/cases/`);
do not edit it here. What they have in common is in [rewards.md](rewards.md).
"""
_SHOWN = 110


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(f"\n{section(c)}" for c in COMPONENTS.values())


def section(component: Component) -> str:
    """One component: its docstring's parts, its parameters, its cases."""
    function = component.score
    first, parts = docstring_parts(inspect.getdoc(function) or "")
    lines = [f"## {component.name}", "", f"`{function.__module__}.{function.__name__}`: {first}", ""]
    lines += [f"- **{name}{'' if name.endswith('is') else ':'}** {text}" for name, text in parts]
    lines += ["", *_parameters(component.params_type), "", *_cases(component.name)]
    return "\n".join(lines) + "\n"


def docstring_parts(text: str) -> tuple[str, list[tuple[str, str]]]:
    """A component's docstring as its first sentence and its named parts, without the example.

    Raises `ValueError` where a part is missing, so that no component goes without.
    """
    prose = " ".join(text.split(">>>")[0].split())
    marks = sorted((prose.index(mark), mark) for mark in PARTS if mark in prose)
    named = []
    for (start, mark), end in zip(marks, [*(at for at, _ in marks[1:]), len(prose)], strict=True):
        named.append((PARTS[mark], prose[start + len(mark) : end].strip()))
    missing = set(PARTS.values()) - {name for name, _ in named}
    if missing:
        raise ValueError(f"a docstring lacks {', '.join(sorted(missing))}: {prose[:80]}")
    return prose[: marks[0][0]].strip(), named


def _parameters(params_type: type[Any]) -> list[str]:
    about = " ".join((params_type.__doc__ or "").split())
    known = fields(params_type)
    if not known:
        return [about]
    return [about, "", "| parameter | default |", "| --- | --- |", *(f"| `{f.name}` | {f.default} |" for f in known)]


def _cases(component: str) -> Iterator[str]:
    rows = [json.loads(line) for line in (CASES / f"{component}.jsonl").read_text(encoding="utf-8").splitlines()]
    yield f"{len(rows)} worked cases, by hand:"
    yield ""
    yield "| completion | wanted | kind | score | why |"
    yield "| --- | --- | --- | --- | --- |"
    for case in rows:
        score = "–" if case["score"] is None else f"{case['score']:.6g}".replace("-", "−")
        said = _code(_text(case["completion"]))
        yield f"| {said} | {_wanted(case)} | {case['kind']} | {score} | {_cell(case['why'])} |"


def _wanted(case: dict[str, Any]) -> str:
    extra = [f"{k}: {case[k]}" for k in ("truncated", "reasoning_opened", "params") if case.get(k)]
    if case["ground_truth"]:
        calls = (f"{c['name']}({_arguments(c.get('arguments', {}))})" for c in case["ground_truth"])
        wanted = _code("; ".join(calls))
    else:
        wanted = f"no call ({case.get('expects', 'any')}, {case['lang']})"
    return "; ".join([wanted, *map(_cell, extra)])


def _arguments(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in arguments.items())


def _text(completion: Any) -> str:
    return completion if isinstance(completion, str) else json.dumps(completion, ensure_ascii=False)


def _code(text: str) -> str:
    """A text as a code span in a cell: on one line, cut where it is long, with fences that it does not hold."""
    line = "".join(c if c.isprintable() else "⏎" if c == "\n" else f"\\u{ord(c):04x}" for c in text)
    if not line.strip():
        return "(nothing)"
    cut = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
    fence = "`" * (1 + max((len(m) for m in re.findall("`+", cut)), default=0))
    pad = " " if cut.startswith("`") or cut.endswith("`") else ""
    return f"{fence}{pad}{cut.replace('|', chr(92) + '|')}{pad}{fence}"


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def main(argv: list[str]) -> int:
    text = page()
    if "--check" in argv:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
        if not same:
            print(f"{PAGE.name} is not up to date: python scripts/component_docs.py", file=sys.stderr)
        return 0 if same else 1
    PAGE.write_text(text, encoding="utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
