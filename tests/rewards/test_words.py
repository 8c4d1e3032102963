"""Refusals, questions and answers in three languages: valid, invalid and mixed ones."""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.errors import ConfigError
from rlvr.rewards import wordlists
from rlvr.rewards.language import read_language, read_messages
from rlvr.rewards.words import KINDS, classify_words, detect_language, has_words, known_language, speaks

REFUSE = [
    "I'm sorry, I can't help with that.",
    "I’m afraid I cannot do that.",
    "Sorry, but I am unable to book flights.",
    "Unable to comply: no tool covers this.",
    "There is no function that can order food.",
    "There isn't any tool here for sending e-mails.",
    "None of the tools I have can do this.",
    "I DON'T HAVE A TOOL FOR THAT.",
    "My tools don't cover restaurant bookings.",
    "That's outside of what I can do.",
    "This request can't be fulfilled with the available functions.",
    "Nothing in my toolset can translate text, sorry.",
    "I have no way to check your bank balance.",
    "I can't book a table, but I can look up the weather for you if that helps.",
    "I don't have access to live prices. You might want to check the shop's website.",
    "You'd like to order a pizza. Unfortunately, I can't do that with the tools I've been given.",
    "I can’t do this without a booking tool.",
    "Rất tiếc, tôi không thể đặt vé máy bay.",
    "Xin lỗi, mình chưa hỗ trợ việc này.",
    "Tôi không có công cụ nào để gọi đồ ăn.",
    "Không có chức năng nào phù hợp với yêu cầu của bạn.",
    "Việc này nằm ngoài khả năng của tôi, bạn có thể thử liên hệ nhà hàng.",
    "Các công cụ hiện có không hỗ trợ đặt vé. Bạn cần tôi giúp gì khác không?",
    "Hiện mình không đặt được bàn ở nhà hàng, nhưng mình có thể tra thời tiết giúp bạn.",
    "Tiếc là mình không giúp được việc này.",
    "I have tools for weather and hotels, but nothing for ordering food.",
    "Mình rất muốn giúp nhưng không có công cụ phù hợp.",
    "恐怕我沒有這方面的工具。",
    "很抱歉，我無法完成這個請求。",
    "抱歉，我沒有可以訂機票的工具。",
    "不好意思，這超出了我的能力範圍。",
    "目前的工具不支援寄送電子郵件。",
    "我沒辦法幫您訂餐，但我可以查詢天氣。",
    "對不起，這件事我做不到。您可以試試聯絡餐廳。",
    "很抱歉，作为人工智能助手，我无法执行这样的任务。",
    "目前没有可用的函数能完成这个请求。",
    # The user is sent elsewhere.
    "I'm sorry, I can't translate text. You'll need to use a translation app.",
    "I'm sorry, I can't translate text. Please use a translation app.",
    "Sorry, I cannot show your balance. Please open your banking app.",
    "I'm sorry, I can't buy tickets. You can buy them on the airline's website.",
    "Xin lỗi, tôi không thể chuyển tiền. Hãy sử dụng ứng dụng ngân hàng.",
    "Xin lỗi, tôi không thể đặt vé. Bạn có thể đặt vé trên trang web của hãng.",
    "抱歉，我無法翻譯。您可以使用 Google 翻譯。",
    "抱歉，我無法訂票。您可以在官網訂票。",
    "抱歉，我無法訂票。請稍後再試一次。",
    "抱歉，目前我只能提供天氣資訊。",
]
CLARIFY = [
    "Which city do you mean?",
    "Sure, I can help with that. What date would you like to fly?",
    "Could you please tell me the recipient's address?",
    "Please provide the order number.",
    "I need a few more details: the date and the number of guests.",
    "I can't book the flight until you tell me the date.",
    "I don't have enough information. Please specify the city.",
    "Before I book it, may I have your name?",
    "The function requires a currency, which you haven't provided. Which one should I use?",
    "Bạn muốn bay ngày nào?",
    "Vui lòng cho tôi biết tên thành phố.",
    "Mình cần thêm thông tin: bạn đi mấy người?",
    "Bạn có thể cung cấp mã đơn hàng không?",
    "Bạn chưa cho biết ngày khởi hành, xin cho mình biết nhé.",
    "請問您要查詢哪一天的航班？",
    "請提供您的訂單編號。",
    "好的，我需要知道出發日期。",
    "您還沒有說明城市，請告訴我。",
    "当然可以，请问您想预订哪一天？",
    "可以告訴我小明的電子郵件嗎？",
    "能否提供出發日期？",
    "方便告知人數嗎",
    "可以請您提供日期",
]
ANSWER = [
    "The capital of France is Paris.",
    "It is 21 degrees in Hanoi.",
    "Your flight is booked for 3 May at 9 am.",
    "I can tell you that the museum opens at nine.",
    "You cannot mix bleach and vinegar: it makes a poisonous gas.",
    "No problem, your table is booked.",
    "Paris has no beach, and still the summers are lovely.",
    "You have no meetings tomorrow.",
    "There are no flights on Sunday.",
    "The order was placed; it can't be changed now.",
    "Your total is 45 dollars. Is there anything else I can help with?",
    "Bạn không có cuộc hẹn nào vào ngày mai.",
    "Không có chuyến bay nào vào chủ nhật.",
    "星期天沒有航班。",
    "Thủ đô của Pháp là Paris.",
    "Chuyến bay của bạn đã được đặt vào lúc 9 giờ sáng.",
    "Ngày mai trời không mưa.",
    "法國的首都是巴黎。",
    "您的航班已經訂好了，早上九點起飛。",
    "明天不會下雨，氣溫二十六度。",
    # What can be had is stated, nobody is asked.
    "可樂是傳統的美國飲料。",
    "這家飯店可以提供早餐。",
    "我可以告訴您明天的天氣。",
    "手機可以傳簡訊。",
]
MIXED = [
    "I can't book it, but the capital of France is Paris.",
    "I cannot look that up. The answer is 42.",
    "I'm unable to check the weather; it is 21 degrees in Hanoi.",
    "I don't have a tool for that. Paris was founded in the third century BC by the Parisii, a Celtic people. "
    "It has been the seat of kings since the early Middle Ages.",
    "The capital of France is Paris, a city of two million people. Sadly I can't book flights.",
    "I can't do it, the capital of France is Paris.",
    "Tôi không thể đặt vé, nhưng thủ đô của Pháp là Paris.",
    "Mình không có công cụ nào để tra. Hà Nội hôm nay 24 độ, trời nhiều mây.",
    "我無法訂票，但法國的首都是巴黎。",
    "我没有这样的工具。不过，北京今天二十六度，晴天。",
    "I can't do that. You'll see 42 at the top of the page.",
    "I'm sorry, I can't. Please use the answer, which is 42, in your report.",
    "Xin lỗi, tôi không thể đặt vé. Bạn có thể đặt vé trên chuyến 14:30 giá 500.000 đồng.",
    "抱歉，我無法查詢。您可以在 9 點到 12 點參觀博物館。",
]


