"""Normal forms, tokens and 8-grams."""

from __future__ import annotations

from rlvr.data.decontaminate.words import fingerprint, grams, normal_form, tokens


def test_case_punctuation_width_and_variants_do_not_count() -> None:
    assert tokens("What's the  WEATHER, in Ｈanoi?") == ["what", "s", "the", "weather", "in", "hanoi"]
    assert tokens("臺北weather站") == tokens("台北 Weather 站") == ["台", "北", "weather", "站"]
    assert normal_form("  Ab_c—d！") == "ab c d"


def test_a_fingerprint_knows_the_order() -> None:
    assert fingerprint(["a", "b"]) != fingerprint(["b", "a"])
    assert len(fingerprint([])) == 16


def test_grams_are_of_eight_words() -> None:
    words = [f"w{n}" for n in range(10)]
    assert len(grams(words)) == 3
    assert len(grams(words[:8])) == 1
    assert len(grams(words[:7])) == 0
    assert set(grams(words[1:])) < set(grams(words))
    assert len(grams(["a"] * 50)) == 1  # distinct ones
    assert len(set(grams(words)) & set(grams(words[::-1]))) == 0


def test_a_text_with_a_lone_surrogate_is_read() -> None:
    assert len(grams(tokens("\ud800 " * 3 + "a b c d e f g h i"))) >= 1
    assert len(fingerprint(tokens("\ud800a"))) == 16
