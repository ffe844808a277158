"""The cart-pole swing-up against MuJoCo's steps of dm_control's model."""

import jax
import jax.numpy as jnp
import numpy as np

from upslope.environments import CartPoleSwingUp

# mujoco 3, dm_control's cartpole.xml: state (position, velocity, angle, angular velocity), control,
# the state two steps of 0.01 s later, and the swing-up reward of dm_control there.
STEPS = np.array(
    [
        [0.273923375, 0.64042265, -1.381279717, 0.209800234, 0.626540478,
         0.287897609, 0.757008325, -1.380202366, -0.102087261, 0.535005473],
        [0.825511155, 0.947080963, 0.639814655, -1.407470472, 0.870144848,
         0.846052725, 1.107143812, 0.61146789, -1.429020099, 0.586403475],
        [0.631707108, -2.325030775, -2.983568999, -0.437583328, 0.459310893,
         0.586077946, -2.237863884, -2.991510758, -0.356163098, 0.004872059],
        [-0.648688759, -0.316300156, 2.179073534, 0.823261073, -0.154625558,
         -0.655233702, -0.338136042, 2.197684489, 1.037291311, 0.174535756],
        [-0.943360658, -0.665194673, -2.254300341, 0.70302014, 0.230770223,
         -0.956301678, -0.628879059, -2.242126297, 0.513964298, 0.146922496],
    ]
)  # fmt: skip


def stepped(environment):
    step = jax.jit(jax.vmap(environment.step, (None, 0, 0)))
    rows = jnp.asarray(STEPS, jnp.float32)
    state, out = step(jax.random.key(0), rows[:, :4], rows[:, 4:5])
    return np.asarray(state), np.asarray(out.reward)


def test_steps_and_rewards_are_those_of_dm_control():
    """Within what its friction does; the inertia of a thin rod is a hundred times farther off."""
    state, reward = stepped(CartPoleSwingUp())
    np.testing.assert_allclose(state, STEPS[:, 5:9], atol=5e-5)
    np.testing.assert_allclose(reward, STEPS[:, 9], atol=2e-6)
    rod, _ = stepped(CartPoleSwingUp(pole_inertia=0.1 * 0.5**2 / 3))
    assert np.abs(rod - STEPS[:, 5:9]).max() > 5e-3


def test_nothing_is_lost_without_a_push():
    """Energy, over ten seconds of swinging through."""
    environment = CartPoleSwingUp()
    m, l, g = 0.1, 0.5, 9.81  # noqa: E741

    def energy(state):
        _, v, angle, spin = np.asarray(state, float)
        swinging = 0.5 * (0.00942457 + m * l**2) * spin**2 + m * l * v * spin * np.cos(angle)
        return 0.5 * 1.1 * v**2 + swinging + m * g * l * np.cos(angle)

    @jax.jit
    def after(state):
        body = lambda s, _: (environment.step(jax.random.key(0), s, jnp.zeros(1))[0], None)  # noqa: E731
        return jax.lax.scan(body, state, length=500)[0]

    start = jnp.array([0.0, 0.0, 1.0, 0.0])
    assert abs(energy(after(start)) - energy(start)) < 1e-3


def test_the_observation_and_the_reward_of_success():
    environment = CartPoleSwingUp()
    state, seen = environment.reset(jax.random.key(0))
    np.testing.assert_allclose(seen[1:3], [np.cos(state[2]), np.sin(state[2])], rtol=1e-5)
    assert np.isclose(seen[1], -1, atol=1e-2)  # it hangs
    _, out = environment.step(jax.random.key(0), jnp.zeros(4), jnp.zeros(1))
    np.testing.assert_allclose(out.reward, 1.0)
