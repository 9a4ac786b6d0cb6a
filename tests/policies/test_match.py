"""How well behaviour matches demonstrations: 0 for the same, more for what is further away."""

import dataclasses
import math

import numpy as np
import pytest

import mgail_tf as mg
from mgail_tf.envs.gym_env import make
from mgail_tf.envs.rollout import RandomPolicy
from mgail_tf.policies import experts
from mgail_tf.policies.match import Match, compare
from tests import toys


def _match(policy, demos, **options):
    return mg.match(policy, toys.linear(), demos, episodes=5, **options)


@pytest.fixture(scope="module")
def demos():
    return toys.rolled_out(toys.linear(), toys.LinearExpert(), 10)


class Worse:
    """The linear expert with a share of its gain."""

    def __init__(self, share):
        self._share = share

    def act(self, state, rng):
        return self._share * toys.LinearExpert().act(state, rng)


def test_the_expert_matches_itself_and_random_actions_do_not(demos):
    same = _match(toys.LinearExpert(), demos, mode="stochastic")
    random = _match(RandomPolicy(make(toys.linear(), 0).spec, 0.5), demos, mode="stochastic")
    assert same.pair_distance < 0.25 and same.classifier_accuracy < 0.65
    assert random.pair_distance > 0.4 and random.classifier_accuracy > 0.8
    assert same.distance < 0.15 < random.distance
    assert same.length_mean == same.shown_length_mean == 50.0


def test_the_distance_grows_with_the_error(demos):
    found = [_match(Worse(share), demos).distance for share in (1.0, 0.3, 0.05, -0.2)]
    assert found == sorted(found) and found[-1] > 2 * found[0]


def test_units_do_not_matter(demos):
    spec = make(toys.linear(), 0).spec
    rolled = []
    mg.evaluate(Worse(0.5), toys.linear(), 5, seen=rolled.append)
    expected = compare(rolled, demos, spec)
    scaled = dataclasses.replace(demos, states=demos.states * np.array([1e-4, 1e4], np.float32))
    rolled = [e._replace(states=e.states * np.array([1e-4, 1e4], np.float32)) for e in rolled]
    np.testing.assert_allclose(compare(rolled, scaled, spec), expected, rtol=1e-3, atol=1e-3)


def test_length_and_ends_count():
    near = Match(0.1, 0.1, 0.5, 100.0, 100.0, 0.0, 0.0)
    short, ends = near._replace(length_mean=20.0), near._replace(terminated=1.0)
    assert math.isclose(near.distance, 0.05)
    assert math.isclose(short.distance, 0.25) and math.isclose(ends.distance, 0.3)


def test_few_pairs_and_discrete_actions_will_do():
    shown = mg.expert_demonstrations("cartpole").sample(1)
    spec = make("cartpole", 0).spec
    found = mg.match(experts.load("cartpole", spec), "cartpole", shown, episodes=2)
    assert found.distance < 0.3 and 0.5 <= found.classifier_accuracy <= 1.0
    one = toys.rolled_out("ToyAtOnce-v0", toys.Random(make("ToyAtOnce-v0", 0).spec), 1)
    same = mg.match(
        RandomPolicy(make("ToyAtOnce-v0", 0).spec, 1.0), "ToyAtOnce-v0", one, episodes=1
    )
    assert same.distance == 0.0


def test_what_does_not_fit_is_refused(demos):
    with pytest.raises(mg.BadInput, match=r"^demonstrations: found a str"):
        mg.match(toys.LinearExpert(), toys.linear(), "mine.npz")
    with pytest.raises(mg.BadInput, match="states: size"):
        mg.match(toys.LinearExpert(), "cartpole", dataclasses.replace(demos, env_id=""))
    with pytest.raises(mg.BadInput, match=r"^match: found no episode"):
        compare([], demos, make(toys.linear(), 0).spec)


def test_held_out_demonstrations_are_none_of_those_that_are_learnt_from(demos):
    for seed in range(5):
        learnt, held = demos.sample(7, seed=seed), demos.held_out(3, seed)
        first = {*learnt.states[::51, 0].tolist(), *held.states[::51, 0].tolist()}
        assert len(learnt) + len(held) == 10 == len(first)
    with pytest.raises(mg.BadInput, match="held_out: found 11, expected 1 to 10"):
        demos.held_out(11)
