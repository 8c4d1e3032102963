"""Text rules: what they change, what they leave, and that a second time changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.data.text import TextOptions, normalise_text

SPACED = [
    ("請用Python寫3個例子", "請用 Python 寫 3 個例子"),
    ("2024年5月", "2024 年 5 月"),
    ("iPhone15手機", "iPhone15 手機"),
    ("在Đà Nẵng的天氣", "在 Đà Nẵng 的天氣"),
    ("ㄅ是b", "ㄅ是 b"),
    ("已經 有 space", "已經 有 space"),
    ("50%的人", "50%的人"),
    ("訂單_A12", "訂單_A12"),
]
PUNCTUATED = [
    ("你好,世界", "你好，世界"),
    ("你好, world", "你好，world"),
    ("你好 , 世界", "你好，世界"),
    ("真的?!", "真的？！"),
    ("好了. 下一個", "好了。下一個"),
    ("好了.", "好了。"),
    ("台北.com 在哪", "台北.com 在哪"),
    ("等等...", "等等..."),
    ("一. 簡介", "一. 簡介"),
    ("時間:12:30", "時間：12:30"),
    ("台北(首都)很大", "台北（首都）很大"),
    ("台北(Taipei)很大", "台北(Taipei)很大"),
    ("呼叫 f(台北)", "呼叫 f(台北)"),
    ("微笑:)", "微笑:)"),
    ("價格１，２００元，３．５倍", "價格1，200元，3.5倍"),
    ("ＡＢＣ公司", "ABC公司"),
    ("hello，world！", "hello, world!"),
    ("hello（world）。", "hello(world)."),
    ("我用 Python，也用 Java。", "我用 Python，也用 Java。"),
    ("12,000 元", "12,000 元"),
    ("我用Python,很好", "我用Python，很好"),
    ("我用 Python, Java 和 C", "我用 Python, Java 和 C"),
    ("你好,\nhello，world", "你好，\nhello, world"),
]
LEFT_ALONE = [
    "看 `x,y在z` 好嗎",
    "```\n印出(台北,A)\n```",
    "到 https://例.tw/台北?a=1,b 看",
    "寄給 wang,li@example.com",
    "開 /home/用户A/下载B/a1 檔",
    "開 C:\\下载A\\文件B",
    '用 {"城市A":"台北,B"} 查',
    "<b類>",
]
ALL = [text for pair in SPACED + PUNCTUATED for text in pair] + LEFT_ALONE


@pytest.mark.parametrize(("text", "wanted"), SPACED)
def test_a_space_stands_between_chinese_and_latin(text: str, wanted: str) -> None:
    assert normalise_text(text, spacing=True) == wanted


@pytest.mark.parametrize(("text", "wanted"), PUNCTUATED)
def test_punctuation_follows_its_context(text: str, wanted: str) -> None:
    assert normalise_text(text, punctuation=True) == wanted


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_code_addresses_paths_and_json_are_left_alone(text: str) -> None:
    hidden = [part for part in ("x,y在z", "印出(台北,A)", "a=1,b", "wang,li@example.com", "用户A/下载B/a1",
                                "C:\\下载A\\文件B", '{"城市A":"台北,B"}', "<b類>") if part in text]  # fmt: skip
    assert hidden
    after = normalise_text(text, spacing=True, punctuation=True)
    assert all(part in after for part in hidden)


def test_without_chinese_nothing_changes() -> None:
    text = "Hello , (world): 12,30 . Xin chào, Hà Nội?!"
    assert normalise_text(text, spacing=True, punctuation=True, traditional=True) == text


def test_nothing_is_done_unasked() -> None:
    assert normalise_text("你好,world") == "你好,world"
    assert not TextOptions()
    assert TextOptions(spacing=True)


def test_a_text_with_the_marks_of_the_rules_is_left_as_it_is() -> None:
    assert normalise_text("你好\ufdd0world", spacing=True) == "你好\ufdd0world"


def test_a_unit_becomes_its_value_wherever_it_stands() -> None:
    units = {"台北,A": "台北，A", "简体": "简体"}
    assert normalise_text("去台北,A的简体店", spacing=True, units=units) == "去台北，A 的简体店"


def test_the_longest_of_two_units_is_taken() -> None:
    units = {"A店": "A 店", "A店B": "一", "": "never"}
    assert normalise_text("去A店B和A店", spacing=True, units=units) == "去一和 A 店"


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([*ALL, *"台北A1,.:;?!()（），。：；！？ \n`_/{}<>\"'ア", "Ａ", "１", "https://a.b/"]),
        max_size=8,
    ).map("".join),
    st.booleans(),
    st.booleans(),
)
def test_a_second_time_changes_nothing(text: str, spacing: bool, punctuation: bool) -> None:
    once = normalise_text(text, spacing=spacing, punctuation=punctuation)
    assert normalise_text(once, spacing=spacing, punctuation=punctuation) == once


@pytest.mark.parametrize(
    "text", ["(" * 200_000, "台," * 100_000, "台 " * 100_000, "`" * 200_000, "/a" * 100_000, "{" * 200_000,
             "<a" * 100_000, "a@" * 100_000, "．1" * 100_000, "台" + "." * 200_000],
)  # fmt: skip
def test_hostile_lengths_take_linear_time(text: str) -> None:
    import time

    start = time.process_time()
    normalise_text(text, spacing=True, punctuation=True)
    assert time.process_time() - start < 5  # a quadratic rule would take minutes


class TestTraditional:
    @pytest.fixture(autouse=True)
    def _opencc(self) -> None:
        pytest.importorskip("opencc", reason="needs the data extra")

    def test_simplified_becomes_traditional_by_words(self) -> None:
        assert normalise_text("头发很长，发现问题", traditional=True) == "頭髮很長，發現問題"
        assert normalise_text("台湾的软件", traditional=True) == "臺灣的軟件"  # characters, not vocabulary

    def test_traditional_and_japanese_stay(self) -> None:
        for text in ("臺灣的頭髮", "皇后與後天", "日本の会社に発送", "头\ud83d发"):
            assert normalise_text(text, traditional=True) == text

    def test_what_is_left_alone_is_not_converted(self) -> None:
        assert normalise_text("打开 /home/用户/下载 和 `变量`", traditional=True) == "打開 /home/用户/下载 和 `变量`"

    @settings(max_examples=200, deadline=None)
    @given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), max_size=30))
    def test_a_second_time_changes_nothing(self, text: str) -> None:
        once = normalise_text(text, traditional=True, spacing=True, punctuation=True)
        assert normalise_text(once, traditional=True, spacing=True, punctuation=True) == once
