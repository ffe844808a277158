"""CMA-ES for policies of any size."""

from __future__ import annotations

from typing import Literal

from jax import Array

from upslope.search.evolution.cma.cma_es import CMAES
from upslope.search.evolution.cma.margin import IntegerLattice
from upslope.search.evolution.cma.search_distribution import SearchDistribution


def separable_cma_es(
    population_size: int = 32,
    episodes_per_candidate: int = 1,
    std: float | Array = 0.5,
    restarts: Literal["none", "ipop", "bipop"] = "none",
    lower: float | Array | None = None,
    upper: float | Array | None = None,
    integers: IntegerLattice | None = None,
    distribution: SearchDistribution | None = None,
    *,
    active: bool = True,
    common_random_numbers: bool = False,
) -> CMAES:
    r"""CMA-ES with a variance for each parameter: linear in their number, not rotation invariant.

    .. math:: \theta_p = m + \sigma \, d \odot z_p, \quad z_p \sim \mathcal N(0, I), \qquad
              d \leftarrow d \exp\Big(\frac{\ln 2}2 \Big(c_1 (p_c^2 - 1)
              + c_\mu \sum_i w_i (z_{i:P}^2 - 1)\Big)\Big)

    Args:
      population_size: P, candidates per iteration.
      episodes_per_candidate: episodes whose mean return ranks a candidate.
      std: initial sigma, in units of theta.
      restarts: `"none"`, `"ipop"` or `"bipop"`.
      lower: bound of every parameter; None for none.
      upper: the other bound.
      integers: which parameters are whole numbers; None for none.
      distribution: the mean and the variances to begin with; None for the policy's and 1.
      active: let the worst candidates shrink the variances.
      common_random_numbers: all candidates of an iteration meet the same randomness.

    References:
      Ros and Hansen (2008), A simple modification in CMA-ES achieving linear complexity.
    """
    return CMAES(
        population_size=population_size,
        episodes_per_candidate=episodes_per_candidate,
        std=std,
        covariance="separable",
        active=active,
        restarts=restarts,
        lower=lower,
        upper=upper,
        integers=integers,
        distribution=distribution,
        common_random_numbers=common_random_numbers,
    )
