"""Which engine serves an environment."""

from __future__ import annotations

from upslope.core.checks import UpslopeError
from upslope.sampling import ENGINES


def engine_of(environment: object, name: str | None = None) -> str:
    """The name in `ENGINES` of the engine that samples an environment.

    Args:
      environment: what `make` gave. Its class says which engine serves it (`engine`): "jax" for an
        `Environment`, "gymnasium" for a `GymnasiumSpec`.
      name: the user's choice, which comes before that.

    Raises:
      UpslopeError: no such engine, or an environment that names none; the known ones are listed.
    """
    own = getattr(environment, "engine", None)
    chosen = own if name is None else name
    if chosen is None:
        raise UpslopeError(
            f"{type(environment).__name__} does not say which engine samples it: give its class "
            f"engine = NAME, or choose one (engine=...). Known: {', '.join(ENGINES.names())}."
        )
    ENGINES.entry(chosen)
    return chosen
