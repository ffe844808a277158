"""UCT in plain Python, for one player or two, and wrong variants of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class Node:
    """A state and what is known of its actions."""

    state: object
    visits: dict = field(default_factory=dict)
    total: dict = field(default_factory=dict)
    children: dict = field(default_factory=dict)
    exact: dict = field(default_factory=dict)  # edges to ends


def plain_uct(step, legal, value, root, n, c, gamma=1.0, max_depth=10**6, wrong=""):
    """Visits and mean returns of the root's actions after n simulations.

    Args:
      step: (state, action) to (state, reward, own discount, terminated).
      legal: the actions of a state.
      value: of a state, to who is to move.
      root: a state.
      n: simulations.
      c: constant, in the unit of the returns.
      gamma: discount.
      max_depth: of a way down.
      wrong: "sign", "count", "max", "parent", "later": a known fault.
    """
    top = Node(root)
    for _ in range(n):
        node, way = top, []
        while True:
            parent = (0 if wrong == "parent" else 1) + sum(node.visits.values())
            best, chosen = -math.inf, None
            for action in legal(node.state):
                count = node.visits.get(action, 0)
                if action in node.exact:
                    score = node.exact[action]
                elif count == 0:
                    score = math.inf
                else:
                    mean = node.total[action] / (count + (wrong == "count"))
                    score = mean + c * math.sqrt(math.log(max(parent, 1)) / count)
                if score > best:
                    best, chosen = score, action
            state, reward, own, ended = step(node.state, chosen)
            discount = 0.0 if ended else gamma * (abs(own) if wrong == "sign" else own)
            way.append((node, chosen, reward, discount))
            if ended:
                node.exact[chosen] = reward
            if ended or chosen not in node.children or len(way) == max_depth:
                break
            node = node.children[chosen]
        if not ended:
            node.children.setdefault(chosen, Node(state))
        backed = 0.0 if ended else value(state)
        for at, action, reward, discount in reversed(way):
            backed = reward + discount * backed
            at.visits[action] = at.visits.get(action, 0) + 1
            if wrong == "max" and action in at.total:
                mean = max(backed, at.total[action] / (at.visits[action] - 1))
                at.total[action] = mean * at.visits[action]
            else:
                at.total[action] = at.total.get(action, 0.0) + backed
    means = {a: top.total[a] / top.visits[a] for a in top.visits}
    return top.visits, means
