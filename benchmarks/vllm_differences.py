"""Why our parsers and vLLM's differ, for `against_vllm_parsers.py`: each difference has one reason, or is a bug.

A reason is looked for in what vLLM hands on, in the text, and in the fault that ours names; where it can be computed
what vLLM makes of a call (`_as_vllm_reads_gemma`, `_as_vllm_types`), it must be that to the letter.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

from vllm_lenient import as_vllm_finds_gemma, why_gemma_is_skipped, why_xml_is_skipped

from rlvr.parsers import get_parser
from rlvr.types import ParsedCompletion, Tool

REASONS: dict[str, str] = {
    "never closed": "vLLM runs a call whose end was never written; what is missing may be the half of its arguments",
    "key twice": "JSON leaves open which of two equal keys counts (RFC 8259, 4); vLLM takes the last",
    "no JSON value": "NaN, Infinity, 1e999, more than 308 digits, a lone surrogate: strict readers behind a server"
    " refuse them; vLLM hands them on",
    "arguments that cannot be read": "vLLM hands on as arguments what is no JSON object, so the client's reader fails",
    "name and arguments no more": "a key too many or too few: vLLM drops what it does not know, wherever the argument"
    " went, and the older mistral parser runs a call without arguments then",
    "a broken part beside whole ones": "a stray mark, a call without its markup or in another format's: vLLM runs the"
    " whole calls and drops or shows the rest, so that half of what was asked for is done",
    "a list in one block": "SmolLM2 and others write all calls as one list; vLLM's hermes parser drops them all",
    "names": "names with spaces, dots, dashes, slashes or other letters are offered in the wild, and arguments that are"
    " Python's reserved words; vLLM's pattern and Python's grammar have none",
    "objects side by side": "two objects with nothing between them: vLLM's llama3_json parser drops all calls",
    "braces in words": "vLLM's llama3_json parser drops all calls where any brace in the text is no JSON",
    "objects picked out": "a list that is no JSON: vLLM's llama3_json parser runs each object in it that it can read",
    "space or comma": "Python's grammar, and BFCL's reader, take a space beside a name or bracket, a comma behind the"
    " last; vLLM's pattern does not",
    "a line continued": "a backslash that Python reads as the line going on; vLLM's pythonic parser is Python's",
    "a set": "{\"a\"} is no value of JSON; vLLM's pythonic parser makes it a list",
    "behind the first list": "vLLM's pythonic parser drops what stands behind the first list, calls as well",
    "arguments without keyword": "vLLM's pythonic parser drops arguments without a keyword and runs the rest",
    "two signs": "--7 is arithmetic, not a literal; vLLM's pythonic parser works it out",
    "strings typed again": "in mistral's JSON \"null\" is a string; vLLM's parser makes it null where the schema has"
    " null",
    "a mark inside a string": "vLLM's mistral parser splits a string that holds [TOOL_CALLS]; in JSON it is text",
    "a misspelt mark in the name": "vLLM's mistral parser takes all before the brace as the name: f[AARGS]",
    "several marks": "vLLM's parser for older mistral fails the request on a second [TOOL_CALLS]; models write them",
    "the request fails": "vLLM's parser for older mistral raises on an entry without a name and on a list that other"
    " text stands before: nothing runs either way, and ours says why",
    "a list dug out": "vLLM's parser for older mistral searches for a list behind other text; the format has none",
    "a call lost": "vLLM's qwen3_coder and functiongemma parsers skip a call whose tag or head is misspelt, and run the"
    " rest, also with the next call's arguments in the one before",
    "an argument lost": "the same of an argument whose tag is misspelt or whose value cannot be read",
    "a tag without its end": "vLLM's qwen3_coder parser takes what stands before the next > as the name, or drops it",
    "a space inside a tag": "vLLM's qwen3_coder parser reads < parameter=city> and <function=f > as tags without"
    " the space; no template writes one",
    "a line break in a name": "vLLM's qwen3_coder parser takes what stands before > as the name, line breaks and all",
    "a misspelt end tag": "vLLM's qwen3_coder parser takes </functon> for text, and the call for ended",
    "text between the tags": "words where only tags may stand: vLLM's qwen3_coder parser skips them, so that a model"
    " may write there what nobody counts",
    "broken objects as text": "a list or object that is no JSON: vLLM's qwen3_coder parser hands it on as a string",
    "Python's None": "chat templates write values by Python's str(), so models write None; vLLM hands on the text,"
    " which the schema refuses where it has null and no string",
    "null among line breaks": "a line break more than templates write: vLLM's qwen3_coder parser hands on the text",
    "only escaped strings": "vLLM's functiongemma parser finds nothing but strings at any depth: numbers, booleans,"
    " null, lists and objects are dropped, \"5\" becomes 5, names must be of letters and digits",
    "space before the end": "vLLM's functiongemma pattern wants the end mark right behind the brace",
    "space beside a colon": "vLLM's functiongemma pattern wants names, colons and values right behind each other",
    "escape tokens not in pairs": "one is misspelt or missing, so that vLLM's functiongemma parser drops the string, or"
    " takes the markup up to the next one into it",
    "marks beside the arguments": "a bracket, backslash or byte-order mark too many: vLLM's functiongemma parser"
    " finds the strings in spite of it",
    "before the opening tag": "vLLM's deepseek_r1 parser drops what stands before <think>; ours counts it as reasoning,"
    " so that it is not free",
    "fences": "a fence of four marks, one in another or in a string (CommonMark 4.5): vLLM's xlam pattern pairs the"
    " wrong ones",
}  # fmt: skip

_ODD = re.compile(r"(?<![\w\"'])-?(?:NaN|Infinity|1e999)\b|\d{309}")
_ASCII_NAME = re.compile(r"[a-zA-Z]+\w*")
_MARK = "[TOOL_CALLS]"
_GEMMA_NAME, _GEMMA_KEY = re.compile(r"\w+"), re.compile(r"\w+\Z")


@dataclass(frozen=True)
class Case:
    """One difference: `theirs` is `None` where vLLM's parser raised."""

    format: str
    mutation: str
    text: str
    parsed: ParsedCompletion
    ours: list[dict[str, Any]]
    theirs: list[dict[str, Any]] | None
    tools: tuple[Tool, ...]

    @property
    def faults(self) -> list[str | None]:
        return [a.fault for a in self.parsed.attempts]

    @property
    def broken(self) -> str:
        """What of the text ours could not read."""
        return "\n".join(a.raw for a in self.parsed.attempts if a.fault is not None)


