"""Files of hyper-parameters of rl-zoo: mapped, said, and nothing in them evaluated."""

import pytest

from upslope.cli.main import main
from upslope.cli.train_command import read_request
from upslope.core.checks import StorageError, UpslopeError
from upslope.training.zoo_file import is_zoo, literal, read_zoo, sizes_of

FILE = """
defaults: &defaults
  policy: 'MlpPolicy'
  n_timesteps: !!float 1e5
  n_envs: 8

CartPole-v1:
  <<: *defaults
  n_steps: 32
  batch_size: 256
  gae_lambda: 0.8
  gamma: 0.98
  n_epochs: 20
  ent_coef: 0.0
  learning_rate: lin_0.001
  clip_range: lin_0.2

Pendulum-v1:
  <<: *defaults
  n_envs: 4
  normalize: "{'norm_obs': True, 'norm_reward': False}"
  use_sde: True
  sde_sample_freq: 4
  env_wrapper:
    - gymnasium.wrappers.TimeAwareObservation
  policy_kwargs: "dict(log_std_init=-2, activation_fn=nn.ReLU,
    net_arch=dict(pi=[32, 8], vf=[32, 8]))"
"""


@pytest.fixture
def zoo(tmp_path):
    path = tmp_path / "ppo.yml"
    path.write_text(FILE)
    return path


def test_what_is_meant_and_what_is_said(zoo):
    request = read_request(["CartPole-v1", "--config", str(zoo)])
    config = request.config
    assert (config.method, config.total_timesteps) == ("ppo", 100_000)
    own = config.method_settings
    assert own["n_envs"] == 8
    assert own["learning_rate"] == 1e-3
    assert own["learning_rate_schedule"] == own["clip_range_schedule"] == "linear"
    assert (own["gae_lambda"], own["n_epochs"], own["max_grad_norm"]) == (0.8, 20, 0.5)
    assert (config.objective, config.objective_settings["gamma"]) == ("discounted", 0.98)
    mapped, rest = request.notes
    assert mapped.startswith(
        "From the rl-zoo file for CartPole-v1: total_timesteps=100000 (n_timesteps)"
    )
    assert "learning_rate_schedule=linear (lin_0.001)" in mapped
    assert "vf_coef=0.5" in rest
    assert "n_epochs" not in rest


def test_strings_of_python_are_read_and_what_has_no_setting_is_said(zoo):
    request = read_request(["gymnasium:Pendulum-v1", "ppo", "--config", str(zoo), "--n_envs", "2"])
    policy, own = request.config.policy_settings, request.config.method_settings
    assert policy == {"hidden": [32, 8], "activation": "relu", "normalize_observations": True}
    assert own["n_envs"] == 2  # flags win
    assert not own.get("normalize_reward")
    left = request.notes[-1]
    for word in ("use_sde=True", "TimeAwareObservation", "policy_kwargs: log_std_init=-2"):
        assert word in left
    assert "sde_sample_freq" not in left


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["CartPole-v0", "ppo"], "Did you mean 'CartPole-v1'"),
        ([], "has settings for 3 environments: name one of"),
    ],
)
def test_what_the_file_does_not_have_is_refused(words, said, zoo):
    with pytest.raises(UpslopeError, match=said):
        read_request([*words, "--config", str(zoo)])


def test_a_file_whose_name_is_no_method_asks_for_it(zoo):
    other = zoo.rename(zoo.with_name("mine.yml"))
    with pytest.raises(UpslopeError, match="does not say the method"):
        read_request(["CartPole-v1", "--config", str(other)])
    assert read_request(["CartPole-v1", "ppo", "--config", str(other)]).config.method == "ppo"


def test_one_table_alone(tmp_path):
    path = tmp_path / "dqn.yml"
    path.write_text("n_timesteps: 5e4\nlearning_rate: 2.3e-3\ntrain_freq: [1, episode]\n")
    config = read_request(["CartPole-v1", "--config", str(path)]).config
    assert config.total_timesteps == 50_000
    assert config.method_settings["learning_rate"] == 2.3e-3
    assert config.method_settings["train_freq"] == 4  # Stable-Baselines3's default
    with pytest.raises(UpslopeError, match="does not say the environment"):
        read_request(["--config", str(path)])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("dict(a=[1, 2], b=nn.ReLU)", {"a": [1, 2], "b": "nn.ReLU"}),
        ("{'a': (1, -2), 'b': None}", {"a": [1, -2], "b": None}),
        ("dict(a=__import__('os').system('echo'))", None),
        ("dict([1])", None),
        ("open('x')", None),
        ("a b", None),
        ("(" * 500, None),
    ],
)
def test_nothing_is_evaluated(text, value):
    assert literal(text) == value


@pytest.mark.parametrize(
    ("net_arch", "sizes"),
    [
        ([64, 64], [64, 64]),
        ([{"pi": [8], "vf": [8]}], [8]),
        ({"pi": [8], "vf": [16]}, None),
        ([64, {"pi": [8]}], None),
        ({}, None),
    ],
)
def test_sizes_of_both_networks(net_arch, sizes):
    assert sizes_of(net_arch) == sizes


@pytest.mark.parametrize(
    ("values", "zoo"),
    [
        ({}, False),
        ({"CartPole-v1": {"n_timesteps": 1}}, True),
        ({"n_timesteps": 1, "policy": "MlpPolicy"}, True),
        ({"environment": "CartPole-v1", "method_settings": {}}, False),
        ({"learning_rate": 1e-3}, False),
        ({"env": {"gravity": 3}}, False),
    ],
)
def test_a_file_of_the_zoo_is_known_by_its_shape(values, zoo):
    assert is_zoo(values) == zoo


def test_a_normalisation_that_is_no_value_is_left_out():
    found = read_zoo({"n_timesteps": 1, "normalize": "evil()"}, "CartPole-v1", "ppo", "x")
    assert "normalize_observations" not in found.settings
    assert "normalize='evil()'" in found.notes[-1]


def test_merge_keys_stay_refused_in_files_of_our_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("a: &a {seeds: 2}\nenvironment: CartPole-v1\nmethod: ppo\nb: {<<: *a}\n")
    with pytest.raises(StorageError, match="not a valid configuration"):
        read_request(["CartPole-v1", "--config", str(path)])


@pytest.mark.slow
def test_the_command(zoo, tmp_path, capsys):
    words = ["train", "CartPole-v1", "--config", str(zoo), "--out", str(tmp_path / "run")]
    words += ["--total_timesteps", "256", "--seeds", "1", "--evaluations", "1", "--plain"]
    assert main([*words, "--final_episodes", "2"]) == 0
    assert "note: From the rl-zoo file for CartPole-v1" in capsys.readouterr().out
