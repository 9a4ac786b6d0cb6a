"""The collector: whole episodes and parts of them, and the same again after a checkpoint."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from mgail_tf import checkpoint
from mgail_tf.data.normaliser import Normaliser
from mgail_tf.data.replay import ReplayBuffer
from mgail_tf.envs.gym_env import make
from mgail_tf.envs.rollout import Collector, growing_limit
from tests.toys import LinearExpert, Random


class _Constant:
    """A policy that always draws the same sample, and remembers how it was asked."""

    def __init__(self, *sample):
        self.sample, self.asked = np.array(sample, np.float32), []

    def act(self, state, rng):
        self.asked.append(rng)
        return self.sample


class _Echo(gymnasium.Env):
    """Returns the action that it was given as its next state."""

    observation_space = Box(-9.0, 9.0, (2,))
    action_space = Box(np.array([-2, 1], np.float32), np.array([2, 3], np.float32))

    def reset(self, seed=None, options=None):
        return np.zeros(2), {}

    def step(self, action):
        return action, 0.0, False, False, {}


gymnasium.register("ToyEcho-v0", _Echo, max_episode_steps=9)


def _collector(task="ToyLinear-v0", seed=0):
    return Collector(make(task, seed), np.random.default_rng(seed))


# -- episodes and their parts ----------------------------------------------------------------


@pytest.mark.parametrize("task", ["ToyLinear-v0", "CartPole-v1"])
def test_collect_takes_exactly_as_many_steps(task):
    collector = _collector(task)
    policy = _Constant(0.1) if task == "ToyLinear-v0" else _Constant(0.0, 1.0)
    for total, steps in ((37, 37), (137, 100), (138, 1), (168, 30)):
        episodes = collector.collect(policy, steps)
        assert sum(len(e.actions) for e in episodes) == steps
        assert collector.env_steps == total == len(policy.asked)
    for e in episodes:
        assert len(e.states) == len(e.actions) + 1 == len(e.samples) + 1 == len(e.rewards) + 1


def test_episode_cut_by_the_budget_is_continued_where_it_was():
    collector = _collector()
    (first,) = collector.collect(LinearExpert(), 30, stochastic=False)
    rest, following = collector.collect(LinearExpert(), 30, stochastic=False)
    assert (first.continued, rest.continued, following.continued) == (False, True, False)
    assert (len(rest.actions), len(following.actions)) == (20, 10)
    np.testing.assert_array_equal(rest.states[0], first.states[-1])
    assert (first.truncated, rest.truncated, following.truncated) == (False, True, False)
    whole = _collector().run_episode(LinearExpert(), stochastic=False)
    np.testing.assert_array_equal(np.concatenate([first.states, rest.states[1:]]), whole.states)


def test_episode_that_ends_with_the_budget_is_not_continued():
    collector = _collector()
    (first,) = collector.collect(LinearExpert(), 50)
    (following,) = collector.collect(LinearExpert(), 1)
    assert first.truncated and not following.continued
    assert np.abs(following.states[0] - first.states[-1]).max() > 1e-3


def test_finished_returns_are_of_whole_episodes():
    collector = _collector()
    parts = [e for _ in range(8) for e in collector.collect(LinearExpert(), 31)]
    rewards = np.concatenate([e.rewards for e in parts])[:200].reshape(4, 50)
    assert [length for _, length in collector.finished] == [50] * 4
    np.testing.assert_allclose([r for r, _ in collector.finished], rewards.sum(1), rtol=1e-12)
    assert len(set(rewards.sum(1))) == 4


def test_actions_are_stored_as_applied_and_samples_as_drawn():
    episode = _collector("ToyEcho-v0").run_episode(_Constant(3.0, 0.5), stochastic=False)
    np.testing.assert_array_equal(episode.samples, np.tile([3.0, 0.5], (9, 1)))
    np.testing.assert_array_equal(episode.actions, np.tile([2.0, 2.5], (9, 1)))
    np.testing.assert_array_equal(episode.states[1:], episode.actions)  # what it got


def test_time_limit_truncates_and_does_not_terminate():
    episode = _collector().run_episode(LinearExpert(), stochastic=False)
    assert (episode.terminated, episode.truncated, len(episode.actions)) == (False, True, 50)


def test_end_of_the_task_terminates_and_does_not_truncate():
    episode = _collector("CartPole-v1").run_episode(_Constant(0.0, 1.0), stochastic=False)
    assert (episode.terminated, episode.truncated) == (True, False)
    assert np.abs(episode.states[-1, 2]) > 0.2094  # the pole fell: 12 degrees
    assert np.abs(episode.states[:-1, 2]).max() <= 0.2095


def test_limit_cuts_episodes_off_as_a_time_limit_does():
    collector = _collector()
    collector.limit = 20
    episodes = collector.collect(LinearExpert(), 30) + collector.collect(LinearExpert(), 30)
    lengths = [len(e.actions) for e in episodes]
    assert (lengths, [e.truncated for e in episodes]) == (
        [20, 10, 10, 20],
        [True, False, True, True],
    )
    assert not any(e.terminated for e in episodes)


def test_growing_limit_is_the_first_one_over_the_share_of_the_run_that_is_left():
    assert [growing_limit(10, p) for p in (0.0, 0.5, 0.9)] == [10, 20, 100]
    assert growing_limit(None, 0.5) is None


def test_run_episode_starts_anew_and_leaves_nothing_open():
    collector = _collector()
    (part,) = collector.collect(LinearExpert(), 20)
    whole = collector.run_episode(LinearExpert(), stochastic=False)
    (after,) = collector.collect(LinearExpert(), 5)
    assert (whole.continued, after.continued) == (False, False)
    assert len(whole.actions) == 50
    assert np.abs(whole.states[0] - part.states[-1]).max() > 1e-3
    np.testing.assert_allclose(collector.finished, [(whole.rewards.sum(), 50)])


def test_deterministic_rollouts_give_the_policy_no_generator():
    policy, collector = _Constant(0.0), _collector()
    collector.collect(policy, 2, stochastic=False)
    collector.collect(policy, 2)
    assert [rng is None for rng in policy.asked] == [True, True, False, False]


def test_same_seed_gives_the_same_rollout_and_another_does_not():
    policy = Random(make("ToyLinear-v0", 0).spec)
    first, again, other = (_collector(seed=s).collect(policy, 60)[1] for s in (0, 0, 1))
    np.testing.assert_equal(first, again)
    assert np.abs(first.states - other.states).min(axis=1).max() > 1e-3


def test_collected_parts_are_joined_in_the_buffer(rng):
    """End to end: a stretch drawn from a continued episode is the toy's own consecutive states."""
    collector, length = _collector(), 6
    spec = collector.env.spec
    buffer = ReplayBuffer(1000, spec, Normaliser(np.zeros(2), np.ones(2), 1e9))
    states = []
    for _ in range(4):
        for episode in collector.collect(Random(spec), 12):
            buffer.add(episode)
            states += list(episode.states[int(episode.continued) :])
    states = np.array(states)
    drawn = buffer.sample_sequences(rng, 1, 200, length)
    full = drawn.mask[0].all(0)
    assert full.sum() > 150
    for stretch in drawn.states[0].transpose(1, 0, 2)[full]:
        (at,) = np.flatnonzero((states == stretch[0]).all(1))
        np.testing.assert_array_equal(stretch, states[at : at + length + 1])


