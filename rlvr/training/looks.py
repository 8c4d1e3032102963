"""The looks of a run: held-out examples answered every so many steps, and the model that the rule selects kept.

A later look may bring an earlier one back (a new best score moves what is "within 0.02 of the best"), so the models of
the looks that may still be selected wait in `RUN/looks/`, at most `keep` of them, and the selected one lies in
`RUN/final`. Folders are written beside and renamed: a kill at any moment leaves whole models.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from rlvr.models.adapter import holds_model
from rlvr.training import processes
from rlvr.training.keeping import restore_folder
from rlvr.training.rule import START, Choice, Criterion, Look, choose, ranked
from rlvr.training.run_folder import RunFolder, save_model, write_atomically

LOOK = "look.json"
"""In a model folder: the look that it belongs to."""


class Shelf:
    """The model folders of looks: the selected one is `final`, the others wait in `looks/`."""

    def __init__(self, folder: RunFolder) -> None:
        self.final, self.path = folder.final, folder.path / "looks"

    def held(self) -> dict[int, Path]:
        """The steps whose models are there, whole."""
        found = {}
        for path in [*sorted(self.path.glob("step-*")), self.final]:
            if holds_model(path) and (path / LOOK).is_file():
                found[int(json.loads((path / LOOK).read_text(encoding="utf-8"))["step"])] = path
        return found

    def put(self, look: Look, save: Callable[[Path], None]) -> None:
        """Save the model of a look into the shelf. Every process calls it. Raises `RunError` on a full disk."""
        self.path.mkdir(exist_ok=True)
        scratch = self.path / f".step-{look.step}"
        save(scratch)
        if not processes.is_main():
            return
        write_atomically(scratch / LOOK, json.dumps(asdict(look), indent=2) + "\n")
        place = self.path / f"step-{look.step}"
        shutil.rmtree(place, ignore_errors=True)
        scratch.replace(place)

    def settle(self, chosen: int, keep: Sequence[int]) -> None:
        """Bring the chosen step's model into `final`; of the others only those of `keep` stay. May be done again."""
        held = self.held()
        if held[chosen] != self.final:
            if self.final.exists():
                last = next((step for step, path in held.items() if path == self.final), None)
                aside = self.path / f"step-{last}"
                if last in keep and not aside.exists():
                    self.final.replace(aside)
                else:
                    shutil.rmtree(self.final)
            held[chosen].replace(self.final)
        for step, path in self.held().items():
            if path != self.final and step not in keep:
                shutil.rmtree(path)

    def clear(self) -> None:
        """Leave `final` alone."""
        shutil.rmtree(self.path, ignore_errors=True)


class LookCallback(TrainerCallback):  # type: ignore[misc]
    """Looks at the start where asked, every `every` steps and at the run's end, and keeps what the rule selects.

    Every look is a row of metrics.jsonl; `looks` and `selected` (with the reason) stand in run.json, and in a
    checkpoint, from which a resumed run goes on. `closed` is set false by a guard that stops the run, so that one that
    goes on finds them.
    """

    def __init__(
        self,
        folder: RunFolder,
        score: Callable[[], Look],
        tokenizer: Any,
        *,
        every: int,
        rule: Sequence[Criterion],
        start: bool = False,
        keep: int = 3,
    ) -> None:
        self.folder, self.score, self.tokenizer = folder, score, tokenizer
        self.every, self.rule, self.start, self.most = every, tuple(rule), start, keep
        self.looks: dict[int, Look] = {}
        self.fresh: list[Look] = []  # looks that no guard has read yet
        self.closed = True
        self.tell: Callable[[Mapping[str, Any]], None] = lambda values: None  # the loggers, where there are any
        self.shelf = Shelf(folder)

    def keep(self) -> dict[str, Any]:
        return {"looks": self._recorded()}

    def folders(self) -> dict[str, Path]:
        """What a checkpoint keeps beside its own weights."""
        return {"selected": self.shelf.final, "looks": self.shelf.path}

    def restore(self, kept: Mapping[str, Any] | None, checkpoint: Path | None) -> None:
        self.looks = {row["step"]: Look.of(row) for row in (kept["looks"] if kept else [])}
        self.folder.record(looks=self._recorded(), selected=None)
        if processes.is_main():
            for name, folder in self.folders().items():
                restore_folder(name, folder, checkpoint)
            if self.looks:
                self._select()

    def _recorded(self) -> list[dict[str, Any]]:
        return [asdict(look) for _, look in sorted(self.looks.items())]

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if self.start and START not in self.looks and state.global_step == START:
            self.consider(model, state)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if state.global_step % self.every == 0:
            self.consider(model, state)

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if state.global_step not in self.looks:
            self.consider(model, state)
        if self.closed and processes.is_main():
            self.shelf.clear()

    def consider(self, model: Any, state: Any) -> None:
        """Look at the policy as it is now, and select again. Every process looks; the first one writes."""
        look = self.score()  # the same in all
        self.looks[look.step] = look
        self.fresh.append(look)
        self.folder.append(self.folder.metrics, look.metrics())
        self.tell({name: value for name, value in look.metrics().items() if name != "step"})
        self.shelf.put(look, lambda target: save_model(model, self.tokenizer, target))
        self.folder.record(looks=self._recorded())
        if processes.is_main():
            _say(look, self._select())

    def _select(self) -> Choice:
        held, start = self.shelf.held(), self.looks.get(START)
        looks = list(self.looks.values())
        choice = choose(self.rule, looks, start, held)
        keep = [look.step for look in ranked(self.rule, looks, start, held)[: self.most]]
        self.shelf.settle(choice.look.step, keep)
        self.folder.record(selected={**asdict(choice.look), "why": list(choice.why)})
        return choice


def _say(look: Look, choice: Choice) -> None:
    calls = "" if look.false_calls is None else f", false calls {look.false_calls:.3f} (n {look.n_no_call})"
    taken = "this one" if choice.look.step == look.step else f"step {choice.look.step}"
    sys.stderr.write(
        f"  step {look.step}: held-out strict score {look.strict:.3f} (n {look.n}){calls}, {look.tokens:.1f} tokens"
        f" · selected: {taken}\n"
    )
    sys.stderr.flush()
