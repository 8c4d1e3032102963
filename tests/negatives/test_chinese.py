"""The script of Chinese text: by hand, and against OpenCC, which the function does not use."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlvr.data.sources.jsonl import read_jsonl
from rlvr.negatives.chinese import SIMPLIFIED, TRADITIONAL, marks, script, script_of_tag

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["我想听一些音乐。"], SIMPLIFIED),
        (["我想聽一些音樂。"], TRADITIONAL),
        (["日期是2022-05-15，地点是我的家。"], SIMPLIFIED),  # 点 alone
        (["台北今天很冷，後天呢"], TRADITIONAL),  # 後 alone; 台 is written in both
        (["皇后的面子"], None),
        (["你好", "Computer", ""], None),
        (["哪里有面吃"], None),  # 里 and 面 are Traditional characters too
        (["我需要為我的帳戶設置一個新密碼。", "我想要它有12个字符长。"], SIMPLIFIED),  # even: the later one counts
        (["我需要為我的帳戶設置密碼", "我想聽音樂", "12个字符长。"], TRADITIONAL),
        (["“图书馆”的繁體怎麼寫？"], TRADITIONAL),
        (["「圖書館」用简体怎么写？"], SIMPLIFIED),
        (["「圖書館」"], TRADITIONAL),  # nothing else tells
        (["你已經睡着了嗎"], TRADITIONAL),  # 着 is Hong Kong's
        ([], None),
    ],
)
def test_the_script_of_texts(texts: list[str], found: str | None) -> None:
    assert script(texts) == found


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("zh-Hans", SIMPLIFIED),
        ("zh_TW", TRADITIONAL),
        ("zh-Hans-HK", SIMPLIFIED),  # the script is stated
        ("cmn-Hant", TRADITIONAL),
        ("zh-SG", SIMPLIFIED),
        ("zh", None),
        ("en-HK", None),
        ("", None),
        (None, None),
    ],
)
def test_the_script_of_a_tag(tag: object, found: str | None) -> None:
    assert script_of_tag(tag) == found


def test_marks_are_what_opencc_converts() -> None:
    opencc = pytest.importorskip("opencc", reason="needs the data extra")
    to_traditional, to_simplified = opencc.OpenCC("s2t"), opencc.OpenCC("t2s")
    simplified, traditional = marks()
    assert len(simplified) > 1_200
    assert len(traditional) > 2_000
    assert simplified.isdisjoint(traditional)
    assert [c for c in simplified if to_traditional.convert(c) == c or to_simplified.convert(c) != c] == []
    # 176 are forms that Taiwan alone has in common use (妳, 煖): nothing is simplified in them. 苧 is both.
    assert [c for c in traditional if to_traditional.convert(c) != c and c not in "苧爲衞裏"] == []
    assert sum(to_simplified.convert(c) != c for c in traditional) > 1_880


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside the checkout")
def test_real_rows_and_their_conversions_are_told_apart() -> None:
    """One row is tagged as Simplified and written in Traditional characters; the turn after it is in Simplified."""
    opencc = pytest.importorskip("opencc", reason="needs the data extra")
    convert = opencc.OpenCC("s2tw").convert
    rows = [
        e for name in ("train_real", "nocall_real") for e in read_jsonl(SHARED / f"{name}.jsonl.gz") if e.lang == "zh"
    ]
    said = {e.id: [str(m["content"]) for m in e.messages if m["role"] == "user"] for e in rows}
    assert len(said) == 220
    assert [i for i, texts in said.items() if script(texts) != SIMPLIFIED] == ["glaive-zh-93-1"]
    assert [i for i, texts in said.items() if script([convert(t) for t in texts]) != TRADITIONAL] == []
