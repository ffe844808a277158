"""The history takes up the rows of an earlier process."""

import jax.numpy as jnp
import numpy as np

from upslope.core.records import EpisodeStatistics
from upslope.engine.history import History
from upslope.engine.rows import Records
from upslope.search.gradient.finite_difference_ascent import FiniteDifferenceDiagnostics


def test_a_column_goes_on_under_its_name_of_today():
    plain = {"return": 1.0, "length": 2.0, "episodes": 1, "gradient_norm": 1.0}
    logged = {"seed": 0, "iteration": 1, "steps": 2, **plain}
    logged |= {"population_mean": 1.0, "population_best": 1.0, "broken": 0.25}
    history = History()
    history.restore([logged], np.asarray([1]))
    statistics = EpisodeStatistics(*(jnp.ones((1, 1), int) for _ in EpisodeStatistics._fields))
    diagnostics = FiniteDifferenceDiagnostics(*(jnp.full((1, 1), 0.5) for _ in range(4)))
    one = np.ones((1, 1), int)
    history.add(Records(one, statistics, diagnostics, one > 0), np.asarray([2]))
    assert history.arrays()["nonfinite_share"].tolist() == [0.25, 0.5]
    assert "broken" not in history.columns
