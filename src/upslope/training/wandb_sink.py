"""Metrics for Weights & Biases."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from upslope.core.checks import UpslopeError, missing_extra
from upslope.training.sink import Dashboard, Outcome, finite


class WandbSink:
    """Rows into a run of Weights & Biases, beside any run that the process has there.

    A run that is continued has the same id: rows up to the step that W&B knows are dropped there,
    and they are the same numbers.

    Raises:
      UpslopeError: when wandb is not installed.
    """

    def __init__(self, dashboard: Dashboard):
        try:
            import wandb  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise missing_extra("Logging to W&B", "wandb", "wandb") from error
        self.id = dashboard.id or secrets.token_hex(8)
        self._run = wandb.init(
            project=dashboard.project,
            name=dashboard.name,
            group=dashboard.group,
            dir=str(dashboard.folder),
            config=dict(dashboard.config),
            id=self.id,
            resume="allow",
            reinit="create_new",  # a run of the user's own goes on
            settings={"console": "off", "silent": True},  # standard output is the user's
        )
        self.where: str | None = None if self._run.offline else self._run.url

    def write(self, step: int, values: Mapping[str, Any]) -> None:
        """Logs each finite value at `step`."""
        self._run.log(finite(values), step=step)

    def close(self, outcome: Outcome) -> None:
        """Ends the run there."""
        self._run.finish(exit_code=0 if outcome == "done" else 1)


def check_wandb() -> None:
    """Raises where W&B would ask for a key: nobody may be there to answer.

    Raises:
      UpslopeError: it is to be reached (`WANDB_MODE` is not offline or disabled) and has no key.
    """
    import wandb  # pyright: ignore[reportMissingImports]

    if wandb.setup().settings.mode in ("offline", "disabled", "dryrun"):
        return
    try:
        found = wandb.login(prompt=False, verify=False)
    except TypeError:  # earlier versions cannot be asked without asking the user
        return
    if not found:
        raise UpslopeError(
            "Logging to W&B needs a key, and this user has none. Log in once with: wandb login. "
            "Or keep the run on this machine: set WANDB_MODE=offline."
        )
