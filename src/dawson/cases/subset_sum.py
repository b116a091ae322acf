"""Groups of given total size out of items that cannot be divided: subset sums by dynamic programming."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

POOLS = (64, 48, 32, 24, 16, 12, 8, 4)  # items that are searched exhaustively, the most that memory allows
STATES = 20_000_000  # numbers in the table of the search, 160 MB
TRIES = 6  # orders of the items, where not all of them fit in the pool
DRAWS = 300  # solutions to choose among

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def group_counts(sizes: Ints, wanted: Sequence[int], rng: np.random.Generator) -> list[Ints]:
    """Ways to put items of ``sizes`` (n,) into groups whose sizes add up to ``wanted`` (groups,), exactly or nearly.

    ``wanted`` adds up to the sum of all sizes. Every item goes into one group; a group with a wanted size
    above zero gets at least one item, one with zero none. Returns up to ``DRAWS`` solutions, each the group
    of every item (n,), all equally near to what is wanted (sum of absolute differences). Up to 64 items the
    search is complete: where whole items can add up to the wanted sizes, they do.
    """
    best: tuple[int, list[Ints]] | None = None
    for _ in range(TRIES):
        order = rng.permutation(len(sizes))
        fixed, pool, left = _fill(sizes, order, np.array(wanted, dtype=np.int64))
        off, drawn = _draw(sizes[pool], left, fixed, rng)
        solutions = []
        for groups in drawn:
            whole = fixed.copy()
            whole[pool] = groups
            solutions.append(whole)
        if best is None or off < best[0]:
            best = off, solutions
        if best[0] == 0 or len(pool) == len(sizes):
            break
    return best[1] if best is not None else []


def even_groups(sizes: Ints, count: int, rng: np.random.Generator) -> list[Ints]:
    """Up to ``DRAWS`` ways to put items of ``sizes`` (n,) into ``count`` groups of about one size, none of them empty.

    Items go, largest first, to the smallest group so far; ties are broken at random. Of what this gives,
    only the solutions with the least difference between the largest and the smallest group are kept.
    """
    solutions, spreads = [], []
    for _ in range(max(DRAWS * 100 // max(len(sizes), 100), 10)):  # large cohorts are even by themselves
        order = rng.permutation(len(sizes))
        order = order[np.argsort(-sizes[order], kind="stable")]
        totals, members = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
        groups = np.zeros(len(sizes), dtype=np.int64)
        for item in order:
            smallest = np.flatnonzero((totals == totals.min()) & (members == members[totals == totals.min()].min()))
            groups[item] = rng.choice(smallest)
            totals[groups[item]] += sizes[item]
            members[groups[item]] += 1
        solutions.append(groups)
        spreads.append(int(np.ptp(totals)))
    return [groups for groups, spread in zip(solutions, spreads, strict=True) if spread == min(spreads)]


def _fill(sizes: Ints, order: Ints, wanted: Ints) -> tuple[Ints, Ints, Ints]:
    """Groups (n,) of all items but the last ones of ``order``, those (the pool), and what the groups still want.

    The pool is as large as the table of the search may become. The other items go where most is wanted, and
    leave every group something to want.
    """
    groups = np.full(len(sizes), -1, dtype=np.int64)
    largest = int(sizes.max())
    for most in (len(sizes), *POOLS) if len(sizes) <= POOLS[0] else POOLS:
        share = min(most / len(sizes), 1.0)
        keep = np.minimum(wanted * share + largest, wanted)
        sides = np.where(wanted[1:] > 0, keep[1:] + 2 * largest, 1)
        if sides.prod() * (most + 1) <= STATES:
            break
    left = wanted.copy()
    cut = max(len(sizes) - most, 0)
    for item in order[:cut]:
        fits = left - sizes[item] >= keep
        group = int(np.argmax(np.where(fits, left / np.maximum(wanted, 1), -1))) if fits.any() else int(left.argmax())
        groups[item] = group
        left[group] -= sizes[item]
    return groups, order[cut:], left


def _draw(sizes: Ints, wanted: Ints, fixed: Ints, rng: np.random.Generator) -> tuple[int, list[Ints]]:
    """How far the nearest solutions are from ``wanted`` (4,), and a number of them (n,), drawn at random.

    The table holds, for every number of items, how probable each size of all groups but the first is, if items
    were dealt at random; walking it backwards draws solutions as probable as they are.
    """
    others = np.flatnonzero(wanted[1:] > 0) + 1
    largest = int(sizes.max())
    shape = tuple(int(n) for n in wanted[others] + largest)  # sums from 0 to a little above what is wanted
    chance = np.maximum(wanted, 0) / max(int(np.maximum(wanted, 0).sum()), 1)
    table = np.zeros((len(sizes) + 1, *shape))
    table[(0, *(0,) * len(shape))] = 1.0
    for step, size in enumerate(sizes.tolist()):
        table[step + 1] = table[step] * max(chance[0], 1e-3)
        for axis, group in enumerate(others):
            here = [slice(None)] * len(shape)
            before = [slice(None)] * len(shape)
            here[axis], before[axis] = slice(size, None), slice(None, max(shape[axis] - size, 0))
            table[step + 1][tuple(here)] += table[step][tuple(before)] * chance[group]
    off = _distance(shape, wanted, others, int(sizes.sum()), fixed, reachable=table[-1] > 0)
    nearest = int(off.min())
    ends = np.argwhere(off == nearest)
    weights = table[-1][tuple(ends.T)]
    drawn = ends[rng.choice(len(ends), DRAWS, p=weights / weights.sum())]
    return nearest, list(_walk(table, sizes, drawn, chance, others, rng))


def _distance(
    shape: tuple[int, ...], wanted: Ints, others: Ints, total: int, fixed: Ints, *, reachable: NDArray[np.bool_]
) -> Ints:
    """By sizes of all groups but the first: the sum of differences from ``wanted``, huge where it cannot be."""
    sums = np.indices(shape, sparse=True)
    first = total - sum(sums, np.zeros((1,) * len(shape), dtype=np.int64))
    off = np.abs(first - wanted[0]) + sum(abs(s - w) for s, w in zip(sums, wanted[others], strict=True))
    possible = reachable & ((first > 0) | bool((fixed == 0).any()))
    for size, group in zip(sums, others, strict=True):
        possible &= (size > 0) | (group == 3) | bool((fixed == group).any())  # the last may stay empty
    distance: Ints = np.where(possible, off, np.iinfo(np.int64).max)
    return distance


def _walk(table: Floats, sizes: Ints, ends: Ints, chance: Floats, others: Ints, rng: np.random.Generator) -> Ints:
    """Groups (draws, n) on one way each back from the last row of the table to its first."""
    groups = np.zeros((len(ends), len(sizes)), dtype=np.int64)
    state = ends.copy()
    for step in range(len(sizes) - 1, -1, -1):
        weights = np.zeros((len(ends), 1 + len(others)))
        weights[:, 0] = table[step][tuple(state.T)] * max(chance[0], 1e-3)
        for axis, group in enumerate(others):
            before = state.copy()
            before[:, axis] -= sizes[step]
            possible = before[:, axis] >= 0
            weights[possible, 1 + axis] = table[step][tuple(before[possible].T)] * chance[group]
        bounds = np.cumsum(weights, axis=1)
        picks = (rng.random(len(ends))[:, None] * bounds[:, -1:] >= bounds).sum(axis=1)
        for axis, group in enumerate(others):
            chosen = picks == 1 + axis
            groups[chosen, step] = group
            state[chosen, axis] -= sizes[step]
    return groups
