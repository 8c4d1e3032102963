"""A run's samples → a file for TRL's `DPOTrainer` or `SFTTrainer`: read once to choose, once more to write."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rlvr.data.sources.jsonl import example_from_row
from rlvr.data.targets import with_sampled
from rlvr.errors import DataError, UsageError
from rlvr.models.tokenizer import load_tokenizer
from rlvr.training.preference.forms import Examples, TextForm, TurnsForm
from rlvr.training.preference.groups import Row, find_parts, read_all, read_groups, wants_call
from rlvr.training.preference.mistakes import ABOUT, KINDS
from rlvr.training.preference.pairs import BestPicker, PairOptions, PairPicker, Pick, Tally
from rlvr.training.preference.write import check_out, write_rows

FORMS = ("text", "conversational")
Form = Literal["text", "conversational"]


@dataclass(slots=True)
class Exported:
    """What an export wrote and what it left out. `counts` are of the rows: by what they want, category, language, …"""

    path: Path
    rows: int
    tally: Tally
    unwritten: Counter[str]
    counts: dict[str, Counter[str]]
    sums: dict[str, float]
    form: TextForm
    checked: bool
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For people: what was read, what was written, how it is spread, and what a trainer must be told."""
        tally = self.tally
        out = [f"{tally.completions:,} completions in {tally.groups:,} groups of {len(tally.prompts):,} prompts"]
        for reason, n in sorted(tally.without.items(), key=lambda item: -item[1]):
            out.append(f"  {n:,} groups give nothing: {reason}")
        out += [f"  {n:,} rows left out: {reason}" for reason, n in sorted(self.unwritten.items())]
        out.append(f"{self.rows:,} rows of {len(self.counts['prompt']):,} prompts written to {self.path}")
        for name in ("wants", "category", "language"):
            out.append(f"  {name:<10}{_shares(self.counts[name], self.rows)}")
        if self.counts["mistake"]:
            out.append("  rejected:")
            out += [
                f"    {k:<18}{_share(self.counts['mistake'][k], self.rows)}  {ABOUT[k]}"
                for k in KINDS
                if self.counts["mistake"][k]
            ]
        means = ", ".join(f"{name.replace('_', ' ')} {total / self.rows:.1f}" for name, total in self.sums.items())
        out.append(f"  means: {means}")
        return [*out, *self._checked(), *self.notes]

    def _checked(self) -> list[str]:
        if not self.checked:
            return ["  not checked against a tokenizer: give --tokenizer MODEL, the model that the run trained"]
        form = self.form
        return [
            f"  every prompt tokenizes into the tokens that the rollouts saw; {form.other_tokens:,} of "
            f"{form.completions:,} completions into others than were sampled (the same text)",
            f"  the longest row has {form.longest:,} tokens: set max_length={form.longest} or more, else it is cut",
        ]


def export_pairs(
    source: Path,
    out: Path,
    options: PairOptions | None = None,
    *,
    form: Form = "text",
    tokenizer: str | None = None,
    force: bool = False,
) -> Exported:
    """Write pairs of a run's samples for TRL's `DPOTrainer`: `prompt`, `chosen`, `rejected`, and where they come from.

    `tokenizer` names the model whose tokenizer holds rows against what was sampled (default: the run's own). The same
    samples and options give the same bytes. Raises `UsageError` where there is nothing to read or no pair to write,
    saying why, `DataError` for a damaged part, `RunError` where the disk takes no more.
    """
    picker = PairPicker(options or PairOptions())
    files, made, source_run = _begin(source, out, form, tokenizer, force)
    for group, _ in read_all(files):
        picker.add(group)
    done = Exported(out, 0, picker.tally, Counter(), _counters(), {}, made, made.tokenizer is not None)
    done.notes += _unfinished(source_run)
    rows = _pair_rows(files, picker.picks(), done)
    done.rows = write_rows(rows, out)
    if not done.rows:
        raise UsageError(_nothing(source, done, "pair"))
    return done


