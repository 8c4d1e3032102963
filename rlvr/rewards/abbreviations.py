"""Dots that end no sentence: those of abbreviations, in English and Vietnamese, wherever they stand."""

from __future__ import annotations

import re

_ABBREVIATION = re.compile(
    # Before a name or a figure
    r"(?<![\w.])(?:Mrs?|Ms|Dr|Prof|Mt|TP|Tp|Q|P|H|TX|Tx|TT|GS|PGS|TS|Th[sS]|BS|CN|KS|LS|[Vv]s|e\.g|i\.e|E\.g|I\.e|[Aa]pprox)"
    r"\.(?=[ ,]|$)|(?<![\w.])(?:St|Ft)\.(?= [A-Z\u00c0-\u1ef9])|(?<![\w.])[Nn]o\.(?= ?\d)"
    r"|(?<![\w.])[A-Z][a-z]{1,20} [A-Z]\.(?= [A-Z][a-z]{2})"
    r"(?! (?:The|This|That|There|They|Your|You|Please|For|From|Here|And)\b)"
    # These may end a sentence, and do where a capital letter follows
    r"|(?<![\w.])(?:[AaPp]\.[Mm]|[Aa][Mm]|[Pp][Mm]|Inc|Ltd|Co|Corp|Jr|Sr|St|Ave|Rd|Blvd|etc|U\.S(?:\.A)?|U\.K|D\.C)"
    r"\.(?=,|\)| ?(?:[a-z0-9(]|[\u3400-\u9fff\u00df-\u00fe\u01b0\u01a1\u0111]))"
)


def without_abbreviations(text: str) -> str:
    """A text in which the dots of abbreviations end no sentence; they are dropped.

    >>> without_abbreviations("I can't reach Dr. Smith at 7 a.m. today. Sorry.")
    "I can't reach Dr Smith at 7 am today. Sorry."
    """
    return _ABBREVIATION.sub(lambda found: found[0].replace(".", ""), text) if "." in text else text
