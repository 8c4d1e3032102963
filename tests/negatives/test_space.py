"""TF-IDF: weights worked by hand, and an index that gives what a plain product gives."""

from __future__ import annotations

import math
import random

import pytest

from rlvr.negatives.space import MOST_TERMS, Index, Space, cosine, tool_counts
from rlvr.types import Tool

PLAY = Tool("play_song", "Plays a song.", {"properties": {"title": {}}})
RAIN = Tool("rain_radar", "Radar of rain.", {"properties": {"title": {}}})


def test_counts_by_hand() -> None:
    # the name counts twice (play, song), the description once (plays, song), the parameter half
    assert dict(tool_counts(PLAY)) == {"play": 3, "song": 3, "titl": 0.5}


def test_weights_by_hand() -> None:
    space = Space.fit([PLAY, RAIN])
    assert space.weights["titl"] == pytest.approx(math.log(2))  # in both of two tools
    assert space.weights["song"] == pytest.approx(math.log(3))  # in one of two
    assert space.unseen == pytest.approx(math.log(3))
    # play and song: (1 + ln 3) · ln 3 = 2.3055 each; title: 0.5 · ln 2 = 0.3466; the length is 3.2789
    by_hand = {"play": 0.70315, "song": 0.70315, "titl": 0.10570}
    assert space.vector(tool_counts(PLAY)) == pytest.approx(by_hand, abs=1e-5)
    assert space.query("of the") == {}


def test_cosines_by_hand() -> None:
    assert cosine({"a": 0.6, "b": 0.8}, {"b": 1.0}) == pytest.approx(0.8)
    assert cosine({}, {"b": 1.0}) == 0


def test_only_the_heaviest_terms_are_kept() -> None:
    space = Space.fit([PLAY])
    vector = space.vector({f"word{i}": 1 + i for i in range(500)})
    assert len(vector) == MOST_TERMS
    assert "word499" in vector
    assert math.fsum(w * w for w in vector.values()) == pytest.approx(1)


def test_the_index_gives_what_the_product_gives() -> None:
    rng = random.Random(0)
    space = Space.fit([PLAY, RAIN])
    texts = [
        " ".join(rng.choice(["red", "green", "blue", "song", "rain", "play", "map", "road"]) for _ in range(6))
        for _ in range(60)
    ]
    vectors = [space.query(t) for t in texts]
    index = Index(vectors)
    for vector in vectors:
        assert index.cosines(vector) == pytest.approx([cosine(vector, other) for other in vectors])
    assert index.cosines({"nowhere": 1.0}).tolist() == [0.0] * 60
    assert Index([]).cosines({"a": 1.0}).shape == (0,)
