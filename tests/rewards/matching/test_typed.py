"""`typed`: equality by the argument's schema, and the rule that explains each difference from `bfcl`."""

from __future__ import annotations

import json
import time
import unicodedata
from typing import Any

import pytest

from rlvr.errors import ConfigError, UsageError
from rlvr.rewards import correctness_reward
from rlvr.rewards.matching import REASONS, RULES, ArgumentVerdict, match_calls, variants
from rlvr.rewards.matching.variants import fold_variants
from rlvr.tools import normalise_tool, validate
from rlvr.types import GoldCall, OneOf, Tool, ToolCall

NUMBER, INTEGER, STRING, BOOLEAN = ({"type": t} for t in ("number", "integer", "string", "boolean"))
STRINGS = {"type": "array", "items": STRING}
ARRAY_OF_NUMBERS = {"type": "array", "items": NUMBER}
POINT = {"type": "object", "properties": {"x": INTEGER, "label": STRING, "on": {**BOOLEAN, "default": False}}}


def verdict(wanted: Any, given: Any, schema: dict[str, Any], mode: str = "typed") -> ArgumentVerdict:
    tool = Tool("f", "", {"type": "object", "properties": {"a": schema}, "required": ["a"]})
    match = match_calls([ToolCall("f", {"a": given})], [GoldCall("f", {"a": wanted})], {"f": tool}, mode)
    assert match.matched == match.pairs[0].matched
    return match.pairs[0].arguments[0]


