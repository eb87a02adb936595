"""Steps as a tree, whatever the data: parents that are missing, ids that are there twice, rings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol, TypeVar


class Node(Protocol):
    """What can stand in a tree."""

    id: str
    parent_id: str
    moment: datetime


T = TypeVar("T", bound=Node)


def depth_first(nodes: Sequence[T]) -> Iterator[tuple[T, int]]:
    """Give every node once, each behind what stands above it, with how many do; what is side by side, in time order.

    A node whose parent is not there stands at the top, and so does the first of a ring.
    """
    ordered = sorted(nodes, key=lambda node: node.moment)
    ids = {node.id for node in ordered if node.id}
    children: defaultdict[str, list[T]] = defaultdict(list)
    for node in ordered:
        children[node.parent_id].append(node)
    seen: set[int] = set()
    tops = [node for node in ordered if node.parent_id not in ids or node.parent_id == node.id]
    for top in (*tops, *ordered):
        stack = [(top, 0)]
        while stack:
            node, depth = stack.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            yield node, depth
            # Two nodes of one id: the first takes the children.
            stack.extend((child, depth + 1) for child in reversed(children.pop(node.id, []) if node.id else []))
