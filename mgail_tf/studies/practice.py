"""The practice set: five small tasks outside the paper, each with a scripted expert.

They show what the default settings do where nobody has tuned anything. Demonstrations need no
training: every expert is a feedback law of a few lines, so that anyone can make them again.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from scipy.linalg import solve_discrete_are

from mgail_tf.data.demonstrations import Demonstrations

POINT_MASS = "PointMass-v0"


class PointMass(gym.Env):
    """A mass in the plane that must reach a goal around an obstacle; both end the episode.

    The state [6] is position [2], velocity [2] and the obstacle's centre [2]; the action [2] is a
    force. The goal is at (0.8, 0), the obstacle is a disc near the straight way. Leaving the square
    [-1, 1] x [-1, 1] is a crash too. A step costs the distance to the goal; the goal pays 10, a
    crash -10.
    """

    metadata: dict[str, Any] = {"render_modes": []}
    GOAL, GOAL_RADIUS, RADIUS, DT = np.array([0.8, 0.0]), 0.1, 0.25, 0.05

    def __init__(self):
        """Set the spaces."""
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (6,), np.float32)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    def _observation(self) -> np.ndarray:
        return np.concatenate([self._place, self._speed, self._obstacle]).astype(np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        """Begin at rest on the left, with the obstacle somewhere in the middle."""
        super().reset(seed=seed)
        self._place = np.array([-0.8, self.np_random.uniform(-0.5, 0.5)])
        self._speed = np.zeros(2)
        self._obstacle = np.array([0.0, self.np_random.uniform(-0.2, 0.2)])
        return self._observation(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        """Move for 0.05 s; `info["success"]` tells whether the goal was reached."""
        force = np.clip(np.asarray(action, np.float64), -1.0, 1.0)
        self._speed = 0.95 * self._speed + 2.0 * force * self.DT
        self._place = self._place + self._speed * self.DT
        distance = float(np.linalg.norm(self._place - self.GOAL))
        success = distance < self.GOAL_RADIUS
        crash = bool(np.linalg.norm(self._place - self._obstacle) < self.RADIUS)
        crash = crash or bool(np.abs(self._place).max() > 1.0)
        reward = -0.1 * distance + (10.0 if success else -10.0 if crash else 0.0)
        return self._observation(), reward, success or crash, False, {"success": success}


def _point_mass(state: np.ndarray, env: Any) -> np.ndarray:
    """Steer to a point beside the obstacle, on the side where the mass is, then to the goal."""
    place, speed, obstacle = state[:2], state[2:4], state[4:6]
    target = PointMass.GOAL
    if place[0] < obstacle[0] - 0.1:
        side = 1.0 if place[1] > obstacle[1] else -1.0
        target = obstacle + np.array([0.0, side * (PointMass.RADIUS + 0.15)])
    return np.clip(6.0 * (target - place) - 3.0 * speed, -1.0, 1.0)


def _pendulum(state: np.ndarray, env: Any) -> np.ndarray:
    """Pump energy until the pendulum is near the top, then hold it there."""
    cosine, sine, speed = state
    angle = np.arctan2(sine, cosine)
    if cosine > 0.9 and abs(speed) < 4.0:
        return np.clip([-15.0 * angle - 3.0 * speed], -2.0, 2.0)
    energy = speed**2 / 6.0 + 5.0 * (cosine - 1.0)  # 0 upright at rest: g = 10, l = m = 1
    return np.clip([-2.0 * np.sign(speed * energy) if speed else 2.0], -2.0, 2.0)


def _reacher(state: np.ndarray, env: Any) -> np.ndarray:
    """Pull the fingertip to the target through the transposed Jacobian of the two links."""
    first, second = np.arctan2(state[2:4], state[0:2])
    offset = state[8:10]  # fingertip less target
    lengths, angles = np.array([0.1, 0.11]), np.array([first, first + second])
    links = lengths[:, None] * np.stack([-np.sin(angles), np.cos(angles)], 1)  # d place / d angle
    jacobian = np.stack([links.sum(0), links[1]])
    return np.clip(-40.0 * jacobian @ offset - 0.08 * state[6:8], -1.0, 1.0)


def _double_pendulum(state: np.ndarray, env: Any) -> np.ndarray:
    """Hold both poles upright by a linear quadratic regulator."""
    angles = np.arctan2(state[1:3], state[3:5])
    return np.clip(-_regulator() @ np.concatenate([state[:1], angles, state[5:8]]), -1.0, 1.0)


@functools.cache
def _regulator() -> np.ndarray:
    """Return the gain [1, 6] of the regulator, from the simulation's own linearisation."""
    env: Any = gym.make("InvertedDoublePendulum-v5").unwrapped
    env.reset(seed=0)
    zero, small = np.zeros(6), 1e-5

    def after(x: np.ndarray, force: float) -> np.ndarray:
        env.set_state(x[:3], x[3:])
        env.do_simulation(np.array([force]), env.frame_skip)
        return np.concatenate([env.data.qpos, env.data.qvel])

    columns = [(after(e, 0.0) - after(-e, 0.0)) / (2 * small) for e in small * np.eye(6)]
    a = np.stack(columns, 1)
    b = ((after(zero, small) - after(zero, -small)) / (2 * small))[:, None]
    weights, effort = np.diag([1.0, 10.0, 10.0, 0.1, 0.1, 0.1]), np.eye(1)
    p = solve_discrete_are(a, b, weights, effort)
    return np.linalg.solve(effort + b.T @ p @ b, b.T @ p @ a)


