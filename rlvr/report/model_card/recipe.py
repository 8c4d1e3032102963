"""A chain's training in a card: stages, data, rewards, hyperparameters, how to do it again. Pure text of facts."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from rlvr.evaluation.statistics import wilson
from rlvr.evaluation.tables import Table, share
from rlvr.report.model_card.facts import Chain, Stage
from rlvr.report.model_card.results import Suite
from rlvr.report.reproduce import evaluation_flags

UNKNOWN = "not known"
_SAID_ELSEWHERE = ("data", "trl", "name", "kind", "model", "note", "selection", "guards", "log", "serving",
                   "composition", "stage")  # fmt: skip


def stages_table(chain: Chain) -> Table:
    """One line a stage: what it began from, how long it ran, which step was selected."""
    body = []
    for i, stage in enumerate(chain.stages):
        began = chain.stages[i - 1].name if i else _began(chain)
        seconds, steps = stage.run.get("seconds"), stage.run.get("steps")
        body.append(
            (
                stage.name,
                str(stage.run.get("kind") or stage.recipe.get("kind") or UNKNOWN),
                began,
                UNKNOWN if steps is None else f"{steps:,}",
                UNKNOWN if seconds is None else f"{seconds / 60:.1f} min",
                _selected(stage),
                str(stage.run.get("precision") or UNKNOWN),
                str(stage.run.get("rollout") or UNKNOWN),
            )
        )
    return Table(
        "", ("stage", "kind", "from", "steps", "time", "selected", "precision", "rollouts"), tuple(body), left=8
    )


def _selected(stage: Stage) -> str:
    found = stage.run.get("selected")
    if not isinstance(found, dict) or "step" not in found:
        return "the last step"
    strict, n = found.get("strict"), found.get("n")
    if not isinstance(strict, (int, float)) or not isinstance(n, int):
        return f"step {found['step']}"
    return f"step {found['step']}: {share(wilson(round(strict * n), n))}% right of {n} held-out examples"


def data_table(chain: Chain) -> Table:
    """Rows by stage, source and licence, with their shares."""
    body = []
    for stage in chain.stages:
        data = stage.data
        if not data.known:
            body.append((stage.name, UNKNOWN, UNKNOWN, "–", "–"))
        for (source, licence), n in data.rows.most_common():
            body.append((stage.name, source, licence or "not stated", f"{n:,}", f"{100 * n / data.total:.1f}"))
    return Table("", ("stage", "source", "licence", "rows", "% of the stage"), tuple(body), left=3)


def data_lines(chain: Chain) -> Iterator[str]:
    for stage in chain.stages:
        data = stage.data
        if not data.known:
            continue
        said = ", ".join(f"{lang} {n:,}" for lang, n in data.languages.most_common())
        kinds = ", ".join(f"{c} {n:,}" for c, n in data.categories.most_common())
        dropped = (stage.run.get("data") or {}).get("dropped_too_long")
        left = f"; {dropped:,} more were dropped as too long" if dropped else ""
        builds = "; built as " + ", ".join(b.name for b in data.builds) if data.builds else ""
        yield (
            f"- **{stage.name}**: {data.total:,} rows, {100 * data.no_call / data.total:.1f}% of which want no call"
            f"{left}{builds}. Languages: {said}. Categories: {kinds}."
        )


def weights_table(chain: Chain) -> Table | None:
    """The weights of the reward's components, a column a stage."""
    rewarded = [s for s in chain.stages if s.weights is not None]
    names = list(dict.fromkeys(name for s in rewarded if s.weights for name in s.weights.by_name))
    if not names:
        return None
    body = [(name, *(_number(s.weights.by_name.get(name)) if s.weights else "–" for s in rewarded)) for name in names]
    return Table("", ("component", *(s.name for s in rewarded)), tuple(body))


