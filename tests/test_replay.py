"""The replay buffer and the collector, checked by states that say where they come from."""

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box

from mgail_tf import envs, replay
from mgail_tf.normaliser import Normaliser
from mgail_tf.replay import ReplayBuffer
from mgail_tf.rollout import Collector
from mgail_tf.types import Episode, Spec
from tests.toys import LinearExpert

SPEC = Spec(
    "Some-v0", 2, 1, False, np.array([-2.0], np.float32), np.array([2.0], np.float32), 0
)  # actions are halved by standardisation
IDENTITY = Normaliser(np.zeros(2), np.ones(2), 1e9)
LENGTH = 6


def _part(number, start, stop, terminated=False, truncated=False):
    """Return steps start to stop of an episode: state [number, step], action 2 x its code."""
    steps = np.arange(start, stop + 1)
    states = np.stack([np.full_like(steps, number), steps], 1).astype(np.float32)
    actions = 2.0 * (100 * number + steps[:-1, None]).astype(np.float32)
    return Episode(
        states, actions, actions, np.zeros(stop - start), terminated, truncated, start > 0
    )


class _Filled:
    """A buffer, and by brute force the steps (episode, step) that it should hold, in order."""

    def __init__(self, capacity, parts):
        self.buffer = ReplayBuffer(capacity, SPEC, IDENTITY)
        steps, self.ends = [], set()
        for part in parts:
            self.buffer.add(part)
            steps += [(int(n), int(t)) for n, t in part.states[:-1]]
            if part.terminated:
                self.ends.add(steps[-1])
        self.held = steps[-capacity:]

    def stretch(self, last, length):
        """Return the held steps of the same episode up to `last`, at most `length` of them."""
        steps = [(last[0], t) for t in range(last[1] - length + 1, last[1] + 1)]
        return [step for step in steps if step in self.held]


BUFFERS = {
    "half empty": (100, [_part(0, 0, 9, terminated=True), _part(1, 0, 4), _part(2, 0, 7)]),
    "one after another": (
        1000,
        [_part(n, 0, 3 + n % 8, n % 2 == 0, n % 2 == 1) for n in range(12)],
    ),
    "wrapped around": (
        23,
        [_part(n, 0, 3 + n % 8, n % 2 == 0, n % 2 == 1) for n in range(12)],
    ),
    "continued": (
        100,
        [
            _part(0, 0, 4),
            _part(0, 4, 5),
            _part(0, 5, 11, terminated=True),
            _part(1, 0, 7, truncated=True),
            _part(2, 0, 2),
            _part(2, 2, 9),
        ],
    ),
    "continued and wrapped around": (
        17,
        [
            _part(0, 0, 9, terminated=True),
            _part(1, 0, 6),
            _part(1, 6, 13),
            _part(1, 13, 15, terminated=True),
            _part(2, 0, 3),
        ],
    ),
    "smaller than an episode": (5, [_part(0, 0, 3, True), _part(1, 0, 12, terminated=True)]),
    "smaller than a stretch": (4, [_part(0, 0, 12), _part(0, 12, 18, terminated=True)]),
    "smaller than an episode that goes on": (7, [_part(0, 0, 17), _part(0, 17, 20)]),
}


@pytest.fixture(params=BUFFERS, name="filled")
def _filled(request):
    return _Filled(*BUFFERS[request.param])


def _columns(sequences):
    """Yield (states [L+1, 2], codes [L], terminated [L], mask [L]) of every stretch."""
    states, actions, terminated, mask = sequences
    for k in range(states.shape[0]):
        for b in range(states.shape[2]):
            yield states[k, :, b], actions[k, :, b, 0], terminated[k, :, b], mask[k, :, b]


def _sequences(filled, rng):
    return filled.buffer.sample_sequences(rng, 20, 50, LENGTH)


def test_buffer_holds_the_last_steps_up_to_its_capacity(filled, rng):
    assert len(filled.buffer) == len(filled.held)
    drawn = filled.buffer.sample(rng, (40, 50))
    found = {(int(n), int(t)) for n, t in drawn.states.reshape(-1, 2)}
    assert found == set(filled.held)