# -- checkpoints -----------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["cartpole", "hopper", "ToyLinear-v0"])
@pytest.mark.parametrize("steps", [0, 7, 120])
def test_collector_goes_on_in_the_middle_of_an_episode(tmp_path, task, steps):
    whole, resumed = (Collector(make(task, 3), np.random.default_rng(5)) for _ in range(2))
    policy = Random(whole.env.spec)
    whole.collect(policy, steps)
    checkpoint.write(tmp_path / "collector.npz", whole.state_dict())
    resumed.load_state_dict(checkpoint.read(tmp_path / "collector.npz"))
    for _ in range(2):  # and again, with the same object as it has become
        np.testing.assert_equal(resumed.collect(policy, 200), whole.collect(policy, 200))
        np.testing.assert_equal(resumed.state_dict(), whole.state_dict())
        resumed.load_state_dict(whole.state_dict())


def test_an_interrupted_episode_is_not_continued():
    collector, policy = _collector(), _Constant(0.5)
    collector.collect(policy, 2)
    interrupted = _Constant(0.5)
    interrupted.act = _interrupt
    with pytest.raises(KeyboardInterrupt):
        collector.collect(interrupted, 2)
    assert not collector.collect(policy, 1)[0].continued


def _interrupt(state, rng):
    raise KeyboardInterrupt


def test_an_open_episode_that_another_one_took_over_is_left():
    shared = gymnasium.make("ToyLinear-v0")
    first, second = (Collector(make(shared, seed), np.random.default_rng(0)) for seed in (0, 1))
    first.collect(LinearExpert(), 20)
    second.collect(LinearExpert(), 10)
    with pytest.warns(UserWarning, match="something else resets too.*a function that makes it"):
        (begun,) = first.collect(LinearExpert(), 5)
    assert not begun.continued and first.length == 5
    first.collect(LinearExpert(), 5)  # nobody else has reset it since, which is no warning
    assert first.length == 10
