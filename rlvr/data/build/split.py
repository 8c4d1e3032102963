"""A held-out split that shares no tool with training: rows are joined by what they offer, and whole groups go out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rlvr.data.build.draw import ranks

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Split:
    """`heldout`: which rows are held out; `extra`: the same for the extra lists of tools (servers).

    `groups` is how many groups there are that share no tool, `largest` the rows of the greatest.
    """

    heldout: Array  # (rows,) bool
    extra: Array  # (lists,) bool
    groups: int
    largest: int


def split_by_tools(
    tool_ends: Array, tools: Array, share: float, seed: int, extra: Sequence[Sequence[int]] = ()
) -> Split:
    """Choose about `share` of the rows to hold out, never more: groups in a seeded order, each that still fits.

    Row i offers `tools[tool_ends[i - 1]:tool_ends[i]]`, each by its hash. `extra` are lists of tools that belong
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
    parent = list(range(len(names)))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    starts = _starts(ends)
    first = np.full(len(ends), -1, dtype=np.int64)
    some = ends > starts
    first[some] = nodes[starts[some]]
    for low, high in _pairs(starts, nodes):
        a, b = root(low), root(high)
        if a != b:
            parent[max(a, b)] = min(a, b)
    roots = np.array([root(i) for i in range(len(names))], dtype=np.int64)
    group = np.where(first >= 0, roots[first] if len(roots) else 0, len(names) + np.arange(len(ends)))
    return np.unique(group, return_inverse=True)[1]


def _pairs(starts: Array, nodes: Array) -> list[tuple[int, int]]:
    """Each row's tools chained, neighbour by neighbour; every pair once, however many rows have it."""
    if len(nodes) < 2:
        return []
    inside = np.ones(len(nodes), dtype=bool)
    inside[starts[starts < len(nodes)]] = False  # the first tool of a row is chained to nothing before it
    after = np.flatnonzero(inside)
    many = int(nodes.max()) + 1
    pairs = np.unique(nodes[after - 1] * many + nodes[after])
    return [divmod(int(pair), many) for pair in pairs]


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
