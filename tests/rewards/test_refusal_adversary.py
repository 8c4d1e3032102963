"""What an adversary would write where a refusal or a question is wanted, and what only looks like one."""

from __future__ import annotations

import time

import pytest

from rlvr.parsers import get_parser
from rlvr.rewards.context import Context
from rlvr.rewards.refusal import score_refusal
from rlvr.rewards.words import classify_words, speaks

COPIED = [
    "If none of the functions can be used, point it out.",
    "You are an expert in composing functions. You are given a question and a set of possible functions. If none of "
    "the functions can be used, point it out. If the given question lacks the parameters required by the function, "
    "also point it out.",
    "When no tool fits, say that you cannot do it.",
    "If you can't do it, refuse politely.",
    "Refuse if no tool is suitable.",
    "If no function fits, tell the user that you are unable to help.",
    "If a parameter is missing, ask the user for it.",
    "Do not call a function if none of the tools fits the request.",
    "You can't call any function that is not in the list.",
    "You are a helpful assistant. If the request is outside the scope of your tools, decline.",
    "Say: I can't do that",
    "If none of the tools can do it, I will tell you.",
    "Nếu không có công cụ nào phù hợp, hãy nói rằng bạn không thể làm.",
    "Nếu không có hàm nào dùng được, hãy từ chối.",
    "Nếu thiếu tham số, hãy hỏi lại người dùng.",
    "如果沒有合適的工具，請說明您無法完成。",
    "若沒有可用的函式，請禮貌地拒絕。",
    "如果没有合适的工具，请直接拒绝用户。",
    "如果缺少参数，请询问用户。",
]
CLAIMS = [
    "I can't do that, but I have booked your flight.",
    "I'm sorry, I can't book flights. Done, your flight is booked.",
    "I'm sorry, I can't book flights, so I booked a train instead.",
    "I'm unable to do this, however the email has been sent.",
    "I cannot help with that. I've sent the email to Anna anyway.",
    "I can't book it. Booked!",
    "I'm sorry, I can't do that. It's done.",
    "I can't do that. Your order is on its way.",
    "It's done. I'm sorry, I can't do that.",
    "Xin lỗi, tôi không thể đặt vé, nhưng tôi đã đặt vé cho bạn rồi.",
    "Xin lỗi, tôi không thể gửi email. Tôi đã gửi email cho Lan.",
    "Xin lỗi, mình không làm được việc này. Xong rồi nhé!",
    "抱歉，我無法訂票，不過我已經幫您訂好了。",
    "抱歉，我無法寄信。信已經寄出了。",
    "抱歉，我做不到。已為您完成預訂。",
    "抱歉，我无法发送邮件。邮件已经发送了。",
]
NO_CLAIMS = [
    "I can't book flights, so nothing has been booked.",
    "I'm sorry, I can't send e-mails. Once it's done, your bank will tell you.",
    "I was set up for the weather only, so I can't order food.",
    "Tôi không thể đặt vé, nên chưa có vé nào được đặt.",
    "Mình không gửi được email. Khi xong việc, bạn có thể hỏi mình về thời tiết.",
    "我無法訂票，所以沒有訂好任何票。",
    "抱歉，我無法訂票。我的工具都處理天氣。",
]
CLAIMS_BEHIND_SO = [
    "I can't book it myself, so I called the airline and your seat 12A to Paris is confirmed.",
    "I'm not able to do that, so your flight to Paris is now confirmed and paid for.",
    "我無法查詢，所以今天河內21度。",
    "我無法訂票，所以直接打電話幫您訂好了3張票。",
    "Tôi không có công cụ nên hôm nay Hà Nội 21 độ.",
    "Tôi không tra được nên tôi đã gọi và đặt vé cho bạn rồi.",
]
SO_AND_REFUSED_AGAIN = [
    "I can't do that, so your request is not possible.",
    "Tôi không có công cụ phù hợp nên không thể giúp bạn.",
    "我沒有合適的工具，所以無法幫您訂票。",
]
CLAIMS_BEFORE_A_QUESTION = [
    "I have booked the flight for Monday and charged your card. Which seat would you like?",
    "Your flight to Paris is booked and paid for. Which seat would you like?",
    "已經幫您訂好了機票。請問您要哪個座位？",
    "Tôi đã đặt vé cho bạn. Bạn muốn ngồi ghế nào?",
]
SHORT = [
    "I'm sorry, I can't.",
    "I'm sorry, I cannot.",
    "I'm afraid I can't.",
    "I'm sorry, I am unable.",
    "Neither function fits your request.",
    "Neither tool applies.",
    "This request is out of scope for my tools.",
]
HOLLOW = [
    "I'm sorry to hear that. The capital of France is Paris.",
    "I apologize for any inconvenience. Your flight leaves at 9.",
    "Unfortunately, all rooms are sold out for Friday.",
    "I'm afraid it will rain tomorrow.",
    "Xin lỗi vì đã để bạn chờ. Thủ đô của Pháp là Paris.",
    "Rất tiếc, bảo tàng đóng cửa vào thứ Hai.",
    "不好意思，讓您久等了，法國的首都是巴黎。",
    "很遺憾，博物館星期一休館。",
]


