"""What vLLM's lenient parsers make of a broken part: qwen3_coder's and functiongemma's skip what they cannot read.

For `vllm_differences.py`: what is lost by that, or that nothing is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from rlvr.parsers import get_parser
from rlvr.types import Tool

Calls = list[dict[str, Any]]
Same = Callable[[Any, Any], bool]

_XML_PARTS = re.compile(
    r"</?tool_call>|<function=[^<>\n]*>|<parameter=[^<>\n]*>(?:(?!</?(?:parameter|function|tool_call)\b).)*</parameter>",
    re.DOTALL,
)
_XML_OPEN_TAG = re.compile(r"<(?:function|parameter)=[^>]*<")
_XML_SPACE = re.compile(r"<\s*(/?)\s*(function|parameter)\s*(=\s*|>)")
_XML_LAST_SPACE = re.compile(r"(<(?:function|parameter)=[^<>]*?)\s+>")
_XML_BROKEN_NAME = re.compile(r"<(?:function|parameter)=[^<>]*\n[^<>]*>")
_GEMMA_BLOCK = re.compile(r"(?s)<start_function_call>call:(\w+)\{(.*?)(?:\}<end_function_call>|\Z)")
_GEMMA_STRING = re.compile(r"(?s)(\w+):<escape>(.*?)<escape>")


def why_xml_is_skipped(text: str, theirs: Calls, tools: tuple[Tool, ...], same: Same) -> str | None:
    """Of a qwen3_coder text that ours calls malformed for what stands between its tags, and vLLM runs."""
    if _XML_OPEN_TAG.search(text):
        return "a tag without its end"
    if len(theirs) < text.count("<tool_call>"):
        return "a call lost"
    if sum(len(call["arguments"]) for call in theirs) < text.count("</parameter>"):
        return "an argument lost"
    if any("</parameter" in str(value) for call in theirs for value in call["arguments"].values()):
        return "a misspelt end tag"
    read = get_parser("qwen3_coder")
    parts = "".join(_XML_PARTS.findall(text)).replace("</tool_call>", "</function></tool_call>")
    if not same(theirs, [c.to_json() for c in read.parse(parts, tools=tools).calls]):
        closed = _XML_LAST_SPACE.sub(r"\1>", _XML_SPACE.sub(lambda tag: "".join(tag.group().split()), text))
        if closed != text and same(theirs, [c.to_json() for c in read.parse(closed, tools=tools).calls]):
            return "a space inside a tag"
        marked = _XML_BROKEN_NAME.sub(lambda tag: tag.group().replace("\n", "_"), text)
        calls = [
            {"name": _joined(c["name"]), "arguments": {_joined(k): v for k, v in c["arguments"].items()}}
            for c in theirs
        ]
        alike = marked != text and same(calls, [c.to_json() for c in read.parse(marked, tools=tools).calls])
        return "a line break in a name" if alike else None
    return "a misspelt end tag" if text.count("</function>") < len(theirs) else "text between the tags"


def _joined(name: str) -> str:
    return name.replace("\n", "_")


def why_gemma_is_skipped(text: str, broken: str, theirs: Calls, same: Same) -> str | None:
    """Of a functiongemma text that ours calls malformed for what stands in its blocks, and vLLM runs."""
    if not same(theirs, list(as_vllm_finds_gemma(text))):
        return None
    if len(theirs) < text.count("<start_function_call>"):
        return "a call lost"
    if broken.count("<escape>") % 2:
        return "escape tokens not in pairs"
    written = set(re.findall(r"[{,]([^{},:]*):", re.sub(r"(?s)<escape>.*?<escape>", "", broken)))
    ran = {key for call in as_vllm_finds_gemma(broken) for key in call["arguments"]}
    return "marks beside the arguments" if ran == written else "an argument lost"


def as_vllm_finds_gemma(text: str) -> Iterator[dict[str, Any]]:
    """Names of letters and digits behind the opening mark, and in a call whatever is a key with an escaped string."""
    for name, body in _GEMMA_BLOCK.findall(text):
        yield {"name": name, "arguments": {key: _as_json(value) for key, value in _GEMMA_STRING.findall(body)}}


def _as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