def test_transitions_belong_together(filled, rng):
    drawn = filled.buffer.sample(rng, (40, 50))
    assert drawn.states.shape == (40, 50, 2)
    codes = drawn.states @ np.array([100, 1])
    np.testing.assert_array_equal(drawn.actions, codes[..., None])


def test_sequences_have_their_shapes(filled, rng):
    states, actions, terminated, mask = _sequences(filled, rng)
    assert states.shape == (20, LENGTH + 1, 50, 2)
    assert actions.shape == (20, LENGTH, 50, 1)
    assert terminated.shape == mask.shape == (20, LENGTH, 50)
    assert {x.dtype for x in (states, actions, terminated, mask)} == {np.dtype(np.float32)}


def test_sequences_are_every_held_step_of_one_episode_up_to_the_last(filled, rng):
    for states, codes, _, mask in _columns(_sequences(filled, rng)):
        recorded = states[:-1][mask == 1]
        last = tuple(int(x) for x in states[-2])
        expected = filled.stretch(last, LENGTH)
        assert [(int(n), int(t)) for n, t in recorded] == expected
        np.testing.assert_array_equal(codes[mask == 1], recorded @ np.array([100, 1]))
        np.testing.assert_array_equal(states[-1], states[-2] + np.array([0, 1]))


def test_padding_comes_only_before_the_recorded_steps(filled, rng):
    for _, _, _, mask in _columns(_sequences(filled, rng)):
        assert set(mask) <= {0.0, 1.0}
        assert mask[-1] == 1
        assert (np.diff(mask) >= 0).all()


def test_terminated_is_set_at_the_ends_of_tasks_alone(filled, rng):
    seen = set()
    for states, _, terminated, mask in _columns(_sequences(filled, rng)):
        for (number, step), ended in zip(
            states[:-1][mask == 1], terminated[mask == 1], strict=True
        ):
            assert ended == ((int(number), int(step)) in filled.ends)
            if ended:
                seen.add((int(number), int(step)))
    assert seen == filled.ends & set(filled.held)


def test_every_held_step_is_as_often_the_last(filled, rng):
    lasts = [tuple(states[-2]) for states, *_ in _columns(_sequences(filled, rng))]
    counts = np.array([lasts.count(step) for step in filled.held])
    assert counts.sum() == 1000
    mean = 1000 / len(counts)
    assert np.abs(counts - mean).max() < 5 * np.sqrt(mean)
    assert counts.min() > 0


@pytest.mark.parametrize("recent", [1, 4, 23, 500])
def test_recent_draws_every_one_of_the_last_steps_and_no_other(recent, rng):
    filled = _Filled(*BUFFERS["wrapped around"])
    drawn = filled.buffer.sample(rng, (2000,), recent)
    found = {(int(n), int(t)) for n, t in drawn.states}
    assert found == set(filled.held[-recent:])


def test_recent_sequences_end_with_the_last_steps_but_reach_back_before_them(rng):
    filled = _Filled(*BUFFERS["wrapped around"])
    drawn = filled.buffer.sample_sequences(rng, 20, 50, LENGTH, 4)
    lasts = {tuple(int(x) for x in states[-2]) for states, *_ in _columns(drawn)}
    assert lasts == set(filled.held[-4:])
    for states, _, _, mask in _columns(drawn):
        steps = [(int(n), int(t)) for n, t in states[:-1][mask == 1]]
        assert steps == filled.stretch(steps[-1], LENGTH)


def test_recent_counts_in_a_buffer_that_is_not_full(rng):
    filled = _Filled(*BUFFERS["half empty"])
    drawn = filled.buffer.sample(rng, (2000,), 3)
    assert {(int(n), int(t)) for n, t in drawn.states} == {(2, 4), (2, 5), (2, 6)}


