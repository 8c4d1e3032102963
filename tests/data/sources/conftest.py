"""Rows in the published form of each source, made by hand; the fixture `forms` gives them by name."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}
OPENAI_WEATHER = {"type": "function", "function": WEATHER}
ASKED = "What will the weather be in Paris for the next three days?"
CALL = {"name": "get_weather", "arguments": {"city": "Paris", "days": 3}}
RESULT = '{"sky": "clear"}'
REPLY = "It will be clear in Paris."

XLAM = {
    "id": 7,
    "query": ASKED,
    "answers": json.dumps([CALL]),
    "tools": json.dumps(
        [
            {
                "name": "get_weather",
                "description": "The weather of a city",
                "parameters": {
                    "city": {"description": "", "type": "str", "default": ""},
                    "days": {"description": "", "type": "int, optional", "default": "1"},
                },
            }
        ]
    ),
}
TOOLACE = {
    "system": "You are an expert. Here is a list of functions in JSON format that you can invoke:\n"
    + json.dumps([{**WEATHER, "name": "Get Weather (v2)", "required": None}])
    + ". \nShould you decide to return the function call(s).\nPut it in the format of [func1(a=b)]\n",
    "conversations": [
        {"from": "user", "value": ASKED},
        {"from": "assistant", "value": '[Get Weather (v2)(city="Paris", days=3)]'},
        {"from": "tool", "value": RESULT},
        {"from": "assistant", "value": REPLY},
    ],
}
TOUCAN_NAME = "weather-server-get_weather"
TOUCAN_TOOL = {"type": "function", "function": {**WEATHER, "name": TOUCAN_NAME}}
TOUCAN = {
    "uuid": "u1",
    "subset_name": "single-turn-original",
    "question": ASKED,
    "target_tools": "get_weather",
    "available_tools": json.dumps([TOUCAN_TOOL]),
    "metadata": json.dumps({"mcp_servers": [{"server_id": 3, "server_name": "Weather Server"}]}),
    "messages": json.dumps(
        [
            {
                "role": "system",
                "content": f"<|im_system|>tool_declare<|im_middle|>{json.dumps([TOUCAN_TOOL])}<|im_end|>",
            },
            {"role": "user", "content": ASKED},
            {"role": "assistant", "content": "Let me look."},
            {
                "role": "assistant",
                "content": "",
                "function_call": {"name": TOUCAN_NAME, "arguments": '{"city": "Paris", "days": "3"}'},
            },
            {
                "role": "assistant",
                "content": "",
                "function_call": {"name": TOUCAN_NAME, "arguments": '{"city": "Rome"}'},
            },
            {"role": "function", "name": TOUCAN_NAME, "content": RESULT},
            {"role": "function", "name": TOUCAN_NAME, "content": RESULT},
            {"role": "assistant", "content": REPLY},
        ]
    ),
}
TOUCAN_SFT = {
    "uuid": "u2",
    "subset_name": "irrelevant",
    "question": "Book me a table",
    "target_tools": "",
    "tools": json.dumps([TOUCAN_TOOL]),
    "messages": json.dumps(
        [
            {"role": "system", "content": "You may call tools.\n# Tools\n<tools>[]</tools>"},
            {"role": "user", "content": "Book me a table at Noma for tomorrow."},
            {"role": "assistant", "content": "None of my tools can book a table; they only tell the weather."},
        ]
    ),
}
TOUCAN_SFT_CALLING = {
    **TOUCAN_SFT,
    "uuid": "u3",
    "subset_name": "multi-turn",
    "target_tools": "get_weather",
    "messages": json.dumps(
        [
            {"role": "user", "content": ASKED},
            {"role": "tool_call", "content": str({"name": TOUCAN_NAME, "arguments": '{"city": "Paris", "days": 3}'})},
            {"role": "tool_response", "content": RESULT},
            {"role": "assistant", "content": REPLY},
        ]
    ),
}
HERMES = {
    "id": "h1",
    "conversations": [
        {"from": "system", "value": f"Tools are in <tools> </tools> tags.\n<tools>\n[{OPENAI_WEATHER}]\n</tools>"},
        {"from": "human", "value": ASKED},
        {"from": "gpt", "value": f"<tool_call>\n{CALL}\n</tool_call>\n"},
        {"from": "tool", "value": f"<tool_response>\n{RESULT}\n</tool_response>"},
        {"from": "gpt", "value": REPLY},
    ],
    "category": "Weather",
}  # fmt: skip
GLAIVE = {
    "system": "SYSTEM: You are a helpful assistant with access to the following functions. Use them if required -\n"
    + json.dumps(WEATHER, indent=4)
    + "\n"
    + json.dumps({"name": "other", "description": "", "parameters": {}}),
    "chat": f"USER: {ASKED}\n\n\nASSISTANT: <functioncall> "
    + '{"name": "get_weather", "arguments": \'{"city": "Paris", "days": 3}\'} <|endoftext|>\n\n\n'
    + f"FUNCTION RESPONSE: {RESULT}\n\n\nASSISTANT: {REPLY} <|endoftext|>\n\n\n",
}
SHAREGPT = {
    "system": "# Policy\nBe kind.",
    "tools": json.dumps([WEATHER]),
    "conversations": [
        {"from": "human", "value": ASKED},
        {"from": "function_call", "value": json.dumps(CALL)},
        {"from": "observation", "value": RESULT},
        {"from": "gpt", "value": REPLY},
    ],
}
RLLA_INSTRUCTION = (
    "You are a helpful assistant.\n\n**Available Tools**\nIn your response, you can use the following tools:\n"
    "1. Name: get_weather\nDescription: The weather\nof a city\nParameters: "
    '{"city": {"description": "", "type": "string", "default": ""}, "days": {"description": "", "type": "int"}}\n'
    "2. Name: other tool\nDescription: \nParameters: {}\n"
    '\n**Steps for Each Turn**\n1. Name: no tool\n<tool_call>\n{"name": "Tool name", "parameters": {}}\n</tool_call>'
)
RLLA_HISTORY = (
    "**Dialogue Records History**\n<user> Hello </user>\n<response> Hi! </response>\n<user> And in Paris? </user>\n"
)
RLLA_OUTPUT = (
    "<think> I need the weather. </think>\n<tool_call>\n"
    '{"name": "get_weather", "parameters": {"city": "Paris", "days": "3"}}\n'
    '{"name": "other tool", "parameters": {}}\n</tool_call>'
)
RLLA = {"instruction": RLLA_INSTRUCTION, "input": RLLA_HISTORY, "output": RLLA_OUTPUT}
RLLA_RL = {
    "prompt": [{"role": "system", "content": RLLA_INSTRUCTION}, {"role": "user", "content": RLLA_HISTORY}],
    "reward_model": {"ground_truth": RLLA_OUTPUT, "style": "rule"},
}
HAMMER = {
    "instruction": "[BEGIN OF TASK INSTRUCTION]\nCall.\n[END OF TASK INSTRUCTION]\n\n[BEGIN OF AVAILABLE TOOLS]\n"
    + json.dumps([WEATHER])
    + f"\n[END OF AVAILABLE TOOLS]\n\n[BEGIN OF QUERY]\n{ASKED}\n[END OF QUERY]\n\n",
    "input": "",
    "output": f"```\n[\n    {json.dumps(CALL)}\n]\n```",
}
OPENAI = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": ASKED}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {**CALL, "arguments": json.dumps(CALL["arguments"])}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": RESULT},
        {"role": "assistant", "content": REPLY, "weight": 0},
    ],
    "tools": [OPENAI_WEATHER],
}
LLAMAFACTORY = {
    "messages": [
        {"role": "system", "content": [{"type": "tools", "value": json.dumps([WEATHER])}], "loss_weight": 0.0},
        {"role": "user", "content": [{"type": "text", "value": ASKED}], "loss_weight": 0.0},
        {
            "role": "assistant",
            "content": [
                {"type": "reasoning", "value": "I need a tool."},
                {"type": "tool_calls", "value": json.dumps([CALL])},
            ],
            "loss_weight": 1.0,
        },
        {"role": "tool", "content": [{"type": "text", "value": RESULT}], "loss_weight": 0.0},
        {"role": "assistant", "content": [{"type": "text", "value": REPLY}], "loss_weight": 1.0},
    ]
}
MS_SWIFT = {
    "messages": [
        {"role": "user", "content": ASKED},
        {"role": "tool_call", "content": json.dumps(CALL)},
        {"role": "tool_call", "content": json.dumps({**CALL, "arguments": {"city": "Rome"}})},
        {"role": "tool_response", "content": RESULT},
        {"role": "tool_response", "content": RESULT},
        {"role": "assistant", "content": REPLY},
    ],
    "tools": json.dumps([OPENAI_WEATHER]),
}
ANTHROPIC = {
    "id": "a1",
    "success": True,
    "request": {
        "system": [{"type": "text", "text": "Be brief."}],
        "tools": [{"name": "get_weather", "description": "", "input_schema": WEATHER["parameters"]}],
        "messages": [
            {"role": "user", "content": ASKED},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Look."},
                    {"type": "tool_use", "id": "t", "name": "get_weather", "input": CALL["arguments"]},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": RESULT}]}],
            },
        ],
    },
    "response": {"role": "assistant", "content": [{"type": "text", "text": REPLY}]},
}
RESPONSES = {
    "instructions": "Be brief.",
    "tools": [{"type": "function", **WEATHER}],
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": ASKED}]},
        {"type": "reasoning", "summary": []},
        {
            "type": "function_call",
            "call_id": "c",
            "name": "get_weather",
            "arguments": json.dumps(CALL["arguments"]),
        },
        {"type": "function_call_output", "call_id": "c", "output": RESULT},
    ],
    "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": REPLY}]}],
}
CHAT_LOG = {
    "request": {"messages": OPENAI["messages"][:2], "tools": [OPENAI_WEATHER]},
    "response": {"choices": [{"message": OPENAI["messages"][2]}]},
}
SGD_ARGUMENTS = {"city": "Paris", "days": "3", "metric": "dontcare"}
SGD = {
    "dialogue_id": "1_0",
    "services": ["Weather_1"],
    "turns": [
        {"speaker": "USER", "utterance": "The weather in Paris for 3 days?", "frames": [{"service": "Weather_1"}]},
        {
            "speaker": "SYSTEM",
            "utterance": REPLY,
            "frames": [
                {
                    "service": "Weather_1",
                    "service_call": {"method": "GetWeather", "parameters": SGD_ARGUMENTS},
                    "service_results": [{"sky": "clear"}],
                }
            ],
        },
    ],
}
SGD_SCHEMA = [
    {
        "service_name": "Weather_1",
        "description": "Weather",
        "slots": [
            {"name": "city", "description": "The city", "is_categorical": False, "possible_values": []},
            {"name": "days", "description": "", "is_categorical": True, "possible_values": ["1", "2", "3"]},
            {"name": "metric", "description": "", "is_categorical": True, "possible_values": ["True", "False"]},
        ],
        "intents": [
            {
                "name": "GetWeather",
                "description": "Tell it",
                "required_slots": ["city"],
                "optional_slots": {"days": "1", "metric": "dontcare"},
            }
        ],
    }
]


@pytest.fixture(scope="session")
def forms() -> SimpleNamespace:
    return SimpleNamespace(**{name: value for name, value in globals().items() if name.isupper()})
