"""The best one-to-one assignment (Hungarian method, O(n²m)) over whole-number weights, so that no rounding decides."""

from __future__ import annotations

from collections.abc import Sequence


def best_assignment(weights: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Pairs (row, column) of a one-to-one assignment with the largest sum; every row or every column is used.

    >>> best_assignment([[1, 5], [0, 4]])
    [(0, 1), (1, 0)]
    >>> best_assignment([[3, 5], [0, 4]])
    [(0, 0), (1, 1)]
    """
    if not weights or not weights[0]:
        return []
    rows, columns = len(weights), len(weights[0])
    if rows > columns:
        flipped = [[weights[r][c] for r in range(rows)] for c in range(columns)]
        return sorted((r, c) for c, r in best_assignment(flipped))
    best = [row.index(max(row)) for row in weights]
    if len(set(best)) == rows:  # no two rows want the same column
        return list(enumerate(best))
    owner = _solve([[-w for w in row] for row in weights], rows, columns)
    return sorted((row, column) for column, row in enumerate(owner) if row is not None)


def _solve(cost: list[list[int]], rows: int, columns: int) -> list[int | None]:
    """Shortest augmenting paths with potentials; returns the row that each column belongs to."""
    row_potential, column_potential = [0] * rows, [0] * columns
    owner: list[int | None] = [None] * columns
    for start in range(rows):
        least: list[int | None] = [None] * columns
        parent = [-1] * columns
        done = [False] * columns
        row, last = start, -1
        while True:
            column, delta = -1, 0
            for c in range(columns):
                if done[c]:
                    continue
                reduced = cost[row][c] - row_potential[row] - column_potential[c]
                known = least[c]
                if known is None or reduced < known:
                    least[c], parent[c], known = reduced, last, reduced
                if column < 0 or known < delta:
                    column, delta = c, known
            _shift(delta, start, owner, done, least, row_potential, column_potential)
            done[column], last = True, column
            held = owner[column]
            if held is None:
                break
            row = held
        while last >= 0:  # along the path, each column takes over the row of the column before it
            before = parent[last]
            owner[last] = start if before < 0 else owner[before]
            last = before
    return owner


def _shift(
    delta: int,
    start: int,
    owner: list[int | None],
    done: list[bool],
    least: list[int | None],
    row_potential: list[int],
    column_potential: list[int],
) -> None:
    row_potential[start] += delta
    for c, finished in enumerate(done):
        held = owner[c]
        if finished and held is not None:
            row_potential[held] += delta
            column_potential[c] -= delta
        elif not finished:
            value = least[c]
            least[c] = None if value is None else value - delta
