"""MuZero: what it searches, what it learns from, and what it refuses."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from upslope.core.checks import UpslopeError
from upslope.core.records import Step, Trajectories
from upslope.environments import CartPole, Environment, Pendulum, Pig, TicTacToe
from upslope.models.latent_model import LatentPrediction, Prediction
from upslope.objectives import AverageReward, DiscountedReturn, EpisodicReturn
from upslope.planning import PUCT, GumbelMCTS
from upslope.planning.planning_actor import PlanExtras
from upslope.policies import SoftmaxNetwork, default_policy
from upslope.search import MuZero, ProblemSpec
from upslope.search.games.muzero.mirrored import mirrored_windows

pytest.importorskip("mctx")

TASK, POLICY = CartPole(), SoftmaxNetwork(jax.random.key(0), 4, 2, (4,))
SETTINGS = {
    **{"n_envs": 2, "buffer_size": 64, "batch_size": 4, "learning_starts": 8, "unroll_steps": 2},
    **{"n_step": 2, "gradient_steps": 1, "hidden_size": 4, "model_hidden": (4,)},
    **{"support_size": 3, "n_simulations": 3},
}


def spec_of(environment=TASK, objective=None, policy=POLICY, **changes):
    known = ProblemSpec(
        observation=None,
        observation_space=environment.observation_space,
        action_space=environment.action_space,
        policy=policy,
        objective=objective or DiscountedReturn(0.9),
        environment=environment,
    )
    return known._replace(**changes)


def method_of(**changes):
    return MuZero(**(SETTINGS | changes)).configure(spec_of())


# --- the search ------------------------------------------------------------------------------


class TrueModel(Environment):
    """A game as MuZero's model: it observes what is thought of its state, not the board.

    Attributes:
      knows_rules: whether actions are masked below the root, too; a learned model does not.
    """

    game: TicTacToe
    knows_rules: bool = eqx.field(static=True, default=True)
    time_limit: int | None = eqx.field(static=True, default=None)

    def reset(self, key):
        state, _ = self.game.reset(key)
        return (state, self.game.action_mask(state)), self.observe((state, None))

    def step(self, key, state, action):
        after, out = self.game.step(key, state[0], action)
        legal = self.game.action_mask(after)
        legal = legal if self.knows_rules else jnp.ones_like(legal)
        seen = Prediction(*thought_of(after, None))
        return (after, legal), Step(seen, out.reward, out.terminated, out.discount)

    def observe(self, state):
        return Prediction(*thought_of(state[0], None))

    def action_mask(self, state):
        return state[1]

    @property
    def observation_space(self):
        return spaces.Box(0, 1, (1,))

    @property
    def action_space(self):
        return self.game.action_space


def thought_of(position, observation):
    """An evaluator by the stones alone, different for each position."""
    stones = jnp.concatenate([position.own, position.other]) * jnp.arange(1.0, 19.0)
    logits = jnp.sin(jnp.arange(9.0) * jnp.sum(stones) + jnp.arange(9.0))
    return logits, jnp.tanh(jnp.cos(jnp.sum(stones)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [PUCT, GumbelMCTS])
def test_with_the_true_model_its_search_is_that_of_alphazero(kind):
    """Bit for bit: same priors, same values, same rewards; only where they are read differs."""
    game = TicTacToe()
    position, _ = game.reset(jax.random.key(0))
    for move in (4, 0, 8):
        position, _ = game.step(jax.random.key(0), position, jnp.asarray(move))
    settings = {"n_simulations": 40}
    settings |= {"dirichlet_fraction": 0.25} if kind is PUCT else {"gumbel_scale": 1.0}
    by_rules = kind(game, EpisodicReturn(), thought_of, **settings)
    root = position, game.action_mask(position)
    key = jax.random.key(3)
    expected = jax.jit(by_rules.plan)(key, position, ())

    def found(model):
        planner = kind(model, EpisodicReturn(), LatentPrediction(), **settings)
        return jax.jit(planner.plan)(key, root, ())

    same = found(TrueModel(game))
    for got, known in zip(jax.tree.leaves(same), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(got, known)
    # Masked at the root alone it looks at moves that the rules forbid, as MuZero does.
    other = found(TrueModel(game, knows_rules=False))
    assert not np.array_equal(other.action_weights, expected.action_weights)
    taken = np.asarray(~game.legal_actions(position))
    assert not other.extras.visits[taken].any()
    np.testing.assert_allclose(other.action_weights[taken], 0.0, atol=1e-9)


def test_chance_at_the_root_while_it_collects_and_none_at_play():
    for search, noisy in (("puct", "dirichlet_fraction"), ("gumbel", "gumbel_scale")):
        method = method_of(search=search)
        state = jax.eval_shape(method.init, jax.random.key(0), POLICY, DiscountedReturn(0.9))
        state = state._replace(iterations=jnp.zeros((), int))
        collects, plays = method.ask(jax.random.key(1), state), method.solution(state)
        assert float(getattr(collects.planner, noisy)) > 0
        assert float(getattr(plays.planner, noisy)) == 0.0


def test_it_moves_for_both_sides_of_a_game():
    """The model of a game counts the next value with the other sign; that of a task does not."""
    for environment, turn in ((TicTacToe(), -1.0), (TASK, 1.0)):
        policy = default_policy(
            jax.random.key(0), environment.observation_space, environment.action_space, hidden=(4,)
        )
        settings = SETTINGS | {"max_considered": 3}
        method = MuZero(**settings).configure(spec_of(environment, policy=policy))
        assert method.moves.turn == turn
        shapes = jax.eval_shape(method.fresh_model, jax.random.key(0), policy)
        assert shapes.turn == turn
        assert shapes.n_actions == environment.action_space.n
    assert MuZero.plays_both_sides
    assert MuZero.plays_alone


def test_the_temperature_falls_with_the_budget():
    method = method_of(search="puct", total_timesteps=800.0, temperature=2.0)
    at = lambda steps: float(method._temperature(jnp.asarray(steps // 8)))  # noqa: E731
    assert [at(steps) for steps in (0, 392, 400, 592, 600, 800)] == [2, 2, 1, 1, 0.5, 0.5]
    assert method.scheduled_by_budget() == ("temperature",)


# --- what it learns from -----------------------------------------------------------------------


def drawn(method, *, ends=None, terminated=False):
    """One batch of windows, with what searches found long ago."""
    length, m = method.experience.sequence_length, method.batch_size
    keys = jax.random.split(jax.random.key(7), 4)
    number = jnp.arange(length)[:, None]
    end = jnp.broadcast_to(number == (-1 if ends is None else ends), (length, m))
    seen = jax.random.normal(keys[0], (length + 1, m, 4))
    return Trajectories(
        observation=seen[:-1],
        action=jax.random.randint(keys[1], (length, m), 0, 2),
        reward=jax.random.normal(keys[2], (length, m)),
        next_observation=seen[1:],
        terminated=end & terminated,
        truncated=end & (not terminated),
        valid=jnp.broadcast_to(number <= (length if ends is None else ends), (length, m)),
        extras=PlanExtras(jax.random.normal(keys[3], (length, m)), jnp.full((length, m, 2), 0.5)),
    )


def trained(method):
    """A model that has values: its heads are not the even ones of the beginning."""
    model = method.fresh_model(jax.random.key(1), POLICY)
    keys = iter(jax.random.split(jax.random.key(2), 100))
    return jax.tree.map(lambda x: x + 0.3 * jax.random.normal(next(keys), x.shape), model)


def value_of(model, observation):
    return model.observe(model.state_of(observation)).value


@pytest.mark.parametrize("bootstrap", ["search", "network"])
def test_what_a_target_is_bootstrapped_with(bootstrap):
    method = method_of(bootstrap=bootstrap)
    model, windows = trained(method), drawn(method)
    objective = DiscountedReturn(0.9)
    _, targets = method.targets(jax.random.key(0), model, windows, objective)
    ahead = windows.extras.value[2]
    if bootstrap == "network":
        ahead = jax.vmap(lambda seen: value_of(model, seen))(windows.observation[2])
    expected = windows.reward[0] + 0.9 * windows.reward[1] + 0.81 * ahead
    np.testing.assert_allclose(targets.value[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bootstraps", [True, False])
def test_a_truncation_is_bootstrapped_where_the_objective_says_so(bootstraps):
    method = method_of()
    model, windows = trained(method), drawn(method, ends=0)
    objective = DiscountedReturn(0.9)
    if not bootstraps:
        objective = EpisodicReturn(horizon=5)
        assert not objective.bootstrap_on_truncation
    _, targets = method.targets(jax.random.key(0), model, windows, objective)
    after = jax.vmap(lambda seen: value_of(model, seen))(windows.next_observation[0])
    expected = windows.reward[0] + (0.9 * after if bootstraps else 0.0)
    np.testing.assert_allclose(targets.value[0], expected, rtol=1e-4, atol=1e-5)
    assert targets.value_weight[1:].any() == (not bootstraps)  # nothing is known, or nothing comes


@pytest.mark.slow
def test_reanalysed_windows_are_searched_anew_with_the_present_model():
    method = method_of(reanalyze_ratio=0.5, bootstrap="search")
    model, windows, objective = trained(method), drawn(method), DiscountedReturn(0.9)
    found, targets = jax.jit(method.targets)(jax.random.key(0), model, windows, objective)
    old = windows.extras
    planner = method.planner(model, objective)
    plan = jax.jit(lambda seen: planner.plan(jax.random.key(9), model.state_of(seen), ()))
    for window in range(2):
        fresh = plan(windows.observation[1, window])  # without chance: the key counts for nothing
        np.testing.assert_allclose(targets.policy[1, window], fresh.action_weights, rtol=1e-4)
        root, ahead = (plan(windows.observation[k, window]).value for k in (0, 2))
        np.testing.assert_allclose(found[window], root, rtol=1e-4, atol=1e-5)
        expected = windows.reward[0, window] + 0.9 * windows.reward[1, window] + 0.81 * ahead
        np.testing.assert_allclose(targets.value[0, window], expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(found[2:], old.value[0, 2:])
    np.testing.assert_array_equal(targets.policy[:, 2:], old.action_weights[:3, 2:])


def test_a_policy_target_of_the_search_is_what_the_prior_is_moved_to():
    """One update on windows whose searches all preferred the second action."""
    method = method_of(learning_rate=0.05, l2=0.0, prioritized=False)
    objective = DiscountedReturn(0.9)
    windows = drawn(method)
    certain = jnp.broadcast_to(jnp.asarray([0.1, 0.9]), (*windows.reward.shape, 2))
    windows = windows._replace(extras=windows.extras._replace(action_weights=certain))
    state = jax.jit(method.init)(jax.random.key(0), POLICY, objective)
    batches = jax.tree.map(lambda leaf: leaf[None], windows)

    class Drawn:
        pass

    replayed = Drawn()
    replayed.batches, replayed.weights = batches, jnp.ones((1, method.batch_size))
    improve = jax.jit(
        lambda model, optimizer: method._improve(
            jax.random.key(0), model, optimizer, replayed, objective, jnp.asarray(0.05)
        )
    )
    model, optimizer, errors, before = improve(state.model, state.optimizer)
    model, _, _, after = improve(model, optimizer)
    assert errors.shape == (1, method.batch_size)
    assert float(before.losses.policy_loss) > float(after.losses.policy_loss)
    logits = model.observe(model.state_of(windows.observation[0, 0])).logits
    assert float(logits[1]) > float(logits[0])


def test_a_turned_window_is_a_game_on_the_turned_board():
    """Its actions, played, show its observations; a turn of the boards alone would not."""
    game, n = TicTacToe(), 6
    moves = jnp.asarray([[4, 0], [1, 8], [7, 2], [3, 6], [5, 1], [0, 7]])  # two windows

    def play(moves):
        state, seen = game.reset(jax.random.key(0))
        shown = [seen]
        for move in moves:
            state, out = game.step(jax.random.key(0), state, move)
            shown.append(out.observation)
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *shown)

    def played(moves):
        shown = [play(moves[:, column]) for column in range(2)]
        shown = jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=1), *shown)
        return jax.tree.map(lambda leaf: leaf[:-1], shown), jax.tree.map(
            lambda leaf: leaf[1:], shown
        )

    seen, after = played(moves)
    flags = jnp.zeros((n, 2), bool)
    windows = Trajectories(
        observation=seen,
        action=moves,
        reward=jnp.zeros((n, 2)),
        next_observation=after,
        terminated=flags,
        truncated=flags,
        valid=~flags,
        extras=PlanExtras(jnp.zeros((n, 2)), jax.nn.one_hot(moves, 9)),
    )
    turned = mirrored_windows(jax.random.key(5), game.symmetries, windows)
    assert not np.array_equal(turned.action, moves)
    again, later = played(turned.action)
    jax.tree.map(np.testing.assert_array_equal, turned.observation, again)
    jax.tree.map(np.testing.assert_array_equal, turned.next_observation, later)
    np.testing.assert_array_equal(jnp.argmax(turned.extras.action_weights, -1), turned.action)
    forgotten, _ = played(moves)
    assert not np.array_equal(turned.observation["board"], forgotten["board"])


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "spec", "reason"),
    [
        ({}, spec_of(Pendulum(), policy=POLICY), r"Discrete\(n\).*ppo"),
        ({"n_simulations": 1}, spec_of(), "n_simulations=1.*compares 2.*max_considered=1"),
        ({"symmetries": True}, spec_of(), "symmetries=True and CartPole, which has none"),
        ({}, spec_of(Pig()), "Pig, a game with chance.*mcts"),
        ({}, spec_of(objective=AverageReward()), "AverageReward.*objective='discounted'"),
    ],
)
def test_problems_it_cannot_search(settings, spec, reason):
    with pytest.raises(UpslopeError, match=reason):
        MuZero(**(SETTINGS | settings)).configure(spec)


def test_policies_without_a_network_or_with_memory_are_refused():
    remembers = default_policy(
        jax.random.key(0), TASK.observation_space, TASK.action_space, kind="recurrent"
    )
    with pytest.raises(UpslopeError, match="memory"):
        MuZero().configure(spec_of(policy=remembers))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"unroll_steps": 0}, "unroll_steps=0.*at least 1"),
        ({"search": "uct"}, "search"),
        ({"bootstrap": "target"}, "bootstrap"),
        ({"reanalyze_ratio": 1.5}, "reanalyze_ratio=1.5"),
        ({"model_hidden": (64, 0)}, "model_hidden=0"),
        ({"buffer_size": 9, "n_envs": 2}, r"buffer_size=9.*unroll_steps \+ n_step \+ 1"),
    ],
)
def test_numbers_out_of_their_range(settings, reason):
    with pytest.raises(UpslopeError, match=reason):
        MuZero(**settings)


def test_it_must_be_configured():
    with pytest.raises(UpslopeError, match="configured"):
        MuZero().init(jax.random.key(0), POLICY, DiscountedReturn(0.9))


def test_a_run_that_never_learnt_is_told_why():
    assert MuZero().advice({"loss": 1.0}) is None
    assert "window of 16" in str(MuZero().advice({"loss": float("nan")}))
