"""Gymnasium environments as agents see them."""

import contextlib
import copy
import dataclasses
import importlib
import json
import math
import re
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from mgail_tf.config.tasks import TASKS
from mgail_tf.errors import BadInput, one_line, whole
from mgail_tf.types import Leaf, Spec

LONGEST_EPISODE = 10_000  # steps, where the environment sets no limit
WIDEST_ACTION = 1e6  # a bound beyond it says nothing about the scale of actions
LARGEST_STATE = 4096  # components
_SUCCESS = ("is_success", "success")  # keys of a step's info that tell whether the task is done
# Keyword arguments of an environment that change nothing but how it is looked at.
_OF_RENDERING = ("render_mode", "width", "height", "camera_name", "camera_id")
# Wrappers that change nothing, or, as a time limit, something else that a `Spec` tells.
_TRANSPARENT = (
    *(OrderEnforcing, PassiveEnvChecker, TimeLimit),
    *(gymnasium.wrappers.HumanRendering, gymnasium.wrappers.RecordEpisodeStatistics),
    *(gymnasium.wrappers.RecordVideo, gymnasium.wrappers.RenderCollection),
)

# The `Environment` that reset an object last: an object may be given to several agents.
_last_reset: weakref.WeakKeyDictionary[gymnasium.Env, weakref.ref] = weakref.WeakKeyDictionary()

# An environment, a function that makes one, the name of a task, or a Gymnasium id.
EnvLike = gymnasium.Env | Callable[[], gymnasium.Env] | str


@dataclasses.dataclass(frozen=True)
class Registered:
    """A function that makes a registered environment, in whatever process it is called."""

    env_id: str
    modules: tuple[str, ...] = ()  # imported before, so that they register it
    kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __call__(self, **named: Any) -> gymnasium.Env:
        """Return a new environment; `named` arguments are passed to `gymnasium.make` too."""
        for module in self.modules:
            importlib.import_module(module)
        task = TASKS.get(self.env_id)
        limit = {"max_episode_steps": task.max_steps} if task else {}
        name = task.env_id if task else self.env_id
        return gymnasium.make(name, disable_env_checker=True, **{**limit, **self.kwargs, **named})


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
        self.success: bool | None = None  # by the last step's info; None: it does not say
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
        with contextlib.suppress(TypeError):  # an object without a hash
            _last_reset[self._env.unwrapped] = weakref.ref(self)
        return self._state(self._parts("reset", result, "observation, info")[0])

    @property
    def taken_over(self) -> bool:
        """Whether something else that was given the same object reset it since this one did."""
        try:
            last = _last_reset.get(self._env.unwrapped)
        except TypeError:
            return False
        return last is not None and last() is not self

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
        state, reward, terminated, truncated, info = self._parts("step", result, names)
        self.success = _success(info)
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
        action = action.reshape(space.shape)
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
            array = self.spec.flatten(state)
        except (TypeError, ValueError) as error:
            if self.spec.leaves:
                raise BadInput(f"{self.spec.env_id}: state: {one_line(error)}") from None
            try:
                found = f"shape {np.asarray(state, np.float32).shape}, expected {expected}"
            except (TypeError, ValueError):
                found = f"a {type(state).__name__}, expected numbers of shape {expected}"
            raise BadInput(f"{self.spec.env_id}: state: found {found}") from None
        if not np.isfinite(array).all():
            first = int(np.argmin(np.isfinite(array)))
            found = f"{array[first]} in component {first}"
            raise BadInput(f"{self.spec.env_id}: state: found {found}, expected finite numbers")
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


def _success(info: Any) -> bool | None:
    """Return what a step's info says of the task; None if it says nothing."""
    if isinstance(info, Mapping):
        for name in _SUCCESS:
            if name in info and np.size(info[name]) == 1:
                return bool(info[name])
    return None


