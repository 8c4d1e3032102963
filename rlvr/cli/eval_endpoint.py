"""The options of `rlvr eval` for a server in place of an engine: what is asked of it, and how prompts get there."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlvr.evaluation import ModelSpec
    from rlvr.rollouts.endpoint import EndpointGenerator
    from rlvr.rollouts.endpoint_http import EndpointOptions

DEFAULTS = {
    "endpoint": None,
    "api": None,
    "tokenizer": None,
    "api_key_env": "OPENAI_API_KEY",
    "concurrency": 16,
    "timeout": 300.0,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "a server in place of an engine", "OpenAI-compatible; MODEL is then the name under which it serves the model"
    )
    group.add_argument("--endpoint", metavar="URL", help="the API's address, such as http://127.0.0.1:8000/v1")
    group.add_argument(
        "--api",
        choices=("chat", "completions"),
        help="chat: the server renders the prompt and reads calls; completions: both are done here (default: "
        "completions with --tokenizer, else chat)",
    )
    group.add_argument("--tokenizer", metavar="MODEL", help="whose tokenizer and chat template render the prompts")
    group.add_argument(
        "--api-key-env", metavar="VAR", help="the environment variable that holds the key (default: OPENAI_API_KEY)"
    )
    group.add_argument("--concurrency", type=int, metavar="N", help="requests on their way at a time (default: 16)")
    group.add_argument("--timeout", type=float, metavar="S", help="seconds for one whole answer (default: 300)")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that was asked for, and the folder of a tokenizer where prompts are rendered here."""

    options: EndpointOptions
    tokenizer: str | Path | None

    @property
    def settings(self) -> dict[str, str]:
        """What the records depend on; with `completions` the tokenizer and chat template that render the prompts."""
        told = {"api": self.options.api}
        if self.options.api == "completions" and self.tokenizer is not None:
            from rlvr.models.tokenizer import tokenizer_digest

            told["tokenizer"] = tokenizer_digest(self.tokenizer)
        return told

    def models(self, texts: Sequence[str]) -> list[ModelSpec]:
        """`NAME` or `LABEL=NAME`, each of them asked for at the server."""
        from rlvr.cli.eval import default_label
        from rlvr.evaluation import ModelSpec

        found = []
        for text in texts:
            label, sign, name = text.partition("=")
            found.append(ModelSpec(label, name) if sign else ModelSpec(default_label(text), text))
        return found

    def length(self, models: Sequence[ModelSpec], asked: int) -> int:
        """Prompt and completion tokens that all of the models take; `asked` at most."""
        from rlvr.rollouts.endpoint_http import look

        served = [look(self.options, str(model.path)).max_model_len for model in models]
        return min([asked, *(n for n in served if n)])

    def make(self, name: str | Path) -> EndpointGenerator:
        from rlvr.rollouts.endpoint import EndpointGenerator

        tokenizer: Any = None
        if self.tokenizer is not None:
            from transformers import AutoTokenizer

            tokenizer = AutoTokenizer.from_pretrained(str(self.tokenizer))
        return EndpointGenerator(str(name), self.options, tokenizer=tokenizer)

    def render(self, thinking: bool | None) -> Any:
        """How prompts are rendered: here, or by the server."""
        from rlvr.evaluation.rendering import rendering
        from rlvr.rollouts.wire import chat_prompt

        if self.options.api == "chat":
            return lambda example, tokenizer, parser: chat_prompt(example)
        return rendering(thinking=thinking)


def chosen_endpoint(args: argparse.Namespace, thinking: bool | None) -> Endpoint | None:
    """The server that `args` name; `None` where they name none.

    Raises `UsageError` for options that do not fit: those of a server without one, an engine beside it, a format that
    the server is to read.
    """
    from rlvr.errors import UsageError
    from rlvr.rollouts.endpoint_http import EndpointOptions

    if args.endpoint is None:
        told = [name for name, default in DEFAULTS.items() if getattr(args, name) != default]
        if told:
            raise UsageError(f"--{told[0].replace('_', '-')} belongs to --endpoint")
        return None
    if args.rollout != "auto":
        raise UsageError(f"--endpoint is in place of an engine here: leave --rollout {args.rollout} out.")
    if args.structured:
        raise UsageError("--structured needs vLLM here: an endpoint has no structured outputs. Use --rollout vllm.")
    api = args.api or ("completions" if args.tokenizer else "chat")
    if api == "chat" and args.parser != "hermes":
        raise UsageError(
            f"--parser {args.parser}: with --api chat the server reads the calls (its --tool-call-parser). Leave "
            "--parser out, or use --api completions with --tokenizer."
        )
    if api == "completions" and not args.tokenizer:
        raise UsageError("--api completions renders the prompts here: give the model's own with --tokenizer.")
    options = EndpointOptions(args.endpoint, api, args.api_key_env, args.concurrency, args.timeout, thinking=thinking)
    tokenizer: str | Path | None = None
    if args.tokenizer:
        from rlvr.models import resolve

        folder = Path(args.tokenizer).expanduser()  # its weights may lie on the server alone
        alone = any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json"))
        tokenizer = folder if alone else resolve(args.tokenizer)
    return Endpoint(options, tokenizer)
