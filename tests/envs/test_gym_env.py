"""Environments by name or id: their specs, their units, and what is refused."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, MultiDiscrete

from mgail_tf import envs
from mgail_tf.types import BadInput
from tests.toys import Linear

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


class _UnevenMatrix(Linear):
    """A matrix with different bounds, which prints on several lines."""

    observation_space = Box(
        -np.outer(ONES, [1, 2, 3]).astype(np.float32), 10 * np.eye(3, dtype="f")
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
    ],
)
def test_spec_of_an_environment(task, env_id, states, actions, discrete, max_steps):
    env = envs.make(task, 0)
    spec = env.spec
    found = (spec.env_id, spec.state_size, spec.action_size, spec.discrete, spec.max_steps)
    assert found == (env_id, states, actions, discrete, max_steps)
    assert spec.action_low.shape == spec.action_high.shape == (actions,)
    assert envs.env_id_of(task) == env_id
    state = env.reset()
    assert (state.shape, state.dtype) == ((states,), np.float32)
    sample = np.eye(actions, dtype=np.float32)[0]
    applied, state, reward, terminated, truncated = env.step(sample)
    assert (state.shape, state.dtype, applied.shape) == ((states,), np.float32, (actions,))
    assert (type(reward), type(terminated), type(truncated)) == (float, bool, bool)


@pytest.mark.parametrize(
    ("task", "bound"), [("hopper", 1.0), ("ant", 1.0), ("humanoid", 0.4), ("Pendulum-v1", 2.0)]
)
def test_samples_are_scaled_to_the_action_space_and_clipped(task, bound):
    env = envs.make(task, 0)
    env.reset()
    size, bound = env.spec.action_size, np.float32(bound)
    for sample, expected in ((1.0, 1.0), (-0.5, -0.5), (0.0, 0.0), (5.0, 1.0), (-7.0, -1.0)):
        applied = env.step(np.full(size, sample, np.float32))[0]
        np.testing.assert_array_equal(applied, np.full(size, expected * bound))
        assert applied.dtype == np.float32
    np.testing.assert_array_equal(env.spec.action_scale, np.full(size, bound))
    np.testing.assert_array_equal(env.spec.action_shift, np.zeros(size))


def test_uneven_action_space_is_shifted_and_scaled():
    env = envs.make("ToyUneven-v0", 0)
    env.reset()
    for sample, expected in (
        ([-1, -1], [-1, 0]),
        ([0, 0], [1, 5]),
        ([0.5, -0.2], [2, 4]),
        ([1, 2], [3, 10]),
    ):
        applied = env.step(np.array(sample, np.float32))[0]
        np.testing.assert_allclose(applied, expected, atol=1e-6)
        np.testing.assert_array_equal(env._env.unwrapped.got, applied)
        np.testing.assert_allclose(env.spec.scale_actions(applied), np.clip(sample, -1, 1))


def test_one_hot_samples_are_left_alone():
    spec = envs.make("cartpole", 0).spec
    one_hot = np.eye(2, dtype=np.float32)
    np.testing.assert_array_equal(spec.scale_actions(one_hot), one_hot)


def test_discrete_actions_counted_from_one_are_handled():
    """The toy asserts that it gets a 1."""
    env = envs.make("ToyAtOnce-v0", 0)
    env.reset()
    applied, state, reward, terminated, truncated = env.step(np.ones(1, np.float32))
    np.testing.assert_array_equal(applied, [1.0])
    np.testing.assert_array_equal(state, ONES)
    assert (reward, terminated, truncated) == (1.0, True, False)


def test_one_hot_samples_choose_their_action():
    """MountainCar's car is pushed to the left, not at all, or to the right."""
    speeds = []
    for action in np.eye(3, dtype=np.float32):
        env = envs.make("mountaincar", 3)
        position = env.reset()[0]
        speeds.append(env.step(action)[1][1])
    gravity = -0.0025 * np.cos(3 * position)
    np.testing.assert_allclose(speeds, np.array([-0.001, 0.0, 0.001]) + gravity, atol=1e-7)


@pytest.mark.parametrize(("task", "limit"), [("mountaincar", 200), ("acrobot", 500)])
def test_the_papers_time_limit_truncates(task, limit):
    env = envs.make(task, 0)
    env.reset()
    idle = np.eye(env.spec.action_size, dtype=np.float32)[1]
    ends = [env.step(idle)[3:] for _ in range(limit)]
    assert ends == [(False, False)] * (limit - 1) + [(False, True)]


def test_seed_fixes_the_first_episode_and_leaves_the_next_ones_different():
    first, again, other = (envs.make("hopper", seed) for seed in (4, 4, 5))
    starts = [[env.reset() for _ in range(3)] for env in (first, again, other)]
    np.testing.assert_array_equal(starts[0], starts[1])
    assert np.abs(np.subtract(starts[0], starts[2])).max(axis=1).min() > 1e-4
    assert np.abs(starts[0][0] - starts[0][1]).max() > 1e-4


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("NoSuch-v0", "NoSuch"),
        ("Hopper-v99", "Hopper"),
        ("Hopper-v2", "Hopper-v2"),
        ("nowhere/Env-v0", "nowhere"),
        ("no_such_module:Env-v0", "no_such_module"),
        ("not an id", "not an id"),
        ("", "cannot be made"),
        ("FrozenLake-v1", "observation space is Discrete"),
        ("ToyDict-v0", "observation space is Dict"),
        ("ToyImage-v0", "observation space is Box"),
        ("ToyUnevenMatrix-v0", "observation space is Box"),
        ("ToyUnbounded-v0", "action space is unbounded"),
        ("ToyManyActions-v0", "action space is MultiDiscrete"),
    ],
)
def test_environment_that_will_not_do_is_refused_in_one_line(task, expected):
    with pytest.raises(BadInput) as refused:
        envs.make(task, 0)
    message = str(refused.value)
    assert message.startswith(f"{task}: ") and expected in message
    assert "\n" not in message


def test_refusal_of_an_unknown_id_names_the_tasks():
    with pytest.raises(BadInput, match=r"tasks are cartpole, .*, humanoid$"):
        envs.make("hoper", 0)


def test_states_that_are_not_finite_are_refused_by_name():
    env = envs.make("ToyBlind-v0", 0)
    env.reset()
    with pytest.raises(BadInput, match=r"^ToyBlind-v0: .* not finite$"):
        env.step(np.zeros(1, np.float32))


def test_first_state_that_is_not_finite_is_refused_by_name():
    with pytest.raises(BadInput, match=r"^ToyBlindAtOnce-v0: .* not finite$"):
        envs.make("ToyBlindAtOnce-v0", 0).reset()
