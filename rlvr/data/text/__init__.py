"""Text normalisation for Chinese and mixed text, in queries and arguments alike, so that they keep matching.

    normalise_text      one text: spaces between Chinese and Latin, punctuation by context, Simplified to Traditional
    normalise_example   an example: messages, arguments, descriptions; what was a part of the query stays one
    TextOptions         which of the three

Each is off until it is asked for. `docs/filters.md` has the rules.
"""

from __future__ import annotations

from rlvr.data.text.examples import normalise_example
from rlvr.data.text.rules import TextOptions, normalise_text

__all__ = ["TextOptions", "normalise_example", "normalise_text"]
