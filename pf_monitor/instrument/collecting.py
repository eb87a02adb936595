"""What a stream has given so far: bounded, and merged the way a reader wants to see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pf_monitor.instrument import content

if TYPE_CHECKING:
    from pf_monitor.model.step import Step

_MOST_ITEMS = 1_000


class _Pieces(list[str]):
    """Pieces of text that came one after the other."""


class Collected:
    """The items of a generator: pieces of text become one text, anything else a list.

    Of what is not text a plain copy is kept, as it is now: the item itself is its consumer's, to change and to let go.

    Args:
        step: The generator's step; it notes when the first item came.
    """

    __slots__ = ("_budget", "_capture", "_items", "_left_out", "_partial", "_pieces", "_step", "_streamed")

    def __init__(self, step: Step) -> None:
        self._step = step
        self._capture = step.recorder.capture_content
        self._items: list[Any] = []
        self._pieces: _Pieces | None = None
        """The last item, if that is text."""
        self._budget = content.Budget()
        self._left_out = 0
        self._streamed = False
        self._partial = True
        """Whether all items are dicts: partial outputs, that is, which make one together."""

    def add(self, item: Any) -> None:
        """Take one item."""
        if not self._streamed:
            self._streamed = True
            self._step.time_to_first_chunk_ns = self._step.elapsed_ns()
        if not self._capture:
            return
        budget = self._budget
        if budget.characters <= 0 or budget.elements <= 0 or len(self._items) >= _MOST_ITEMS:
            self._left_out += 1
        elif type(item) is str:
            self._partial = False
            budget.characters -= len(item)
            if (pieces := self._pieces) is None:
                self._pieces = pieces = _Pieces()
                self._items.append(pieces)
            pieces.append(item)
        else:
            self._pieces = None
            self._partial = self._partial and issubclass(type(item), dict)
            budget.characters -= 1
            self._items.append(content.copied(item, budget))

    def output(self, returned: Any = None) -> Any:
        """Return what the generator gave: its text, its items, or what it returned if it yielded nothing."""
        items: list[Any] = ["".join(item) if type(item) is _Pieces else item for item in self._items]
        if not items:
            return returned
        if len(items) == 1 and type(items[0]) is str:
            return items[0]
        if self._partial:
            return _merged(items)
        if self._left_out:
            items.append(f"… {self._left_out} more")
        return items


def _merged(items: list[dict[Any, Any]]) -> dict[Any, Any]:
    """Merge a stream of partial outputs: texts of the same field are joined, of other values the last one counts."""
    whole: dict[Any, Any] = {}
    for item in items:
        for key, value in item.items():
            before = whole.get(key)
            whole[key] = before + value if isinstance(before, str) and isinstance(value, str) else value
    return whole
