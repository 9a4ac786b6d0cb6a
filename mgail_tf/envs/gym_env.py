"""Gymnasium environments as agents see them; the only module that imports gymnasium."""

import contextlib
import copy
import math
import os
import warnings
import weakref
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
WIDEST_ACTION = 1e6  # a bound beyond it says nothing about the scale of actions

# An environment, a function that makes one, the name of a task, or a Gymnasium id.
EnvLike = gymnasium.Env | Callable[[], gymnasium.Env] | str


class Environment:
    """One environment with float32 states, float actions (one-hot if discrete) and a `spec`.

    No array is shared with the environment, in either direction: it may write over its own.
    """

    def __init__(self, env: gymnasium.Env, spec: Spec, seed: int, owned: bool = True):
        """Take an environment.

        Args:
            owned: close it when this object is gone, or at the latest when Python ends.
        """
        self.spec = spec
        self._env = env
        self._seed: int | None = seed
        self._warned = False
        self.close = weakref.finalize(self, _close, env if owned else None)

    def origin(self) -> dict[str, Any]:
        """Return what the next `reset` depends on, as a checkpoint can hold it.

        Warns once if the generator is of a kind that cannot be saved.
        """
        if self._seed is not None:
            return {"seed": self._seed}
        random = getattr(self._env.unwrapped, "np_random", None)
        state = _generator_state(random)
        if not state and not self._warned:
            self._warned = True
            found = f"np_random is a {type(random).__name__}"
            warnings.warn(
                f"{self.spec.env_id}: {found}: a stopped run cannot be resumed exactly",
                stacklevel=3,
            )
        return {"generator": state}

    def rewind(self, origin: Mapping[str, Any]) -> None:
        """Let the next `reset` be the one that `origin()` was asked before.

        Holds for environments whose only randomness is Gymnasium's `np_random`.
        """
        self._seed = origin.get("seed")
        if self._seed is None and origin["generator"]:
            self._env.unwrapped.np_random = _generator(origin["generator"])

    def reset(self) -> np.ndarray:
        """Start an episode and return its first state [S]; the first call uses the seed."""
        result = self._call("reset", seed=self._seed)
        self._seed = None
        return self._state(self._parts("reset", result, "observation, info")[0])

    def step(self, sample: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, bool, bool]:
        """Apply a policy's sample [A], in [-1, 1] units or one-hot.

        Returns:
            (applied action [A], next state [S], reward, terminated, truncated). The applied
            action is the clipped one in environment units, or the one-hot sample itself.
        """
        spec = self.spec
        action = spec.apply(sample)
        result = self._call("step", int(action) if spec.discrete else self._native(action))
        names = "observation, reward, terminated, truncated, info"
        state, reward, terminated, truncated, _ = self._parts("step", result, names)
        applied = sample if spec.discrete else action
        ends = bool(terminated), bool(truncated)
        return applied, self._state(state), self._reward(reward), *ends

    def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call the environment.

        Raises:
            BadInput: it raised something: what goes wrong in there is its user's to mend.
        """
        try:
            return getattr(self._env, method)(*arguments, **named)
        except Exception as error:
            raise BadInput(f"{self.spec.env_id}: {method}: {one_line(error)}") from error

    def _parts(self, method: str, result: Any, names: str) -> tuple[Any, ...]:
        """Return what `reset` or `step` returned, if it is a tuple of the right length."""
        if isinstance(result, tuple) and len(result) == names.count(",") + 1:
            return result
        found = f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__
        raise BadInput(f"{self.spec.env_id}: {method}: found {found}, expected ({names})")

    def _native(self, action: np.ndarray) -> np.ndarray:
        """Return a new array of the action space's type, within its bounds."""
        space: Any = self._env.action_space
        if space.dtype == action.dtype:
            return action.copy()
        return np.clip(action.astype(space.dtype), space.low, space.high)

    def _reward(self, reward: Any) -> float:
        if isinstance(reward, float) and math.isfinite(reward):
            return float(reward)
        try:
            value = np.asarray(reward, np.float64)
        except (TypeError, ValueError):
            value = np.zeros(0)
        if value.size != 1 or not math.isfinite(value.item()):
            found = " ".join(repr(reward).split())
            expected = "expected a finite number"
            raise BadInput(f"{self.spec.env_id}: reward: found {found}, {expected}")
        return float(value.item())

    def _state(self, state: Any) -> np.ndarray:
        """Return a new float32 array [S] of an observation."""
        expected = (self.spec.state_size,)
        try:
            array = np.array(state, np.float32)
        except (TypeError, ValueError):
            found = type(state).__name__
            raise BadInput(
                f"{self.spec.env_id}: state: found a {found}, expected numbers of shape {expected}"
            ) from None
        if array.shape != expected:
            found = f"shape {array.shape}"
            raise BadInput(f"{self.spec.env_id}: state: found {found}, expected {expected}")
        if not np.isfinite(array).all():
            raise BadInput(f"{self.spec.env_id}: state: found {array}, expected finite numbers")
        return array


