"""Decision trees: questions about the observation one by one, and an action at the end."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int

from upslope.core.annotations import Key, Memory, Observation
from upslope.core.checks import check_number
from upslope.policies.bodies.body import check_categories
from upslope.policies.encoding import Categories, action_mask, encode
from upslope.policies.heads import ModeHead, PointHead
from upslope.policies.rules.non_differentiable import NonDifferentiablePolicy
from upslope.policies.twin.actor import TwinActor
from upslope.policies.twin.bodies import TwinDecisionTree
from upslope.policies.twin.encoding import TwinEncoding


class DecisionTree(NonDifferentiablePolicy):
    r"""A full binary tree of hard questions; the action is that of the leaf.

    .. math:: \text{right at node } n \iff w_n^\top x > b_n

    Oblique questions use the whole of w. Axis-aligned ones use its largest entry alone, which
    names one number of the observation and a direction: "is the pole's angle above 0.03?". J is
    piecewise constant in all that the questions are made of: there is no gradient.

    Attributes:
      weight: w [N, I], N = 2^depth - 1 nodes, the root first, then level by level.
      threshold: b [N].
      leaf: [2^depth, O], what each leaf gives the head.
      head: a leaf's numbers to the action.
      depth: how many questions are asked. Static.
      oblique: whether a question weighs all of the observation, not one entry. Static.
      categories: sizes of the one-hot blocks of a discrete observation; empty for numbers. Static.

    References:
      Breiman, Friedman, Olshen and Stone (1984); Murthy, Kasif and Salzberg (1994), oblique trees.
    """

    weight: Float[Array, "N I"]
    threshold: Float[Array, " N"]
    leaf: Float[Array, "L O"]
    head: ModeHead | PointHead
    depth: int = eqx.field(static=True)
    oblique: bool = eqx.field(static=True)
    categories: Categories = eqx.field(static=True)

    def __init__(
        self,
        key: Key,
        in_size: int,
        head: ModeHead | PointHead,
        depth: int = 2,
        oblique: bool = False,
        categories: Categories = (),
    ):
        check_number("A decision tree", "depth", depth, at_least=1, integer=True)
        check_categories("DecisionTree", in_size, categories)
        weight_key, leaf_key = jax.random.split(key)
        nodes = 2**depth - 1
        self.weight = jax.random.normal(weight_key, (nodes, in_size))
        self.threshold = jnp.zeros(nodes)
        self.leaf = jax.random.normal(leaf_key, (nodes + 1, head.n_outputs))
        self.head, self.depth, self.oblique = head, depth, oblique
        self.categories = tuple(categories)

    def __call__(self, observation: Observation, memory: Memory = None) -> Any:
        return self.head(self.leaf[self.leaf_of(observation)], action_mask(observation))

    def leaf_of(self, observation: Observation) -> Int[Array, ""]:
        """The number of the leaf that an observation falls into, an int scalar."""
        x = encode(observation, self.categories)
        node = jnp.zeros((), int)
        for _ in range(self.depth):
            weight = self.weight[node]
            if not self.oblique:
                chosen = jnp.argmax(jnp.abs(weight)) == jnp.arange(weight.size)
                weight = jnp.where(chosen, jnp.sign(weight), 0.0)
            right = jnp.sum(weight * x) > self.threshold[node]
            node = 2 * node + 1 + right.astype(int)
        return node - (2**self.depth - 1)

    def numpy(self) -> TwinActor | None:
        head = self.head.numpy()
        if head is None:
            return None
        weight = np.asarray(self.weight)
        if not self.oblique:
            chosen = np.abs(weight).argmax(axis=1)[:, None] == np.arange(weight.shape[1])
            weight = np.where(chosen, np.sign(weight), 0).astype(weight.dtype)
        threshold, leaf = np.asarray(self.threshold), np.asarray(self.leaf)
        encoding = TwinEncoding(self.categories)
        return TwinActor(TwinDecisionTree(encoding, weight, threshold, leaf, self.depth), head)
