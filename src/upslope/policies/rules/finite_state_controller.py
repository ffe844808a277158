"""Finite-state controllers: a memory of one of M nodes."""

from __future__ import annotations

from typing import Any, ClassVar

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
from upslope.policies.twin.bodies import TwinFiniteStateController
from upslope.policies.twin.encoding import TwinEncoding


class FiniteStateController(NonDifferentiablePolicy):
    r"""A machine that moves between M nodes by what it sees, and acts by the node it is in.

    .. math:: n_t = \arg\max_m \big(W_{n_{t-1}} x_t + c_{n_{t-1}}\big)_m, \qquad a_t = head(y_{n_t})

    It begins in node 0. With M nodes it can tell M histories apart: in environments that hide their
    state it does what no rule of the present observation can.

    Attributes:
      move: W [M, M, I].
      bias: c [M, M]: where it goes whatever it sees.
      action: y [M, O], what each node gives the head.
      head: a node's numbers to the action.
      nodes: M, the states of its memory. Static.
      categories: sizes of the one-hot blocks of a discrete observation; empty for numbers. Static.

    References:
      Hansen (1998), Solving POMDPs by searching in policy space; Meuleau et al. (1999).
    """

    has_memory: ClassVar[bool] = True
    move: Float[Array, "M M I"]
    bias: Float[Array, "M M"]
    action: Float[Array, "M O"]
    head: ModeHead | PointHead
    nodes: int = eqx.field(static=True)
    categories: Categories = eqx.field(static=True)

    def __init__(
        self,
        key: Key,
        in_size: int,
        head: ModeHead | PointHead,
        nodes: int = 4,
        categories: Categories = (),
    ):
        check_number("A finite-state controller", "nodes", nodes, at_least=1, integer=True)
        check_categories("FiniteStateController", in_size, categories)
        keys = jax.random.split(key, 3)
        self.move = jax.random.normal(keys[0], (nodes, nodes, in_size)) / in_size**0.5
        self.bias = jax.random.normal(keys[1], (nodes, nodes))
        self.action = jax.random.normal(keys[2], (nodes, head.n_outputs))
        self.head, self.nodes, self.categories = head, nodes, tuple(categories)

    def initial_memory(self) -> Int[Array, ""]:
        return jnp.zeros((), jnp.int32)

    def __call__(self, observation: Observation, memory: Memory = None) -> Any:
        x = encode(observation, self.categories)
        wish = jnp.matvec(self.move[memory], x) + self.bias[memory]
        node = jnp.argmax(wish).astype(jnp.int32)
        return self.head(self.action[node], action_mask(observation)), node

    def numpy(self) -> TwinActor | None:
        head = self.head.numpy()
        if head is None:
            return None
        tables = (np.asarray(table) for table in (self.move, self.bias, self.action))
        return TwinActor(TwinFiniteStateController(TwinEncoding(self.categories), *tables), head)
