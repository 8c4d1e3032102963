"""BFCL's multi-turn questions, for decontamination alone: what their users say, and the APIs that they are offered.

A row holds several turns and names the APIs that it offers; the tools stand in a file for each API. Its answers are
runs of an environment, which this library does not evaluate, so `rlvr.data.sources.bfcl` does not read these sets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from rlvr.data.sources.bfcl_files import data_folder, read_checked
from rlvr.errors import DataError
from rlvr.tools import normalise_tools
from rlvr.types import Tool

SHA256 = {
    "BFCL_v4_multi_turn_base.json": "1a21a995d06fd6f20ba55de7bced30ef953ec35e998f502ec2ecf4d66ef1c43a",
    "BFCL_v4_multi_turn_long_context.json": "78c3268c5cc8e97c0f4ec6c811b3b9a2bba14323b1830b7a874b06d822749324",
    "BFCL_v4_multi_turn_miss_func.json": "87d28ce10e37d864b72de85d5732eef2a867b241d6c1c99b4ae682c9e3ea921c",
    "BFCL_v4_multi_turn_miss_param.json": "f0c66dda3795f5f53e3e1c0cc8ba0246b6761c8f58bdba8317203bf451ab8838",
    "multi_turn_func_doc/gorilla_file_system.json": "c4c1b741c71e2a17c97a5dc9c4a91d89978c4eaece56494d14272d5df6c650e9",
    "multi_turn_func_doc/message_api.json": "4d58ea933a5d2b280d7a52366617fb47fecd333d7b0e08e724db6fa12fb5f847",
    "multi_turn_func_doc/posting_api.json": "87f9fc404a06e4107d7c366f1399c596440e84c16cb119faf374b2f532d86e8b",
    "multi_turn_func_doc/ticket_api.json": "31324e0380782664fe82ba05bd23517808ad55692b45a5fe7c3d4d395fe4f0f8",
    "multi_turn_func_doc/trading_bot.json": "1a7933fd8f0cb8fbec38aeae05cb8c24132747cad4904fe1c13ac3d01fc22c2d",
    "multi_turn_func_doc/travel_booking.json": "f17b950c13adddf41d0848077df58788252e4c2e7cad5cfa71c8c4bf04f57b26",
    "multi_turn_func_doc/vehicle_control.json": "0c8a66292844874ef7b168f343bc394d8615d2d9e1f4387999a9ee23011eac78",
}

MULTI_TURN = tuple(n.removeprefix("BFCL_v4_").removesuffix(".json") for n in SHA256 if "/" not in n)

# The file of each API, as the release's `executable_backend_config.py` maps them. The mathematics API is left out: it
# is what every calculator has (add, divide, mean), and proves nothing.
_APIS = {
    "GorillaFileSystem": "gorilla_file_system",
    "MessageAPI": "message_api",
    "TwitterAPI": "posting_api",
    "TicketAPI": "ticket_api",
    "TradingBot": "trading_bot",
    "TravelAPI": "travel_booking",
    "VehicleControlAPI": "vehicle_control",
}
_NO_EVIDENCE = ("MathAPI",)


def read_multi_turn(
    folder: str | Path | None = None, categories: tuple[str, ...] = MULTI_TURN
) -> Iterator[tuple[str, list[str], tuple[Tool, ...]]]:
    """Yield (id, what the user says, the tools of its APIs) of each row; `folder` as in `load_suite`.

    Raises `UsageError` where the data cannot be fetched, `DataError` where a file is not the pinned one or a row is not
    as it should be.
    """
    where = data_folder(SHA256, "multi-turn") if folder is None else Path(folder)
    for category in categories:
        for row in _rows(where, f"BFCL_v4_{category}.json"):
            yield str(row["id"]), _said(row), _offered(where, row)


def _said(row: dict[str, Any]) -> list[str]:
    turns = row.get("question")
    if not isinstance(turns, list) or not all(isinstance(turn, list) for turn in turns):
        raise DataError(str(row["id"]), "question must hold turns, each a list of messages")
    return [m["content"] for turn in turns for m in turn if m.get("role") == "user"]  # a turn may hold nothing


def _offered(folder: Path, row: dict[str, Any]) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for name in row.get("involved_classes", ()):
        if name not in _NO_EVIDENCE:
            if name not in _APIS:
                raise DataError(str(row["id"]), f"offers an API without a file: {name}")
            tools.extend(_api(folder, f"multi_turn_func_doc/{_APIS[name]}.json"))
    return tuple(tools)


@cache
def _api(folder: Path, name: str) -> tuple[Tool, ...]:
    return normalise_tools(_rows(folder, name), name)


def _rows(folder: Path, name: str) -> list[dict[str, Any]]:
    text = read_checked(folder, name, SHA256).decode("utf-8")
    return [json.loads(line) for line in text.split("\n") if line.strip()]
