"""Calls that are written out among words: no parser reads them as calls, and they are no clean words either."""

from __future__ import annotations

import re
from collections.abc import Container

_LIKE_PYTHON = re.compile(r"(?<![\w.\-/])([\w.\-/]{1,200})\(\s{0,9}[A-Za-z_]\w{0,60}\s{0,9}=(?!=)")
_LIKE_JSON = re.compile(
    r"""["'](?:tool|tool_name|function|function_name|action|name)["']\s{0,9}:\s{0,9}["']([^"'\n]{1,200})["']\s{0,9},"""
    r"""\s{0,9}["']\w{1,40}["']\s{0,9}:\s{0,9}[{"']"""
)


def writes_call(text: str, tools: Container[str]) -> bool:
    """Whether a text writes a call of one of `tools`, with its arguments, as Python or JSON would.

    A tool that is only named, or shown with its parameters' names, is talked about. Linear in the text's length.

    >>> writes_call('Calling w(city="Hanoi").', {"w"}), writes_call("I only have w(city).", {"w"})
    (True, False)
    >>> writes_call('{"tool": "w", "args": {"city": "Hanoi"}}', {"w"})
    True
    """
    return ("(" in text and any(m[1] in tools for m in _LIKE_PYTHON.finditer(text))) or (
        ":" in text and any(m[1] in tools for m in _LIKE_JSON.finditer(text))
    )