def export_best(
    source: Path,
    out: Path,
    *,
    per_prompt: int = 1,
    form: Form = "text",
    tokenizer: str | None = None,
    force: bool = False,
) -> Exported:
    """Write the best right completions of a run's samples, for TRL's `SFTTrainer` and for our own warm-up.

    Of each prompt those that earned the most, the shortest of equals first. Where the run's data/train.jsonl is there,
    rows in text form carry their example too, so that the file is a source of a warm-up recipe as it is. Raises as
    `export_pairs` does.
    """
    if per_prompt < 1:
        raise UsageError(f"per_prompt: got {per_prompt}, expected 1 or more.")
    picker = BestPicker(per_prompt)
    files, made, source_run = _begin(source, out, form, tokenizer, force)
    for group, _ in read_all(files):
        picker.add(group)
    done = Exported(out, 0, picker.tally, Counter(), _counters(), {}, made, made.tokenizer is not None)
    done.notes += _unfinished(source_run)
    examples = Examples(source_run / "data" / "train.jsonl") if form == "text" and source_run else None
    done.rows = write_rows(_best_rows(files, picker.picks(), done, examples), out)
    if not done.rows:
        raise UsageError(_nothing(source, done, "right completion"))
    if form == "text" and not examples:
        done.notes.append(
            "  no data/train.jsonl of the run is here: the rows do for SFTTrainer, not for a warm-up recipe"
        )
    return done


def _begin(
    source: Path, out: Path, form: str, tokenizer: str | None, force: bool
) -> tuple[list[Path], TextForm, Path | None]:
    """The part files, the form that rows are written in, and the run's folder where the source is one."""
    check_out(out, force=force)
    files = find_parts(source)
    run = next((p for p in (source, source.parent, source.parent.parent) if (p / "run.json").is_file()), None)
    own = run / "final" if run and (run / "final" / "tokenizer.json").is_file() else None
    name = tokenizer or (str(own) if own else None)
    loaded = load_tokenizer(name) if name else None
    if form == "text":
        return files, TextForm(loaded), run
    if loaded is None:
        raise UsageError("--form conversational needs the model's chat template: give --tokenizer MODEL.")
    if run is None:
        raise UsageError("--form conversational needs the run's data/train.jsonl: give the run's folder.")
    parser = read_groups(files[0], 0)[1].parser
    return files, TurnsForm(loaded, Examples(run / "data" / "train.jsonl"), parser), run


def _unfinished(run: Path | None) -> list[str]:
    if run is None:
        return []
    try:
        facts = json.loads((run / "run.json").read_text(encoding="utf-8"))
        finished = facts.get("finished")
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(f"{run / 'run.json'}: cannot be read ({error}).") from error
    return [] if finished else ["  the run has not finished: these are its samples so far"]


def _pair_rows(files: Sequence[Path], picks: Sequence[Pick], done: Exported) -> Iterator[dict[str, Any]]:
    for pick, rows in _again(files, picks, lambda p: (p.part, p.chosen, p.rejected)):
        chosen, rejected = rows
        written = done.form.write(rows)
        if written.reason:
            done.unwritten[written.reason] += 1
            continue
        done.counts["mistake"][pick.kind] += 1
        _count(done, chosen, margin=pick.margin, chosen_tokens=chosen["completion_tokens"],
               rejected_tokens=rejected["completion_tokens"])  # fmt: skip
        yield {
            "prompt": written.prompt,
            "chosen": written.completions[0],
            "rejected": written.completions[1],
            **{name: chosen[name] for name in ("id", "category", "lang", "step")},
            "margin": pick.margin,
            "chosen_total": chosen["total"],
            "rejected_total": rejected["total"],
            "chosen_tokens": chosen["completion_tokens"],
            "rejected_tokens": rejected["completion_tokens"],
            "mistake": pick.kind,
            "rejected_reason": rejected["reason"],
        }