@pytest.mark.parametrize(
    ("wanted", "given", "schema", "equal", "rules"),
    [
        (5, 5, INTEGER, True, ()),
        (5, 5.0, INTEGER, False, ()),
        (5, "5", INTEGER, False, ()),
        (5, True, INTEGER, False, ()),
        (1, True, INTEGER, False, ()),
        (5, 5.0, NUMBER, True, ()),
        (5.0, 5, NUMBER, True, ()),
        (5.5, 5.5, NUMBER, True, ()),
        (5.5, 5.4999, NUMBER, False, ()),
        (5, 5.0, {}, False, ()),
        (5, 5.0, {"anyOf": [INTEGER, NUMBER]}, True, ("number_by_value",)),
        ([5, 2.5], [5.0, 2.5], ARRAY_OF_NUMBERS, True, ()),
        ([1.5, 2.0], [1.5, 2], ARRAY_OF_NUMBERS, True, ("number_by_value",)),
        (True, True, BOOLEAN, True, ()),
        (True, 1, BOOLEAN, False, ()),
        (True, "true", BOOLEAN, False, ()),
        ({"x": 1}, {"x": True}, POINT, False, ("boolean_only",)),
        ({"x": 1}, {"x": 1.0}, POINT, False, ("integer_only",)),
        ("celsius", "Celsius", {"enum": ["celsius"], **STRING}, False, ("enum_exact",)),
        ("ab", "AB", {"pattern": "^[a-z]+$", **STRING}, False, ("format_exact",)),
        ("noon", "Noon", {"format": "time", **STRING}, False, ("format_exact",)),
        ("New York", "new york", STRING, True, ()),
        ("New York", "NewYork", STRING, True, ()),
        ("St. Louis, MO", "St Louis MO", STRING, True, ()),
        ("it's", 'it"s', STRING, True, ()),
        ("April 1, 2024", "April 1,2024", STRING, True, ()),
        ("April 1, 2024", "April 12024", STRING, False, ("digits_apart",)),
        ("room 1.5", "room 15", STRING, False, ("digits_apart",)),
        ("at -5 degrees", "at 5 degrees", STRING, False, ("digits_apart",)),
        ("(-122.4, 37.7)", "(122.4, 37.7)", STRING, False, ("digits_apart",)),
        ("x=-3, y=2", "x=3, y=2", STRING, False, ("digits_apart",)),
        ("a, -3", "a, 3", STRING, False, ("digits_apart",)),
        ("$.50 off", "$50 off", STRING, False, ("digits_apart",)),
        ("氣溫-5度", "氣溫5度", STRING, False, ("digits_apart",)),
        ("溫度：-5", "溫度：5", STRING, False, ("digits_apart",)),
        ("the covid-19 wave", "the covid 19 wave", STRING, True, ()),
        ("Đường số-5 mới", "đường số 5 mới", STRING, True, ()),
        ("call (555)-123 4567", "call (555) 123 4567", STRING, True, ()),
        ("Washington, 20001", "Washington 20001", STRING, True, ()),
        ("Ａｌｐｈａ", "alpha", STRING, True, ("unicode_nfkc",)),
        ("Hà Nội", "Ha\u0300 No\u0323\u0302i", STRING, True, ("unicode_nfkc",)),
        ("user_id", "user id", STRING, False, ("identifier_exact",)),
        ("ABC-123", "abc123", STRING, False, ("identifier_exact",)),
        ("1.5", "15", STRING, False, ("identifier_exact",)),
        ("a@b.org", "A@B.org", STRING, False, ("address_exact",)),
        ("/tmp/a", "/tmp/A", STRING, False, ("address_exact",)),
        ("report.pdf", "reportpdf", STRING, False, ("address_exact",)),
        ("2024-04-01", "2024/04/01", STRING, False, ("date_exact",)),
        ("on 2024-04-01", "on 2024 04 01", STRING, False, ("date_exact",)),
        ("*", "-", STRING, False, ("empty_form",)),
        (["A b"], ["a B"], {"type": "array", "items": STRING}, True, ()),
        ([["A b"]], [["a B"]], {"type": "array", "items": STRINGS}, True, ("nested_values",)),
        (["a", "b"], ["b", "a"], {"type": "array", "items": STRING}, False, ()),
        (["a"], ["a", "a"], {"type": "array", "items": STRING}, False, ()),
        ({"label": "A"}, {"label": "a", "on": False}, POINT, True, ("default_equals_omission",)),
        ({"label": "A", "on": False}, {"label": "a"}, POINT, True, ("default_equals_omission",)),
        ({"label": "A"}, {"label": "a", "on": True}, POINT, False, ()),
        (None, None, {"type": ["string", "null"]}, True, ()),
        (None, "", STRING, False, ()),
        ("", None, STRING, False, ()),
        (OneOf(("Paris", "the capital")), "The capital", STRING, True, ()),
        (OneOf(({"x": OneOf((1, 2))},)), {"x": 2}, POINT, True, ()),
        (OneOf(("x",), True), "", STRING, False, ("blank_is_a_value",)),
        (OneOf(("Word", 5)), "word", STRING, True, ()),
        (OneOf((5, "Word")), "word", STRING, True, ("schema_type",)),
        ("Dontcare", "dontcare", BOOLEAN, True, ("schema_type",)),
        ("臺北車站", "台北車站", STRING, True, ("chinese_variants",)),
        ("房間裏", "房間裡", STRING, True, ("chinese_variants",)),
        ("走着去", "走著去", STRING, True, ("chinese_variants",)),
        ("光明頂峯", "光明頂峰", STRING, True, ("chinese_variants",)),
        ("ＡＢ臺", "AB台", STRING, True, ("chinese_variants", "unicode_nfkc")),
        ("O'Hare", "O’Hare", STRING, True, ("typographic_marks",)),
        ("he said “hi”", 'he said "hi"', STRING, True, ("typographic_marks",)),
        ("New York - Boston", "New York – Boston", STRING, True, ("typographic_marks",)),
        ("約翰·史密斯", "約翰・史密斯", STRING, True, ("typographic_marks",)),
        ("蘋果、香蕉", "蘋果，香蕉", STRING, True, ("typographic_marks", "unicode_nfkc")),
        ("你好。", "你好", STRING, True, ("typographic_marks",)),
        ("at −5 degrees", "at -5 degrees", STRING, True, ("typographic_marks",)),
        ("at −5 degrees", "at 5 degrees", STRING, False, ()),
        ("Thanh Hóa", "Thanh Hoá", STRING, True, ("vietnamese_tones",)),
        ("12 Hòa Bình, Hà Nội", "12 Hoà Bình, Hà Nội", STRING, True, ("vietnamese_tones",)),
        ("Thúy", "THUÝ", STRING, True, ("vietnamese_tones",)),
        ("Ðà Nẵng", "Đà Nẵng", STRING, True, ("vietnamese_tones",)),
        ("Hòa", "Hoa", STRING, False, ()),
        ("Hóa", "Hoà", STRING, False, ()),
        ("12：30", "12:30", STRING, True, ("unicode_nfkc",)),
        ("12:30", "12：30", STRING, True, ("unicode_nfkc",)),
        ("12", "１２", STRING, True, ("unicode_nfkc",)),
        ("2024-05-01", "2024－05－01", STRING, True, ("unicode_nfkc",)),
        ("2024-05-01", "2024／05／01", STRING, False, ()),
        ("12", "１２", {**STRING, "pattern": "^[0-9]+$"}, False, ()),
        ("10⁶", "106", STRING, False, ()),
        ("10⁶", "10^6", STRING, True, ("unicode_nfkc",)),
        ("about 2¹⁰ rows", "about 210 rows", STRING, False, ()),
        ("m²", "M²", STRING, True, ()),
        ("m²", "m2", STRING, True, ("unicode_nfkc",)),
        ("40 m²", "40 m2", STRING, True, ("unicode_nfkc",)),
        ("H₂O", "H2O", STRING, True, ("unicode_nfkc",)),
        ("-price", "price", STRING, False, ("signs_stay",)),
        ("price", "-price", STRING, False, ("signs_stay",)),
        ("jaguar -car", "jaguar car", STRING, False, ("signs_stay",)),
        ("blood type O-", "blood type O", STRING, False, ("signs_stay",)),
        ("error*", "error", STRING, False, ("signs_stay",)),
        ("well-known", "well known", STRING, True, ()),
        ("2 units of O-", "2 units of O", STRING, False, ("signs_stay",)),
        ("-price,-rating", "-price,rating", STRING, False, ("signs_stay",)),
        ("-price 5", "price 5", STRING, False, ("signs_stay",)),
        ("title:-draft", "title:draft", STRING, False, ("signs_stay",)),
        ('python "-java"', 'python "java"', STRING, False, ("signs_stay",)),
        ("log (-b)", "log (b)", STRING, False, ("signs_stay",)),
        ("第一名-", "第一名", STRING, False, ("signs_stay",)),
        ("well-known, long-lived", "well known, long lived", STRING, True, ()),
        ("jo.d@example.com, j@example.com", "jod@example.com, j@example.com", STRING, False, ("address_exact",)),
        ("jo.d@example.com, j@example.com", "jo.d@example.com j@example.com", STRING, True, ()),
        ("mail jo.d@example.com.", "Mail jo.d@example.com", STRING, True, ()),
        ("/home/User/My File.txt", "home/user/myfiletxt", STRING, False, ("address_exact",)),
        ("by price", "by_price", STRING, True, ()),
        ("sort by price", "sort by_price", STRING, True, ()),
        ("SELECT user_id FROM orders", "select user_id from orders", STRING, True, ()),
        ("SELECT user_id FROM orders", "SELECT userid FROM orders", STRING, False, ("address_exact",)),
        ("SELECT User_id FROM orders", "SELECT user_id FROM orders", STRING, False, ("address_exact",)),
        ("see https://a.com/x-y and b", "see https://acom/xy and b", STRING, False, ("address_exact",)),
        ("open /etc/hosts now", "open etc hosts now", STRING, False, ("address_exact",)),
        ("either and/or both", "either and or both", STRING, True, ()),
        ("10:30AM", "10:30 am", STRING, True, ()),
        ("10:30 AM", "10:30am", STRING, True, ()),
        ("5pm", "5 p.m.", STRING, True, ()),
        ("5pm", "5 a.m.", STRING, False, ()),
        ("x^2", "x**2", STRING, True, ()),
        ("x^2", "x ^ 2", STRING, True, ()),
        ("x ^ 2", "x^2", STRING, True, ()),
        ("x^2", "x*2", STRING, False, ("identifier_exact",)),
        ("x^2", "X^2", STRING, False, ("identifier_exact",)),
        ("2x", "2*x", STRING, True, ()),
        ("2*x", "2x", STRING, True, ()),
        ("2x+1", "2x + 1", STRING, True, ()),
        ("2x + 1", "2x+1", STRING, True, ()),
        ("2x+1", "2x-1", STRING, False, ()),
        ("3*4", "3 * 4", STRING, True, ()),
        ("3*4", "3/4", STRING, False, ("identifier_exact",)),
        ("10km/h", "10 km/h", STRING, True, ()),
        ("10 km/h", "10km/h", STRING, True, ()),
        ("5km", "5 km", STRING, True, ()),
        ("5 km", "5km", STRING, True, ()),
        ("5%", "5 %", STRING, True, ()),
        ("5 %", "5%", STRING, True, ()),
        ("-1.5°C", "-1.5 °C", STRING, True, ()),
        ("５km", "5 km", STRING, True, ("unicode_nfkc",)),
        ("5km", "５ km", STRING, True, ("unicode_nfkc",)),
        ("5公里", "5 公里", STRING, True, ()),
        ("5km", "5 KM", STRING, False, ("identifier_exact",)),
        ("5km", "6 km", STRING, False, ()),
        ("15km", "1 5km", STRING, False, ("identifier_exact",)),
        ("5km", "5  km", STRING, False, ("identifier_exact",)),
        ("5km", "5 km", {**STRING, "maxLength": 3}, False, ("identifier_exact",)),
        ("5km", "5 km", {**STRING, "pattern": "^[0-9]+[a-z]+$"}, False, ("format_exact",)),
        ("room12", "room 12", STRING, False, ("identifier_exact",)),
        ("a*b", "a * b", STRING, True, ()),
        ("a * b", "a / b", STRING, False, ("signs_stay",)),
        ("a * b", "a b", STRING, False, ("signs_stay",)),
        ("x^2 + 1", "x*2 + 1", STRING, False, ("signs_stay",)),
        ("x^2 + 1", "x**2 + 1", STRING, True, ()),
        ("x^2 + 1", "x2 + 1", STRING, False, ("signs_stay",)),
        ("3x^2 + 2x - 1", "3 * x**2 + 2*x - 1", STRING, True, ()),
        ("2*x + y", "2/x + y", STRING, False, ("signs_stay",)),
        ("(x + 1)*(x - 1)", "(x + 1)(x - 1)", STRING, True, ()),
        ("(x + 1)*(x - 1)", "(x + 1)/(x - 1)", STRING, False, ("signs_stay",)),
        ("10⁶ * y", "10^6 * y", STRING, True, ("unicode_nfkc",)),
        ("Paris is nice", "Paris is **nice**", STRING, True, ()),
        ("speed in km/h", "speed in km / h", STRING, True, ()),
        ("rock/pop", "rock-pop", STRING, True, ()),
        ("Paris", "**Paris**", STRING, True, ()),
        ("run with --force", "run with force", STRING, False, ("signs_stay",)),
        ("New York - Boston", "New York Boston", STRING, True, ()),
        ("US", "U.S.", {**STRING, "maxLength": 2}, False, ("length_in_bounds",)),
        ("U.S.", "U.S", {**STRING, "maxLength": 4}, True, ()),
        ("New York", "new-york", {**STRING, "not": {"pattern": "-"}}, False, ("format_exact",)),
        ("台北", "臺中", STRING, False, ()),
        ("国", "國", STRING, False, ()),
        ("臺", "台", {"enum": ["臺"], **STRING}, False, ()),
        (OneOf((["x"],), True), [], {"type": "array", "items": STRING}, False, ("blank_is_a_value",)),
        ("5", 5, INTEGER, False, ()),
    ],
)  # fmt: skip
def test_values(wanted: Any, given: Any, schema: dict[str, Any], equal: bool, rules: tuple[str, ...]) -> None:
    typed, bfcl = verdict(wanted, given, schema), verdict(wanted, given, schema, "bfcl")
    assert (typed.equal, typed.rules) == (equal, rules)
    assert (typed.equal == bfcl.equal) == (not rules)
    assert typed.reason in REASONS
    assert set(rules) <= set(RULES)
    assert (typed.credit == 1) == typed.equal


