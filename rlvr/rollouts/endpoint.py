"""Generation by an OpenAI-compatible server, in one of two ways.

`completions`: our own rendered prompt goes to `/completions`, so a tokenizer is needed here, and our parser reads the
completion. To vLLM and SGLang the prompt goes as token ids, so that they add none; to other servers as text.
`chat`: messages and tools go to `/chat/completions`; the server renders them, and reads calls and reasoning. Its
message is written as text in the Hermes format (`rlvr.rollouts.wire`) and judged like any other.

Requests start in the order of the prompts and are answered beside each other; results come in the order of the prompts.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.errors import RlvrError, RunError, UsageError
from rlvr.parsers.token_ids import completion_text
from rlvr.prompts import RenderedPrompt
from rlvr.rewards.functions import run_async
from rlvr.rollouts.answers import Building
from rlvr.rollouts.base import Generation
from rlvr.rollouts.endpoint_http import (
    LOOK_SECONDS,
    PATHS,
    EndpointOptions,
    Served,
    TooLongError,
    events,
    look,
    now,
    tried,
)
from rlvr.rollouts.journal import FILE, Answer, Journal, request_key
from rlvr.rollouts.wire import ChatPrompt, as_text

PLAIN = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
"""Told to the servers that take these: they would fill them in from the model's `generation_config` otherwise."""
TAKES_PLAIN = ("vllm", "sglang")
KNOWS_IDS = ("vllm",)
"""The servers that tell a completion's token ids where they are asked."""


@dataclass(frozen=True, slots=True)
class _Ask:
    key: str
    body: Mapping[str, Any]
    prompt_id: str


