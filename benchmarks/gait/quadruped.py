"""A quadruped on MuJoCo that walks for four seconds: Gymnasium's Ant with position servos."""

from __future__ import annotations

import os
from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium import spaces

SECONDS, RATE = 4.0, 50  # of a walk; commands per second
SUBSTEPS = 2
STIFFNESS, DAMPING = 60.0, 2.0  # of the servos: N m / rad, N m s / rad
FRICTION = (0.8, 1.2)  # of the ground, drawn for each walk: no two are alike
SHAKE = 0.05  # rad, of the joints at the start
# Front left, front right, rear left, rear right, for a robot that faces x; the Ant's numbers.
LEGS = (1, 4, 2, 3)
FORWARD = (-1.0, 1.0, -1.0, 1.0)  # sign of the hip's rotation that brings the foot forward


def model() -> mujoco.MjModel:
    """Gymnasium's ant.xml, its torque motors replaced by position servos."""
    folder = os.path.join(os.path.dirname(gymnasium.__file__), "envs", "mujoco", "assets")
    spec = mujoco.MjSpec.from_file(os.path.join(folder, "ant.xml"))
    for actuator in spec.actuators:
        actuator.set_to_position(kp=STIFFNESS, kv=DAMPING)
        actuator.ctrllimited = False
        actuator.gear[0] = 1.0
    return spec.compile()


class Quadruped(gymnasium.Env):
    """The return of a walk is its mean forward speed in m/s.

    An action has two numbers in [-1, 1] for each leg, in the order of `LEGS`: how far forward its
    foot is, over the range of the hip, and how high, over the range of the ankle. The observation
    is the time. A robot that falls on its back gets no further.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": RATE}

    def __init__(self, render_mode: str | None = None):
        self.model = model()
        self.data = mujoco.MjData(self.model)
        self.render_mode = render_mode
        self.observation_space = spaces.Box(0.0, 1.0, (1,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (8,), np.float32)
        self._friction = self.model.geom_friction.copy()
        name = mujoco.mjtObj.mjOBJ_JOINT
        joints = [
            mujoco.mj_name2id(self.model, name, f"{kind}_{leg}")
            for leg in LEGS
            for kind in ("hip", "ankle")
        ]
        low, high = self.model.jnt_range[joints].T
        sign = np.ravel([(side, -np.sign(h)) for side, h in zip(FORWARD, high[1::2], strict=True)])
        self._middle, self._reach = (low + high) / 2, sign * (high - low) / 2
        self._place = self.model.jnt_qposadr[joints]
        joint_of = self.model.actuator_trnid[:, 0].tolist()
        self._actuators = [joint_of.index(joint) for joint in joints]
        self._renderer: Any = None
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        mujoco.mj_resetData(self.model, self.data)
        self.model.geom_friction[:] = self._friction
        self.model.geom_friction[:, 0] *= self.np_random.uniform(*FRICTION)
        self.data.qpos[2] = 0.6
        shake = self.np_random.uniform(-SHAKE, SHAKE, 8)
        self.data.qpos[self._place] = self._middle + shake
        self.data.ctrl[self._actuators] = self._middle
        mujoco.mj_step(self.model, self.data, 20)  # it settles on its feet
        self.steps = 0
        return self._observation(), {}

    def step(self, action: Any) -> Any:
        x = self.data.qpos[0]
        target = self._middle + self._reach * np.clip(np.asarray(action, float), -1, 1)
        self.data.ctrl[self._actuators] = target
        mujoco.mj_step(self.model, self.data, SUBSTEPS)
        self.steps += 1
        upright = 1 - 2 * float(np.sum(np.square(self.data.qpos[4:6]))) > 0.0
        truncated = self.steps >= SECONDS * RATE
        reward = float(self.data.qpos[0] - x) / SECONDS
        return self._observation(), reward, not upright, truncated, {}

    def _observation(self) -> np.ndarray:
        return np.asarray([self.steps / (SECONDS * RATE)], np.float32)

    def render(self) -> np.ndarray:
        if self._renderer is None:
            self._renderer = mujoco.Renderer(self.model, 240, 400)
            self._camera = mujoco.MjvCamera()
            self._camera.distance, self._camera.elevation, self._camera.azimuth = 5.5, -14, 90
        self._camera.lookat[:] = [2.6, 0.0, 0.3]
        self._renderer.update_scene(self.data, self._camera)
        return self._renderer.render()


gymnasium.register("Quadruped-v0", f"{__name__}:Quadruped", max_episode_steps=None)
