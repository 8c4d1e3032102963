"""Quantities and formulas: what is written without spaces looks like an identifier, and is the same with them."""

from __future__ import annotations

import re

_UNIT = r"[^\W\d_]{1,12}(?:/[^\W\d_]{1,12})?"
_QUANTITY = re.compile(rf"([-+]?\d+(?:[.,:]\d+)*) ?([AaPp]\.?[Mm]\.?|{_UNIT}|%|‰|°[CF]?)")
_HALF_OF_DAY = frozenset({"am", "pm"})
_SPACED = re.compile(r" ?([-+*/^=]+) ?")
_FORMULA = re.compile(r"(?=[^*^+=]*[\w)](?:\*\*?|[\^+=])[\w(.-])[\w.,()+\-*/^=]+")
_IMPLIED = re.compile(r"(?<=[\d)])\*(?=[^\W\d_]|\()")
_MAX_FORMULA = 200


def compact(text: str) -> str | None:
    """A number with its unit, or a formula, as it is written without spaces; `None` for other text.

    Case stays (`5M` is no `5m`) but in am and pm; `**` is `^`, and `2*x` is `2x`.

    >>> compact("5 km"), compact("10:30 AM"), compact("5 p.m."), compact("-1.5 °C"), compact("60 km/h")
    ('5km', '10:30am', '5pm', '-1.5°C', '60km/h')
    >>> compact("3 * x**2 + 1"), compact("1 5km"), compact("B52"), compact("2024-05-01")
    ('3x^2+1', None, None, None)
    """
    found = _QUANTITY.fullmatch(text)
    if found is not None:
        half = found[2].lower().replace(".", "")
        return found[1] + (half if half in _HALF_OF_DAY else found[2])
    if len(text) > _MAX_FORMULA or not ("*" in text or "^" in text or "+" in text or "=" in text):
        return None
    together = _SPACED.sub(r"\1", text)
    return _IMPLIED.sub("", together.replace("**", "^")) if _FORMULA.fullmatch(together) else None