TOOL = Tool(
    "f",
    "",
    {
        "type": "object",
        "properties": {"city": STRING, "days": {**INTEGER, "default": 1}, "tag": STRING},
        "required": ["city"],
    },
)


@pytest.mark.parametrize(
    ("wanted", "given", "matched", "reasons"),
    [
        ({"city": "Paris"}, {"city": "Paris", "days": 1}, True, ["equal", "equal_default"]),
        ({"city": "Paris", "days": 1}, {"city": "Paris"}, True, ["equal", "equal_default"]),
        ({"city": "Paris"}, {"city": "Paris", "days": 2}, False, ["equal", "invented"]),
        ({"city": "Paris", "days": 2}, {"city": "Paris"}, False, ["equal", "missing"]),
        ({"city": "Paris", "days": OneOf((2,), True)}, {"city": "Paris"}, True, ["equal", "left_out"]),
        ({"city": "Paris", "days": OneOf((2,), True)}, {"city": "Paris", "days": 1}, True, ["equal", "equal_default"]),
        ({"city": "Paris", "days": OneOf((), True)}, {"city": "Paris", "days": 3}, False, ["equal", "invented"]),
        ({"city": "Paris"}, {"city": "Paris", "tag": None}, False, ["equal", "invented"]),
        ({"city": "Paris"}, {"city": "Paris", "bogus": 1}, False, ["equal", "invented"]),
        ({"city": "Paris"}, {"city": "Parys"}, False, ["similar"]),
    ],
)
def test_arguments(wanted: dict[str, Any], given: dict[str, Any], matched: bool, reasons: list[str]) -> None:
    match = match_calls([ToolCall("f", given)], [GoldCall("f", wanted)], {"f": TOOL})
    assert match.matched == matched
    assert [a.reason for a in match.pairs[0].arguments] == reasons
    assert match.reason == ("match" if matched else "wrong_calls")


