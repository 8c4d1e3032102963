"""Signs that typed matching keeps where the benchmark's normal form drops them.

They stand at a word's end, between operands, and in what is compared as written wherever it stands: addresses, paths,
names with an underscore.

Kept signs become characters of private use: nobody writes those, and no normal form changes them.
"""

from __future__ import annotations

import re

_MINUS, _STAR, _POWER, _SLASH, _CAPITAL = "\ue000", "\ue001", "\ue002", "\ue003", "\ue00f"
_WRITTEN_SIGNS = {sign: chr(0xE010 + i) for i, sign in enumerate(",./-_*^")}
_WRITTEN = re.compile("[\ue00f-\ue016]")
_KEPT = re.compile("[\ue000-\ue016]")
_HAS_SIGN = re.compile(r"[-*^/_@\\]")

# At a word's end, behind and before what may stand beside a word; a number's own sign is seen to elsewhere.
_EDGE = re.compile(
    r"""((?<![^\s,;:=("'\[])-+(?=[^\W\d])|(?<=\w)-+(?![^\s,;)"'\]]))|((?<!\S)\*(?=[\w.])|(?<=\w)\*(?![^\s,;)]))"""
)
# Between operands, spaced alike on both sides: each `*` and `^`, and `/` behind a figure or a bracket (not in `km/h`).
_OPERATOR = re.compile(r"(?<=[\w)])( ?)(\*\*?|\^)\1(?=[\w(])|(?<=[\d)])( ?)(/)\3(?=[^\W\d_]|\()")
_OPERATORS = {"*": _STAR, "^": _POWER, "**": _POWER, "/": _SLASH}
# `2*x` is `2x`, and `(a)*(b)` is `(a)(b)`.
_IMPLIED = re.compile(rf"(?<=[\d)]){_STAR}(?=[^\W\d_]|\()")
# A word among others with `@`, `://`, a backslash or an underscore inside, or a slash before it; without what ends a
# sentence.
_NAME = re.compile(
    r"""(?<![^\s,;(\["'<])(?=[^\s,;"'<>]{0,300}?(?:@|://|\\|[^\W\d_]_[^\W_]|\d_[^\W\d_]))[^\s,;"'<>]{1,2000}(?<![.:!?)\]])"""
    r"""|(?<![^\s,;(\["'<])~?/[^\s,;"'<>/][^\s,;"'<>]{0,2000}(?<![.:!?)\]])"""
)


def kept_signs(text: str) -> str:
    """A text in which the signs that stay are characters that no normal form drops.

    >>> kept_signs("-price") == kept_signs("price"), kept_signs("a * b") == kept_signs("a*b")
    (False, True)
    """
    if _HAS_SIGN.search(text) is None:
        return text
    if "_" in text or "@" in text or "/" in text or "\\" in text:
        text = _NAME.sub(_as_written, text)
    if "*" in text or "^" in text or "/" in text:
        text = _IMPLIED.sub("", _OPERATOR.sub(lambda found: _OPERATORS[found[2] or found[4]], text))
    if "-" in text or "*" in text:
        text = _EDGE.sub(lambda run: _MINUS * len(run[1]) if run[1] else _STAR * len(run[2]), text)
    return text


def _as_written(found: re.Match[str]) -> str:
    name = found[0]
    if name != name.lower():
        name = "".join(_CAPITAL + c if c != c.lower() else c for c in name)
    return "".join(_WRITTEN_SIGNS.get(c, c) for c in name)


def without_signs(form: str) -> str:
    """A typed form without the signs that the benchmark drops.

    >>> without_signs(kept_signs("-price"))
    'price'
    """
    return _KEPT.sub("", form)


def without_names(form: str) -> str:
    """A typed form in which nothing is compared as written.

    >>> without_names(kept_signs("by_price")) == without_names(kept_signs("by price").replace(" ", ""))
    True
    """
    return form if form.isascii() else _WRITTEN.sub("", form)


def holds_written(form: str) -> bool:
    """Whether part of a typed form is compared as it is written."""
    return _WRITTEN.search(form) is not None
