"""What an estimator is an estimator of, as data."""

from __future__ import annotations

from typing import NamedTuple


class BiasStatement(NamedTuple):
    """What an estimator estimates, whether its mean is that, and why.

    Every estimator class carries one as `declaration` (a class variable, or a property where it
    depends on the settings). A bias that is left unsaid is a fault; one that is declared is a
    choice.
    """

    estimand: str  # what it is an estimator of, such as "grad J" or "grad E[f]"
    unbiased: bool  # for that estimand, at every sample size
    reason: str  # if unbiased: under which condition; if not: where the bias comes from
    reference: str = ""  # the source, with the number of the equation

    def __str__(self) -> str:
        verdict = "unbiased for" if self.unbiased else "biased for"
        source = f" ({self.reference})" if self.reference else ""
        return f"{verdict} {self.estimand}: {self.reason}{source}"
