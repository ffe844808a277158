"""Upslope: policy search in JAX.

An environment, a policy and a search method in; a policy with the evidence that it is good out::

    run = upslope.train("CartPole-v1", "ppo", total_timesteps=100_000, seeds=8)

The facade is `train`, `resume`, `evaluate`, `load`, `compare`, `record`, `report`, `export`,
`tune`, `solve`, `tournament`, `make`, `gradcheck`, `maximize`, `minimize`, `AskTell`, `Run` and
`configure`, with `UpslopeError`, of which all their errors are; everything else is in the packages.
Both load on first use, so that `import upslope` costs nothing by itself.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upslope import (
        comparison,
        core,
        diagnostics,
        drawing,
        engine,
        environments,
        estimators,
        exact,
        exporting,
        models,
        objectives,
        optimization,
        pages,
        planning,
        plots,
        policies,
        sampling,
        search,
        storage,
        testing,
        training,
        tuning,
    )
    from upslope.comparison.compared_runs import compare
    from upslope.comparison.report import report
    from upslope.comparison.tournament import tournament
    from upslope.core.checks import UpslopeError
    from upslope.diagnostics.gradient_check import gradcheck
    from upslope.environments.factory import make
    from upslope.exporting.exported_policy import export
    from upslope.optimization.ask_tell import AskTell
    from upslope.optimization.maximize import maximize, minimize
    from upslope.planning.dynamic_programming.solving import solve
    from upslope.training.configure import configure
    from upslope.training.record_run import record
    from upslope.training.run import Run
    from upslope.training.train import evaluate, load, resume, train
    from upslope.tuning.tuned_method import tune

    __version__: str

_FACADE = {
    "compare": "upslope.comparison.compared_runs",
    "Run": "upslope.training.run",
    "configure": "upslope.training.configure",
    "evaluate": "upslope.training.train",
    "export": "upslope.exporting.exported_policy",
    "load": "upslope.training.train",
    "AskTell": "upslope.optimization.ask_tell",
    "UpslopeError": "upslope.core.checks",
    "gradcheck": "upslope.diagnostics.gradient_check",
    "make": "upslope.environments.factory",
    "maximize": "upslope.optimization.maximize",
    "minimize": "upslope.optimization.maximize",
    "record": "upslope.training.record_run",
    "report": "upslope.comparison.report",
    "resume": "upslope.training.train",
    "solve": "upslope.planning.dynamic_programming.solving",
    "tournament": "upslope.comparison.tournament",
    "train": "upslope.training.train",
    "tune": "upslope.tuning.tuned_method",
}
_PACKAGES = (
    "comparison",
    "core",
    "diagnostics",
    "drawing",
    "engine",
    "environments",
    "estimators",
    "exact",
    "exporting",
    "models",
    "objectives",
    "optimization",
    "pages",
    "planning",
    "plots",
    "policies",
    "sampling",
    "search",
    "storage",
    "testing",
    "training",
    "tuning",
)

__all__ = [
    "AskTell",
    "Run",
    "UpslopeError",
    "__version__",
    "compare",
    "comparison",
    "configure",
    "core",
    "diagnostics",
    "drawing",
    "engine",
    "environments",
    "estimators",
    "evaluate",
    "exact",
    "export",
    "exporting",
    "gradcheck",
    "load",
    "make",
    "maximize",
    "minimize",
    "models",
    "objectives",
    "optimization",
    "pages",
    "planning",
    "plots",
    "policies",
    "record",
    "report",
    "resume",
    "sampling",
    "search",
    "solve",
    "storage",
    "testing",
    "tournament",
    "train",
    "training",
    "tune",
    "tuning",
]


def __getattr__(name: str) -> Any:
    if name in _FACADE:
        thing = getattr(importlib.import_module(_FACADE[name]), name)
    elif name in _PACKAGES:
        return importlib.import_module(f"upslope.{name}")
    elif name == "__version__":
        from importlib.metadata import version

        thing = version("upslope")
    else:
        raise AttributeError(f"module 'upslope' has no attribute {name!r}")
    globals()[name] = thing
    return thing


def __dir__() -> list[str]:
    return sorted(__all__)
