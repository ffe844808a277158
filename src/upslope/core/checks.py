"""Errors that name the thing, the value it got and the remedy."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, SupportsFloat, cast

# What users of other libraries type first, and the name it has here.
ALIASES: Mapping[str, str] = {
    "lr": "learning_rate",
    "step_size": "learning_rate",
    "alpha": "learning_rate",
    "num_envs": "n_envs",
    "total_num_envs": "n_envs",
    "n_steps": "n_steps",
    "rollout_length": "n_steps",
    "num_steps": "n_steps",
    "unroll_length": "n_steps",
    "n_episodes": "n_episodes",
    "update_epochs": "n_epochs",
    "num_epochs": "n_epochs",
    "ppo_epochs": "n_epochs",
    "num_minibatches": "batch_size",
    "minibatch_size": "batch_size",
    "mini_batch_size": "batch_size",
    "clip_coef": "clip_range",
    "clip_eps": "clip_range",
    "clip_ratio": "clip_range",
    "clip_param": "clip_range",
    "clip_epsilon": "clip_range",
    "clipping_epsilon": "clip_range",
    "eps_clip": "clip_range",
    "ent_coeff": "ent_coef",
    "entropy_coeff": "ent_coef",
    "entropy_cost": "ent_coef",
    "vf_coeff": "vf_coef",
    "value_loss_coef": "vf_coef",
    "vf_loss_coeff": "vf_coef",
    "critic_coeff": "vf_coef",
    "grad_clip": "max_grad_norm",
    "norm_adv": "normalize_advantage",
    "anneal_lr": "learning_rate_schedule",
    "net_arch": "hidden",
    "hidden_sizes": "hidden",
    "n_top": "n_directions",
    "sigma_init": "std",
    "delta_std": "std",
    "lambda_": "gae_lambda",
    "lam": "gae_lambda",
    "lmbda": "gae_lambda",
    "discount": "gamma",
    "discounting": "gamma",
    "popsize": "population_size",
    "pop_size": "population_size",
    "sigma": "std",
    "sigma0": "std",
    "stdev_init": "std",
    "n_elite": "n_elites",
    "num_elites": "n_elites",
    "maxfevals": "budget",
    "ftarget": "target",
    "n_eval_episodes": "evaluation_episodes",
    "n_timesteps": "total_timesteps",
    "num_timesteps": "total_timesteps",
    "total_frames": "total_timesteps",
    "timesteps": "total_timesteps",
    "n_seeds": "seeds",
    "num_seeds": "seeds",
    "wandb_project": "log_project",
    "wandb_project_name": "log_project",
    "experiment_name": "log_project",
    "wandb_name": "log_name",
    "run_name": "log_name",
    "wandb_group": "log_group",
    "n_step_sarsa": "sarsa",
    "sarsa_n": "sarsa",
    "double_q_learning": "double-q",
    "dyna": "dyna-q",
    "dyna_q+": "dyna-q-plus",
    "dynaq+": "dyna-q-plus",
    "dyna+": "dyna-q-plus",
    "prioritised_sweeping": "prioritized-sweeping",
    "monte_carlo": "monte-carlo-control",
    "mc_control": "monte-carlo-control",
    "n_planning_steps": "planning_steps",
    "n_planning": "planning_steps",
    "q_init": "initial_value",
}


class UpslopeError(ValueError):
    """Any error of the user's input or environment that Upslope can explain.

    Attributes:
      exit_code: what the `upslope` command exits with when it meets this error.
    """

    exit_code = 2


class EnvironmentContractError(UpslopeError):
    """The environment broke its contract: shapes, types, or a reset or step that raised."""

    exit_code = 3


class NumericalError(UpslopeError):
    """A NaN or an infinity appeared where training cannot go on."""

    exit_code = 4


class StorageError(UpslopeError):
    """A run folder, checkpoint or policy could not be written, or is damaged."""

    exit_code = 5


class WorkerError(UpslopeError):
    """Simulator processes failed more often than they may."""

    exit_code = 6


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` most likely meant, or None."""
    known = list(known)
    alias = ALIASES.get(name.replace("-", "_"))
    if alias in known:
        return alias
    folded = {k.lower().replace("-", "").replace("_", ""): k for k in known}
    wanted = name.lower().replace("-", "").replace("_", "")
    if wanted in folded:
        return folded[wanted]
    match = difflib.get_close_matches(wanted, folded, n=1, cutoff=0.6)
    return folded[match[0]] if match else None