def weights_lines(chain: Chain) -> Iterator[str]:
    for stage in chain.stages:
        w = stage.weights
        if w is None:
            yield f"- **{stage.name}**: supervised, no reward."
            continue
        way = "".join(
            f", {k} {v}" for k, v in (("aggregation", w.aggregation), ("scale_rewards", w.scale_rewards)) if v
        )
        yield f"- **{stage.name}**: composition `{w.composition}`, stage `{w.stage}`{way}. Weights from: {w.source}."


def hyperparameters(chain: Chain) -> Table:
    """Every key of the recipes but data, a column a stage; `–` where a stage does not set it."""
    flat = [dict(_flat({k: v for k, v in s.recipe.items() if k not in _SAID_ELSEWHERE})) for s in chain.stages]
    for one, stage in zip(flat, chain.stages, strict=True):
        one.update(_flat({k: stage.recipe[k] for k in ("trl", "selection", "guards") if stage.recipe.get(k)}))
    flat = [{k: v for k, v in one.items() if not k.startswith("selection.data")} for one in flat]
    keys = list(dict.fromkeys(key for one in flat for key in one))
    body = [(key, *(one.get(key, "–") for one in flat)) for key in keys]
    return Table("", ("key", *(s.name for s in chain.stages)), tuple(body), left=1)


def recipes(chain: Chain) -> Iterator[str]:
    """Each stage's resolved recipe as a block that folds; places on the machine that trained are cut to their ends."""
    import yaml

    for stage in chain.stages:
        text = yaml.safe_dump(public(stage.recipe), sort_keys=False, allow_unicode=True)
        fence = "`" * 3
        yield f"<details><summary>{stage.name}.yaml</summary>\n\n{fence}yaml\n{text}{fence}\n\n</details>\n"


def commands(chain: Chain, suites: Sequence[Suite]) -> str:
    """The commands that do it again, with the recipes as they stand in the card."""
    version = chain.last.run.get("versions", {}).get("rlvr")
    lines = [f"pip install rlvr=={version}" if version else "pip install rlvr  # which version trained it is not known"]
    before = None
    for stage in chain.stages:
        words = ["rlvr", "train", f"{stage.name}.yaml", *(["--model", f"runs/{before}"] if before else [])]
        lines.append(shlex.join([*words, "--out", f"runs/{stage.name}"]))
        before = stage.name
    for suite in suites:
        lines.append(shlex.join(eval_command(suite, f"runs/{before}")))
    return "\n".join(lines)


def eval_command(suite: Suite, model: str) -> list[str]:
    """The command of an evaluation, from the settings that it kept."""
    data = str(suite.settings.get("data") or suite.name)
    return ["rlvr", "eval", model, *evaluation_flags(public(suite.settings), PurePath(data).name)]


def versions_table(chain: Chain) -> Table:
    found = [{str(k): str(v) for k, v in (s.run.get("versions") or {}).items()} for s in chain.stages]
    keys = list(dict.fromkeys(key for one in found for key in one))
    body = [(key, *(one.get(key, UNKNOWN) for one in found)) for key in keys]
    return Table("", ("package", *(s.name for s in chain.stages)), tuple(body))


def public(value: Any) -> Any:
    """A recipe's value without the folders of the machine that ran it: nobody else has them.

    >>> public({"path": "/home/me/data/train.jsonl", "rate": 1e-5, "model": "org/name"})
    {'path': '…/data/train.jsonl', 'rate': 1e-05, 'model': 'org/name'}
    """
    if isinstance(value, Mapping):
        return {k: public(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [public(v) for v in value]
    if isinstance(value, str) and (PurePath(value).is_absolute() or value.startswith("~/")):
        return "/".join(("…", *PurePath(value).parts[-2:]))
    return value


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", str(public(value)).lower() if isinstance(value, bool) else str(public(value))


def _began(chain: Chain) -> str:
    if chain.lost is not None:
        return chain.lost.rpartition("/")[2]
    return UNKNOWN if chain.base is None else chain.base.hub_id or str(public(chain.base.name)) or UNKNOWN


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"
