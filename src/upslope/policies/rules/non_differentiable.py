"""Policies without a score: any rule at all."""

from __future__ import annotations

from typing import ClassVar

from upslope.policies.policy import Policy


class NonDifferentiablePolicy(Policy):
    """A rule that gradient-free methods search: its actions jump where its parameters move."""

    differentiable: ClassVar[bool] = False
