"""Environments by object, function, name or id: their specs, their units, and what is refused."""

import json

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, MultiDiscrete
from gymnasium.wrappers import NormalizeReward, TimeLimit

from mgail_tf.envs import gym_env
from mgail_tf.envs.gym_env import copy_of, make
from mgail_tf.errors import BadInput
from tests.checks import refusal
from tests.toys import AtOnce, Linear, Uncopied, linear

ONES = np.ones(3, np.float32)


class _Uneven(Linear):
    """An action space whose middle is not zero and whose components differ."""

    action_space = Box(np.array([-1, 0], np.float32), np.array([3, 10], np.float32))

    def step(self, action):
        self.got = action
        return np.zeros(2), 0.0, False, False, {}


class _Unbounded(Linear):
    action_space = Box(-np.inf, np.inf, (1,))


class _ManyActions(Linear):
    action_space = MultiDiscrete([2, 3])


class _Scalar(Linear):
    action_space = Box(-1.0, 1.0, ())


class _UnevenMatrix(Linear):
    """Large, and with different bounds: it prints on several lines."""

    observation_space = Box(
        -np.outer(np.ones(99), np.arange(1.0, 100.0)), 10 * np.eye(99), dtype=np.float64
    )


class _BlindAtOnce(Linear):
    def reset(self, seed=None, options=None):
        return np.array([0.0, np.inf]), {}


for _name, _toy in (
    ("ToyUneven-v0", _Uneven),
    ("ToyUnbounded-v0", _Unbounded),
    ("ToyManyActions-v0", _ManyActions),
    ("ToyUnevenMatrix-v0", _UnevenMatrix),
    ("ToyBlindAtOnce-v0", _BlindAtOnce),
):
    gymnasium.register(_name, _toy)


def _ends(env, sample, steps):
    """Return (terminated, truncated) of so many steps from a reset."""
    env.reset()
    return [env.step(sample)[3:] for _ in range(steps)]


# -- what an environment may be --------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "env_id", "states", "actions", "discrete", "max_steps"),
    [
        ("cartpole", "CartPole-v1", 4, 2, True, 200),
        ("mountaincar", "MountainCar-v0", 2, 3, True, 200),
        ("acrobot", "Acrobot-v1", 6, 3, True, 500),
        ("hopper", "Hopper-v5", 11, 3, False, 1000),
        ("walker2d", "Walker2d-v5", 17, 6, False, 1000),
        ("halfcheetah", "HalfCheetah-v5", 17, 6, False, 1000),
        ("ant", "Ant-v5", 105, 8, False, 1000),
        ("humanoid", "Humanoid-v5", 348, 17, False, 1000),
        ("Pendulum-v1", "Pendulum-v1", 3, 1, False, 200),
        ("CartPole-v1", "CartPole-v1", 4, 2, True, 500),
        ("ToyUneven-v0", "ToyUneven-v0", 2, 2, False, 10_000),
        (linear(), "Linear", 2, 1, False, 50),
        (NormalizeReward(TimeLimit(AtOnce(), 7)), "AtOnce", 3, 1, True, 7),
        (_Uneven(), "_Uneven", 2, 2, False, 10_000),
        (gymnasium.make("Pendulum-v1"), "Pendulum-v1", 3, 1, False, 200),
        (gymnasium.make("Pendulum-v1", max_episode_steps=9), "Pendulum-v1", 3, 1, False, 9),
        (linear, "Linear", 2, 1, False, 50),
        (lambda: gymnasium.make("CartPole-v1"), "CartPole-v1", 4, 2, True, 500),
    ],
)
def test_spec_of_an_environment(task, env_id, states, actions, discrete, max_steps):
    env = make(task, 0)
    spec = env.spec
    found = (spec.env_id, spec.state_size, spec.action_size, spec.discrete, spec.max_steps)
    assert found == (env_id, states, actions, discrete, max_steps)
    assert spec.action_low.shape == spec.action_high.shape == (actions,)
    state = env.reset()
    assert (state.shape, state.dtype) == ((states,), np.float32)
    sample = np.eye(actions, dtype=np.float32)[0]
    applied, state, reward, terminated, truncated = env.step(sample)
    assert (state.shape, state.dtype, applied.shape) == ((states,), np.float32, (actions,))
    assert (type(reward), type(terminated), type(truncated)) == (float, bool, bool)


