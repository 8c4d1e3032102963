"""Every completion of the dialogues that run, step by step, so that none is generated twice after an interruption.

A resumed evaluation plays its dialogues again from here, up to the step that was cut, and goes on with the same ones
side by side as one that was never stopped: with an engine whose completions depend on the batch, nothing else would
give the same. One file a model, which is removed when the model is complete. Each line is one generate call:
`{"ids", "prompts": [hash, …], "said": [[text, tokens, truncated], …]}`; the first names the weights.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlvr.evaluation.multi_turn.dialogue import Said
from rlvr.evaluation.multi_turn.playing import Asked, Say
from rlvr.evaluation.records import read_jsonl_tolerant
from rlvr.jsonl import append_flushed, replace_flushed


class StaleJournalError(Exception):
    """What is asked is not what was asked when the journal was written, as where the library changed in between."""


class Journal:
    """The journal of one model; `weights` is their fingerprint, and another's journal is thrown away."""

    def __init__(self, folder: Path, label: str, weights: str) -> None:
        self._path = journal_path(folder, label)
        self._head = {"model": label, "weights": weights}
        lines = [value for _, value in read_jsonl_tolerant(self._path)]
        fits = bool(lines) and lines[0] == self._head
        self._left: deque[dict[str, Any]] = deque(lines[1:] if fits else ())
        replace_flushed(self._path, [self._head, *self._left])  # without a line that was cut

    @property
    def left(self) -> int:
        """How many steps there are still to play again."""
        return len(self._left)

    def say(self, asked: Sequence[Asked], generate: Say) -> Sequence[Said | None]:
        """The completions of a step: those that were written down, else generated ones, which are written down.

        Raises `StaleJournalError` where other prompts are asked than were then.
        """
        ids, prompts = [i for i, _ in asked], [_hash(prompt.text) for _, prompt in asked]
        if self._left:
            line = self._left.popleft()
            if (line["ids"], line["prompts"]) != (ids, prompts):
                raise StaleJournalError
            return [values and Said(*values) for values in line["said"]]
        said = generate(asked)
        kept = [s and [s.text, s.tokens, s.truncated] for s in said]
        append_flushed(self._path, [{"ids": ids, "prompts": prompts, "said": kept}])
        return said

    def clear(self) -> None:
        """Begin anew."""
        self._left.clear()
        replace_flushed(self._path, [self._head])


def journal_path(folder: Path, label: str) -> Path:
    return folder / f"steps-{_hash(label)}.jsonl"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