def unknown_name(kind: str, name: str, known: Iterable[str], note: str = "") -> UpslopeError:
    """The error for a name that is not among the known ones, with the nearest offered."""
    known = sorted(set(known))
    guess = None if note else nearest(name, known)
    hint = f" Did you mean {guess!r}?" if guess else note
    return UpslopeError(f"Unknown {kind} {name!r}.{hint} Known: {', '.join(known)}.")


def check_settings(kind: str, settings: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raises for the first setting of `kind` that it does not have."""
    known = list(known)
    for name in settings:
        if name not in known:
            guess = nearest(name, known)
            hint = f" Did you mean {guess!r}?" if guess else ""
            rest = f"Its settings: {', '.join(sorted(known))}." if known else "It has none."
            raise UpslopeError(f"{kind} has no setting {name!r}.{hint} {rest}")


def check_number(
    owner: str,
    name: str,
    value: object,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    integer: bool = False,
    why: str = "",
) -> None:
    """Raises unless `value` is a finite number in the stated range.

    A traced value (inside jit or vmap) passes: its number is not known yet. Switches and text are
    not numbers, even where Python could read them as such: they would fail later, or mean something
    else than was meant. A size is an integer: 8.0 is refused, because shapes are made of it.
    """
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if isinstance(value, bool | str | bytes) or kind in ("b", "U", "S"):
        raise UpslopeError(f"{owner} got {name}={value!r}: must be a number.")
    try:
        number = float(cast(SupportsFloat, value))
    except (TypeError, ValueError):
        if hasattr(value, "aval") or hasattr(value, "shape") or hasattr(value, "dtype"):
            return
        raise UpslopeError(f"{owner} got {name}={value!r}: must be a number.") from None
    except Exception:  # a JAX tracer refuses to become a float
        return
    reasons: list[str] = []
    if not math.isfinite(number):
        reasons.append("a finite number")
    if above is not None and not number > above:
        reasons.append(f"above {above:g}")
    if at_least is not None and not number >= at_least:
        reasons.append(f"at least {at_least:g}")
    if below is not None and not number < below:
        reasons.append(f"below {below:g}")
    if at_most is not None and not number <= at_most:
        reasons.append(f"at most {shown_bound(at_most)}")
    if integer and (isinstance(value, float) or kind == "f"):
        reasons.append(f"an int, got the float {number!r}")
    elif integer and not number.is_integer():
        reasons.append("a whole number")
    if reasons:
        tail = f" {why}" if why else ""
        raise UpslopeError(f"{owner} got {name}={value!r}: must be {' and '.join(reasons)}.{tail}")


def shown_bound(bound: float) -> str:
    """A bound as it is written: whole numbers with all of their digits."""
    return f"{int(bound)}" if float(bound).is_integer() and bound < 1e15 else f"{bound:g}"


def check_switch(owner: str, name: str, value: object) -> None:
    """Raises unless `value` is True or False; text such as "no" would count as True."""
    if not isinstance(value, bool) and getattr(getattr(value, "dtype", None), "kind", "") != "b":
        raise UpslopeError(f"{owner} got {name}={value!r}: must be True or False.")


def check_path(owner: str, name: str, value: object) -> Path:
    """The path that `value` is; raises if it is none."""
    if not isinstance(value, str | Path):
        raise UpslopeError(
            f"{owner} got {name}={value!r:.80}: must be a path, a string or a pathlib.Path."
        )
    return Path(value)


def check_table(owner: str, name: str, value: object) -> dict[str, Any]:
    """The settings that `value` is, by name; none for None. Raises if it is no table of them."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        table = cast(Mapping[Any, Any], value)
        if all(isinstance(key, str) for key in table):
            return dict(table)
    raise UpslopeError(
        f"{owner} got {name}={value!r:.80}: must be a table of settings by name, such as "
        "{'time_limit': 100}."
    )


def check_choice(owner: str, name: str, value: object, choices: Iterable[str]) -> None:
    """Raises unless `value` is one of the choices; the nearest one is offered."""
    choices = list(choices)
    if value not in choices:
        guess = nearest(value, choices) if isinstance(value, str) else None
        hint = f" Did you mean {guess!r}?" if guess else ""
        raise UpslopeError(
            f"{owner} got {name}={value!r}: must be one of {', '.join(choices)}.{hint}"
        )


def missing_extra(what: str, package: str, extra: str) -> UpslopeError:
    """The error for an optional dependency that is not installed."""
    return UpslopeError(
        f"{what} needs the package {package!r}, which is not installed. "
        f"Install it with: pip install 'upslope[{extra}]'"
    )
