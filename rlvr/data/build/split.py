"""A held-out split that shares no tool and no question with training: rows are joined by what they offer and by what
they ask, and whole groups go out.

Groups are the connected components of rows, tools and questions. They are exact, where a hash of a row's set of tools
would leave one tool of two sets on both sides. Memory is bounded by what is different: some 32 bytes for each different
tool, question, and pair of the two, and 16 for each row, whatever the rows hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rlvr.data.build.draw import ranks

Array = npt.NDArray[Any]
NO_QUESTION = 0
"""The hash of a row that asks nothing: it is joined to no other by that."""


@dataclass(frozen=True, slots=True)
class Split:
    """`heldout`: which rows are held out; `extra`: the same for the extra lists of tools (servers).

    `groups` is how many groups there are that share no tool and no question, `largest` the rows of the greatest.
    """

    heldout: Array  # (rows,) bool
    extra: Array  # (lists,) bool
    groups: int
    largest: int


def split_by_tools(
    tool_ends: Array,
    tools: Array,
    share: float,
    seed: int,
    extra: Sequence[Sequence[int]] = (),
    questions: Array | None = None,
) -> Split:
    """Choose about `share` of the rows to hold out, never more: groups in a seeded order, each that still fits.

    Row i offers `tools[tool_ends[i - 1]:tool_ends[i]]`, each by the hashes that know it, and asks `questions[i]`, the
    hash of the user's words without case and punctuation. What is hashed of a tool decides what is shared: its name and
    its description (`record.tool_keys`), and neither stands on both sides. `extra` are lists of tools that belong
    together without being rows: a server's, whose tools may stand in any of its negatives. Where one group holds nearly
    everything (every tool is somewhere beside every other), what can be held out is less than was asked for: the plan
    says so.
    """
    n_rows = len(tool_ends)
    ends, flat = tool_ends.astype(np.int64), tools
    if extra:
        ends = np.concatenate([ends, len(tools) + np.cumsum([len(e) for e in extra], dtype=np.int64)])
        flat = np.concatenate([tools, np.array([t for e in extra for t in e], dtype=np.uint64)])
    kinds, kind_of_row = _kinds(ends, flat)
    ends, flat = lists_of(ends, flat, kinds)
    groups = _groups(ends, flat)
    if questions is not None:
        groups = _joined(groups, kind_of_row[:n_rows], questions)
    owner = groups[kind_of_row]
    sizes = np.bincount(owner[:n_rows], minlength=int(groups.max(initial=-1)) + 1)
    order = ranks(_names(groups, ends, flat, len(sizes)), f"{seed}/heldout")
    chosen = _chosen(sizes, int(share * n_rows), order)
    chosen |= (sizes == 0) & (order / 2.0**64 < share)  # lists that no row shares a tool with
    return Split(chosen[owner[:n_rows]], chosen[owner[n_rows:]], int((sizes > 0).sum()), int(sizes.max(initial=0)))


def lists_of(ends: Array, flat: Array, rows: Array) -> tuple[Array, Array]:
    """The lists of some rows alone, in the same flat form."""
    starts = _starts(ends)[rows]
    sizes = ends[rows] - starts
    new = np.cumsum(sizes)
    inside = np.arange(int(new[-1]) if len(new) else 0) - np.repeat(new - sizes, sizes)
    return new, flat[np.repeat(starts, sizes) + inside]


def _starts(ends: Array) -> Array:
    return np.concatenate([np.zeros(1, np.int64), ends[:-1]]) if len(ends) else np.empty(0, np.int64)


def _kinds(ends: Array, flat: Array) -> tuple[Array, Array]:
    """One row of each different list of tools, and which of them every row is like.

    Rows of one server offer the same list: only different ones are joined, and memory follows their number. A list is
    known by the sum of its hashes; a row without tools is like no other.
    """
    starts = _starts(ends)
    some = ends > starts
    sums = ranks(np.arange(len(ends), dtype=np.uint64), "no tools")
    if some.any():
        sums[some] = np.add.reduceat(flat, starts[some])
    _, first, kind_of_row = np.unique(sums, return_index=True, return_inverse=True)
    return first, kind_of_row


def _groups(ends: Array, flat: Array) -> Array:
    """The number of each list's group: lists with a common tool are in one. Lists without tools stand alone."""
    names, nodes = np.unique(flat, return_inverse=True)
    starts = _starts(ends)
    first = np.full(len(ends), -1, dtype=np.int64)
    some = ends > starts
    first[some] = nodes[starts[some]]
    roots = components(*_pairs(starts, nodes), len(names))
    group = np.where(first >= 0, roots[first] if len(roots) else 0, len(names) + np.arange(len(ends)))
    return np.asarray(np.unique(group, return_inverse=True)[1])


def _pairs(starts: Array, nodes: Array) -> tuple[Array, Array]:
    """Each row's tools chained, neighbour by neighbour; every pair once, however many rows have it."""
    inside = np.ones(len(nodes), dtype=bool)
    inside[starts[starts < len(nodes)]] = False  # the first tool of a row is chained to nothing before it
    after = np.flatnonzero(inside)
    many = int(nodes.max(initial=0)) + 1
    pairs = np.unique(nodes[after - 1] * many + nodes[after])
    return pairs // many, pairs % many


def _joined(groups: Array, kind_of_row: Array, questions: Array) -> Array:
    """The groups again, where those of rows that ask the same are one."""
    asking = questions != NO_QUESTION
    asked, node = np.unique(questions[asking], return_inverse=True)
    n_groups, many = int(groups.max(initial=-1)) + 1, max(1, len(asked))
    pairs = np.unique(groups[kind_of_row[asking]] * many + node)  # each group with each of its questions, once
    roots = components(pairs // many, n_groups + pairs % many, n_groups + len(asked))
    return np.asarray(np.unique(roots[groups], return_inverse=True)[1])


def components(one: Array, other: Array, n: int) -> Array:
    """Of each of `n` nodes the least of its component, where `one[i]` and `other[i]` are joined.

    Each round ties the greater root of every pair that is still apart to the least one beside it, then shortens all
    paths. It ends, since every round leaves fewer roots; a path of 100,000 nodes in random order takes some ten rounds.
    """
    root = np.arange(n, dtype=np.int64)
    while True:
        a, b = root[one], root[other]
        apart = a != b
        if not apart.any():
            return root
        one, other = a[apart], b[apart]
        least = np.minimum(one, other)
        np.minimum.at(root, np.maximum(one, other), least)
        while not np.array_equal(shorter := root[root], root):
            root = shorter


def _names(groups: Array, ends: Array, flat: Array, n: int) -> Array:
    """A name for each group that does not depend on the order of the rows: the least of its tools' hashes."""
    owner = np.repeat(groups, np.diff(ends, prepend=0))
    names = np.full(n, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(names, owner, flat)
    return names


def _chosen(sizes: Array, budget: int, order: Array) -> Array:
    chosen = np.zeros(len(sizes), dtype=bool)
    for group in np.argsort(order, kind="stable"):
        if 0 < sizes[group] <= budget:
            chosen[group] = True
            budget -= int(sizes[group])
    return chosen