def test_the_verdict_can_be_read() -> None:
    match = match_calls([ToolCall("f", {"city": "Paris", "days": 1})], [GoldCall("f", {"city": "Paris"})], {"f": TOOL})
    assert [str(a) for a in match.pairs[0].arguments] == [
        "city: the value that is wanted",
        "days: left out or given, it is the default [default_equals_omission]",
    ]
    assert match.rules == ("default_equals_omission",)


def test_references_and_recursion_in_a_schema() -> None:
    node = {"type": "object", "properties": {"v": NUMBER, "next": {"$ref": "#/$defs/node"}}}
    tool = Tool("f", "", {"type": "object", "properties": {"n": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}})
    gold = [GoldCall("f", {"n": {"v": 1, "next": {"v": 2}}})]
    assert match_calls([ToolCall("f", {"n": {"next": {"v": 2.0}, "v": 1}})], gold, {"f": tool}).matched
    assert not match_calls([ToolCall("f", {"n": {"next": {"v": 3}, "v": 1}})], gold, {"f": tool}).matched


@pytest.mark.parametrize(
    ("wanted", "given", "equal"),
    [
        (5, 5.0, False),
        (1, True, False),
        ("a", "A", False),
        ({"x": 1, "label": "b"}, {"label": "b", "x": 1}, True),
        ({"x": 1}, {"x": 1, "on": False}, False),
        ([1, [2]], [1, [2]], True),
        ([1], [1, 1], False),
        (OneOf((1, "x")), "x", True),
        ({"x": OneOf((1,), True)}, {}, True),
    ],
)
def test_exact_normalises_nothing(wanted: Any, given: Any, equal: bool) -> None:
    assert verdict(wanted, given, {}, "exact").equal == equal


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown matching 'type'\. Did you mean typed\?"):
        match_calls([], [], {}, "type")