def test_copy_of_an_object_is_as_far_along_and_stepped_apart():
    env = linear()
    env.reset(seed=0)
    copied = copy_of(env)
    first = copied.step([0.5])
    assert copied.step([0.5])[0].tolist() != first[0].tolist()
    np.testing.assert_equal(env.step([0.5]), first)
    assert copy_of(TimeLimit(Uncopied(), 50)) is None
    assert (copy_of("hopper"), copy_of(linear)) == ("hopper", linear)  # which make others anyway


# -- units -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "bound"), [("hopper", 1.0), ("ant", 1.0), ("humanoid", 0.4), ("Pendulum-v1", 2.0)]
)
def test_samples_are_scaled_to_the_action_space_and_clipped(task, bound):
    env = make(task, 0)
    env.reset()
    size, bound = env.spec.action_size, np.float32(bound)
    for sample, expected in ((1.0, 1.0), (-0.5, -0.5), (0.0, 0.0), (5.0, 1.0), (-7.0, -1.0)):
        applied = env.step(np.full(size, sample, np.float32))[0]
        np.testing.assert_array_equal(applied, np.full(size, expected * bound))
        assert applied.dtype == np.float32
    np.testing.assert_array_equal(env.spec.action_scale, np.full(size, bound))
    np.testing.assert_array_equal(env.spec.action_shift, np.zeros(size))


@pytest.mark.parametrize(
    ("sample", "expected"),
    [([-1, -1], [-1, 0]), ([0, 0], [1, 5]), ([0.5, -0.2], [2, 4]), ([1, 2], [3, 10])],
)
def test_uneven_action_space_is_shifted_and_scaled(sample, expected):
    env = make("ToyUneven-v0", 0)
    env.reset()
    applied = env.step(np.array(sample, np.float32))[0]
    np.testing.assert_allclose(applied, expected, atol=1e-6)
    np.testing.assert_array_equal(env._env.unwrapped.got, applied)
    np.testing.assert_allclose(env.spec.scale_actions(applied), np.clip(sample, -1, 1))


def test_action_with_one_value_is_scaled_both_ways():
    env = make("ToyEndless-v0", 0)
    env.reset()
    applied = env.step(np.array([0.5, -3.0], np.float32))[0]
    np.testing.assert_array_equal(applied, [1.0, 0.5])
    np.testing.assert_array_equal(env.spec.scale_actions(applied), [0.5, 0.0])


def test_one_hot_samples_are_left_alone():
    spec = make("cartpole", 0).spec
    one_hot = np.eye(2, dtype=np.float32)
    np.testing.assert_array_equal(spec.scale_actions(one_hot), one_hot)


def test_discrete_actions_counted_from_one_are_handled():
    """The toy asserts that it gets a 1."""
    env = make("ToyAtOnce-v0", 0)
    env.reset()
    applied, state, reward, terminated, truncated = env.step(np.ones(1, np.float32))
    np.testing.assert_array_equal(applied, [1.0])
    np.testing.assert_array_equal(state, ONES)
    assert (reward, terminated, truncated) == (1.0, True, False)


def test_one_hot_samples_choose_their_action():
    """MountainCar's car is pushed to the left, not at all, or to the right."""
    speeds = []
    for action in np.eye(3, dtype=np.float32):
        env = make("mountaincar", 3)
        position = env.reset()[0]
        speeds.append(env.step(action)[1][1])
    gravity = -0.0025 * np.cos(3 * position)
    np.testing.assert_allclose(speeds, np.array([-0.001, 0.0, 0.001]) + gravity, atol=1e-7)


# -- time limits and seeds -------------------------------------------------------------------