class EndpointGenerator:
    """See `rlvr.rollouts.base.Generator`. `tokenizer` is needed for `completions`, and counts tokens elsewhere.

    Raises `UsageError` where the server cannot be used (`look`).
    """

    backend = "endpoint"

    def __init__(self, model: str, options: EndpointOptions, *, tokenizer: Any = None) -> None:
        if options.api == "completions" and tokenizer is None:
            raise UsageError("--api completions renders the prompts here: give the model's own with --tokenizer.")
        self.options, self.tokenizer = options, tokenizer
        self.served: Served = look(options, model)
        self._journal = Journal()
        self._say: Callable[[str], None] = lambda line: None
        self._label = model

    def set_model(self, path: str | Path) -> None:
        self.served = look(self.options, str(path))

    def close(self) -> None:
        pass

    def begin(self, folder: Path, label: str, say: Callable[[str], None] | None = None) -> None:
        """Keep every answer in a folder from here on, and take those that are there under `label`.

        `say` is told how many of a batch have come.
        """
        self._journal, self._label = Journal(folder / FILE, label), label
        self._say = say or self._say

    def generate(
        self,
        prompts: Sequence[RenderedPrompt],
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        n: int = 1,
    ) -> list[list[Generation]]:
        """See `rlvr.rollouts.base.Generator`.

        Raises `UsageError` where the server refuses, `RunError` where it does not answer; answers that came are kept,
        also those that were on their way.
        """
        asks: list[_Ask] = []
        seen: Counter[str] = Counter()
        for prompt in prompts:
            for i in range(n):
                body = self._body(prompt, max_new_tokens, temperature, seed + i)
                content = request_key(PATHS[self.options.api], body, 0)
                key = request_key(PATHS[self.options.api], body, seen[content])
                seen[content] += 1
                asks.append(_Ask(key, body, getattr(prompt, "id", "")))
        answers: list[Answer] = run_async(self._all(asks))
        made = [[self._generation(a)] if not a.too_long else [] for a in answers]
        return [[g for part in made[i : i + n] for g in part] for i in range(0, len(made), n)]

    def describe(self, *, max_new_tokens: int, temperature: float = 0.0, seed: int = 0) -> dict[str, Any]:
        """See `rlvr.rollouts.base.describe`."""
        o, s = self.options, self.served
        engine = {
            "backend": self.backend,
            "api": o.api,
            "url": o.shown,
            "served": {"name": s.name, "by": s.owned_by, "root": s.root, "max_model_len": s.max_model_len},
            "concurrency": o.concurrency,
        }
        if name := getattr(self.tokenizer, "name_or_path", ""):
            engine["tokenizer"] = name
        sampling = self._sampling(max_new_tokens, temperature, seed)
        return {"engine": engine, "sampling": {k: v for k, v in sampling.items() if "stream" not in k}}

    def _sampling(self, max_new_tokens: int, temperature: float, seed: int) -> dict[str, Any]:
        told = {
            "max_tokens": max_new_tokens,
            "temperature": temperature,
            "top_p": 1.0,
            "seed": seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return told | (PLAIN if self.served.owned_by in TAKES_PLAIN else {})

    def _body(self, prompt: RenderedPrompt, max_new_tokens: int, temperature: float, seed: int) -> dict[str, Any]:
        if prompt.structure:
            raise UsageError("an endpoint has no structured outputs here. Use --rollout vllm, or leave them out.")
        body = {"model": self.served.name, **self._sampling(max_new_tokens, temperature, seed)}
        if self.options.api == "completions":
            ids = self.served.owned_by in TAKES_PLAIN
            told = {"return_token_ids": True} if self.served.owned_by in KNOWS_IDS else {}
            return {**body, "prompt": list(prompt.token_ids) if ids else prompt.text, **told}
        if not isinstance(prompt, ChatPrompt):
            raise UsageError(
                "these prompts are rendered here, and --api chat renders on the server. Use --api completions with "
                "--tokenizer."
            )
        chat: dict[str, Any] = {**body, "messages": list(prompt.messages)}
        if prompt.tools:
            chat["tools"] = list(prompt.tools)
        if self.options.thinking is not None:
            chat["chat_template_kwargs"] = {"enable_thinking": self.options.thinking}
        return chat

    async def _all(self, asks: Sequence[_Ask]) -> list[Answer]:
        """Every answer, in order; after a failure those on their way are waited for, and then it is raised."""
        import httpx

        gate = asyncio.Semaphore(self.options.concurrency)
        failures: list[RlvrError] = []
        come = 0
        limits = httpx.Limits(max_connections=self.options.concurrency)
        timeout = httpx.Timeout(self.options.timeout, connect=min(LOOK_SECONDS, self.options.timeout), pool=None)
        async with httpx.AsyncClient(**self.options.client_options(), timeout=timeout, limits=limits) as client:

            async def one(ask: _Ask) -> Answer | None:
                nonlocal come
                async with gate:
                    try:
                        answer = self._journal.get(ask.key)
                        if answer is None and not failures:
                            answer = await self._answer(client, ask, lambda: bool(failures))
                            self._say(f"{self._label}: {come + 1} of {len(asks)} answers of this batch")
                    except RlvrError as error:
                        failures.append(error)
                        return None
                    come += 1
                    return answer

            answers = await asyncio.gather(*(one(ask) for ask in asks))
        if failures:
            raise type(failures[0])(f"{failures[0]} {self._kept()}")
        return [a for a in answers if a is not None]

    async def _answer(self, client: Any, ask: _Ask, stop: Any) -> Answer:
        async def once() -> Answer:
            building = Building(now())
            async for event in events(client, PATHS[self.options.api], ask.body, self.options):
                building.take(event, now())
            return building.answer()

        try:
            answer: Answer = await tried(once, self.options, stop)
        except TooLongError:
            answer = Answer(too_long=True)
        except (UsageError, RunError) as error:
            raise type(error)(f"{error} (example {ask.prompt_id})" if ask.prompt_id else str(error)) from None
        self._journal.add(ask.key, answer, ask.prompt_id)
        return answer

    def _kept(self) -> str:
        if self._journal.path is None:
            return ""
        return f"The answers so far are kept in {self._journal.path}: the same command goes on from there."

    def _generation(self, answer: Answer) -> Generation:
        text, ids = answer.text, tuple(answer.token_ids)
        if answer.message is not None:
            text = as_text(answer.message)
        elif ids and self.tokenizer is not None:
            text = completion_text(ids, self.tokenizer)
        count = len(ids) or answer.completion_tokens
        if count is None and self.tokenizer is not None:
            count = len(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        if count is None:
            raise RunError(
                f"{self.options.shown}: the server does not say how many tokens it generated (`usage`). Give the "
                "model's tokenizer, so that they are counted here: --api chat --tokenizer MODEL."
            )
        return Generation(
            text,
            ids,
            answer.finish_reason == "length",
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=count,
            seconds=answer.seconds,
            first_token_seconds=answer.first_token_seconds,
            first_call_seconds=answer.first_call_seconds,
        )
