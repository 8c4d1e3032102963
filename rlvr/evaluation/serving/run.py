"""The whole check: an endpoint is found, asked everything, and judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rlvr import __version__
from rlvr.errors import UsageError
from rlvr.evaluation.serving.ask import Asker
from rlvr.evaluation.serving.calling import (
    check_arguments,
    check_calls,
    check_finish,
    check_ids,
    check_parallel,
    check_reasoning,
    check_tools,
)
from rlvr.evaluation.serving.check import Check, Report, ok
from rlvr.evaluation.serving.client import check_client
from rlvr.evaluation.serving.going_on import (
    check_named,
    check_none,
    check_required,
    check_results,
    check_stream,
    check_turns,
    check_usage,
)
from rlvr.evaluation.serving.probe import Seen, probe
from rlvr.evaluation.serving.wire import Endpoint, choose_model


def serve_check(
    endpoint: Endpoint,
    model: str | None = None,
    *,
    max_tokens: int = 512,
    concurrent: int = 4,
    client: bool = True,
    command: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> Report:
    """Ask an endpoint for everything that function calling needs of it, and say what does not fit.

    `model` is the name under which it is served; left out, the endpoint must list exactly one. `concurrent` questions
    are asked at a time. `client` says whether the way is gone once more with OpenAI's client. `command` is noted in the
    report.

    Raises `UsageError` or `EndpointError` where the endpoint cannot be asked at all, or stops answering on the way.
    """
    if concurrent < 1:
        raise UsageError(f"--concurrent must be at least 1, got {concurrent}")
    if max_tokens < 16:
        raise UsageError(f"--max-tokens must be at least 16, got {max_tokens}: a call needs more")
    name, listed = choose_model(endpoint, model)
    length = listed.get("max_model_len")
    if isinstance(length, int):
        max_tokens = min(max_tokens, max(16, length // 2))
    asker = Asker(endpoint, name, max_tokens, concurrent, say)
    seen = probe(asker)
    checks = judge(seen, asker)
    if client:
        called = seen.called(2) or seen.called()
        checks.append(check_client(endpoint, name, called.text if called is not None else None, asker.options()))
    versions = {"rlvr": __version__, "server": endpoint.version()}
    asked = tuple(a.to_json() for a in (*asker.asked, *asker.streamed))
    return Report(endpoint.url, name, tuple(checks), counts(seen, asker), versions, command, asked)


def judge(seen: Seen, asker: Asker) -> list[Check]:
    """All checks of what was seen, in the order of the way."""
    said = seen.plain.reply.content if seen.plain.reply is not None else ""
    tools = check_tools(seen)
    calls, ids, arguments = check_calls(seen, tools), check_ids(seen), check_arguments(seen)
    reasoning = check_reasoning(seen)
    earlier = (tools, calls, reasoning, arguments)
    return [
        ok("endpoint", f"answers a plain question ({len(said)} characters)"),
        tools,
        calls,
        reasoning,
        ids,
        arguments,
        check_finish(seen),
        check_parallel(seen),
        check_none(seen, earlier),
        check_required(seen, earlier),
        check_named(seen, earlier),
        check_results(seen, ids),
        check_turns(seen),
        check_stream(seen, earlier),
        check_usage(asker.asked, asker.streamed),
    ]


def counts(seen: Seen, asker: Asker) -> Mapping[str, int]:
    """How much was asked, and how much came."""
    return {
        "requests": len(asker.asked) + len(asker.streamed),
        "queries": len(seen.auto),
        "queries_with_calls": sum(a.calls > 0 for a in seen.auto),
        "queries_with_two_calls_or_more": sum(a.calls > 1 for a in seen.auto),
        "calls": sum(a.calls for a in (*asker.asked, *asker.streamed)),
        "streams": len(asker.streamed),
        "streamed_calls": sum(a.calls for a in asker.streamed),
    }