def same(a: Any, b: Any) -> bool:
    """Equal as JSON, where 5 and 5.0 are one number and true is none."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def reason_of(case: Case) -> str:
    """The name of the reason, `unexplained` where there is none."""
    if case.theirs is None:
        return _why_raised(case)
    found = _why_ours_runs(case) if case.ours else _why_theirs_runs(case, case.theirs)
    return found or "unexplained"


def _why_raised(case: Case) -> str:
    if case.format != "mistral (older)":
        return "unexplained"
    if case.text.count(_MARK) > 1:
        return "several marks"
    return "unexplained" if case.ours else "the request fails"


def _why_ours_runs(case: Case) -> str | None:
    """Ours finds whole calls, and vLLM none or others."""
    theirs, none = case.theirs, not case.theirs
    names = [c["name"] for c in case.ours]
    keys = [k for c in case.ours for k in c["arguments"]]
    if case.format == "hermes" and none and re.search(r"<tool_call>\s*\[", case.text):
        return "a list in one block"
    if case.format == "llama3_json" and none and "{" in case.parsed.text:
        return "braces in words"
    if case.format == "llama3_json" and none and re.search(r"\}\s*\{", case.text):
        return "objects side by side"
    if case.format == "pythonic" and none and any(not _ASCII_NAME.fullmatch(n) or iskeyword(n) for n in names + keys):
        return "names"
    if case.format == "pythonic" and same(theirs, [_with_plain_keys(c) for c in case.ours]):
        return "names"
    if case.format == "pythonic" and none:
        plain = get_parser("pythonic").render(case.parsed.calls)
        if _bare(case.text) == _bare(plain) and case.text.replace("'", '"') != plain.replace("'", '"'):
            return "space or comma"
    if case.format == "mistral":
        if same(theirs, [_as_vllm_types(c, case.tools) for c in case.ours]):
            return "strings typed again"
        if _MARK in json.dumps(case.ours, ensure_ascii=False):
            return "a mark inside a string"
    if case.format == "qwen3_coder":
        if same(_long_numbers(case.ours), theirs):
            return "no JSON value"
        if same(case.ours, _with_none(theirs)):
            return "Python's None"
        if same([_stripped(c) for c in case.ours], theirs):
            return "a space inside a tag"
        if same(case.ours, [_with_null(c) for c in theirs or ()]):
            return "null among line breaks"
    if case.format == "functiongemma":
        if re.search(r"\}\s+<end_function_call>", case.text):
            return "space before the end"
        if same(theirs, list(_as_vllm_reads_gemma(case.ours))):
            return "only escaped strings"
        spaced = re.search(r"[\w}]\s+[:{]|:\s+(?:<escape>|\w)|>\s+call:", case.text)
        if spaced and same(theirs, list(as_vllm_finds_gemma(case.text))):
            return "space beside a colon"
    if case.format == "xlam" and none and ("````" in case.text or case.text.count("```") > 2):
        return "fences"
    return None


def _why_theirs_runs(case: Case, theirs: list[dict[str, Any]]) -> str | None:
    """Ours calls it malformed, by the fault that it names."""
    faults, broken = set(case.faults), case.broken
    if case.format == "pythonic":
        return _why_python_runs(case.text) or ("no JSON value" if any(map(_is_odd, _leaves(theirs))) else None)
    if "unclosed" in faults:
        return "never closed"
    if faults & {"bare", "stray"}:
        return "a broken part beside whole ones"
    if "shape" in faults:
        return "name and arguments no more"
    if any(not isinstance(c["arguments"], dict) for c in theirs):
        return "arguments that cannot be read"
    if _has_key_twice(case.format, broken):
        return "key twice"
    if _ODD.search(broken) or any(map(_is_odd, _leaves(theirs))):
        return "no JSON value"
    if case.format == "mistral" and any(re.search(r"[\[{<\n]", c["name"]) for c in theirs):
        return "a misspelt mark in the name"
    if case.format == "mistral (older)" and not re.search(r"\[TOOL_CALLS\]\s*\[\{", case.text):
        return "a list dug out"
    if case.format == "qwen3_coder":
        texts = [v for c in theirs for k, v in c["arguments"].items() if k in ("filter", "tags")]
        typed = [v for c in theirs for k, v in c["arguments"].items() if k in ("days", "ratio", "metric", "limit")]
        if any(isinstance(v, str) for v in texts) or any(isinstance(v, str) and v[:1] in ("[", "{") for v in typed):
            return "broken objects as text"
        return why_xml_is_skipped(case.text, theirs, case.tools, same)
    if case.format == "llama3_json" and same(theirs, list(_picked(case.text))):
        return "objects picked out"
    return why_gemma_is_skipped(case.text, broken, theirs, same) if case.format == "functiongemma" else None


def _why_python_runs(text: str) -> str | None:
    """By Python's own reading of a text that vLLM took; it is ours, so nothing is feared of it."""
    tree = ast.parse(text)
    if "\\\n" in text:
        return "a line continued"
    if len(tree.body) > 1:
        return "behind the first list"
    for node in ast.walk(tree):
        keys: list[Any] = []
        if isinstance(node, ast.Call):
            keys = [k.arg for k in node.keywords]
            if node.args:
                return "arguments without keyword"
        elif isinstance(node, ast.Dict):
            keys = [k.value for k in node.keys if isinstance(k, ast.Constant)]
        elif isinstance(node, ast.Set):
            return "a set"
        if len(keys) != len(set(keys)):
            return "key twice"
        if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.UnaryOp):
            return "two signs"
    return None