@pytest.mark.parametrize(
    ("kind", "text"),
    [(k, t) for k, ts in (("refuse", REFUSE), ("clarify", CLARIFY), ("answer", ANSWER), ("mixed", MIXED)) for t in ts],
)
def test_kinds(kind: str, text: str) -> None:
    assert classify_words(text).kind == kind


@pytest.mark.parametrize("text", REFUSE + MIXED)
def test_typography_changes_nothing(text: str) -> None:
    kind = classify_words(text).kind
    for other in (text.replace("'", "’"), text.replace("’", "'"), text.upper(), f"  {text}\n", f"**{text}**"):
        assert classify_words(other).kind == kind, other


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("What's the weather in Hà Nội?", "en"),
        ("Thời tiết ở New York hôm nay thế nào?", "vi"),
        ("Không.", "vi"),
        ("幫我查 New York 的天氣", "zh"),
        ("我想听 Taylor Swift 的歌", "zh"),
        ("Book a table at 鼎泰豐 for two, please", "en"),
        ("", None),
        ("42 + 7", None),
        ("Paris", None),
        ("東京の天気はどうですか", None),
        ("오늘 날씨가 어때요", None),
        ("Какая сегодня погода в Москве?", None),
        ("Je voudrais savoir quel temps il fait demain", None),
        ("¿Qué tiempo hace hoy en la ciudad de Madrid?", None),
    ],
)
def test_languages(text: str, lang: str | None) -> None:
    assert detect_language(text) == lang


def test_another_language_is_told_from_too_few_words() -> None:
    assert read_language("Je voudrais savoir quel temps il fait demain") == "other"
    assert [read_language(text) for text in ("Paris", "42 + 7", "", "List all servers")] == [""] * 4