@pytest.mark.parametrize(("task", "limit"), [("mountaincar", 200), ("acrobot", 500)])
def test_the_papers_time_limit_truncates(task, limit):
    env = make(task, 0)
    idle = np.eye(env.spec.action_size, dtype=np.float32)[1]
    assert _ends(env, idle, limit) == [(False, False)] * (limit - 1) + [(False, True)]


def test_of_two_time_limits_the_shorter_one_counts():
    for inner, outer in ((20, 30), (30, 20)):
        env = make(lambda a=inner, b=outer: TimeLimit(TimeLimit(Linear(), a), b), 0)
        assert env.spec.max_steps == 20


def test_endless_episodes_are_cut_off(monkeypatch):
    monkeypatch.setattr(gym_env, "LONGEST_EPISODE", 80)
    env = make("ToyEndless-v0", 0)
    assert env.spec.max_steps == 80
    ends = _ends(env, np.zeros(2, np.float32), 80)
    assert ends == [(False, False)] * 79 + [(False, True)]


def test_seed_fixes_the_first_episode_and_leaves_the_next_ones_different():
    first, again, other = (make("hopper", seed) for seed in (4, 4, 5))
    starts = [[env.reset() for _ in range(3)] for env in (first, again, other)]
    np.testing.assert_array_equal(starts[0], starts[1])
    assert np.abs(np.subtract(starts[0], starts[2])).max(axis=1).min() > 1e-4
    assert np.abs(starts[0][0] - starts[0][1]).max() > 1e-4


# -- what it was made with -------------------------------------------------------------------


class _Rewarded(Linear):
    def __init__(self, reward=None, weights=None):
        self.reward, self.weights = reward, weights


gymnasium.register("ToyRewarded-v0", _Rewarded, max_episode_steps=50)


def test_keyword_arguments_are_described_alike_in_every_process():
    weights = np.arange(2000.0)
    env = gymnasium.make("ToyRewarded-v0", reward=_ends, weights=weights)
    described = json.loads(make(env, 0).spec.env_kwargs)
    assert described == {"reward": "<function _ends>", "weights": weights.tolist()}


def test_wrappers_that_may_change_what_an_environment_does_are_named():
    plain = gymnasium.wrappers.RecordEpisodeStatistics(gymnasium.make("Pendulum-v1"))
    assert make(plain, 0).spec.wrappers == ()
    scaled = gymnasium.wrappers.TransformReward(plain, lambda reward: reward / 10)
    assert make(scaled, 0).spec.wrappers == ("TransformReward",)


# -- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "named"),
    [
        ("NoSuch-v0", "NoSuch"),
        ("Hopper-v99", "Hopper"),
        ("Hopper-v2", "Hopper-v2"),
        ("nowhere/Env-v0", "nowhere"),
        ("no_such_module:Env-v0", "no_such_module"),
        ("not an id", "not an id"),
        ("hoper", "cartpole, "),  # the known ones
        ("", ""),
        ("ToySequence-v0", "observation space"),
        ("ToyImage-v0", "observation space"),
        ("ToyUnevenMatrix-v0", "observation space"),
        ("ToyUnbounded-v0", "action space"),
        ("ToyManyActions-v0", "action space"),
    ],
)
def test_environment_that_will_not_do_is_refused_in_one_line(task, named):
    assert named in f"{task}: {refusal(task, make, task, 0)}"


@pytest.mark.parametrize("env", [_Unbounded(), _ManyActions, _Scalar, lambda: 3, lambda: 1 // 0])
def test_object_or_function_that_will_not_do_is_refused_in_one_line(env):
    with pytest.raises(BadInput, match=r"^[^\n]+$"):
        make(env, 0)


@pytest.mark.parametrize(
    "task",
    [
        "ToyBlind-v0",  # a state that is not finite
        "ToyBlindAtOnce-v0",  # the first one
        "ToyGrows-v0",  # a state of another shape
        "ToyRich-v0",  # an infinite reward
        "ToyRaises-v0",
        "ToyNoReset-v0",
    ],
)
def test_environment_that_fails_is_refused_by_name(task):
    env = make(task, 0)
    refusal(task, _ends, env, np.zeros(1, np.float32), 1)