def _stripped(call: dict[str, Any]) -> dict[str, Any]:
    return {"name": call["name"].strip(), "arguments": {k.strip(): v for k, v in call["arguments"].items()}}


def _with_plain_keys(call: dict[str, Any]) -> dict[str, Any]:
    return {**call, "arguments": {k: v for k, v in call["arguments"].items() if _ASCII_NAME.fullmatch(k)}}


def _with_null(call: dict[str, Any]) -> dict[str, Any]:
    nulls = {k: None for k, v in call["arguments"].items() if isinstance(v, str) and v.strip() == "null"}
    return {**call, "arguments": {**call["arguments"], **nulls}}


def _bare(text: str) -> str:
    """A pythonic text without spaces, without commas behind the last, in one kind of quotes."""
    return re.sub(r"\s|,(?=\s*[\])])", "", text).replace("'", '"')


def _picked(text: str) -> Iterator[dict[str, Any]]:
    """The calls in a text, wherever an object begins, as vLLM's llama3_json parser takes them."""
    decoder = json.JSONDecoder()
    position = text.find("{")
    while position >= 0:
        try:
            value, position = decoder.raw_decode(text, position)
        except ValueError:
            return
        yield {"name": value.get("name"), "arguments": value.get("parameters", value.get("arguments"))}
        position = text.find("{", position)


