"""The body of a card as Markdown: what it is and how it is used, evaluation, limits, training, doing it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlvr.evaluation.metrics import ALL, CALLING, NO_CALL, Row, find
from rlvr.evaluation.tables import Table, comparison_table, headline_table, judged_of, number, share
from rlvr.report.model_card import recipe
from rlvr.report.model_card.data import Licence
from rlvr.report.model_card.facts import Chain
from rlvr.report.model_card.limits import limits
from rlvr.report.model_card.results import Suite

_SHOWN = ("data_sha256", "examples", "parser", "matching", "temperature", "max_new_tokens", "max_prompt_tokens", "seed",
          "rollout", "thinking", "structured")  # fmt: skip
_HOW_READ = (
    "*Strict accuracy*: every call matches the wanted ones, or, where nothing fits, the words are those wanted; "
    "nothing between. *False calls*: calls where nothing fits, well-formed or not. Percent with 95% intervals."
)


def body(
    chain: Chain,
    suites: Sequence[Suite],
    licence: Licence,
    audits: Sequence[Mapping[str, Any]],
    *,
    name: str,
    adapter: bool,
) -> str:
    """Everything below the front matter."""
    parts = [f"# {name}\n", _opening(chain, adapter), _use(chain, adapter), "## Evaluation\n"]
    if suites:
        parts += [_HOW_READ + "\n", *(_evaluation(s) for s in suites)]
    else:
        parts.append(
            "None of these weights was given when this card was written: how good the model is, is not known.\n"
        )
    parts += ["## Limits\n", "\n".join(f"- {line}" for line in limits(chain, suites, audits)) + "\n"]
    parts += ["## Training\n", *_training(chain)]
    parts += ["## Do it again\n", _again(chain, suites), *recipe.recipes(chain)]
    parts += ["### Versions\n", recipe.versions_table(chain).markdown() + "\n"]
    parts += ["## Licence\n", _licence(licence)]
    return "\n".join(parts).rstrip() + "\n"


def _opening(chain: Chain, adapter: bool) -> str:
    base = chain.base
    if base is None:
        below = "a model that is not known here (what came before is missing)"
    elif base.hub_id:
        below = f"`{base.hub_id}`"
    else:
        below = f"`{recipe.public(base.name)}`, of which no id on the hub is known"
    what = "A LoRA adapter for" if adapter else "Trained from"
    stages = " → ".join(s.name for s in chain.stages)
    return (
        f"{what} {below} to call functions, and to say so when none fits, with rewards that are computed, not judged "
        f"by a model (rlvr). Stages: {stages}. Nothing here was written by hand: what the runs did not record is said "
        f"to be not known.\n"
    )


def _use(chain: Chain, adapter: bool) -> str:
    told = chain.last.recipe.get("serving") or {}
    parser = told.get("tool_parser") or chain.last.recipe.get("parser") or "hermes"
    reasoning = told.get("reasoning_parser")
    asked = f"--enable-auto-tool-choice --tool-call-parser {parser}"
    asked += f" --reasoning-parser {reasoning}" if reasoning and reasoning != "none" else ""
    serve = f"vllm serve OWNER/NAME {asked}"
    if adapter:
        base = (chain.base.hub_id if chain.base else None) or "BASE"
        serve = f"vllm serve {base} --enable-lora --lora-modules tools=OWNER/NAME {asked}"
    fence = "`" * 3
    return (
        f"## Use\n\nIt writes its calls in the form `{parser}`, and was trained on prompts that its tokenizer's chat "
        f"template writes from messages and tools.\n\n{fence}sh\n{serve}\n{fence}\n"
    )


def _evaluation(suite: Suite) -> str:
    settings = ", ".join(f"{k} {str(suite.settings[k])[:16]}" for k in _SHOWN if suite.settings.get(k) is not None)
    versions = ", ".join(f"{k} {v}" for k, v in suite.versions.items())
    parts = [
        f"### {suite.name} (n {suite.n})\n",
        f"This model is `{suite.label}`. Settings: {settings}. Versions: {versions or 'not known'}.\n",
        _deeper(headline_table(suite.table, suite.seed)),
        _deeper(slices_table(suite)),
    ]
    if suite.comparisons:
        parts.append(_deeper(comparison_table(suite.comparisons, suite.seed)))
    return "\n".join(parts)


def _deeper(table: Table) -> str:
    """A table whose title stands below the evaluation's own."""
    return "#" + table.markdown() + "\n"


def slices_table(suite: Suite) -> Table:
    """This model by category and by language, beside the base where it was evaluated."""
    beside = suite.base
    body = []
    for row in _slices(suite):
        before = find(suite.table, beside, row.category, row.lang) if beside else None
        cells = [
            share(row.figures["strict_accuracy"]) + judged_of(row),
            share(row.figures["false_calls"]),
            share(row.figures["malformed"]),
        ]
        cells.append(number(row.figures["completion_tokens"]))
        if beside:
            cells.append(share(before.figures["strict_accuracy"]) if before else "–")
        body.append((row.category, row.lang, str(row.n), *cells))
    header: tuple[str, ...] = ("category", "lang", "n", "strict accuracy", "false calls", "malformed", "tokens")
    header += (f"strict accuracy of {beside}",) if beside else ()
    return Table("By category and language", header, tuple(body), left=2)


def _slices(suite: Suite) -> Iterator[Row]:
    mine = [r for r in suite.table if r.model == suite.label]
    for row in mine:
        if row.lang == ALL or row.category in (ALL, CALLING, NO_CALL):
            yield row


def _training(chain: Chain) -> Iterator[str]:
    yield recipe.stages_table(chain).markdown() + "\n"
    for stage in chain.stages:
        chosen = stage.run.get("selected")
        if isinstance(chosen, dict) and chosen.get("why"):
            yield f"- {stage.name}, why step {chosen.get('step')}: {'; '.join(map(str, chosen['why']))}"
        if note := " ".join(str(stage.recipe.get("note") or "").split()):
            yield f"- {stage.name}, by its recipe: {note}"
    if chain.lost is not None:
        yield f"What came before {chain.stages[0].name} is not known: it is not here.\n"
    yield "\n### Data\n"
    yield recipe.data_table(chain).markdown() + "\n"
    yield "\n".join(recipe.data_lines(chain)) + "\n"
    yield "### Rewards\n"
    if (table := recipe.weights_table(chain)) is not None:
        yield "The reward is the sum of weight × score over the components that apply.\n"
        yield table.markdown() + "\n"
    yield "\n".join(recipe.weights_lines(chain)) + "\n"
    yield "### Hyperparameters\n"
    yield recipe.hyperparameters(chain).markdown() + "\n"


def _again(chain: Chain, suites: Sequence[Suite]) -> str:
    fence = "`" * 3
    seeds = ", ".join(f"{s.name} {s.run.get('seed', recipe.UNKNOWN)}" for s in chain.stages)
    return (
        f"Seeds: {seeds}. The recipes are below, as they were run; a place that begins with … was on the machine that "
        f"ran them.\n\n"
        f"{fence}sh\n{recipe.commands(chain, suites)}\n{fence}\n"
    )


def _licence(licence: Licence) -> str:
    return (f"{licence.hub_id}. " if licence.hub_id else "") + licence.why + "\n"
