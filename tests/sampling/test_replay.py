"""Replay: what is kept, what is drawn, and what other libraries' buffers got wrong."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rings import RINGS, NumpyRing

from upslope.core.checks import UpslopeError
from upslope.core.records import Trajectories
from upslope.sampling.experience import Replay, Steps
from upslope.sampling.replay import STEP, TERMINATED, TRUNCATED, has, rows_of
from upslope.sampling.simulators.numpy_sum_tree import NumpySumTree
from upslope.sampling.sum_tree import SumTree, importance_weights


def counted(n_steps, n_envs, lengths, truncate=False, start=0):
    """Steps whose observation counts them: (stream, number of the step, number of the episode)."""
    observation = np.zeros((n_steps, n_envs, 3), np.float32)
    successor = np.zeros_like(observation)
    ended = np.zeros((n_steps, n_envs), bool)
    for n in range(n_envs):
        # The number goes up by one within an episode, and jumps by 1000 between episodes.
        number, episode, age = 1000.0 * (start + n), 0.0, 0
        for t in range(n_steps):
            observation[t, n] = (n, number, episode)
            successor[t, n] = (n, number + 1, episode)
            age += 1
            if age >= lengths[n % len(lengths)]:
                ended[t, n] = True
                number, episode, age = number + 1000.0, episode + 1, 0
            else:
                number += 1
    none = np.zeros_like(ended)
    return Trajectories(
        observation=observation,
        action=observation[..., 1].astype(np.int32),
        reward=observation[..., 1],
        next_observation=successor,
        terminated=none if truncate else ended,
        truncated=ended if truncate else none,
        valid=np.ones((n_steps, n_envs), bool),
    )


def some(steps, first, last):
    """Some of the steps."""
    return jax.tree.map(lambda leaf: leaf[first:last], steps)


def filled(kind, spec, steps, chunk=None):
    """A buffer that has taken the steps, some at a time."""
    buffer = kind(spec, steps)
    total = steps.reward.shape[0]
    chunk = chunk or total
    for first in range(0, total, chunk):
        buffer.add(some(steps, first, first + chunk))
    return buffer


@pytest.mark.slow
@pytest.mark.parametrize("kind", RINGS)
@pytest.mark.parametrize("prioritized", [False, True])
@pytest.mark.parametrize("truncate", [False, True])
@pytest.mark.parametrize(
    ("capacity", "n_envs", "length", "lengths"),
    [
        (7, 1, 1, (5,)),
        (7, 1, 3, (5,)),
        (30, 3, 4, (1, 7, 13)),
        (11, 2, 2, (3, 100)),
        (64, 2, 8, (6,)),
    ],
)
def test_windows_are_consecutive_of_one_episode_and_written(
    capacity, n_envs, length, lengths, truncate, prioritized, kind
):
    """After ten wraps of odd sizes, whatever is drawn is what happened."""
    spec = Replay(Steps(n_envs, 3), capacity, 2, 256, length, prioritized)
    rows = rows_of(spec)
    n_steps = 10 * rows + 3
    steps = counted(n_steps - n_steps % 3, n_envs, lengths, truncate)
    batches = filled(kind, spec, steps, chunk=3).draw(0, steps).batches
    assert batches.reward.shape == (2, length, 256)
    assert batches.valid[:, 0].all()  # a window starts at a step
    seen = {tuple(row) for row in np.asarray(steps.observation).reshape(-1, 3).tolist()}
    for b in range(2):
        for m in range(256):
            valid = batches.valid[b, :, m]
            count = int(valid.sum())
            assert valid[:count].all()  # masked from an end on, nowhere else
            observation = batches.observation[b, :count, m]
            assert all(tuple(row) in seen for row in observation.tolist())
            assert (np.diff(observation[:, 1]) == 1).all()
            assert len({(row[0], row[2]) for row in observation.tolist()}) == 1
            # The true successor, of the last step of an episode too.
            np.testing.assert_array_equal(
                batches.next_observation[b, :count, m, 1], observation[:, 1] + 1
            )
            np.testing.assert_array_equal(batches.reward[b, :count, m], observation[:, 1])
            ended = batches.terminated[b, :, m] | batches.truncated[b, :, m]
            assert not ended[: count - 1].any()
            assert ended[count - 1] or count == length
            assert not ended[count:].any()
    kept = set(batches.observation[:, 0, :, 1].ravel().tolist())
    recent = np.asarray(steps.observation)[-(2 * length + 2) :, :, 1]
    assert kept & set(recent.ravel().tolist())  # new steps are drawn
    assert len(kept) <= (rows - 1) * n_envs


@pytest.mark.slow
@pytest.mark.parametrize("kind", RINGS)
@pytest.mark.parametrize("prioritized", [False, True])
def test_every_step_is_drawn_equally_often(prioritized, kind):
    """Chi-square over the steps that can start a window; false alarm 1e-6 each."""
    spec = Replay(Steps(2, 4), 23, 8, 4096, 2, prioritized, priority_exponent=1.0)
    steps = counted(200, 2, (3, 8))
    buffer = filled(kind, spec, steps, 4)
    drawn = [buffer.draw(seed, steps).batches.observation[:, 0] for seed in range(16)]
    first = np.concatenate(drawn).reshape(-1, 3)
    numbers, counts = np.unique(first, axis=0, return_counts=True)
    expected = counts.sum() / len(counts)
    statistic = float(((counts - expected) ** 2 / expected).sum())
    degrees = len(counts) - 1
    assert len(numbers) > 12
    # Wilson-Hilferty: z = ((X / k)^(1/3) - (1 - 2 / (9 k))) / sqrt(2 / (9 k))
    z = ((statistic / degrees) ** (1 / 3) - (1 - 2 / (9 * degrees))) / np.sqrt(2 / (9 * degrees))
    assert z < 4.75


@pytest.mark.slow
@pytest.mark.parametrize("kind", RINGS)
def test_too_little_data_is_said(kind):
    spec = Replay(Steps(1, 2), 100, 2, 8, 5)
    steps = counted(4, 1, (100,))
    drawn = filled(kind, spec, steps).draw(0, steps)
    assert int(drawn.filled) == 4
    assert not np.asarray(drawn.batches.valid).any()
    assert not np.asarray(drawn.weights).any()
    enough = counted(5, 1, (100,))
    drawn = filled(kind, spec, enough).draw(0, enough)
    assert np.asarray(drawn.batches.valid).all()
    assert np.asarray(drawn.weights).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", RINGS)
@pytest.mark.parametrize("length", [1, 3])
def test_a_buffer_as_small_as_a_window_ends_drawing(length, kind):
    """Where an episode has just ended, the newest row is no step: something else is drawn."""
    spec = Replay(Steps(1, 1), length, 1, 4, length)
    steps = counted(4 * length + 3, 1, (length + 1,))
    buffer = kind(spec, steps)
    for n_steps in range(1, 4 * length + 4):
        newest = some(steps, n_steps - 1, n_steps)
        buffer.add(newest)
        drawn = buffer.draw(0, newest)
        started = np.asarray(drawn.batches.valid)[:, 0]
        assert started.all() or not started.any()
        assert started.all() or n_steps <= length


@pytest.mark.parametrize("kind", RINGS)
def test_streams_that_begin_anew_end_their_episode(kind):
    spec = Replay(Steps(1, 3), 50, 1, 64, 2)
    first, second = counted(3, 1, (100,)), counted(3, 1, (100,), start=7)
    second = second._replace(restarted=np.array([True]))
    buffer = kind(spec, first)
    buffer.add(first)
    buffer.add(second)
    drawn = buffer.draw(0, first)
    start, after = (np.asarray(drawn.batches.observation)[0, i, :, 1] for i in range(2))
    valid = np.asarray(drawn.batches.valid)[0, 1]
    assert (after[valid] == start[valid] + 1).all()
    last = start == 2  # of the abandoned episode: its successor is its own
    assert last.any()
    assert np.asarray(drawn.batches.truncated)[0, 0, last].all()
    assert (np.asarray(drawn.batches.next_observation)[0, 0, last, 1] == 3).all()


@pytest.mark.parametrize("kind", RINGS)
def test_bytes_stay_bytes_and_trees_stay_trees(kind):
    spec = Replay(Steps(1, 2), 6, 1, 4)
    steps = counted(8, 1, (4,))
    image = (steps.observation[..., :2] % 256).astype(np.uint8)
    following = (steps.next_observation[..., :2] % 256).astype(np.uint8)
    steps = steps._replace(
        observation={"image": image, "mask": np.ones((8, 1, 2), bool)},
        next_observation={"image": following, "mask": np.ones((8, 1, 2), bool)},
        extras={"log_prob": steps.reward},
    )
    buffer = filled(kind, spec, steps)
    assert buffer.observation["image"].dtype == jnp.uint8
    drawn = buffer.draw(0, steps)
    assert drawn.batches.observation["image"].dtype == jnp.uint8
    np.testing.assert_array_equal(drawn.batches.extras["log_prob"], drawn.batches.reward)


class TestPriorities:
    @pytest.mark.slow
    @pytest.mark.parametrize("n_leaves", [1, 3, 7, 1000])
    def test_leaves_are_drawn_in_proportion(self, n_leaves):
        """After 10^6 updates; chi-square with a false alarm of 1e-6 each."""
        rng = np.random.default_rng(n_leaves)
        priorities = rng.exponential(size=n_leaves).astype(np.float32)
        priorities[:: max(n_leaves // 3, 2)] = 0.0
        priorities[-1] = 2.0  # the last one is reached

        def churn(tree, key):
            place, value = jax.random.split(key)
            leaves = jax.random.randint(place, (100,), 0, n_leaves)
            # Equal leaves get equal values: which of them counts does not matter.
            values = 1e4 * jax.random.uniform(value, (n_leaves,))[leaves] ** 8
            return tree.update(leaves, values), None

        keys = jax.random.split(jax.random.key(0), 10_000)

        @jax.jit
        def churned(tree):
            tree, _ = jax.lax.scan(churn, tree, keys)
            return tree.update(jnp.arange(n_leaves), jnp.asarray(priorities))

        tree = churned(SumTree.zeros(n_leaves))
        assert (np.asarray(tree.nodes) >= 0).all()
        np.testing.assert_allclose(float(tree.total), priorities.sum(), rtol=1e-5)
        uniform = jax.random.uniform(jax.random.key(1), (200_000,))
        leaves = np.asarray(jax.jit(lambda u: tree.draw(u))(uniform))
        counts = np.bincount(leaves, minlength=n_leaves)
        assert counts.size == n_leaves
        assert (counts[priorities == 0] == 0).all()
        assert counts[-1] > 0
        expected = priorities / priorities.sum() * 200_000
        common = expected > 5
        statistic = ((counts[common] - expected[common]) ** 2 / expected[common]).sum()
        k = max(common.sum() - 1, 1)
        z = ((statistic / k) ** (1 / 3) - (1 - 2 / (9 * k))) / np.sqrt(2 / (9 * k))
        assert z < 4.75

    def test_the_borders_of_the_unit_interval(self):
        tree = SumTree.zeros(3).update(jnp.arange(3), jnp.array([0.0, 1.0, 0.0]))
        drawn = tree.draw(jnp.array([0.0, 0.5, np.nextafter(1.0, 0.0, dtype=np.float32)]))
        assert np.asarray(drawn).tolist() == [1, 1, 1]

    def test_weights(self):
        p = np.array([0.5, 0.25, 0.125, 0.125])
        n, beta = 4, 0.4
        raw = (n * p) ** -beta
        weights = importance_weights(jnp.asarray(p), beta)
        np.testing.assert_allclose(weights, raw / raw.max(), rtol=1e-6)

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", RINGS)
    def test_new_rows_enter_with_the_largest_priority(self, kind):
        spec = Replay(Steps(1, 1), 20, 1, 16, 1, True, priority_exponent=0.5)
        steps = counted(30, 1, (1000,))
        buffer = kind(spec, steps)
        buffer.add(some(steps, 0, 10))
        drawn = buffer.draw(0, steps)
        buffer.set_priorities(drawn, np.full((1, 16), 9.0))
        assert buffer.largest == 3.0  # 9 ** 0.5
        touched = np.unique(np.asarray(drawn.indices))
        np.testing.assert_array_equal(buffer.priority(touched), 3.0)
        buffer.add(some(steps, 10, 12))
        assert buffer.priority([10]) == 3.0
        assert buffer.priority([12]) == 0.0  # not yet written
        buffer.add(some(steps, 12, 30))
        whole = buffer.priority(np.arange(rows_of(spec)))
        assert (whole > 0).sum() == rows_of(spec) - 1

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", RINGS)
    def test_steps_that_are_gone_are_never_drawn(self, kind):
        """A window that is overwritten loses its priority, whatever that was."""
        spec = Replay(Steps(1, 1), 10, 1, 512, 3, True)
        steps = counted(60, 1, (4,))
        buffer = kind(spec, steps)
        for t in range(60):
            buffer.add(some(steps, t, t + 1))
            drawn = buffer.draw(t, steps)
            if np.asarray(drawn.weights).any():
                buffer.set_priorities(drawn, np.full((1, 512), 1e6))
        numbers = np.asarray(drawn.batches.observation)[0, 0, :, 1]
        recent = np.asarray(steps.observation)[-11:, 0, 1]
        assert set(numbers.tolist()) <= set(recent.tolist())


@pytest.mark.parametrize("kind", RINGS)
def test_a_buffer_that_joins_newest_and_oldest_is_detected(kind):
    """The famous mistake: windows by slot number alone, across the place where writing goes on."""
    spec = Replay(Steps(1, 1), 10, 1, 256, 4)
    steps = counted(57, 1, (1000,))
    buffer = filled(kind, spec, steps, 1)
    size = rows_of(spec)
    slots = (np.arange(size)[:, None] + np.arange(4)) % size
    numbers = np.asarray(buffer.observation)[slots, 0, 1]
    assert not (np.diff(numbers, axis=1) == 1).all()


@pytest.mark.slow
def test_both_rings_keep_the_same_rows_and_priorities():
    """Ends, streams that begin anew, wraps: slot for slot."""
    spec = Replay(Steps(2, 5), 21, 1, 32, 3, True)
    jax_ring, numpy_ring = (kind(spec, counted(5, 2, (3, 8))) for kind in RINGS)
    rng = np.random.default_rng(0)
    for number in range(12):
        steps = counted(5, 2, (3, 8), truncate=bool(number % 2), start=7 * number)
        restarted = rng.random(2) < 0.3
        steps = steps._replace(restarted=restarted)
        for ring in (jax_ring, numpy_ring):
            ring.add(steps)
        drawn = jax_ring.draw(number, steps)
        if drawn.weights.any():
            for ring in (jax_ring, numpy_ring):
                # Of one window, the same number wherever it was drawn.
                ring.set_priorities(drawn, 0.1 + drawn.indices % 7)
        ours, theirs = numpy_ring.ring, jax_ring._buffer
        np.testing.assert_array_equal(ours.written[1], theirs.written)
        leaves = np.arange(2 * rows_of(spec))
        np.testing.assert_allclose(
            numpy_ring.priority(leaves), jax_ring.priority(leaves), rtol=1e-5
        )
        marks = theirs.rows.marks
        kept = np.asarray(has(marks, STEP))
        np.testing.assert_array_equal(ours.rows.valid[1], kept)
        columns = {name: getattr(theirs.rows, name) for name in ("observation", "action", "reward")}
        columns |= {"terminated": has(marks, TERMINATED), "truncated": has(marks, TRUNCATED)}
        for name, expected in columns.items():
            column = getattr(ours.rows, name)[1]
            np.testing.assert_array_equal(column[kept], np.asarray(expected)[kept])


def test_padding_is_left_out():
    """A step on which a vector environment resets, and what follows a NaN."""
    spec = Replay(Steps(1, 3), 12, 1, 4, 2, True)
    steps = counted(30, 1, (4,))
    spread = jax.tree.map(lambda leaf: np.repeat(leaf, 2, axis=0), steps)
    spread = spread._replace(valid=(np.arange(60) % 2 == 0)[:, None])
    padded, plain = filled(NumpyRing, spec, spread, 6), filled(NumpyRing, spec, steps, 3)
    jax.tree.map(np.testing.assert_array_equal, padded.ring.state(), plain.ring.state())


@pytest.mark.parametrize("prioritized", [False, True])
@pytest.mark.parametrize("n_steps", [6, 100])
def test_a_ring_that_is_restored_draws_the_same(n_steps, prioritized):
    spec = Replay(Steps(2, 2), 30, 1, 16, 2, prioritized)
    steps = counted(n_steps + 2, 2, (3, 8))
    first = filled(NumpyRing, spec, some(steps, 0, n_steps), 2)
    drawn = first.draw(0, steps)
    if prioritized:
        first.set_priorities(drawn, 0.1 + drawn.indices % 7)
    state = first.ring.state()
    assert sum(leaf.nbytes for name, leaf in state.items() if "row" in name) <= first.ring.nbytes
    second = NumpyRing(spec, steps)
    second.ring.load(state)
    same = lambda a, b: jax.tree.map(np.testing.assert_array_equal, a, b)  # noqa: E731
    same(second.ring.state(), state)
    for ring in (first, second):
        ring.add(some(steps, n_steps, n_steps + 2))
    same(second.draw(1, steps), first.draw(1, steps))
    same(second.ring.state(), first.ring.state())
    second.ring.load({})
    assert not second.ring.written.any()


def test_numpys_tree_is_the_sum_of_its_leaves():
    rng = np.random.default_rng(0)
    tree, reference = NumpySumTree(2, 37), SumTree.zeros(37)
    update = jax.jit(lambda tree, leaves, values: tree.update(leaves, values))
    for _ in range(50):
        leaves = rng.permutation(37)[:9]
        values = rng.exponential(size=9).astype(np.float32)
        tree.update(np.ones(9, int), leaves, values)
        tree.update(np.zeros(9, int), leaves, 3 * values)
        reference = update(reference, leaves, values)
    np.testing.assert_allclose(tree.nodes[1], reference.nodes, rtol=1e-5)
    np.testing.assert_allclose(tree.total, tree.leaves().sum(axis=1), rtol=1e-12)
    uniform = rng.random((2, 500))
    drawn = tree.draw(uniform)
    assert (tree.priority(np.arange(2)[:, None], drawn) > 0).all()
    expected = np.asarray(reference.draw(jnp.asarray(uniform[1], jnp.float32)))
    assert (drawn[1] == expected).mean() > 0.99  # at the borders float32 rounds


@pytest.mark.parametrize("kind", RINGS)
def test_padding_leaves_the_step_before_it_alone(kind):
    """Padding holds an observation of its own, which is nobody's successor."""
    spec = Replay(Steps(1, 1), 20, 1, 64)
    steps = counted(6, 1, (100,))
    valid = np.asarray([True, True, True, False, False, False])[:, None]
    buffer = filled(kind, spec, steps._replace(valid=valid), 6)
    drawn = buffer.draw(0, steps)
    start = np.asarray(drawn.batches.observation)[0, 0, :, 1]
    after = np.asarray(drawn.batches.next_observation)[0, 0, :, 1]
    assert set(zip(start.tolist(), after.tolist(), strict=True)) == {(0, 1), (1, 2), (2, 3)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", RINGS)
def test_windows_at_the_end_of_an_abandoned_episode_are_drawn_by_priority_too(kind):
    spec = Replay(Steps(1, 4), 40, 1, 256, 3, True)
    first, second = counted(4, 1, (100,)), counted(4, 1, (100,), start=8)
    buffer = filled(kind, spec, first, 4)
    buffer.add(second._replace(restarted=np.array([True])))
    drawn = buffer.draw(0, first)
    started = {int(number) for number in np.asarray(drawn.batches.observation)[0, 0, :, 1]}
    # Steps 0 to 3, a row that is no step, steps 8000 to 8003: the windows of 3 rows that are whole.
    assert started == {0, 1, 2, 3, 8000, 8001}


@pytest.mark.parametrize("kind", RINGS)
def test_priorities_that_nothing_asked_for_are_refused(kind):
    spec = Replay(Steps(1, 4), 40, 1, 8)
    steps = counted(4, 1, (100,))
    buffer = filled(kind, spec, steps, 4)
    drawn = buffer.draw(0, steps)
    with pytest.raises(UpslopeError, match="prioritized=True"):
        buffer.set_priorities(drawn, np.ones((1, 8)))
