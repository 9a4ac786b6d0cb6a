"""Scores: which episodes count as successes, and what is drawn apart from the environment."""

import math

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box
from gymnasium.wrappers import TimeLimit

import mgail_tf as mg
from mgail_tf.envs.evaluation import UniformPolicy
from tests.toys import LinearExpert


class _Disturbed(gymnasium.Env):
    """Adds a draw of its own generator to every action, and pays their product."""

    observation_space = Box(-9.0, 9.0, (1,))
    action_space = Box(-1.0, 1.0, (1,))

    def __init__(self, infos=({},)):
        self._infos, self._episode = infos, -1

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self._episode += 1
        return np.zeros(1), {}

    def step(self, action):
        reward = float(action[0] * self.np_random.uniform(-1, 1))
        return np.zeros(1), reward, False, False, self._infos[self._episode % len(self._infos)]


@pytest.mark.parametrize(
    ("infos", "rate"),
    [
        (({"is_success": True}, {}, {}, {}), 0.25),  # it says so of successes only
        (({"success": np.array([False])}, {}), 0.0),
        (({}, {"other": 1}), math.nan),
    ],
)
def test_an_episode_that_does_not_tell_of_success_is_none_where_others_tell(infos, rate):
    env = TimeLimit(_Disturbed(infos), 5)
    score = mg.evaluate(UniformPolicy(mg.make(env, 0).spec, 0), env, 8)
    np.testing.assert_equal(score.success_rate, rate)


def test_random_actions_are_not_the_environments_own_draws():
    env = TimeLimit(_Disturbed(), 1000)
    score = mg.evaluate(UniformPolicy(mg.make(env, 3).spec, 3), env, 5, seed=3)
    # a sum of 1000 products with a variance of a ninth; the same draws would make it 333
    assert abs(score.return_mean) < 40


def test_samples_are_drawn_apart_from_the_environment():
    class Sampling(LinearExpert):
        def act(self, state, rng):
            return rng.uniform(-1, 1, 1).astype(np.float32)

    env = TimeLimit(_Disturbed(), 1000)
    score = mg.evaluate(Sampling(), env, 5, seed=3, mode="stochastic")
    assert abs(score.return_mean) < 40
