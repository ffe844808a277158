"""Files of hyper-parameters as rl-baselines3-zoo has them: what they mean here."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from upslope.core.checks import UpslopeError, nearest
from upslope.core.counts import whole
from upslope.search import METHODS
from upslope.training.settings import method_settings

# Names that differ; those of a method that are the same are taken as they are.
RENAMED = {"n_timesteps": "total_timesteps"}
# Names that say nothing which is not so anyway.
IMPLIED = {
    "policy": {"MlpPolicy", "CnnPolicy", "MultiInputPolicy"},
    "sde_sample_freq": None,
}
OFF = (None, False, 0, 0.0)
# What Stable-Baselines3 and rl-zoo take where a file says nothing, by the method's name here.
SB3_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "ppo": {
        **{"n_envs": 1, "n_steps": 2048, "batch_size": 64, "n_epochs": 10, "gamma": 0.99},
        **{"gae_lambda": 0.95, "learning_rate": 3e-4, "clip_range": 0.2, "ent_coef": 0.0},
        **{"vf_coef": 0.5, "max_grad_norm": 0.5, "normalize_advantage": True},
        "activation": "tanh",
    },
    "dqn": {
        **{"n_envs": 1, "buffer_size": 1_000_000, "learning_starts": 100, "batch_size": 32},
        **{"tau": 1.0, "gamma": 0.99, "train_freq": 4, "gradient_steps": 1},
        **{"target_update_interval": 10_000, "learning_rate": 1e-4, "max_grad_norm": 10.0},
        **{"exploration_fraction": 0.1, "exploration_initial_eps": 1.0},
        **{"exploration_final_eps": 0.05, "activation": "relu"},
    },
}
ACTIVATIONS = {"Tanh": "tanh", "ReLU": "relu", "ELU": "elu", "SiLU": "silu", "GELU": "gelu"}


class ZooSettings(NamedTuple):
    """What a file says of one environment.

    Attributes:
      environment: as the file names it, or as it was asked for.
      method: as it was asked for, or as the file's name says.
      settings: by the names they have here.
      notes: what was mapped to what, and what was left out.
    """

    environment: str
    method: str
    settings: dict[str, Any]
    notes: list[str]


def is_zoo(values: Mapping[str, Any]) -> bool:
    """Whether a file is a table of environments with `n_timesteps`, or one of them."""
    tables = list(values.values())
    if not values or "environment" in values or "method" in values:
        return False
    if not all(isinstance(table, Mapping) for table in tables):
        return "n_timesteps" in values
    return any("n_timesteps" in table or "policy" in table for table in tables)


def read_zoo(
    values: Mapping[str, Any], environment: str | None, method: str | None, stem: str
) -> ZooSettings:
    """The settings for an environment, with the names they have here.

    Args:
      values: the file's table.
      environment: which was asked for; None takes the only one there is.
      method: which was asked for; None goes by the file's name, such as `ppo.yml`.
      stem: of the file's name.

    Raises:
      UpslopeError: an environment that the file does not have, or nothing says which method.
    """
    environment, table = table_of(values, environment, stem)
    if method is None:
        if stem not in METHODS:
            raise UpslopeError(
                f"{stem} is a file of rl-zoo, which does not say the method: name it, such as "
                "upslope train CartPole-v1 ppo --config FILE. Known ones: upslope list methods"
            )
        method = stem
    name = METHODS.entry(method).name
    found = Mapped(method_settings(METHODS.get(name)))
    for setting, value in table.items():
        found.take(setting, value)
    notes = [f"From the rl-zoo file for {environment}: {', '.join(found.mapped)}."]
    rest = {k: v for k, v in SB3_DEFAULTS.get(name, {}).items() if k not in found.settings}
    if rest:
        said = ", ".join(f"{k}={v}" for k, v in rest.items())
        notes.append(f"Where it says nothing, Stable-Baselines3's defaults: {said}.")
    if found.left:
        notes.append(f"Left out of the rl-zoo file, as {name} has no such setting: {found.text()}.")
    return ZooSettings(environment, name, {**rest, **found.settings}, notes)


def table_of(
    values: Mapping[str, Any], environment: str | None, stem: str
) -> tuple[str, Mapping[str, Any]]:
    """The environment and its table.

    Raises:
      UpslopeError: it is not in the file, or the file has several and none was asked for.
    """
    if "n_timesteps" in values:
        if environment is None:
            raise UpslopeError(f"{stem} does not say the environment: name it before --config.")
        return environment, values
    if environment is None:
        if len(values) == 1:
            return next(iter(values.items()))
        raise UpslopeError(
            f"{stem} has settings for {len(values)} environments: name one of {', '.join(values)}."
        )
    bare = environment.partition(":")[2] or environment
    for name in (environment, bare):
        if name in values:
            return environment, values[name]
    guess = nearest(bare, list(values))
    hint = f" Did you mean {guess!r}?" if guess else ""
    raise UpslopeError(
        f"{stem} has no settings for {environment}.{hint} It has: {', '.join(values)}."
    )


class Mapped:
    """Settings as they are found, one name after the other.

    Args:
      known: the method's settings with their defaults.
    """

    def __init__(self, known: Mapping[str, Any]):
        self.known = known
        self.settings: dict[str, Any] = {}
        self.mapped: list[str] = []
        self.left: dict[str, Any] = {}
        self._special: dict[str, Callable[[object], bool]] = {
            "normalize": self._normalize,
            "policy_kwargs": self._policy_kwargs,
        }

    def take(self, name: str, value: object) -> None:
        """Takes one entry of the file, or leaves it out."""
        if name in self._special:
            if not self._special[name](value):
                self.left[name] = value
        elif name in IMPLIED and (IMPLIED[name] is None or value in IMPLIED[name]):
            return
        elif isinstance(value, str) and value.startswith("lin_"):
            self._linear(name, value)
        elif isinstance(value, list | dict):
            self.left[name] = value
        elif RENAMED.get(name, name) in {"total_timesteps", "gamma", *self.known}:
            self._set(name, RENAMED.get(name, name), value)
        elif value not in OFF:
            self.left[name] = value

    def text(self) -> str:
        """What was left out."""
        return ", ".join(f"{name}={value!r:.60}" for name, value in self.left.items())

    def _set(self, name: str, ours: str, value: object) -> None:
        value = whole(value)
        self.settings[ours] = value
        self.mapped.append(f"{ours}={value}" if ours == name else f"{ours}={value} ({name})")

    def _linear(self, name: str, value: str) -> None:
        schedule = f"{name}_schedule"
        try:
            number = float(value.removeprefix("lin_"))
        except ValueError:
            self.left[name] = value
            return
        if name not in self.known or schedule not in self.known:
            self.left[name] = value
            return
        self._set(name, name, number)
        self._set(value, schedule, "linear")

    def _normalize(self, value: object) -> bool:
        """`true`, or `"{'norm_obs': True, 'norm_reward': False}"`."""
        asked = literal(value) if isinstance(value, str) else value
        if isinstance(asked, bool):
            asked = {"norm_obs": asked, "norm_reward": asked}
        if not isinstance(asked, dict):
            return False
        names = {"norm_obs": "normalize_observations", "norm_reward": "normalize_reward"}
        for name, ours in names.items():
            if asked.pop(name, True):
                if ours == "normalize_observations" or ours in self.known:
                    self._set("normalize", ours, True)
                else:
                    self.left[f"normalize: {name}"] = True
        self.left |= {f"normalize: {name}": part for name, part in asked.items()}
        return True

    def _policy_kwargs(self, value: object) -> bool:
        """`"dict(net_arch=[64, 64], activation_fn=nn.ReLU)"`."""
        asked = literal(value) if isinstance(value, str) else value
        if not isinstance(asked, dict):
            return False
        for name, part in asked.items():
            if name == "net_arch" and (sizes := sizes_of(part)) is not None:
                self._set("net_arch", "hidden", sizes)
            elif name == "activation_fn" and str(part).rpartition(".")[2] in ACTIVATIONS:
                ours = ACTIVATIONS[str(part).rpartition(".")[2]]
                self._set("activation_fn", "activation", ours)
            else:
                self.left[f"policy_kwargs: {name}"] = part
        return True


def sizes_of(net_arch: object) -> list[int] | None:
    """Sizes of the hidden layers, where policy and value function have the same; else None."""
    if isinstance(net_arch, list) and len(net_arch) == 1 and isinstance(net_arch[0], dict):
        net_arch = net_arch[0]
    if isinstance(net_arch, dict):
        parts = list(net_arch.values())
        net_arch = parts[0] if parts and all(part == parts[0] for part in parts) else None
    if isinstance(net_arch, list) and all(type(size) is int for size in net_arch):
        return net_arch
    return None


def literal(text: str) -> Any:
    """A value written as Python, `dict(...)` and dotted names included; None where it is not one.

    Nothing is evaluated: `nn.ReLU` is the text of that name.
    """
    try:
        return value_of(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def value_of(node: ast.expr) -> Any:
    """What an expression of literals means.

    Raises:
      ValueError: it is more than literals.
    """
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        if not node.args and all(keyword.arg for keyword in node.keywords):
            return {str(keyword.arg): value_of(keyword.value) for keyword in node.keywords}
    elif isinstance(node, ast.Dict):
        keys = [None if key is None else value_of(key) for key in node.keys]
        if all(isinstance(key, str) for key in keys):
            return dict(zip(keys, map(value_of, node.values), strict=True))
    elif isinstance(node, ast.List | ast.Tuple):
        return [value_of(part) for part in node.elts]
    elif isinstance(node, ast.Attribute | ast.Name):
        return ast.unparse(node)
    return ast.literal_eval(node)