def _best_rows(
    files: Sequence[Path], picks: Sequence[tuple[int, int]], done: Exported, examples: Examples | None
) -> Iterator[dict[str, Any]]:
    given: Counter[str] = Counter()
    for _, rows in _again(files, picks, lambda p: p):
        row = rows[0]
        written = done.form.write(rows)
        if written.reason:
            done.unwritten[written.reason] += 1
            continue
        given[row["id"]] += 1
        _count(done, row, total=row["total"], completion_tokens=row["completion_tokens"])
        yield {
            "prompt": written.prompt,
            "completion": written.completions[0],
            **_example_columns(row, examples, given[row["id"]]),
            "step": row["step"],
            "total": row["total"],
            "completion_tokens": row["completion_tokens"],
        }


def _example_columns(row: Row, examples: Examples | None, turn: int) -> dict[str, Any]:
    """The example as our own sources read it. `messages`, `tools` and `ground_truth` are JSON strings: lists would make
    TRL take the row for a conversation, and Arrow would pad a tool's schema with nulls."""
    name = row["id"] if turn == 1 else f"{row['id']}~{turn}"
    out = {"id": name, "category": row["category"], "lang": row["lang"]}
    given = examples.get(row["id"]) if examples else None
    if given is None:
        return {**out, **({} if not examples else dict.fromkeys(_CARRIED))}
    example = example_from_row(given, row["id"])
    said = f"<think>\n{row['completion']}" if row["reasoning_opened"] else row["completion"]
    carried = {**example.to_json(), "meta": with_sampled(example, said)}
    return out | {k: v if isinstance(v := carried[k], str) else json.dumps(v, ensure_ascii=False) for k in _CARRIED}


_CARRIED = ("source", "messages", "tools", "ground_truth", "expects", "meta")


def _again(
    files: Sequence[Path], picks: Iterable[Any], places: Callable[[Any], tuple[int, ...]]
) -> Iterator[tuple[Any, list[Row]]]:
    """Each pick with its rows; picks come in the order of parts, and one part is held at a time."""
    for part, of in itertools.groupby(picks, key=lambda p: places(p)[0]):
        rows = [row for group in read_groups(files[part], part)[0] for row in group.rows]
        for pick in of:
            try:
                yield pick, [rows[i] for i in places(pick)[1:]]
            except IndexError:
                raise DataError(str(files[part]), "was changed while it was read. Run the command again.") from None


def _counters() -> dict[str, Counter[str]]:
    return {name: Counter() for name in ("wants", "category", "language", "mistake", "prompt")}


def _count(done: Exported, row: Row, **numbers: float) -> None:
    done.counts["wants"]["a call" if wants_call(row) else "no call"] += 1
    done.counts["category"][row["category"]] += 1
    done.counts["language"][row["lang"] or "unknown"] += 1
    done.counts["prompt"][row["id"]] += 1
    for name, value in numbers.items():
        done.sums[name] = done.sums.get(name, 0.0) + value


def _nothing(source: Path, done: Exported, what: str) -> str:
    tally = done.tally
    why = [f"{reason} ({n:,} groups)" for reason, n in sorted(tally.without.items(), key=lambda item: -item[1])]
    why += [f"{reason} ({n:,} rows)" for reason, n in sorted(done.unwritten.items())]
    return (
        f"{source}: no {what} among {tally.completions:,} completions of {len(tally.prompts):,} prompts: "
        f"{'; '.join(why) or 'the samples are empty'}. Nothing was written."
    )


def _share(n: int, of: int) -> str:
    return f"{n:>7,} {100 * n / of:5.1f}%"


def _shares(counts: Counter[str], of: int) -> str:
    return ", ".join(f"{name} {n:,} ({100 * n / of:.1f}%)" for name, n in counts.most_common())