def test_a_schema_of_alternatives_of_alternatives_is_not_unfolded_to_its_end() -> None:
    defs = {f"a{i}": {"anyOf": [{"$ref": f"#/$defs/a{i + 1}"}, {"$ref": f"#/$defs/a{i + 1}"}]} for i in range(23)}
    defs["a23"] = {"type": "string"}
    tool = Tool("f", "", {"type": "object", "properties": {"x": {"$ref": "#/$defs/a0"}}, "$defs": defs})
    start = time.process_time()
    assert match_calls([ToolCall("f", {"x": "A b"})], [GoldCall("f", {"x": "a B"})], {"f": tool}).matched
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    ("schema", "wanted", "given", "equal"),
    [
        ({"type": "string", "nullable": True}, None, None, True),
        ({"type": "string", "nullable": True}, "Paris", "paris", True),
        ({"type": "string", "nullable": True}, None, "", False),
        ({"oneOf": [{"type": "integer"}, {"type": "string", "enum": ["All", "None"]}]}, 5, 5.0, False),
        ({"oneOf": [{"type": "integer"}, {"type": "string", "enum": ["All", "None"]}]}, "All", "all", False),
        ({"anyOf": [{"type": "string", "format": "date"}, {"type": "array", "items": {"type": "string"}}]},
         ["Old Town"], ["old town"], True),
        ({"anyOf": [{"$ref": "#/$defs/p"}], "nullable": True}, {"x": 1, "y": 2}, {"y": 2.0, "x": 1}, True),
        ({"$ref": "#/$defs/p", "nullable": True}, None, None, True),
        ({"allOf": [{"$ref": "#/$defs/p"}]}, {"x": 1}, {"x": 1, "y": 0.0}, True),  # y: 0 is the default
        ({"$ref": "#/$defs/p"}, {"x": 1}, {"x": 1, "y": 3}, False),
    ],
)  # fmt: skip
def test_alternatives_references_and_null(schema: dict[str, Any], wanted: Any, given: Any, equal: bool) -> None:
    point = {"type": "object", "properties": {"x": INTEGER, "y": {**NUMBER, "default": 0}}, "required": ["x"]}
    parameters = {"type": "object", "properties": {"a": schema}, "$defs": {"p": point}}
    tool = normalise_tool({"name": "f", "parameters": parameters})
    match = match_calls([ToolCall("f", {"a": given})], [GoldCall("f", {"a": wanted})], {"f": tool})
    assert match.matched == equal
    assert validate(tool, {"a": wanted}) == []