def _leaves(space: gymnasium.Space, path: tuple[str | int, ...] = ()) -> Iterator[Leaf]:
    """Yield the arrays of an observation, in the order in which Gymnasium flattens them.

    Raises:
        ValueError: names what has no fixed number of components, or is a picture.
    """
    if isinstance(space, Dict):
        for name, inner in space.spaces.items():
            yield from _leaves(inner, (*path, name))
    elif isinstance(space, Tuple):
        for place, inner in enumerate(space.spaces):
            yield from _leaves(inner, (*path, place))
    elif isinstance(space, Discrete):
        yield Leaf(path, (), (int(space.n),), (int(space.start),))
    elif isinstance(space, MultiDiscrete):
        sizes, first = space.nvec.ravel().tolist(), space.start.ravel().tolist()
        yield Leaf(path, space.shape, tuple(sizes), tuple(first))
    elif isinstance(space, Box) and space.dtype == np.uint8 and len(space.shape) > 1:
        raise ValueError("pictures are not supported: encode them in a wrapper, as a vector")
    elif isinstance(space, Box | MultiBinary):
        yield Leaf(path, space.shape)
    else:
        kinds = "Box, Discrete, MultiDiscrete, MultiBinary, Dict and Tuple"
        raise ValueError(f"expected one made of {kinds}")


def _observed(env_id: str, space: gymnasium.Space) -> tuple[Leaf, ...]:
    """Return the arrays of an observation.

    Raises:
        BadInput: the observation space cannot be flattened, or is too large.
    """
    found = " ".join(str(space).split())
    try:
        leaves = tuple(_leaves(space))
    except ValueError as error:
        raise BadInput(f"{env_id}: observation space is {found}: {error}") from None
    size = sum(leaf.size for leaf in leaves)
    if not 1 <= size <= LARGEST_STATE:
        expected = f"{size} components, expected 1 to {LARGEST_STATE}"
        raise BadInput(f"{env_id}: observation space is {found}: found {expected}")
    return leaves


def _spec(env_id: str, env: gymnasium.Env, max_steps: int) -> Spec:
    leaves, actions = _observed(env_id, env.observation_space), env.action_space
    flat = len(leaves) == 1 and isinstance(env.observation_space, Box) and len(leaves[0].shape) == 1
    shape: tuple[int, ...] = ()
    if isinstance(actions, Discrete):
        size, discrete = int(actions.n), True
        low, high = -np.ones(size, np.float32), np.ones(size, np.float32)
    elif isinstance(actions, Box) and actions.shape and 0 not in actions.shape:
        size, discrete = math.prod(actions.shape), False
        shape = actions.shape if len(actions.shape) != 1 else ()
        if actions.dtype.kind != "f":
            expected = "expected floats (round them in a wrapper) or Discrete"
            raise BadInput(f"{env_id}: action space holds {actions.dtype}, {expected}")
        low, high = (bound.astype(np.float32).ravel() for bound in (actions.low, actions.high))
        widest = float(np.max(np.abs([actions.low, actions.high]), initial=0.0))
        if not widest <= WIDEST_ACTION:
            found, expected = f"a bound of {widest:g}", f"bounds within +-{WIDEST_ACTION:g}"
            raise BadInput(
                f"{env_id}: action space is unbounded: found {found}, expected {expected}"
            )
    else:
        found, hint = " ".join(str(actions).split()), ""
        if isinstance(actions, MultiDiscrete | MultiBinary):
            hint = "; number its combinations in a gymnasium.wrappers.TransformAction"
        expected = "expected Discrete or a Box of one axis or more"
        raise BadInput(f"{env_id}: action space is {found}, {expected}{hint}")
    return Spec(
        env_id,
        sum(leaf.size for leaf in leaves),
        size,
        discrete,
        low,
        high,
        max_steps,
        first_action=int(actions.start) if isinstance(actions, Discrete) else 0,
        leaves=() if flat else leaves,
        action_shape=shape,
        env_kwargs=_kwargs(env),
        wrappers=tuple(type(x).__name__ for x in _layers(env) if not isinstance(x, _TRANSPARENT)),
    )


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
    return env if made is None else owned(made)


def owned(env: EnvLike) -> EnvLike:
    """Return what `make` makes an environment of that it may close: of an object, a function."""
    return (lambda: env) if isinstance(env, gymnasium.Env) else env


def close(env: EnvLike | None) -> None:
    """Close an environment object; of what makes one there is nothing to close."""
    _close(env if isinstance(env, gymnasium.Env) else None)


