"""A failing seed made small: fewer and fewer of its items, as long as it still fails.

Delta debugging (Zeller and Hildebrandt 2002): leave out halves, then quarters, down to single items.
"""

from collections.abc import Callable


def shrink(
    items: int, fails: Callable[[frozenset[int]], bool], most_runs: int = 200
) -> frozenset[int]:
    """A small set of the items 0 to ``items`` - 1 with which ``fails`` still holds.

    No single item can be left out of it, unless ``most_runs`` ended the search before.
    """
    kept = list(range(items))
    runs, parts = 0, 2
    while len(kept) >= 1 and runs < most_runs:
        size = max(1, len(kept) // parts)
        for start in range(0, len(kept), size):
            rest = kept[:start] + kept[start + size :]
            runs += 1
            if fails(frozenset(rest)):
                kept, parts = rest, max(2, parts - 1)
                break
            if runs >= most_runs:
                break
        else:
            if size == 1:
                break
            parts = min(len(kept), parts * 2)
    return frozenset(kept)