@pytest.mark.parametrize(
    ("texts", "lang"),
    [
        (["请帮我检查“racecar”是否是回文", "Computer"], "zh"),
        (["Thời tiết ở Huế thế nào?", "What is the weather like in Paris?", "Còn ở Hà Nội thì sao?"], "vi"),
        (["幫我翻譯一下", "The quick brown fox is over the lazy dog, and it will not come back to us. " * 20], "en"),
        (["幫我翻譯一下", "The quick brown fox is over the lazy dog. " * 20, "好了嗎？"], "zh"),
        (["我需要创建一个待办事项。", '"Buy fruits, vegetables, and bread for the week"'], "zh"),  # nothing of his own
        (['"Buy fruits, vegetables, and bread for the week"'], "en"),
        (["Can", "you", "book a table for me"], "en"),  # none tells by itself
        (["Je voudrais savoir quel temps il fait", "Paris"], "other"),
        (["Paris", ""], ""),
        ([], ""),
    ],
)
def test_the_language_of_several_messages(texts: list[str], lang: str) -> None:
    assert read_messages(texts) == lang


def test_a_short_text_may_stand_in_any_language_and_another_language_may_not() -> None:
    assert speaks("Paris", "vi")
    assert speaks("42", "zh")
    assert speaks("Three hotels: Ritz Paris, Hilton Opera, Ibis Bastille, Hyatt Regency", "en")
    assert not speaks("Je ne peux pas faire cela avec mes outils.", "en")
    assert not speaks("申し訳ありませんが、できません。", "zh")
    assert not speaks("Извините, я не могу этого сделать.", "en")
    assert not speaks("asdf qwer zxcv uiop hjkl bnmw", "en")


ABBREVIATED = {
    "en": [
        "Sorry, I can't schedule an appointment with Dr. Smith at the downtown clinic.",
        "Sorry, I can't convert it to U.S. dollars with these tools.",
        "Sorry, I can't wake you at 7 a.m. tomorrow morning in the hotel.",
        "Sorry, I can't check Apple Inc.'s stock price for you right now.",
        "I can't play Symphony No. 10 by that composer for you.",
        "I can't book a room at the St. Regis in the city centre.",
        "I can't do other things (e.g. bookings at hotels and so on).",
        "I can't find anything about Franklin D. Roosevelt with these tools at all.",
    ],
    "vi": [
        "Xin lỗi, tôi không thể đặt khách sạn ở TP. Hồ Chí Minh cho bạn vào ngày mai.",
        "Tôi không thể tìm nhà hàng ở Q. Bình Thạnh cho bạn được.",
        "Tôi không thể đặt lịch với ThS. Nguyễn Văn An tại bệnh viện.",
    ],
    "zh": [
        "抱歉，我無法幫您預約 Dr. Wang 的門診時間。",
        "抱歉，我無法比較 Paris vs. London 的房價與生活費用。",
        "抱歉，我無法在 Booking.com 上訂 The Ritz-Carlton Hotel New York 的房間。",
    ],
}


@pytest.mark.parametrize(("lang", "text"), [(lang, text) for lang, texts in ABBREVIATED.items() for text in texts])
def test_the_dot_of_an_abbreviation_ends_no_sentence(lang: str, text: str) -> None:
    assert classify_words(text, lang).kind == "refuse"
    assert speaks(text, lang)


@pytest.mark.parametrize(
    "text",
    [
        "I can't do plan B. The capital of France is Paris.",
        "I can't do it at 7 p.m. The capital of France is Paris.",
        "I can't deal with Apple Inc. The capital of France is Paris.",
        "I can't say no. The capital of France is Paris.",
    ],
)
def test_an_answer_behind_an_abbreviation_is_one(text: str) -> None:
    assert classify_words(text).kind == "mixed"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("answer", "I can only say that the capital of France is Paris."),
        ("answer", "I can only tell you it is sunny in Paris with a light breeze."),
        ("answer", "Tôi chỉ có thể nói thủ đô của Pháp là Paris."),
        ("answer", "我只能說法國的首都是美麗的巴黎。"),
        ("refuse", "I can only tell you about the weather."),
        ("refuse", "I can only tell you what the weather is like."),
        ("refuse", "Tôi chỉ có thể nói về thời tiết."),
        ("refuse", "我只能告訴您天氣。"),
        ("mixed", "I can't do that, your order is on its way."),
        ("mixed", "I can't do that. Email sent to John."),
        ("mixed", "Xin lỗi, tôi không thể đặt vé, vé của bạn đã được đặt thành công."),
        ("mixed", "抱歉，我無法訂票，您的機票已訂好。"),
        ("mixed", "抱歉，我無法訂票。訂票成功。"),
        ("refuse", "I can't do that, since your order is already on its way."),
        ("refuse", "I can't do that, and nothing was booked."),
        ("refuse", "抱歉，我無法訂票，因為航班已經取消了。"),
        ("answer", "Tôi không thể tin được, vé của bạn đã đặt xong!"),
        ("answer", "我不敢相信，您的機票已訂好！"),
    ],
)
def test_what_is_said_beside_a_refusal(kind: str, text: str) -> None:
    assert classify_words(text).kind == kind


