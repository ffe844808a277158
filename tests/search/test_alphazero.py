"""AlphaZero from the command's side: learning, resuming, playing, and what it refuses."""

import builtins
import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import upslope
from small_runs import InterruptAfter, Interruption, written
from upslope.core.checks import UpslopeError
from upslope.core.records import Trajectories
from upslope.environments import AgainstOpponent, ConnectFour, Nim, RandomLegal, TicTacToe
from upslope.environments.wrappers.fully_observed import FullState
from upslope.objectives import EpisodicReturn
from upslope.planning import GamePlayer
from upslope.policies import PolicyValueHead, SoftmaxNetwork, default_policy
from upslope.policies.network import NetworkPolicy
from upslope.search import AlphaZero, ProblemSpec
from upslope.search.games.learning import mirrored, network_loss, positions_of
from upslope.search.games.self_play import SelfPlayExtras

pytest.importorskip("mctx")

TINY = {
    "n_envs": 8,
    "train_freq": 8,
    "n_simulations": 4,
    "simulations_at_play": 8,
    "buffer_size": 400,
    "learning_starts": 64,
    "batch_size": 16,
    "gradient_steps": 2,
    "total_timesteps": 512,
    "seeds": 1,
    "hidden": (8,),
    "evaluations": 4,
    "evaluation_episodes": 4,
    "final_episodes": 6,
    "use_preset": False,
}


def trained(out=None, reporter=None, **changes):
    settings = {**TINY, **changes}
    return upslope.train("tic-tac-toe", "alphazero", out=out, reporter=reporter, **settings)


def configured(game=None, policy=None, **settings):
    game = TicTacToe() if game is None else game
    policy = (
        default_policy(jax.random.key(0), game.observation_space, game.action_space, hidden=(8,))
        if policy is None
        else policy
    )
    spec = ProblemSpec(
        None, game.observation_space, game.action_space, policy, EpisodicReturn(), game
    )
    return AlphaZero(**settings).configure(spec)