def test_a_share_of_the_stretches_is_from_just_before_the_last_ends(filled, rng, monkeypatch):
    monkeypatch.setattr(replay, "ENDS", 2)
    monkeypatch.setattr(replay, "BEFORE_END", 3)
    drawn = filled.buffer.sample_sequences(rng, 200, 8, LENGTH, before_end=0.25)
    lasts = drawn.states[:, -2].astype(int)  # [200, 8, 2]
    ends = [step for step in filled.held if step in filled.ends][-2:]
    before = {step for end in ends for step in filled.stretch(end, 3)} or set(filled.held)
    assert {tuple(step) for step in lasts[:, :2].reshape(-1, 2)} == before
    assert {tuple(step) for step in lasts[:, 2:].reshape(-1, 2)} == set(filled.held)
    for states, _, _, mask in _columns(drawn):
        steps = [(int(n), int(t)) for n, t in states[:-1][mask == 1]]
        assert steps == filled.stretch(steps[-1], LENGTH)


def test_states_are_standardised_when_sampled(rng):
    buffer = ReplayBuffer(10, SPEC, Normaliser(np.array([1.0, 2.0]), np.array([2.0, 4.0]), 1.5))
    buffer.add(_part(7, 4, 5))
    drawn = buffer.sample(rng, (1,))
    np.testing.assert_array_equal(drawn.states, [[1.5, 0.5]])  # (7 - 1) / 2 is clipped
    sequence = buffer.sample_sequences(rng, 1, 1, 1)
    np.testing.assert_array_equal(sequence.states, [[[[1.5, 0.5]], [[1.5, 0.75]]]])


# -- the collector ---------------------------------------------------------------------------


class _Constant:
    """An actor that always draws the same sample, and remembers how it was asked."""

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


class _Noisy:
    def act(self, state, rng):
        return rng.standard_normal(1, dtype=np.float32)


def _collector(task="ToyLinear-v0", seed=0):
    return Collector(envs.make(task, seed), np.random.default_rng(seed))


@pytest.mark.parametrize("task", ["ToyLinear-v0", "CartPole-v1"])
def test_collect_takes_exactly_as_many_steps(task):
    collector = _collector(task)
    actor = _Constant(0.1) if task == "ToyLinear-v0" else _Constant(0.0, 1.0)
    for total, steps in ((37, 37), (137, 100), (138, 1), (168, 30)):
        episodes = collector.collect(actor, steps)
        assert sum(len(e.actions) for e in episodes) == steps
        assert collector.env_steps == total == len(actor.asked)
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


def test_run_episode_starts_anew_and_leaves_nothing_open():
    collector = _collector()
    (part,) = collector.collect(LinearExpert(), 20)
    whole = collector.run_episode(LinearExpert(), stochastic=False)
    (after,) = collector.collect(LinearExpert(), 5)
    assert (whole.continued, after.continued) == (False, False)
    assert len(whole.actions) == 50
    assert np.abs(whole.states[0] - part.states[-1]).max() > 1e-3
    np.testing.assert_allclose(collector.finished, [(whole.rewards.sum(), 50)])


def test_deterministic_rollouts_give_the_actor_no_generator():
    actor = _Constant(0.0)
    collector = _collector()
    collector.collect(actor, 2, stochastic=False)
    collector.collect(actor, 2)
    assert [rng is None for rng in actor.asked] == [True, True, False, False]


def test_same_seed_gives_the_same_rollout_and_another_does_not():
    first, again, other = (_collector(seed=s).collect(_Noisy(), 60)[1] for s in (0, 0, 1))
    np.testing.assert_array_equal(first.states, again.states)
    np.testing.assert_array_equal(first.samples, again.samples)
    assert np.abs(first.states - other.states).min(axis=1).max() > 1e-3


def test_collected_parts_are_joined_in_the_buffer(rng):
    """End to end: a stretch drawn from a continued episode is the toy's own consecutive states."""
    collector = _collector()
    spec = collector.env.spec
    buffer = ReplayBuffer(1000, spec, IDENTITY)
    states = []
    for _ in range(4):
        for episode in collector.collect(_Noisy(), 12):
            buffer.add(episode)
            states += list(episode.states[int(episode.continued) :])
    states = np.array(states)
    drawn = buffer.sample_sequences(rng, 1, 200, LENGTH)
    full = drawn.mask[0].all(0)
    assert full.sum() > 150
    for stretch in drawn.states[0].transpose(1, 0, 2)[full]:
        (at,) = np.flatnonzero((states == stretch[0]).all(1))
        np.testing.assert_array_equal(stretch, states[at : at + LENGTH + 1])