@pytest.mark.parametrize(
    ("text", "langs"),
    [
        ("Phát bài Shape of You của Ed Sheeran", ("vi",)),
        ("Tìm phim The Lord of the Rings trên Netflix", ("vi", "")),
        ("播放 The Sound of Silence", ("zh",)),
        ("幫我播放 Bridge Over Troubled Water by Simon and Garfunkel", ("zh",)),
        ("用 Python 寫一個 function to sort a list", ("zh",)),
        ("Hilton 的房間多少錢", ("zh",)),
        ("Find me songs by Mỹ Tâm and Sơn Tùng", ("en",)),
        ("What Is the Weather in Đà Nẵng?", ("en",)),
        ("How do you pronounce 謝謝 and 對不起?", ("en", "")),
        ("Translate 你好嗎 into English", ("",)),
        ("Dịch câu How are you today my friend sang tiếng Việt", ("",)),
        ("Gửi email cho John rằng I will be late for the meeting", ("",)),
    ],
)
def test_a_query_that_takes_up_other_words(text: str, langs: tuple[str, ...]) -> None:
    assert read_messages([text]) in langs


def test_a_reply_that_takes_up_other_words() -> None:
    assert speaks("Sorry, I can't translate 你好嗎 or 謝謝.", "en")
    assert speaks("抱歉，我無法播放 The Sound of Silence。", "zh")
    assert not speaks("抱歉，我無法播放 The Sound of Silence。", "en")


def test_language_codes() -> None:
    assert [known_language(c) for c in ("en", "EN-us", "zh_Hant", "vi", "de", "", None)] == [
        "en", "en", "zh", "vi", None, None, None,
    ]  # fmt: skip


def test_words_are_letters_or_digits_of_any_script() -> None:
    assert [has_words(t) for t in ("", " \n", "?!…", "🙂", "好", "7", "a")] == [
        False,
        False,
        False,
        False,
        True,
        True,
        True,
    ]


@given(st.text())
def test_every_text_has_a_kind(text: str) -> None:
    assert classify_words(text).kind in KINDS


@pytest.mark.parametrize(
    "piece", ["no ", "i don't ", "không ", "沒有", "a.", "tools ", "but ", "if you ", ", the is ", "1. "]
)
def test_hostile_length_takes_no_time(piece: str) -> None:
    start = time.perf_counter()
    classify_words(piece * (200_000 // len(piece)))
    assert time.perf_counter() - start < 2.0


def test_a_refusal_with_a_very_long_tail_is_none() -> None:
    assert classify_words(REFUSE[0] + " Thank you. " * 1000).kind == "mixed"


def test_real_replies_that_called_nothing() -> None:
    path = Path(__file__).resolve().parents[3] / "shared" / "data" / "nocall_real.jsonl.gz"
    if not path.is_file():
        pytest.skip("the real replies in ../shared/data are not here")
    kinds: Counter[str] = Counter()
    with gzip.open(path, "rt", encoding="utf-8") as file:
        replies = [json.loads(line)["reference_reply"] for line in file]
    for reply in filter(None, replies):
        kinds[classify_words(reply).kind] += 1
    total = sum(kinds.values())
    assert kinds["mixed"] / total < 0.02, "a real refusal seldom looks like an answer"
    assert kinds["answer"] / total < 0.04, "nearly all of them ask or refuse"
    assert kinds["refuse"] > 40
    assert kinds["clarify"] > 120


def test_a_broken_word_list_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "xx.yaml").write_text("refuse: 5\nreffuse: []\n", encoding="utf-8")
    monkeypatch.setattr(wordlists, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(ConfigError, match=r"xx\.yaml: reffuse: unknown key\. Did you mean refuse\?"):
        wordlists.word_list("xx")