def _lunar_lander(state: np.ndarray, env: Any) -> np.ndarray:
    """Land by Gymnasium's own heuristic."""
    from gymnasium.envs.box2d.lunar_lander import heuristic

    return np.clip(heuristic(env.unwrapped, state), -1.0, 1.0)


class Practice(NamedTuple):
    """One task of the practice set."""

    make: Callable[[], gym.Env]
    expert: Callable[[np.ndarray, Any], np.ndarray]  # (state [S], environment) -> action [A]


def _registered(env_id: str, max_steps: int | None = None) -> Callable[[], gym.Env]:
    """Return a function that makes an environment; None: its own time limit."""
    return functools.partial(gym.make, env_id, max_episode_steps=max_steps)


gym.register(POINT_MASS, lambda **options: PointMass(**options), max_episode_steps=100)

PRACTICE: dict[str, Practice] = {
    "pendulum": Practice(_registered("Pendulum-v1"), _pendulum),
    "double_pendulum": Practice(_registered("InvertedDoublePendulum-v5", 200), _double_pendulum),
    "reacher": Practice(_registered("Reacher-v5"), _reacher),
    "lunar_lander": Practice(_registered("LunarLanderContinuous-v3", 400), _lunar_lander),
    "point_mass": Practice(_registered(POINT_MASS), _point_mass),
}


def demonstrate(name: str, episodes: int, seed: int) -> Demonstrations:
    """Return demonstrations of a task's expert, every pair of them."""
    env, expert = PRACTICE[name].make(), PRACTICE[name].expert
    shown: dict[str, list[Any]] = {"states": [], "actions": [], "rewards": [], "terminated": []}
    for episode in range(episodes):
        state, _ = env.reset(seed=seed if episode == 0 else None)
        states, actions, rewards, over = [state], list[np.ndarray](), list[float](), False
        while not over:
            action = np.asarray(expert(state, env), np.float32)
            state, reward, terminated, truncated, _ = env.step(action)
            over = terminated or truncated
            states.append(state)
            actions.append(action)
            rewards.append(float(reward))
        for column, rows in zip(shown, (states, actions, rewards, terminated), strict=True):
            shown[column].append(rows)
    spec = env.spec
    env.close()
    return Demonstrations.from_arrays(**shown, env_id=spec.id if spec else "")
