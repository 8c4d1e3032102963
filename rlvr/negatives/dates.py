"""Which year alone a tool could take, so that it does not take a date that was asked for: as tools are written.

Three kinds of tools are bounded so. What is booked can be booked for the next season; a timetable shows the next one;
an archive ends with the year before. Nobody bounds the day that something is moved to or from, or done about it; no
calendar, list of tasks or forecast ends with a year; and no horizon of bookings is told of what is past.
"""

from __future__ import annotations

import re

from rlvr.negatives.words import action_of, name_words, stem
from rlvr.types import Tool

DATE = re.compile(r"^(\d{4})-\d{2}-\d{2}$")
_DATE_SAID = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")
_BOOKING = frozenset(map(stem, ("book", "reserve", "order", "buy")))
_AHEAD = frozenset(
    stem(w)
    for w in """flight train bus ferry hotel room house stay rental availability available slot appointment reservation
    booking ticket showtime screening concert event fixture timetable departure upcoming restaurant itinerary
    doctor salon""".split()  # noqa: SIM905 (words read better than a list of them)
)
"""Words of tools that tell of what is still to come."""
_UNBOUND = frozenset(
    stem(w)
    for w in """forecast weather predict prediction horoscope calendar task reminder todo alarm note age calculate
    calculator compute convert difference status live""".split()  # noqa: SIM905
)
"""Words of tools that take any day, or tell of days that nobody knows yet."""
_ONE_END = frozenset(
    """new old original previous current until end due expiry expiration start begin since from to after before first
    last""".split()  # noqa: SIM905
)
"""Words of parameters that are one day of two."""
_MOVED = re.compile(
    r"\b(mov(e|es|ed|ing)|reschedul\w*|postpon\w*|shift\w*|delay\w*|chang\w*|switch\w*|swap\w*|instead of|bring forward"
    r"|push back|dời|đổi|hoãn|lùi|chuyển sang|thay vì)\b|改|延期|延後|延后|提前|移到|挪|換成|换成",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(yesterday|ago|last (night|week|month|year|spring|summer|autumn|fall|winter)|was|were|did|had|been|spent|bought"
    r"|paid|attended|visited|stayed|ate|went|took|flew|happened|already|past|hôm qua|tuần trước|tháng trước|năm ngoái"
    r"|đã|hồi|vừa rồi)\b|昨天|前天|上週|上周|上個月|上个月|去年|已經|已经|曾|剛才|刚才",
    re.IGNORECASE,
)
_TO_COME = re.compile(
    r"\b(tomorrow|tonight|upcoming|coming|next|will|going to|plan(s|ning)? (to|on|for)|ngày mai|sắp|tới|tuần sau|sẽ)\b"
    r"|'ll\b|明天|後天|后天|下週|下周|下個月|下个月|即將|即将|將要|将要",
    re.IGNORECASE,
)
_MOST_CHARS = 200


def other_year(tool: Tool, name: str, value: str, said: str) -> int | None:
    """The one year that `tool` could take for its parameter `name`, another than that of `value`; `None` where a bound
    would read oddly. `said` are the user's words, lower case.

    >>> rooms = Tool("book_room", "Book a hotel room.", {})
    >>> other_year(rooms, "day", "2026-05-01", "a room on 2026-05-01")
    2027
    >>> ledger = Tool("list_payments", "List the payments of a day.", {})
    >>> other_year(ledger, "day", "2026-05-01", "what i paid on 2026-05-01")
    2025
    """
    found = DATE.match(value)
    words = {stem(w) for w in name_words(f"{tool.name} {tool.description[:_MOST_CHARS]}")}
    if found is None or words & _UNBOUND or _ONE_END & {*name_words(name)}:
        return None
    if _MOVED.search(said) or len(set(_DATE_SAID.findall(said))) > 1:
        return None
    action = action_of(tool)
    books = action.kind == "create" and action.verb in _BOOKING
    if not books and action.kind != "read":
        return None
    step = 1 if books or words & _AHEAD else -1
    if (_PAST if step > 0 else _TO_COME).search(said):
        return None
    year = int(found[1]) + step
    return None if str(year) in said else year
