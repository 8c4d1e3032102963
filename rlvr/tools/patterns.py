"""Regular expressions of schemas, in time that grows with the text alone: no backtracking, and a budget of steps.

Read is what ECMA-262 and Python share without looking around or back: literals, classes, groups, alternatives,
quantifiers, `^`, `$`, `\\b`. A pattern with more than that (lookaround, backreferences, `\\p{…}`, flags), or one that
unfolds to more than `MAX_STATES` states, is not asserted. `\\d` and `\\w` are ASCII, `$` is the very end, as JSON
Schema has it by ECMA-262. The states that a text can be in are followed all at once (Thompson 1968) and remembered.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from rlvr.tools.pattern_syntax import WORD, Assertion, Chars, Choice, Repeat, Sequence, Syntax, UnsupportedError, parse

MAX_STATES = 1000
_MAX_KNOWN = 4096
_States = frozenset[int]
_EDGE, _OTHER, _WORD = range(3)
"""What stands beside a place in the text: nothing, no word character, a word character."""


class OverBudgetError(Exception):
    """The patterns of a schema would take more steps on a value than they are given."""


@dataclass(slots=True)
class Budget:
    """Steps that are left for all patterns of one validation together; a step is one state at one character."""

    left: int = 150_000

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise OverBudgetError("the patterns take too many steps")


class Pattern:
    """A pattern to search with. What is remembered between texts changes neither the answer nor the steps counted."""

    def __init__(self, machine: _Machine, start: int) -> None:
        self._machine = machine
        self._start: _States = frozenset({start})
        self._known: dict[tuple[_States, int, str], tuple[bool, _States, int]] = {}

    def search(self, text: str, budget: Budget) -> bool:
        """Whether the pattern matches anywhere in `text`. Raises `OverBudgetError`."""
        states, before = self._start, _EDGE
        for char in text:
            key = (states, before, char)
            known = self._known.get(key)
            if known is None:
                if len(self._known) >= _MAX_KNOWN:
                    self._known.clear()
                known = self._known[key] = self._step(states, before, char)
            found, states, steps = known
            budget.spend(steps)
            if found:
                return True
            before = _WORD if char in WORD else _OTHER
        return self._step(states, before, "")[0]

    def _step(self, states: _States, before: int, char: str) -> tuple[bool, _States, int]:
        """Whether it has matched before `char` (empty: the end), the states behind it, and how many were looked at."""
        machine = self._machine
        after = _EDGE if not char else _WORD if char in WORD else _OTHER
        reached: set[int] = set()
        stack = list(states)
        behind = set(self._start)
        while stack:
            here = stack.pop()
            if here in reached:
                continue
            reached.add(here)
            what = machine.what[here]
            if what is None:
                if not machine.outs[here]:
                    return True, states, len(reached)
                stack.extend(machine.outs[here])
            elif isinstance(what, Assertion):
                if _holds(what.kind, before, after):
                    stack.extend(machine.outs[here])
            elif char and what.hold(char):
                behind.update(machine.outs[here])
        return False, frozenset(behind), len(reached)


@lru_cache(maxsize=1024)
def compile_pattern(source: str) -> Pattern | None:
    """The pattern, ready to search with; `None` where it is not one that can be searched for in bounded time.

    >>> dashed = compile_pattern("^[a-z]+-[0-9]{2}$")
    >>> [dashed.search(text, Budget()) for text in ("abc-12", "abc-123")], compile_pattern("(?=a)b")
    ([True, False], None)
    """
    try:
        machine = _Machine()
        return Pattern(machine, machine.add(parse(source), machine.state(None)))
    except UnsupportedError:
        return None


@dataclass(slots=True)
class _Machine:
    """States by number. A state waits for a character, asserts something, or (`None`) leads on; the one that leads on
    to nothing is the end."""

    what: list[Chars | Assertion | None] = field(default_factory=list)
    outs: list[tuple[int, ...]] = field(default_factory=list)

    def state(self, what: Chars | Assertion | None, *outs: int) -> int:
        if len(self.what) >= MAX_STATES:
            raise UnsupportedError("too many states")
        self.what.append(what)
        self.outs.append(outs)
        return len(self.what) - 1

    def add(self, syntax: Syntax, after: int) -> int:
        """Add the states of a piece that leads on to `after`; returns where it begins."""
        if isinstance(syntax, (Chars, Assertion)):
            return self.state(syntax, after)
        if isinstance(syntax, Sequence):
            for part in reversed(syntax.parts):
                after = self.add(part, after)
            return after
        if isinstance(syntax, Choice):
            return self.state(None, *[self.add(part, after) for part in syntax.parts])
        return self._repeat(syntax, after)

    def _repeat(self, syntax: Repeat, after: int) -> int:
        if syntax.most is None:
            loop = self.state(None)
            self.outs[loop] = (self.add(syntax.part, loop), after)
            after = loop
        else:
            for _ in range(syntax.most - syntax.least):
                after = self.state(None, self.add(syntax.part, after), after)
        for _ in range(syntax.least):
            begins = self.add(syntax.part, after)
            if begins == after:  # a piece that is nothing, however often
                break
            after = begins
        return after


def _holds(kind: str, before: int, after: int) -> bool:
    if kind == "^":
        return before == _EDGE
    if kind == "$":
        return after == _EDGE
    return ((before == _WORD) != (after == _WORD)) == (kind == "b")