def test_the_table_of_chinese_variants() -> None:
    table = variants._table()
    assert len(table) > 50
    for form, first in table.items():
        assert fold_variants(chr(form)) == first == fold_variants(first)
        assert unicodedata.normalize("NFKC", first) == first
    for other in ("国國", "周週", "布佈", "游遊", "后後", "復複"):
        assert fold_variants(other[0]) != fold_variants(other[1]), "another character, not another form"


@pytest.mark.parametrize("groups", [{"a": ["台"]}, {"a": [5]}, {"a": ["台臺", "臺抬"]}, {"a": ["台台"]}, {"a": None}])
def test_a_broken_table_is_named(groups: Any) -> None:
    with pytest.raises(ConfigError, match=r"x\.yaml: "):
        variants.read_table(groups, "x.yaml")


@pytest.mark.parametrize(
    ("wanted", "given", "schema", "credit"),
    [
        ("price", "-price", STRING, 0.0),
        ("-price", "price", STRING, 0.0),
        ("price", "prize", STRING, 0.4),
        ("US", "U.S.", {**STRING, "maxLength": 2}, 0.0),
        ("12", "１２", STRING, 1.0),
        ("Thanh Hóa", "Thanh Hoá", STRING, 1.0),
    ],
)
def test_the_quick_way_to_a_score_says_the_same(wanted: str, given: str, schema: dict[str, Any], credit: float) -> None:
    """`correctness_reward` asks for credits alone, `judge` for verdicts with their reasons."""
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"a": schema}}}
    call = json.dumps({"name": "f", "arguments": {"a": given}})
    gold = [{"name": "f", "arguments": {"a": wanted}}]
    (found,) = correctness_reward([f"<tool_call>\n{call}\n</tool_call>"], tools=[[tool]], ground_truth=[gold])
    assert found == pytest.approx(credit)
