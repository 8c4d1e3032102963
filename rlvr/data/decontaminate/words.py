"""A text as decontamination compares it: without case, punctuation and spacing; words, and Chinese by characters."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from rlvr.rewards.matching.strings import nfkc
from rlvr.rewards.matching.variants import fold_variants

GRAM = 8
"""Words (or Chinese characters) of an n-gram. GPT-3's appendix C took 8 to 13 by task; questions here are short."""

_WIDE = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_WIDE}]|[^\W_{_WIDE}]+")
_APART = re.compile(r"[\W_]+")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_HALF = np.uint64(32)


def normal_form(text: str) -> str:
    """NFKC, one form of each Chinese character, lower case, one space for whatever stands between words.

    >>> normal_form("What's the WEATHER in  Taipei？"), normal_form("臺北 weather")
    ('what s the weather in taipei', '台北 weather')
    """
    return _APART.sub(" ", fold_variants(nfkc(text)).casefold()).strip()


def tokens(text: str) -> list[str]:
    """Words, and Chinese and Japanese characters one by one.

    >>> tokens("Show me 台北101's tickets, please")
    ['show', 'me', '台', '北', '101', 's', 'tickets', 'please']
    """
    return _TOKEN.findall(fold_variants(nfkc(text)).casefold())


def fingerprint(words: Sequence[str]) -> bytes:
    """16 bytes that are the same for the same words in the same order."""
    return hashlib.blake2b(" ".join(words).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def grams(words: Sequence[str]) -> NDArray[np.uint64]:
    """The distinct 8-grams as hashes, sorted; none where there are fewer words.  # (n,)"""
    count = len(words) - GRAM + 1
    if count < 1:
        return np.zeros(0, dtype=np.uint64)
    hashes = np.array([crc32(word.encode("utf-8", "surrogatepass")) for word in words], dtype=np.uint64)
    hashes = (hashes ^ (hashes >> np.uint64(15))) * _MIX
    hashes ^= hashes >> _HALF
    out = np.zeros(count, dtype=np.uint64)
    for place in range(GRAM):
        out = out * _FACTOR + hashes[place : place + count]  # modulo 2**64
    return np.unique(out ^ (out >> _HALF))
