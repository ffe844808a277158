"""The kinds of policy there are, what each is made of, and which spaces it fits."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from upslope.core.annotations import Key
from upslope.core.registry import Registry

if TYPE_CHECKING:
    from gymnasium import spaces

    from upslope.policies.network import NetworkPolicy

POLICIES = Registry("policy")


class Fit(NamedTuple):
    """The observations and actions a kind of policy is made for, as `spaces` names them."""

    observations: tuple[str, ...]
    actions: tuple[str, ...]


FITS: dict[str, Fit] = {}

RULES = ("threshold", "decision-tree", "finite-state-controller", "sine-gait", "spline")
FLAT = ("discrete", "vector", "tree", "board")
ANY = (*FLAT, "image")
NUMBERS = ("box", "bounded")
ALL = ("discrete", *NUMBERS, "multi-discrete", "multi-binary")

# The settings that kinds have, and their types.
TYPES: Mapping[str, Any] = {
    "hidden": Sequence[int],
    "dense_size": int,
    "channels": int,
    "kernel": int,
    "activation": str,
    "out_gain": float,
    "log_std_init": float,
    "state_dependent_std": bool,
}
# One line about each, as docstrings have it.
MEANINGS: Mapping[str, str] = {
    "hidden": "sizes of the hidden layers.",
    "dense_size": "units of the dense layer behind the convolutions.",
    "channels": "kernels of the convolution over the board.",
    "kernel": "side of a kernel, in cells.",
    "activation": "activation function of the hidden layers: tanh, relu, elu, ...",
    "out_gain": "scale of the last layer's first weights.",
    "log_std_init": "log of the standard deviation at the beginning.",
    "state_dependent_std": "whether the standard deviation depends on the observation.",
}
DENSE = {"hidden": (64, 64), "activation": "tanh", "out_gain": 0.01}
IMAGES = {"dense_size": 128, "activation": "relu", "out_gain": 0.01}
BOARDS = {
    "channels": 64,
    "kernel": 4,
    "hidden": (128, 128),
    "activation": "relu",
    "out_gain": 0.01,
}
FREE_STD = {"log_std_init": 0.0, "state_dependent_std": False}


class NetworkKind(NamedTuple):
    """Builds the policies of a kind: `kind(key, observation_space, action_space, **settings)`.

    Attributes:
      body: a name in `policies.builders.BODIES`.
      head: a name in `policies.heads.by_action.HEADS`.
      defaults: the settings that the kind has, and their values when nothing is said.
    """

    body: str
    head: str
    defaults: Mapping[str, Any]

    def __call__(
        self,
        key: Key,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        **settings: Any,
    ) -> NetworkPolicy:
        from upslope.policies.builders import build_network

        return build_network(
            key,
            observation_space,
            action_space,
            self.body,
            self.head,
            {**self.defaults, **settings},
        )

    @property
    def meanings(self) -> Mapping[str, str]:
        """One line about each setting that the kind has."""
        return {name: MEANINGS[name] for name in self.defaults}

    @property
    def __signature__(self) -> inspect.Signature:
        spaces = ("key", "observation_space", "action_space")
        given = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in spaces]
        own = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=TYPES[name]
            )
            for name, default in self.defaults.items()
        ]
        return inspect.Signature([*given, *own])


# Kind, observations, actions, what it is made of (or where its builder is), one line about it.
KINDS: tuple[tuple[str, tuple[str, ...], tuple[str, ...], NetworkKind | str, str], ...] = (
    (
        "tabular-softmax",
        ("discrete",),
        ("discrete",),
        "builders",
        "a table of preferences, states x actions",
    ),
    (
        "linear-softmax",
        FLAT,
        ("discrete",),
        "builders",
        "preferences linear in features of state and action",
    ),
    (
        "softmax",
        ANY,
        ("discrete",),
        NetworkKind("mlp", "stochastic", DENSE),
        "preferences from a dense network",
    ),
    (
        "multi-softmax",
        ANY,
        ("multi-discrete",),
        NetworkKind("mlp", "stochastic", DENSE),
        "several softmax choices from a dense network",
    ),
    (
        "bernoulli",
        ANY,
        ("multi-binary",),
        NetworkKind("mlp", "stochastic", DENSE),
        "several on/off switches from a dense network",
    ),
    (
        "gaussian-linear",
        FLAT,
        NUMBERS,
        NetworkKind("linear", "stochastic", FREE_STD),
        "Gaussian with a mean linear in the observation",
    ),
    (
        "gaussian",
        ANY,
        NUMBERS,
        NetworkKind("mlp", "stochastic", DENSE | FREE_STD),
        "Gaussian with a mean from a dense network",
    ),
    (
        "squashed-gaussian",
        ANY,
        ("bounded",),
        NetworkKind("mlp", "squashed-gaussian", DENSE | FREE_STD | {"state_dependent_std": True}),
        "Gaussian squashed into the bounds by tanh",
    ),
    (
        "beta",
        ANY,
        ("bounded",),
        NetworkKind("mlp", "beta", DENSE),
        "Beta distribution on the bounds",
    ),
    (
        "deterministic",
        ANY,
        ALL,
        NetworkKind("mlp", "deterministic", DENSE | {"out_gain": 1.0}),
        "a dense network decides; for gradient-free search",
    ),
    (
        "deterministic-linear",
        FLAT,
        ALL,
        NetworkKind("linear", "deterministic", {}),
        "a linear map decides; for gradient-free search",
    ),
    (
        "threshold",
        FLAT,
        ("discrete", "bounded"),
        "rules.builders",
        "bang-bang: a linear score over thresholds",
    ),
    (
        "decision-tree",
        FLAT,
        ALL,
        "rules.builders",
        "questions about the observation, an action at each leaf",
    ),
    (
        "finite-state-controller",
        FLAT,
        ALL,
        "rules.builders",
        "a few memory nodes: next node and action by tables",
    ),
    (
        "sine-gait",
        ANY,
        NUMBERS,
        "rules.builders",
        "open loop: joints that swing, whatever is observed",
    ),
    ("spline", ANY, NUMBERS, "rules.builders", "open loop: a closed curve through knots"),
    (
        "recurrent",
        FLAT,
        ALL,
        NetworkKind("recurrent", "stochastic", DENSE | FREE_STD),
        "softmax or Gaussian with a GRU memory",
    ),
    (
        "convolutional",
        ("image",),
        ALL,
        NetworkKind("convolutional", "stochastic", IMAGES | FREE_STD),
        "softmax or Gaussian that looks at images",
    ),
    (
        "board",
        ("board",),
        ("discrete",),
        NetworkKind("board", "stochastic", BOARDS),
        "preferences from a convolution over a board, and dense layers",
    ),
)

for name, observations, actions, target, summary in KINDS:
    if isinstance(target, str):
        target = f"upslope.policies.{target}:{name.replace('-', '_')}"
    POLICIES.register(name, target, summary)
    FITS[name] = Fit(observations, actions)
