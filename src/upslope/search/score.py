"""Methods that follow the score of a policy, and policies that have none."""

from __future__ import annotations

from upslope.core.checks import UpslopeError
from upslope.search.search_method import SearchMethod


def check_score(name: str, method: SearchMethod, policy: object, kind: str | None) -> None:
    """Refuses a method that follows scores a policy that has none.

    Args:
      name: of the method.
      method: of that name.
      policy: or its shapes.
      kind: its registered name, where it has one.

    Raises:
      UpslopeError: names methods that can search it.
    """
    if not method.follows_score or getattr(policy, "differentiable", True):
        return
    raise UpslopeError(
        f"{name} follows the gradient of log pi, and the policy {kind or type(policy).__name__!r} "
        "has none: its actions jump. Use a gradient-free method (cma-es, cem, openai-es, "
        "hill-climbing, genetic-algorithm), or a stochastic policy."
    )
