"""The kinds of policy there are, and which spaces each of them fits."""

from __future__ import annotations

from typing import NamedTuple

from upslope.core.registry import Registry

POLICIES = Registry("policy")


class Fit(NamedTuple):
    """The observations and actions a kind of policy is made for, as `spaces` names them."""

    observations: tuple[str, ...]
    actions: tuple[str, ...]


FITS: dict[str, Fit] = {}

RULES = ("threshold", "decision-tree", "finite-state-controller", "sine-gait", "spline")
ANY = ("discrete", "vector", "image")
FLAT = ("discrete", "vector")
NUMBERS = ("box", "bounded")
ALL = ("discrete", *NUMBERS, "multi-discrete", "multi-binary")

for name, observations, actions, summary in (
    ("tabular-softmax", ("discrete",), ("discrete",), "a table of preferences, states x actions"),
    ("linear-softmax", FLAT, ("discrete",), "preferences linear in features of state and action"),
    ("softmax", ANY, ("discrete",), "preferences from a dense network"),
    ("multi-softmax", ANY, ("multi-discrete",), "several softmax choices from a dense network"),
    ("bernoulli", ANY, ("multi-binary",), "several on/off switches from a dense network"),
    ("gaussian-linear", FLAT, NUMBERS, "Gaussian with a mean linear in the observation"),
    ("gaussian", ANY, NUMBERS, "Gaussian with a mean from a dense network"),
    ("squashed-gaussian", ANY, ("bounded",), "Gaussian squashed into the bounds by tanh"),
    ("beta", ANY, ("bounded",), "Beta distribution on the bounds"),
    ("deterministic", ANY, ALL, "a dense network decides; for gradient-free search"),
    ("deterministic-linear", FLAT, ALL, "a linear map decides; for gradient-free search"),
    ("threshold", FLAT, ("discrete", "bounded"), "bang-bang: a linear score over thresholds"),
    ("decision-tree", FLAT, ALL, "questions about the observation, an action at each leaf"),
    ("finite-state-controller", FLAT, ALL, "a few memory nodes: next node and action by tables"),
    ("sine-gait", ANY, NUMBERS, "open loop: joints that swing, whatever is observed"),
    ("spline", ANY, NUMBERS, "open loop: a closed curve through knots"),
    ("recurrent", FLAT, ALL, "softmax or Gaussian with a GRU memory"),
    ("convolutional", ("image",), ALL, "softmax or Gaussian that looks at images"),
):
    home = "rules.builders" if name in RULES else "builders"
    POLICIES.register(name, f"upslope.policies.{home}:{name.replace('-', '_')}", summary)
    FITS[name] = Fit(observations, actions)
