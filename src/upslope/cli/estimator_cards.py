"""The gradient estimators as the command line shows them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, Protocol

from upslope.core.registry import Registry

if TYPE_CHECKING:
    from upslope.estimators.bias import BiasStatement


@cache
def estimators() -> Registry:
    """Every estimator of grad J that `upslope gradcheck` knows by name, of both families."""
    from upslope.diagnostics.check_estimators import POPULATION_ESTIMATORS
    from upslope.estimators import TRAJECTORY_ESTIMATORS

    table = Registry("estimator")
    for entry in TRAJECTORY_ESTIMATORS:
        table.register(entry.name, entry.target, entry.summary)
    for name, factory in POPULATION_ESTIMATORS.items():
        # How many parameters there are changes neither the class nor what it declares.
        summary = f"From returns of perturbed policies: {name.replace('-', ' ')}."
        table.register(name, partial(factory, 2), summary)
    return table


class Declared(Protocol):
    """An estimator of either family."""

    @property
    def declaration(self) -> BiasStatement:
        """What it estimates, and whether without bias."""
        ...


def declared(estimator: Declared, width: int) -> Iterator[str]:
    """What an estimator says of itself: its target, whether it is unbiased, why, and the source."""
    declaration = estimator.declaration
    yield ""
    yield "BiasStatement"
    rows = [
        ("estimates", declaration.estimand),
        ("unbiased", "yes" if declaration.unbiased else "no"),
        ("because", declaration.reason),
        ("source", declaration.reference),
    ]
    needs = ", ".join(getattr(estimator, "requires", ()))
    for name, text in [*rows, ("needs", needs)]:
        if text:
            lead = f"  {name:<9}  "
            yield from textwrap.wrap(
                text, width, initial_indent=lead, subsequent_indent=" " * len(lead)
            )