@pytest.mark.slow
def test_a_run_goes_on_bit_for_bit_and_what_it_saves_plays(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run = trained(whole)
    with contextlib.suppress(Interruption):
        trained(cut, InterruptAfter(2))
    upslope.resume(cut)
    assert written(cut) == written(whole)

    # Learning began, in self-play alone: 512 moves, and 4 simulations for each.
    assert np.isfinite(run.curves["policy_loss"].ravel()[-1])
    assert run.curves["model_steps"].ravel()[-1] == 8 * 8 * 4

    # The solution is a player: by observation alone, and as an opponent.
    agent = upslope.load(whole)
    assert isinstance(agent.policy, GamePlayer)
    _, observation = TicTacToe().reset(jax.random.key(0))
    move, _ = agent.predict(jax.tree.map(np.asarray, observation))
    assert 0 <= int(move) < 9
    match = upslope.evaluate(
        "tic-tac-toe", planner="mcts", n_simulations=4, opponent=str(whole), episodes=2
    )
    assert match.returns.shape == (2, 2)
    assert upslope.evaluate(whole, episodes=4).returns.shape == (1, 4)
    beaten = upslope.evaluate(whole, episodes=4, opponent="minimax")
    assert beaten.returns.max() <= 0.0


@pytest.mark.slow
def test_the_network_alone_plays_and_evaluations_meet_the_opponent_that_is_named(tmp_path):
    out = tmp_path / "run"
    run = trained(out, simulations_at_play=0, opponent="minimax", total_timesteps=128)
    assert run.summary.final.returns.max() <= 0.0  # nobody beats perfect play
    policy = upslope.load(out).policy
    assert isinstance(policy, NetworkPolicy)
    assert isinstance(policy.head, PolicyValueHead)
    assert policy.numpy() is not None


def test_positions_are_the_first_of_their_windows_and_mirrors_keep_their_worth():
    """Windows as a FullyObserved game gives them: two moves of a game that the second one ends."""
    game = TicTacToe()
    state, seen = game.reset(jax.random.key(0))
    one = lambda tree: jax.tree.map(lambda leaf: jnp.asarray(leaf)[None, None], tree)  # noqa: E731
    two = lambda *numbers: jnp.array(numbers)[:, None]  # noqa: E731
    weights = jnp.arange(9.0)[None, None] / 36
    windows = Trajectories(
        observation=one(FullState(seen, state)),
        action=two(0, 1),
        reward=two(0.0, 1.0),
        next_observation=(),
        terminated=two(False, True),
        truncated=two(False, False),
        valid=two(True, True),
        extras=SelfPlayExtras(
            jnp.concatenate([weights, weights]),
            two(0.1, 0.2),
            two(0.0, 0.0),
            two(False, True),
            two(0.3, 0.3),
            two(False, False),
        ),
        discount=two(-1.0, -1.0),
    )
    positions = positions_of(windows, jnp.ones(1), 1.0, 1.0)
    assert positions.value.tolist() == [-1.0]
    np.testing.assert_allclose(positions.policy[0], np.arange(9) / 36)
    image = mirrored(jax.random.key(1), game.symmetries, positions)
    assert image.value.tolist() == [-1.0]
    assert image.weight.tolist() == [1.0]
    np.testing.assert_allclose(np.sort(image.policy[0]), np.arange(9) / 36)
    # A move at random says nothing of the positions before it: the search's value there counts.
    at_random = windows.extras._replace(explored=two(False, True))
    cut = positions_of(windows._replace(extras=at_random), jnp.ones(1), 1.0, 1.0)
    np.testing.assert_allclose(cut.value, [-0.2])
    at_random = windows.extras._replace(explored=two(True, False))
    cut = positions_of(windows._replace(extras=at_random), jnp.ones(1), 1.0, 1.0)
    np.testing.assert_allclose(cut.value, [0.1])


def test_the_networks_loss_by_hand():
    """A network that says nothing: ln 9 and z^2; a weight of zero counts nothing."""
    method = configured()
    policy = SoftmaxNetwork(jax.random.key(0), 19, 9, ())
    network = method.network(jax.random.key(0), policy)
    network = jax.tree.map(jnp.zeros_like, network)
    _, seen = TicTacToe().reset(jax.random.key(0))
    seen = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), seen)
    from upslope.search.games.learning import Positions

    pi = jnp.full((2, 9), 1 / 9)
    positions = Positions(seen, pi, jnp.array([-1.0, 1.0]), jnp.array([1.0, 0.0]))
    total, (of_policy, of_value, error, spread) = network_loss(network, positions, 2.0)
    assert of_policy == pytest.approx(np.log(9) / 2, rel=1e-6)
    assert of_value == pytest.approx(0.5)
    assert total == pytest.approx(np.log(9) / 2 + 1.0, rel=1e-6)
    assert error == pytest.approx(1.0)
    assert spread == pytest.approx(np.log(9), rel=1e-6)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: AlphaZero(search="uct"), "search"),
        (lambda: AlphaZero(n_simulations=0), "n_simulations=0.*at least 1"),
        (lambda: AlphaZero(value_mix=1.5), "value_mix"),
        (
            lambda: configured(search="gumbel", n_simulations=4),
            "n_simulations=4 and compares 9 moves",
        ),
        (lambda: configured(Nim(), symmetries=True), "Nim, which has none"),
        (lambda: configured(ConnectFour(time_limit=None)), "n_step=20"),
        (
            lambda: configured(
                policy=default_policy(
                    jax.random.key(0),
                    TicTacToe().observation_space,
                    TicTacToe().action_space,
                    normalize_observations=True,
                )
            ),
            "NormalizedPolicy.*without",
        ),
        (lambda: AlphaZero()._game(), "configured"),
        (lambda: upslope.train("CartPole-v1", "alphazero"), "plays both sides.*CartPole"),
        (lambda: upslope.train(TicTacToe(), "ppo"), r"AgainstOpponent\(TicTacToe\(\), actor\)"),
        (lambda: upslope.train("CartPole-v1", "ppo", opponent="random"), "not a game of two"),
        (
            lambda: upslope.train("tic-tac-toe", "alphazero", opponent="nobody"),
            "opponent='nobody'",
        ),
        (
            lambda: upslope.train("nim", "alphazero", policy="board"),
            "policy 'board' does not fit",
        ),
    ],
)
def test_refusals(call, reason):
    with pytest.raises(UpslopeError, match=reason):
        call()


def test_a_missing_mctx_is_named(monkeypatch):
    true_import = builtins.__import__

    def without(name, *rest, **named):
        if name == "mctx":
            raise ImportError(name)
        return true_import(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UpslopeError, match=r"AlphaZero searches with mctx.*upslope\[planning\]"):
        configured()


def test_the_game_is_searched_and_the_opponent_kept_for_evaluations():
    from upslope.training.two_players import searched_and_held_out

    task = AgainstOpponent(TicTacToe(), RandomLegal(), "second")
    game, held_out = searched_and_held_out("alphazero", AlphaZero(), task, None)
    assert isinstance(game, TicTacToe)
    assert held_out is task
    _, named = searched_and_held_out("alphazero", AlphaZero(), task, "mcts-5")
    assert named.play_as == "second"
    assert named.opponent.planner.n_simulations == 5
    _, both = searched_and_held_out("alphazero", AlphaZero(), TicTacToe(), None)
    assert both.play_as == "random"
