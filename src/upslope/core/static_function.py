"""Plain functions as modules, so that what holds them can enter compiled programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar, cast

import equinox as eqx

P = ParamSpec("P")
Result = TypeVar("Result")


class StaticFunction(eqx.Module, Generic[P, Result]):
    """A plain function as a module without numbers.

    Attributes:
      function: the function. Static.
    """

    function: Callable[P, Result] = eqx.field(static=True)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Result:
        return self.function(*args, **kwargs)


def as_module(function: Callable[P, Result] | None) -> Callable[P, Result] | None:
    """The function as a module, so that the module that holds it can enter compiled programs."""
    if function is None or isinstance(cast(object, function), eqx.Module):
        return function
    return StaticFunction(function)