def _close(env: gymnasium.Env | None) -> None:
    """Close an environment that is owned; what that raises has nobody to go to."""
    if env is not None:
        with contextlib.suppress(Exception):
            env.close()


def _generator_state(random: Any) -> dict[str, Any]:
    """Return the state of a NumPy generator; empty if it is another kind of object."""
    if isinstance(random, np.random.Generator):
        return dict(random.bit_generator.state)
    if isinstance(random, np.random.RandomState):
        return {"legacy": True, **random.get_state(legacy=False)}
    return {}


def _generator(state: Mapping[str, Any]) -> Any:
    """Return a NumPy generator in a state that `_generator_state` returned."""
    if state.get("legacy"):
        legacy = np.random.RandomState()
        legacy.set_state({key: value for key, value in state.items() if key != "legacy"})
        return legacy
    generator = np.random.Generator(getattr(np.random, state["bit_generator"])())
    generator.bit_generator.state = state
    return generator


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
        if actions.dtype.kind != "f":
            expected = "expected floats (round them in a wrapper) or Discrete"
            raise BadInput(f"{env_id}: action space holds {actions.dtype}, {expected}")
        low, high = actions.low.astype(np.float32), actions.high.astype(np.float32)
        widest = float(np.max(np.abs([actions.low, actions.high]), initial=0.0))
        if not widest <= WIDEST_ACTION:
            found, expected = f"a bound of {widest:g}", f"bounds within +-{WIDEST_ACTION:g}"
            raise BadInput(
                f"{env_id}: action space is unbounded: found {found}, expected {expected}"
            )
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


def apart_from(env: EnvLike) -> EnvLike:
    """Return what makes an environment that a training on `env` does not share, if it can be had.

    The copy of an object is owned by what `make` returns; an object that cannot be copied is
    returned itself.
    """
    made = copy_of(env)
    if isinstance(made, gymnasium.Env):
        return lambda: made
    return env if made is None else made


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
    owned = not isinstance(env, gymnasium.Env)
    return Environment(made, _spec(env_id, made, limit), seed, owned)


def _time_limit(env: gymnasium.Env) -> int | None:
    """Return the steps after which an environment truncates its episodes."""
    layer = env
    while isinstance(layer, gymnasium.Wrapper):
        if isinstance(layer, TimeLimit):
            return layer._max_episode_steps
        layer = layer.env
    return env.spec.max_episode_steps if env.spec else None


def make_rendered(env: EnvLike) -> gymnasium.Env:
    """Return an environment whose `render()` returns pictures: an object itself, or one made now.

    Raises:
        BadInput: it cannot be made, or an object or what a function made draws no pictures.
    """
    made = _made(env, render_mode="rgb_array", **_following_camera(env))
    if made.render_mode != "rgb_array":
        name = made.spec.id if made.spec else type(made.unwrapped).__name__
        found = f"found {made.render_mode!r}, expected 'rgb_array'"
        raise BadInput(
            f"{name}: render_mode: {found}: gymnasium.make(..., render_mode='rgb_array')"
        )
    return made


def _following_camera(env: EnvLike) -> dict[str, str]:
    """Return the option that lets Gymnasium's own MuJoCo environments be seen from beside them."""
    task = TASKS.get(env) if isinstance(env, str) else None
    with contextlib.suppress(gymnasium.error.Error, ImportError):
        spec = gymnasium.spec(task.env_id if task else str(env))
        if str(spec.entry_point).startswith("gymnasium.envs.mujoco"):
            return {"camera_name": "track"}  # where the model has none, the view is the usual one
    return {}


def _made(env: EnvLike, **named: Any) -> gymnasium.Env:
    """Return an environment; `named` arguments go to `gymnasium.make`, where that makes it."""
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
                made = gymnasium.make(name, disable_env_checker=True, **options, **named)
    except Exception as error:  # whatever a user's environment raises
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        names = ", ".join(TASKS)
        hint = f"tasks are {names}; an id may name its module: my_module:MyEnv-v0"
        raise BadInput(f"{name}: cannot be made ({reason}); {hint}") from error
    if not isinstance(made, gymnasium.Env):
        raise BadInput(f"environment: found a {type(made).__name__}, expected a gymnasium.Env")
    return made
