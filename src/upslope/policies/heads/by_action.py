"""Which head an action space asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from upslope.policies.heads import (
    BernoulliHead,
    BetaHead,
    GaussianHead,
    Head,
    ModeHead,
    MultiSoftmaxHead,
    PointHead,
    SoftmaxHead,
    SquashedGaussianHead,
)
from upslope.policies.spaces import ActionShape

Std = tuple[float, bool]  # log_std_init, state_dependent_std


def stochastic_head(act: ActionShape, std: Std = (0.0, False)) -> Head:
    """Softmax, multi-softmax, Bernoulli or Gaussian."""
    if act.kind == "discrete":
        return SoftmaxHead(act.nvec[0])
    if act.kind == "multi-discrete":
        return MultiSoftmaxHead(act.nvec)
    if act.kind == "multi-binary":
        return BernoulliHead(act.shape)
    return GaussianHead(act.shape, *std)


def decision_head(act: ActionShape) -> ModeHead | PointHead:
    """The head of policies that decide instead of drawing."""
    if act.kind == "bounded":
        return PointHead(act.shape, act.low, act.high)
    if act.kind == "box":
        return PointHead(act.shape)
    return ModeHead(stochastic_head(act))


HEADS: Mapping[str, Callable[[ActionShape, Std], Head]] = {
    "stochastic": stochastic_head,
    "deterministic": lambda act, std: decision_head(act),
    "squashed-gaussian": lambda act, std: SquashedGaussianHead(
        GaussianHead(act.shape, *std), act.low, act.high
    ),
    "beta": lambda act, std: BetaHead(act.low, act.high, act.shape),
}
