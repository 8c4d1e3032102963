"""ToolRL's rlla: ToolACE, xLAM and Hammer rows in one prompt (qiancheng0/ToolRL, Apache-2.0; its xLAM part CC-BY-4.0).

`instruction` lists the tools as numbered text, `input` holds the dialogue in tags (user, think, tool_call, response,
obs), `output` the turn to learn: `<think>`, `<tool_call>` with one JSON object a line, `<response>`. The RL files have
the same in `prompt` and `reward_model.ground_truth`. Only that turn becomes an example: those before it have rows of
their own. Which arguments ToolACE's tools require was lost on the way there (each has the default `""`), so that their
schemas require none of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from rlvr.data.answers import AnswerError, blocks_of, calls_from_json, read_value
from rlvr.data.rows import Row
from rlvr.data.sources.base import Dialogue, DialogueSource, NotUnderstood
from rlvr.data.sources.dialogue import Turn
from rlvr.data.sources.messages import called
from rlvr.data.sources.offered import offered_tools
from rlvr.parsers.strict_json import json_end

_TOOL = re.compile(r"(?:^|\n)\d+\. Name: ")
_DESCRIPTION, _PARAMETERS = "\nDescription:", "\nParameters:"
_LIST_ENDS = "\n**Steps for Each Turn**"
_TAGS = ("user", "think", "tool_call", "response", "obs")


def read(row: Row) -> Dialogue:
    value = row.value
    if "output" in value:
        instruction, history, output = (str(value.get(k) or "") for k in ("instruction", "input", "output"))
    else:
        instruction, history = _prompt(value.get("prompt"), row.where)
        reward = value.get("reward_model")
        output = str(reward.get("ground_truth") or "") if isinstance(reward, Mapping) else ""
    tools = offered_tools([_without_required(t) for t in _tools(instruction, row.where)], row.where)
    turns = [*_turns(history, target=False), *_turns(output, target=True)]
    if not turns or turns[-1].role != "assistant":
        raise NotUnderstood(row.where, "answer", f"no turn to learn in the output: {output!r:.60}")
    return Dialogue(tuple(turns), tools)


def _prompt(prompt: Any, where: str) -> tuple[str, str]:
    listed = prompt if isinstance(prompt, list) else []
    texts = {str(m.get("role")): m.get("content") for m in listed if isinstance(m, Mapping)}
    system, user = texts.get("system"), texts.get("user")
    if not isinstance(system, str) or not isinstance(user, str):
        raise NotUnderstood(where, "messages", "`prompt` must hold the system's message and the user's")
    return system, user


def _tools(instruction: str, where: str) -> Iterator[dict[str, Any]]:
    listed = instruction.partition(_LIST_ENDS)[0]
    for entry in _TOOL.split(listed)[1:]:
        head, mark, parameters = entry.rpartition(_PARAMETERS)
        name, _, description = head.partition(_DESCRIPTION)
        start = parameters.find("{")
        end = json_end(parameters, start) if start >= 0 else -1
        if not mark or end < 0:
            raise NotUnderstood(where, "tools", f"a tool of the list has no parameters: {entry:.60}")
        try:
            schema = read_value(parameters[start:end], f"the parameters of {name}")
        except AnswerError as error:
            raise NotUnderstood(where, "tools", str(error)) from None
        yield {"name": name.strip(), "description": description.strip(), "parameters": schema}


def _without_required(tool: dict[str, Any]) -> dict[str, Any]:
    parameters = tool["parameters"]
    if not isinstance(parameters, dict) or not all(isinstance(v, dict) for v in parameters.values()):
        return tool
    lost = {k: {**v, "required": False} if v.get("default") == "" else v for k, v in parameters.items()}
    return {**tool, "parameters": lost}


def _turns(text: str, *, target: bool) -> Iterator[Turn]:
    for tag, inner in blocks_of(text, *_TAGS):
        if tag == "user":
            yield Turn("user", inner)
        elif tag == "obs":
            yield Turn("tool", inner)
        elif tag == "tool_call":
            yield called(partial(calls_from_json, inner), target=target)
        elif tag == "response":
            yield Turn("assistant", inner, target=target)


SOURCE = DialogueSource("rlla", read, "Apache-2.0", ("output|reward_model", "instruction|prompt"))