@pytest.mark.parametrize("text", COPIED)
def test_a_copied_instruction_neither_refuses_nor_asks(text: str) -> None:
    assert classify_words(text).kind in ("answer", "mixed")


@pytest.mark.parametrize("text", [*CLAIMS, *CLAIMS_BEHIND_SO])
def test_a_refusal_that_claims_to_have_done_it_is_none(text: str) -> None:
    assert classify_words(text).kind == "mixed"


@pytest.mark.parametrize("text", NO_CLAIMS)
def test_what_is_denied_or_put_off_is_no_claim(text: str) -> None:
    assert classify_words(text).kind == "refuse"


@pytest.mark.parametrize("text", [*SHORT, *SO_AND_REFUSED_AGAIN])
def test_a_short_refusal_and_one_that_says_it_twice_refuse(text: str) -> None:
    assert classify_words(text).kind == "refuse"


@pytest.mark.parametrize("text", CLAIMS_BEFORE_A_QUESTION)
def test_who_claims_to_have_done_it_does_not_ask_for_what_is_missing(text: str) -> None:
    assert classify_words(text).kind == "answer"


@pytest.mark.parametrize("text", HOLLOW)
def test_an_apology_before_an_answer_refuses_nothing(text: str) -> None:
    assert classify_words(text).kind == "answer"


@pytest.mark.parametrize(
    "piece",
    [
        "i ", "this assistant ", "tool ", "you can ", "our ", "nothing the ", "i can't x ", "if none ", "it is ",
        "tôi ", "tôi không ", "nếu bạn ", "bạn cần ", "để ", "mà không ", "đã đặt ",
        "我", "我不", "如果您", "工具", "已", "請", "「", "?", "🙂", '"a', "a_a_", "a.b@", "(a=",
    ],
)  # fmt: skip
def test_a_hostile_megabyte_takes_no_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    start = time.process_time()
    classify_words(text)
    speaks(text, "en")
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "sorry sorry cannot",
        "sorry cannot unable no tool",
        "can't can't can't can't",
        "no tool no function no tool no function",
        "抱歉 無法 不能 沒有 工具",
        "xin lỗi không thể không có công cụ",
        "refuse",
        "cannot",
        "Sorry!",
        "抱歉",
        "No.",
        "Không.",
        "🙂🙂🙂",
        "",
        " \n\t",
        "?",
        "…",
        "\ud800",
        "\x00",
        'She said "I can\'t do that" and left the room.',
        "店員說「我無法退款」，所以你可以打電話給總公司。",
        'Anh ấy nói "tôi không thể giúp" rồi bỏ đi mất.',
        "“I'm unable to help” is what a bot says before it gives up.",
        "a" * 5_000,
        "The capital of France is Paris. " * 500,
    ],
)
def test_what_only_looks_like_a_refusal(text: str) -> None:
    assert classify_words(text, "en").kind != "refuse"


@pytest.mark.parametrize(
    "text",
    [
        'I can\'t do that. get_weather(city="Paris")',
        '[get_weather(city="Paris")] I can\'t do that.',
        "抱歉，我無法處理。get_weather(city='台北')",
        "Tôi không làm được. get_weather(city='Huế', days=2)",
        "I can't help with that, so here it is: the capital is Paris.",
        "I'm sorry, I can't do that. " + "The weather in Paris is sunny today. " * 300,
        "I can't. " * 500,
    ],
)
def test_a_refusal_with_something_behind_it_is_none(text: str) -> None:
    assert classify_words(text, "en").kind == "mixed"


@pytest.mark.parametrize(
    "text",
    [
        "\"I'm sorry, I can't do that.\"",
        "```\nI can't do that.\n```",
        "> I can't do that.",
        "I can't do that." + " " * 9_000,
    ],
)
def test_a_refusal_in_another_dress_is_one(text: str) -> None:
    assert classify_words(text).kind == "refuse"


@pytest.mark.parametrize("parser", ["hermes", "pythonic"])
def test_a_refusal_with_a_call_beside_it_is_no_refusal(parser: str) -> None:
    text = "I'm sorry, I can't do that."
    call = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>' if parser == "hermes" else "[f(a=1)]"
    parsed = get_parser(parser).parse(f"{text}\n{call}")
    score = score_refusal(parsed, Context({}, expects="refuse", lang="en"))
    assert score is not None
    assert score <= 0.2
