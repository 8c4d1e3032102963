"""`rlvr replay RUN --composition OTHER`: what a run's completions would have earned, and taught, under another one."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlvr.evaluation.replay import Changed, Ordering, Replay, Replayed, Side
    from rlvr.evaluation.statistics import Figure

_EPILOG = """\
examples:
  rlvr replay runs/stage1 --composition function_calling --stage stage2
  rlvr replay runs/stage1 --composition mine.yaml --json > changes.json
  rlvr replay runs/stage1 --composition function_calling_gdpo --aggregation normalize_then_sum

nothing is generated: the completions under RUN/samples are scored again. A group's best completion changes where none
that earned the most still does; intervals of changes are over groups."""


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "replay",
        help="rescore a run's completions under another composition",
        description="Rescore a run's saved completions under another composition, and show what would have changed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_folder", metavar="RUN", type=Path, help="a run folder of kind grpo")
    parser.add_argument("--composition", required=True, metavar="NAME|PATH", help="a shipped name, or a YAML file")
    parser.add_argument("--stage", metavar="NAME", help="a stage of the composition (default: its first)")
    parser.add_argument(
        "--aggregation", choices=("sum_then_normalize", "normalize_then_sum"), help="default: the run's"
    )
    parser.add_argument("--scale-rewards", choices=("group", "batch", "none"), help="default: the run's")
    parser.add_argument("--examples", type=int, default=5, metavar="N", help="the largest changes shown (default: 5)")
    parser.add_argument("--json", action="store_true", help="one JSON object, nothing rounded")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rlvr.errors import UsageError
    from rlvr.evaluation.replay import replay
    from rlvr.rewards import load_composition

    if not args.run_folder.is_dir():
        raise UsageError(f"{args.run_folder}: no such run folder. Give a folder that `rlvr train` wrote.")
    if args.examples < 0:
        raise UsageError(f"--examples: got {args.examples}, expected 0 or more.")
    composition = load_composition(args.composition, args.stage)
    done = replay(args.run_folder, composition, aggregation=args.aggregation, scale_rewards=args.scale_rewards)
    if args.json:
        print(json.dumps(to_json(done, args.examples), ensure_ascii=False))
    else:
        print("\n".join(lines(done, args.run_folder, args.examples)))
    return 0


def to_json(done: Replay, examples: int) -> dict[str, Any]:
    """Everything that the text shows, with nothing rounded."""
    from dataclasses import asdict

    from rlvr.evaluation.replay import changes, largest, orderings, weights_of

    return {
        "before": {"composition": done.info.composition, "stage": done.info.stage, "weights": dict(done.info.weights)},
        "after": {
            "composition": done.composition.name,
            "stage": done.composition.stage,
            "weights": weights_of(done.composition),
        },
        "aggregation": done.aggregation,
        "scale_rewards": done.scale_rewards,
        "steps": len({r.row["step"] for r in done.rows}),
        "groups": len(done.groups()),
        "completions": len(done.rows),
        "advantage_drift": done.drift,
        "changes": [asdict(c) for c in changes(done)],
        "orderings": [asdict(o) for o in orderings(done)],
        "largest": [
            {name: r.row[name] for name in ("step", "group", "place", "id", "category", "lang", "query", "completion")}
            | {"before": asdict(r.before), "after": asdict(r.after)}
            for r in largest(done, examples)
        ],
    }


def lines(done: Replay, folder: Path, examples: int) -> Iterable[str]:
    from rlvr.evaluation.replay import changes, largest, orderings, weights_of

    groups, steps = done.groups(), {r.row["step"] for r in done.rows}
    yield f"{folder}: {len(steps)} steps, {len(groups)} groups of {done.info.group_size}, {len(done.rows)} completions"
    yield f"before  {done.info.composition}, {done.info.stage}: {_weighted(done.info.weights)}"
    after = weights_of(done.composition)
    yield f"after   {done.composition.name}, {done.composition.stage}: {_weighted(after)}"
    yield f"        {done.aggregation}, scale_rewards {done.scale_rewards}"
    if done.drift > 1e-3:
        yield (
            f"note: the trainer's own advantages differ by up to {done.drift:.3f} from those worked out here: "
            "not all of a step's completions were kept, or its weights were changed on the way."
        )
    yield "\n" + f"{'':<26} {'mean':<14} {'before':>8} {'after':>8}   change, 95% interval          completions"
    for change in changes(done):
        yield _change_line(change)
    yield "\ngroups (best, gain, lose) and completions (sign), percent with 95% intervals; r: correlation of advantages"
    yield f"{'':<26} {'best changes':>20} {'gain variance':>20} {'lose variance':>20} {'sign changes':>20}   r"
    for ordering in orderings(done):
        yield _ordering_line(ordering)
    found = largest(done, examples)
    yield "\n" + ("the largest changes of an advantage, one a group" if found else "no advantage changes")
    for row in found:
        yield from _example(row, done)


def _weighted(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {weight:g}" for name, weight in weights.items())


def _change_line(c: Changed) -> str:
    bounds = "" if c.change.low is None else f" [{c.change.low:+.3f}, {c.change.high:+.3f}]"
    moved = "–" if c.change.value is None else f"{c.change.value:+.3f}{bounds}"
    return f"{c.slice:<26} {c.name:<14} {_shown(c.before)} {_shown(c.after)}   {moved:<28}  {c.completions:>10}"


def _shown(value: float | None) -> str:
    return f"{'–':>8}" if value is None else f"{value:>8.3f}"


def _ordering_line(o: Ordering) -> str:
    shares = " ".join(f"{_share(f):>20}" for f in (o.best, o.gained, o.lost, o.flipped))
    r = "–" if o.correlation is None else f"{o.correlation:.2f}"
    return f"{o.slice:<26} {shares}   {r} (n {o.best.n} groups, {o.completions} completions)"


def _share(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "–"
    return f"{100 * figure.value:.1f} [{100 * figure.low:.1f}, {100 * figure.high:.1f}]"


def _example(r: Replayed, done: Replay) -> Iterable[str]:
    from rlvr.evaluation.replay import weights_of

    row = r.row
    yield f"\n  step {row['step']}, group {row['group']}, {row['id']} ({row['category']}, {row['lang'] or 'unknown'})"
    yield f"    query       {_clip(row['query'])}"
    yield f"    completion  {_clip(row['completion'])}"
    yield f"    judged      {row['outcome']}, {row['reason']}"
    after = weights_of(done.composition)
    yield f"    before      {_side(r.before, done.info.weights)}"
    yield f"    after       {_side(r.after, after)}"


def _side(side: Side, weights: Mapping[str, float]) -> str:
    parts = [f"{name} {_signed(side.scores[name])} x {weight:g}" for name, weight in weights.items()]
    return f"{', '.join(parts)}; total {_signed(side.total)}, advantage {side.advantage:+.3f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _clip(text: str, limit: int = 160) -> str:
    """One line for a terminal: what a model said may hold anything, escape sequences too."""
    line = " ".join(text.split())
    line = "".join(c if c.isprintable() else "?" for c in line)
    return line if len(line) <= limit else line[:limit] + "…"
