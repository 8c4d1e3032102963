"""Where `typed` and `bfcl` differ: each difference has a name and a reason. Also the reason codes of the verdicts."""

from __future__ import annotations

INTEGER_ONLY = "integer_only"
NUMBER_BY_VALUE = "number_by_value"
BOOLEAN_ONLY = "boolean_only"
SCHEMA_TYPE = "schema_type"
ENUM_EXACT = "enum_exact"
FORMAT_EXACT = "format_exact"
IDENTIFIER_EXACT = "identifier_exact"
ADDRESS_EXACT = "address_exact"
DATE_EXACT = "date_exact"
DIGITS_APART = "digits_apart"
EMPTY_FORM = "empty_form"
UNICODE_NFKC = "unicode_nfkc"
CHINESE_VARIANTS = "chinese_variants"
TYPOGRAPHIC_MARKS = "typographic_marks"
VIETNAMESE_TONES = "vietnamese_tones"
SIGNS_STAY = "signs_stay"
LENGTH_IN_BOUNDS = "length_in_bounds"
NESTED_VALUES = "nested_values"
DEFAULT_EQUALS_OMISSION = "default_equals_omission"
BLANK_IS_A_VALUE = "blank_is_a_value"
OPTIONAL_BY_ANSWER = "optional_by_answer"
UNKNOWN_ARGUMENT = "unknown_argument"
BEST_ASSIGNMENT = "best_assignment"
TOOL_NOT_OFFERED = "tool_not_offered"

RULES: dict[str, str] = {
    INTEGER_ONLY: "5.0 is no integer anywhere; the official checker compares by value inside objects",
    NUMBER_BY_VALUE: "a number equals another by value at any depth; the official checker wants the answer's own kind "
    "of number inside arrays",
    BOOLEAN_ONLY: "true never equals 1; the official checker compares by value inside arrays and objects",
    SCHEMA_TYPE: "a value is compared under the schema's type; the official checker also takes the type of the first "
    "accepted answer, and where it does so compares it without normalisation",
    ENUM_EXACT: "an enum's or const's value is compared as written; the official checker ignores case and punctuation",
    FORMAT_EXACT: "a string with a format or pattern is compared as written",
    IDENTIFIER_EXACT: "what looks like an identifier is compared as written",
    ADDRESS_EXACT: "what looks like an address, a path or a file is compared as written, and so are addresses, paths "
    "and names with an underscore among other words",
    DATE_EXACT: "a date in figures is compared as written",
    DIGITS_APART: "separated digits stay apart (1.5 is not 15); the official checker drops what stands between",
    EMPTY_FORM: "strings of punctuation alone are compared as written; the official checker takes all as the same",
    UNICODE_NFKC: "strings are brought to Unicode's NFKC first",
    CHINESE_VARIANTS: "two forms of one Chinese character (臺 and 台, 裏 and 裡) are the same; the table says which",
    TYPOGRAPHIC_MARKS: "typographic quotation marks, dashes, dots and Chinese commas are those of a keyboard",
    VIETNAMESE_TONES: "the tone mark of oa, oe and uy stands on either vowel (Hòa and Hoà), and Ð is Đ",
    SIGNS_STAY: "a sign at a word's end (-price, O-, *.py) and a formula's operator (x^2, a * b) stay; the official "
    "checker drops them",
    LENGTH_IN_BOUNDS: "a string that is the wanted one after normalisation is as long as the schema lets it be",
    NESTED_VALUES: "values are compared by the same rules at every depth; the official checker normalises strings one "
    "level deep only",
    DEFAULT_EQUALS_OMISSION: "an optional argument left out equals its default, and the default given equals leaving "
    "it out",
    BLANK_IS_A_VALUE: "an empty string, array or null in place of an argument that may be left out is a wrong value; "
    'the official checker, whose mark for "may be left out" is "", takes an empty string or array',
    OPTIONAL_BY_ANSWER: "what the answer says may be left out may be; the official checker wants it where the schema "
    "requires it",
    UNKNOWN_ARGUMENT: "an argument that the ground truth wants is compared although the schema does not know it",
    BEST_ASSIGNMENT: "calls are paired as well as they can be; the official checker gives each wanted call in turn the "
    "first one that fits, which may leave a later one without",
    TOOL_NOT_OFFERED: "a wanted call whose tool is not offered is compared without a schema; the official checker "
    "gives no verdict on it",
}

EQUAL = "equal"
NORMALISED = "equal_normalised"
DEFAULT = "equal_default"
LEFT_OUT = "left_out"
SIMILAR = "similar"
WRONG_VALUE = "wrong_value"
WRONG_TYPE = "wrong_type"
MISSING = "missing"
INVENTED = "invented"

REASONS: dict[str, str] = {
    EQUAL: "the value that is wanted",
    NORMALISED: "the value that is wanted, after normalisation",
    DEFAULT: "left out or given, it is the default",
    LEFT_OUT: "left out, as it may be",
    SIMILAR: "a wrong value, near the one wanted",
    WRONG_VALUE: "a wrong value",
    WRONG_TYPE: "a value of the wrong type",
    MISSING: "missing",
    INVENTED: "not wanted",
}
NOTHING_TO_SCORE = frozenset({LEFT_OUT, DEFAULT})
"""Verdicts that neither lift nor lower partial credit: else padding a wrong call with defaults would pay."""

_LENIENT = frozenset(
    {
        NUMBER_BY_VALUE,
        UNICODE_NFKC,
        CHINESE_VARIANTS,
        TYPOGRAPHIC_MARKS,
        VIETNAMESE_TONES,
        DEFAULT_EQUALS_OMISSION,
        OPTIONAL_BY_ANSWER,
        UNKNOWN_ARGUMENT,
        TOOL_NOT_OFFERED,
    }
)
"""Rules by which `typed` accepts what `bfcl` does not; the others work the other way round, the two below both ways."""
_BOTH_WAYS = frozenset({SCHEMA_TYPE, NESTED_VALUES})


def deciding(applied: frozenset[str], *, typed_equal: bool) -> tuple[str, ...]:
    """Of the rules that were applied, those that can explain the disagreement; the general ones only if no other does.

    >>> deciding(frozenset({NESTED_VALUES, BOOLEAN_ONLY}), typed_equal=False)
    ('boolean_only',)
    """
    direction = applied & _LENIENT if typed_equal else applied - _LENIENT
    specific = direction - _BOTH_WAYS
    return tuple(sorted(specific or applied & _BOTH_WAYS))
