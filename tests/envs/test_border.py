"""What crosses the border between the package and an environment that somebody else wrote."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict

from mgail_tf import checkpoint
from mgail_tf.envs.evaluation import evaluate, evaluate_random
from mgail_tf.envs.gym_env import make
from mgail_tf.envs.parallel import Collectors
from mgail_tf.envs.rollout import Collector
from mgail_tf.errors import BadInput
from mgail_tf.policies import experts


class Good(gymnasium.Env):
    observation_space = Box(-np.inf, np.inf, (2,), np.float32)
    action_space = Box(-2.0, 2.0, (1,), np.float32)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.s = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return self.s.copy(), {}

    def step(self, a):
        self.s = self.s + np.float32([0.1 * self.s[1], 0.3 * a[0]])
        return self.s.copy(), -float(self.s @ self.s), False, False, {}


class Wave:
    """A policy that moves the state."""

    def act(self, state, rng):
        return np.clip(-state[:1], -1.0, 1.0).astype(np.float32)


def limited(env_class) -> gymnasium.Env:
    return gymnasium.wrappers.TimeLimit(env_class(), 50)


class OwnBuffer(Good):
    """Returns one kept array, overwritten at every step, and writes over the action it is given."""

    def reset(self, seed=None, options=None):
        self.kept = np.zeros(2, np.float32)
        self.kept[:], info = super().reset(seed=seed)
        return self.kept, info

    def step(self, a):
        self.kept[:], *rest = super().step(a)
        a[:] = 99.0
        return self.kept, *rest


def test_arrays_are_not_shared_with_the_environment():
    shown = [experts.record(limited(kind), Wave(), 3, 0, False) for kind in (Good, OwnBuffer)]
    assert len(np.unique(shown[1].states, axis=0)) == len(shown[0].states) == 153
    for name in ("states", "actions", "rewards"):
        np.testing.assert_array_equal(getattr(shown[0], name), getattr(shown[1], name))
    scores = [evaluate(Wave(), limited(kind), 3) for kind in (Good, OwnBuffer)]
    assert scores[0] == scores[1]


class Float64(Good):
    """Refuses actions that its own space does not contain."""

    action_space = Box(-0.1, 0.1, (1,), np.float64)

    def step(self, a):
        assert self.action_space.contains(a) and a.base is None
        return super().step(a)


class ArrayRewards(Good):
    def step(self, a):
        state, reward, *rest = super().step(a)
        return state, np.array([reward]), *rest


class ZeroDimensional(Good):
    def step(self, a):
        state, reward, *rest = super().step(a)
        return list(state), np.array(reward), *rest


@pytest.mark.parametrize("kind", [Float64, ArrayRewards, ZeroDimensional])
def test_types_that_are_accepted(kind):
    assert np.isfinite(evaluate_random(limited(kind), 2, 0))


def broken(method, change):
    """Return an environment whose `method` returns something else."""

    def changed(self, *args, **kwargs):
        return change(*getattr(Good, method)(self, *args, **kwargs))

    return type("Broken", (Good,), {method: changed})


@pytest.mark.parametrize(
    ("method", "change", "field"),
    [
        ("reset", lambda state, info: state, "reset"),
        ("reset", lambda state, info: (None, info), "state"),
        ("reset", lambda state, info: ({"a": state}, info), "state"),
        ("reset", lambda state, info: ([[1.0], [1.0, 2.0]], info), "state"),
        ("step", lambda state, reward, *rest: (state, reward, False, {}), "step"),
        ("step", lambda state, reward, *rest: None, "step"),
        ("step", lambda state, reward, *rest: (state, None, *rest), "reward"),
        ("step", lambda state, reward, *rest: (state, [1.0, 2.0], *rest), "reward"),
        ("step", lambda state, reward, *rest: (state, np.nan, *rest), "reward"),
        ("step", lambda state, reward, *rest: (np.append(state, 0.0), reward, *rest), "state"),
        ("step", lambda state, reward, *rest: (state * np.inf, reward, *rest), "state"),
    ],
)
def test_what_an_environment_returns_wrongly_is_one_line(method, change, field):
    with pytest.raises(BadInput) as error:
        evaluate(Wave(), broken(method, change)(), 1)
    assert str(error.value).startswith(f"Broken: {field}: ") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "space",
    [
        Box(-np.finfo(np.float32).max, np.finfo(np.float32).max, (1,), np.float32),
        Box(-np.inf, 1.0, (1,), np.float32),
        Box(-1.0, 1e9, (1,), np.float64),
        Box(0, 5, (1,), np.int64),
        Dict({"a": Box(-1.0, 1.0, (1,))}),
    ],
    ids=str,
)
def test_action_space_that_cannot_be_scaled_is_refused(space):
    kind = type("Odd", (Good,), {"action_space": space})
    with pytest.raises(BadInput, match=r"^Odd: action space [^\n]*expected"):
        make(kind(), 0)


def seeded(generator):
    """Return an environment that makes its own generator of its seed."""

    def reset(self, seed=None, options=None):
        if seed is not None:
            self.np_random = generator(seed)
        self.s = np.float32([self.np_random.uniform(-1, 1) for _ in range(2)])
        return self.s.copy(), {}

    return type("Seeded", (Good,), {"reset": reset})


@pytest.mark.parametrize(
    "generator",
    [
        np.random.RandomState,
        lambda seed: np.random.Generator(np.random.MT19937(seed)),
        lambda seed: np.random.Generator(np.random.Philox(seed)),
    ],
    ids=["RandomState", "MT19937", "Philox"],
)
def test_other_generators_resume_exactly(tmp_path, generator):
    def collector():
        return Collector(make(limited(seeded(generator)), 3), np.random.default_rng(0))

    whole, stopped, resumed = collector(), collector(), collector()
    for one in (whole, stopped):
        one.collect(Wave(), 130)
    checkpoint.write(tmp_path / "c.npz", stopped.state_dict())
    resumed.load_state_dict(checkpoint.read(tmp_path / "c.npz"))
    for a, b in zip(whole.collect(Wave(), 120), resumed.collect(Wave(), 120), strict=True):
        np.testing.assert_array_equal(a.states, b.states)


def test_a_generator_that_cannot_be_saved_is_said_once():
    class Own:
        def uniform(self, low, high):
            return low

    collector = Collector(make(limited(seeded(lambda seed: Own())), 0), np.random.default_rng(0))
    with pytest.warns(UserWarning, match=r"Seeded.*Own.*resumed") as said:
        collector.collect(Wave(), 200)
    assert len(said) == 1


class Closing(Good):
    open_ones = 0

    def __init__(self):
        Closing.open_ones += 1

    def close(self):
        Closing.open_ones -= 1


def test_environments_that_were_made_here_are_closed():
    Closing.open_ones = 0
    evaluate(Wave(), Closing, 1)
    evaluate_random(Closing, 1, 0)
    make(Closing, 0)
    collectors = Collectors(Closing, 0, num_envs=3)
    collectors.collect(Wave(), 9)
    assert Closing.open_ones == 3
    del collectors
    assert Closing.open_ones == 0
    mine = Closing()
    collectors = Collectors(mine, 0, num_envs=3)  # with two copies
    Closing.open_ones = 3
    del collectors
    assert Closing.open_ones == 1  # mine
    evaluate(Wave(), mine, 1)
    assert Closing.open_ones == 0  # the copy of it was closed, mine was not
    mine.reset(seed=0)


def test_nothing_forbids_rendering():
    """MuJoCo reads MUJOCO_GL when it is imported: it is a user's to set."""
    code = (
        "import os; os.environ.pop('MUJOCO_GL', None); import mgail_tf as mg; "
        "mg.make('hopper', 0).reset(); print(os.environ.get('MUJOCO_GL'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"