def make(env: EnvLike, seed: int) -> Environment:
    """Return an environment object, or make it of a function, a task's name or a Gymnasium id.

    One without a time limit is cut off after `LONGEST_EPISODE` steps: scoring it must end.

    Raises:
        BadInput: it cannot be made, or its spaces are of no kind that is supported: observations
            are made of Box, Discrete, MultiDiscrete, MultiBinary, Dict and Tuple, actions are a Box
            or Discrete. Or the seed is negative.
    """
    if whole("seed", seed) < 0:
        raise BadInput(f"seed: found {seed}, expected at least 0")
    made = _made(env)
    env_id = made.spec.id if made.spec else type(made.unwrapped).__name__
    limit = _time_limit(made)
    if limit is None:
        made, limit = TimeLimit(made, LONGEST_EPISODE), LONGEST_EPISODE
    is_owned = not isinstance(env, gymnasium.Env)
    return Environment(made, _spec(env_id, made, limit), seed, is_owned)


def _kwargs(env: gymnasium.Env) -> str:
    """Return JSON of what a registered environment was made with; "" if nothing."""
    given = dict(env.spec.kwargs) if env.spec else {}
    if env.spec and env.spec.id in gymnasium.registry:
        usual = gymnasium.registry[env.spec.id].kwargs
        given = {k: v for k, v in given.items() if k not in usual or not _same(usual[k], v)}
    given = {name: value for name, value in given.items() if name not in _OF_RENDERING}
    return json.dumps(given, sort_keys=True, default=_described) if given else ""


def _described(value: Any) -> Any:
    """Return what JSON can hold of a keyword argument, and is the same in every process."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _same(one: Any, other: Any) -> bool:
    return bool(np.array_equal(one, other))


def _layers(env: gymnasium.Env) -> Iterator[gymnasium.Wrapper]:
    """Yield the wrappers around an environment, outermost first."""
    while isinstance(env, gymnasium.Wrapper):
        yield env
        env = env.env


def _time_limit(env: gymnasium.Env) -> int | None:
    """Return the steps after which an environment truncates its episodes."""
    limits = [e._max_episode_steps for e in _layers(env) if isinstance(e, TimeLimit)]
    if limits:
        return min(limits)
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
    name = env.env_id if isinstance(env, Registered) else env
    task = TASKS.get(name) if isinstance(name, str) else None
    with contextlib.suppress(gymnasium.error.Error, ImportError):
        spec = gymnasium.spec(task.env_id if task else str(name))
        if str(spec.entry_point).startswith("gymnasium.envs.mujoco"):
            return {"camera_name": "track"}  # where the model has none, the view is the usual one
    return {}


def _made(env: EnvLike, **named: Any) -> gymnasium.Env:
    """Return an environment; `named` arguments go to `gymnasium.make`, where that makes it."""
    if isinstance(env, gymnasium.Env):
        return env
    maker = Registered(env) if isinstance(env, str) else env
    name = maker.env_id if isinstance(maker, Registered) else maker
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            made = maker(**named) if isinstance(maker, Registered) else maker()
    except Exception as error:  # whatever a user's environment raises
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        names = ", ".join(TASKS)
        hint = f"tasks are {names}; an id may name its module: my_module:MyEnv-v0"
        raise BadInput(f"{name}: cannot be made ({reason}); {hint}") from error
    if not isinstance(made, gymnasium.Env):
        raise BadInput(f"environment: found a {type(made).__name__}, expected a gymnasium.Env")
    return made


class Observed(gymnasium.Wrapper):
    """Remembers the last observation as the environment returned it."""

    observation: Any = None

    def reset(self, **options: Any) -> Any:
        """Start an episode."""
        result = self.env.reset(**options)
        self._remember(result)
        return result

    def step(self, action: Any) -> Any:
        """Take a step."""
        result = self.env.step(action)
        self._remember(result)
        return result

    def _remember(self, result: Any) -> None:
        # what returns something else is refused by `Environment`
        self.observation = result[0] if isinstance(result, tuple) and result else None


def observed(env: EnvLike) -> Observed:
    """Return the environment that `make` would make, with what it returned last.

    Raises:
        BadInput: it cannot be made.
    """
    return Observed(_made(env))
