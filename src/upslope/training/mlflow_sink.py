"""Metrics for MLflow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from upslope.core.checks import missing_extra
from upslope.training.run_folder import flat
from upslope.training.sink import Dashboard, Outcome, finite

STATUS = {"done": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
# What one call takes, by MLflow's interface.
MOST_PARAMETERS, LONGEST_PARAMETER = 100, 500


class MlflowSink:
    """Metrics and settings of a run of MLflow, in the store that MLflow itself would use.

    That is `MLFLOW_TRACKING_URI`, what `mlflow.set_tracking_uri` said, or MLflow's default. The
    process's active run, if it has one, is left alone.

    Raises:
      UpslopeError: when mlflow is not installed.
    """

    def __init__(self, dashboard: Dashboard):
        try:
            from mlflow import MlflowClient  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise missing_extra("Logging to MLflow", "mlflow", "mlflow") from error
        self._client = MlflowClient()
        self.where: str | None = None
        if dashboard.id is not None:
            self.id = dashboard.id
            self._client.update_run(self.id, status="RUNNING")
            return
        experiment = self._client.get_experiment_by_name(dashboard.project)
        number = (
            self._client.create_experiment(dashboard.project)
            if experiment is None
            else experiment.experiment_id
        )
        tags = {} if dashboard.group is None else {"group": dashboard.group}
        run = self._client.create_run(number, tags=tags, run_name=dashboard.name)
        self.id = run.info.run_id
        self._log_settings(dashboard.config)

    def _log_settings(self, config: Mapping[str, Any]) -> None:
        from mlflow.entities import Param  # pyright: ignore[reportMissingImports]

        found = [
            Param(name, str(value)[:LONGEST_PARAMETER]) for name, value in flat(config).items()
        ]
        for first in range(0, len(found), MOST_PARAMETERS):
            self._client.log_batch(self.id, params=found[first : first + MOST_PARAMETERS])

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Logs each finite value at `step`."""
        from mlflow.entities import Metric  # pyright: ignore[reportMissingImports]

        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, step) for key, value in finite(values).items()]
        self._client.log_batch(self.id, metrics=metrics)

    def close(self, outcome: Outcome) -> None:
        """Ends the run there."""
        self._client.set_terminated(self.id, STATUS[outcome])
