"""Gymnasium environments as agents see them; the only module that imports gymnasium."""

import copy
import math
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

os.environ.setdefault("MUJOCO_GL", "disabled")  # nothing here renders

import gymnasium
from gymnasium.spaces import Box, Discrete
from gymnasium.wrappers import TimeLimit

from mgail_tf.config.tasks import TASKS
from mgail_tf.errors import BadInput, one_line
from mgail_tf.types import Spec

LONGEST_EPISODE = 10_000  # steps, where the environment sets no limit

# An environment, a function that makes one, the name of a task, or a Gymnasium id.
EnvLike = gymnasium.Env | Callable[[], gymnasium.Env] | str


class Environment:
    """One environment with float32 states, float actions (one-hot if discrete) and a `spec`."""

    def __init__(self, env: gymnasium.Env, spec: Spec, seed: int):
        self.spec = spec
        self._env = env
        self._seed: int | None = seed

    def origin(self) -> dict[str, Any]:
        """Return what the next `reset` depends on, as JSON can hold it."""
        if self._seed is not None:
            return {"seed": self._seed}
        return {"generator": self._env.unwrapped.np_random.bit_generator.state}

    def rewind(self, origin: Mapping[str, Any]) -> None:
        """Let the next `reset` be the one that `origin()` was asked before.

        Holds for environments whose only randomness is Gymnasium's `np_random`.
        """
        self._seed = origin.get("seed")
        if self._seed is None:
            generator = np.random.default_rng()
            generator.bit_generator.state = origin["generator"]
            self._env.unwrapped.np_random = generator

    def reset(self) -> np.ndarray:
        """Start an episode and return its first state [S]; the first call uses the seed."""
        state, _ = self._call("reset", seed=self._seed)
        self._seed = None
        return self._checked(state)

    def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call the environment.

        Raises:
            BadInput: it raised something: what goes wrong in there is its user's to mend.
        """
        try:
            return getattr(self._env, method)(*arguments, **named)
        except Exception as error:
            raise BadInput(f"{self.spec.env_id}: {method}: {one_line(error)}") from error

    def step(self, sample: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, bool, bool]:
        """Apply a policy's sample [A], in [-1, 1] units or one-hot.

        Returns:
            (applied action [A], next state [S], reward, terminated, truncated). The applied
            action is the clipped one in environment units, or the one-hot sample itself.
        """
        spec = self.spec
        action = spec.apply(sample)
        result = self._call("step", int(action) if spec.discrete else action)
        state, reward, terminated, truncated, _ = result
        if not math.isfinite(reward):
            raise BadInput(f"{spec.env_id}: reward: found {reward}, expected a finite number")
        applied = sample if spec.discrete else action
        return applied, self._checked(state), float(reward), bool(terminated), bool(truncated)

    def _checked(self, state: Any) -> np.ndarray:
        state = np.asarray(state, np.float32)
        if state.shape != (self.spec.state_size,):
            expected = (self.spec.state_size,)
            raise BadInput(
                f"{self.spec.env_id}: state: found shape {state.shape}, expected {expected}"
            )
        if not np.isfinite(state).all():
            raise BadInput(
                f"{self.spec.env_id}: the environment returned a state that is not finite"
            )
        return state


def _spec(env_id: str, env: gymnasium.Env, max_steps: int) -> Spec:
    states, actions = env.observation_space, env.action_space
    if not isinstance(states, Box) or len(states.shape) != 1:
        found = " ".join(str(states).split())
        raise BadInput(f"{env_id}: observation space is {found}, expected a flat Box")
    if isinstance(actions, Discrete):
        size, discrete = int(actions.n), True
        low, high = -np.ones(size, np.float32), np.ones(size, np.float32)
    elif isinstance(actions, Box) and len(actions.shape) == 1:
        size, discrete = actions.shape[0], False
        low, high = actions.low.astype(np.float32), actions.high.astype(np.float32)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise BadInput(f"{env_id}: action space is unbounded, expected finite bounds")
    else:
        found = " ".join(str(actions).split())
        raise BadInput(f"{env_id}: action space is {found}, expected Discrete or a flat Box")
    first = int(actions.start) if isinstance(actions, Discrete) else 0
    return Spec(env_id, states.shape[0], size, discrete, low, high, max_steps, first)


def copy_of(env: EnvLike) -> EnvLike | None:
    """Return what makes another environment like this one; None if the object cannot be copied."""
    if not isinstance(env, gymnasium.Env):
        return env
    try:
        return copy.deepcopy(env)
    except Exception:  # whatever a user's environment raises: it may hold a simulator
        return None


def make(env: EnvLike, seed: int) -> Environment:
    """Return an environment object, or make it of a function, a task's name or a Gymnasium id.

    One without a time limit is cut off after `LONGEST_EPISODE` steps: scoring it must end.

    Raises:
        BadInput: it cannot be made, or its spaces are not a flat Box with Box or Discrete actions.
    """
    made = _made(env)
    env_id = made.spec.id if made.spec else type(made.unwrapped).__name__
    limit = _time_limit(made)
    if limit is None:
        made, limit = TimeLimit(made, LONGEST_EPISODE), LONGEST_EPISODE
    return Environment(made, _spec(env_id, made, limit), seed)


def _time_limit(env: gymnasium.Env) -> int | None:
    """Return the steps after which an environment truncates its episodes."""
    layer = env
    while isinstance(layer, gymnasium.Wrapper):
        if isinstance(layer, TimeLimit):
            return layer._max_episode_steps
        layer = layer.env
    return env.spec.max_episode_steps if env.spec else None


def _made(env: EnvLike) -> gymnasium.Env:
    if isinstance(env, gymnasium.Env):
        return env
    task = TASKS.get(env) if isinstance(env, str) else None
    name = task.env_id if task else env
    options = {"max_episode_steps": task.max_steps} if task and task.max_steps else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            if not isinstance(name, str):
                made = name()
            else:
                made = gymnasium.make(name, disable_env_checker=True, **options)
    except Exception as error:  # whatever a user's environment raises
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        names = ", ".join(TASKS)
        raise BadInput(f"{name}: cannot be made ({reason}); tasks are {names}") from error
    if not isinstance(made, gymnasium.Env):
        raise BadInput(f"environment: found a {type(made).__name__}, expected a gymnasium.Env")
    return made