def _has_key_twice(name: str, text: str) -> bool:
    if name == "qwen3_coder":
        blocks = [re.findall(r"<parameter=([^>]*)>", block) for block in text.split("<function=")]
    elif name == "functiongemma":
        blocks = [re.findall(r"[{,](\w+):", block) for block in text.split("call:")]
    else:
        blocks = list(_objects(text))
    return any(len(keys) != len(set(keys)) for keys in blocks)


def _objects(text: str) -> Iterator[list[str]]:
    """The keys of every JSON object in a text, as often as they stand there."""
    seen: list[list[str]] = []
    decoder = json.JSONDecoder(object_pairs_hook=lambda pairs: seen.append([k for k, _ in pairs]))
    position = text.find("{")
    while position >= 0:
        try:
            position = decoder.raw_decode(text, position)[1]
        except ValueError:
            position += 1
        position = text.find("{", position)
    yield from seen


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def _is_odd(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, str):
        return any("\ud800" <= c <= "\udfff" for c in value)
    return isinstance(value, int) and abs(value) >= 10**308


def _long_numbers(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls as vLLM's qwen3_coder parser types them where an integer has too many digits for ours."""
    return [{**c, "arguments": {k: int(v) if _is_long(v) else v for k, v in c["arguments"].items()}} for c in calls]


def _with_none(calls: Any) -> Any:
    """Calls with null for the text None where the benchmark's tools have null and no string: in `limit`."""
    return [
        {**c, "arguments": {k: None if (k, v) == ("limit", "None") else v for k, v in c["arguments"].items()}}
        for c in calls
    ]


def _is_long(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{309,}", value) is not None


def _as_vllm_types(call: dict[str, Any], tools: tuple[Tool, ...]) -> dict[str, Any]:
    """A call as vLLM's mistral parser changes it: the string "null" where the schema has null, is null."""
    known = {t.name: t.parameters["properties"] for t in tools}.get(call["name"], {})
    nullable = {k for k, v in known.items() if "null" in json.dumps(v)}
    arguments = {k: None if k in nullable and v == "null" else v for k, v in call["arguments"].items()}
    return {**call, "arguments": arguments}


def _as_vllm_reads_gemma(calls: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Calls as vLLM's functiongemma parser finds them in a text that ours reads whole."""
    for call in calls:
        if _GEMMA_NAME.fullmatch(call["name"]):
            yield {"name": call["name"], "arguments": dict(_escaped_strings(call["arguments"]))}


def _escaped_strings(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            word = _GEMMA_KEY.search(key)
            if isinstance(inner, str) and word:
                yield word.group(), _as_json(inner)
            else:
                yield from _escaped_strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _escaped_strings(inner)


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
