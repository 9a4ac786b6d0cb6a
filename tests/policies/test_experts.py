"""Recording: controllers of every kind, what they are given, and what goes wrong in them."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from mgail_tf.errors import BadInput
from mgail_tf.policies import experts
from tests import toys
from tests.checks import refusal


class _Predicts:
    """As a model of Stable-Baselines3."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return toys.expert_action(observation), None


@pytest.mark.parametrize("controller", [toys.expert_action, _Predicts()], ids=["function", "SB3"])
def test_controller_is_recorded_with_what_the_environment_returned(controller):
    toys.register()
    shown = experts.record(toys.linear(), controller, 3, seed=4)
    assert (len(shown), len(shown.actions)) == (3, 150)
    before = np.concatenate([s[:-1] for s in np.split(shown.states, 3)])
    np.testing.assert_allclose(shown.actions, toys.expert_action(before), rtol=1e-5, atol=1e-6)
    assert not shown.terminated.any() and shown.env_id == "Linear"
    for env in (toys.linear(), toys.linear):
        assert experts.record(env, controller, 3, seed=4).sha256 == shown.sha256
    assert experts.record(toys.linear(), controller, 3, seed=5).sha256 != shown.sha256
    assert experts.record("ToyLinear-v0", controller, 1).env_id == "ToyLinear-v0"


def test_controller_may_look_into_the_environment_that_it_is_given():
    env, looked = toys.linear(), []

    def controller(observation):
        state = env.unwrapped._state
        np.testing.assert_allclose(observation, state, rtol=1e-5)
        looked.append(observation.dtype)
        return toys.expert_action(state)

    assert len(experts.record(env, controller, 2)) == 2
    assert looked == [np.dtype(np.float32)] * 100  # as the environment returns it
    env.reset()  # it is not closed


class Counted(gymnasium.Env):
    """Two of three discrete actions, counted from 5."""

    observation_space = Box(-1.0, 1.0, (1,))
    action_space = gymnasium.spaces.Discrete(3, start=5)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self._steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert action in (5, 7)
        self._steps += 1
        return np.ones(1, np.float32), 1.0, self._steps == 4, False, {}


@pytest.mark.parametrize("kind", [int, np.int64, lambda x: np.array([x]), lambda x: np.array(x)])
def test_discrete_actions_are_the_environments_own_numbers(kind):
    shown = experts.record(Counted(), lambda observation: kind(5 if observation[0] else 7), 2)
    assert shown.actions.tolist() == [7, 5, 5, 5] * 2
    assert shown.terminated.all() and shown.return_mean == 4.0


def test_policy_of_this_package_acts_as_sampled_or_not():
    sampled, again = (experts.record(toys.linear(), toys.LinearExpert(), 2, seed=1) for _ in "ab")
    assert sampled.sha256 == again.sha256
    modes = experts.record(toys.linear(), toys.LinearExpert(), 2, seed=1, stochastic=False)
    before = np.concatenate([s[:-1] for s in np.split(modes.states, 2)])
    np.testing.assert_allclose(modes.actions, toys.expert_action(before), rtol=1e-5, atol=1e-6)
    assert modes.sha256 != sampled.sha256


def test_actions_outside_the_bounds_are_recorded_as_applied():
    shown = experts.record(toys.linear(), lambda observation: [9.0], 1)
    assert (shown.actions == 2.0).all()


class _Acting:
    """An agent of another package."""

    def act(self, observation):
        return [0.0]


@pytest.mark.parametrize(
    ("policy", "named"),
    [
        (lambda observation: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda observation: observation["x"], "IndexError: "),
        (lambda: 1, "TypeError: "),
        (lambda observation: None, "found None, expected an action [1] of Linear"),
        (lambda observation: "left", "found 'left', expected an action"),
        (lambda observation: [1.0, 2.0], "found [1.0, 2.0], expected an action"),
        (lambda observation: [np.nan], "found [nan], expected an action"),
        (3, "found a int, expected a function"),
        (None, "found a NoneType, expected a function"),
        (_Acting(), "_Acting: found act(observation), expected act(state, rng)"),
    ],
)
def test_what_goes_wrong_in_a_controller_is_one_line(policy, named):
    assert refusal("policy", experts.record, toys.linear(), policy, 1).startswith(named)


@pytest.mark.parametrize("action", [1.0, 4, 8, -1, True, [5, 6], None, "5"])
def test_what_is_no_discrete_action_is_one_line(action):
    found = refusal("policy", experts.record, Counted(), lambda observation: action, 1)
    assert "expected the number of an action of Counted" in found


def test_a_policy_for_each_step_is_recorded():
    class Alternating:
        def at(self, step):
            return self

        act = toys.LinearExpert().act

    shown = experts.record(toys.linear(), Alternating(), 1, seed=1)
    assert shown.sha256 == experts.record(toys.linear(), toys.LinearExpert(), 1, seed=1).sha256


def test_no_episode_is_refused():
    with pytest.raises(BadInput, match="found 0"):
        experts.expert_demonstrations("cartpole", episodes=0)
    assert "found 0" in refusal("record", experts.record, toys.linear(), toys.expert_action, 0)
