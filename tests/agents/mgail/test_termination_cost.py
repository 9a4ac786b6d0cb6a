"""The cost of the time after a task's end, by hand-worked numbers."""

import numpy as np
import pytest
import tensorflow as tf

from mgail_tf import checkpoint
from mgail_tf.agents.mgail.termination_cost import (
    FAILURE,
    TerminationCost,
    Terminations,
    terminations_of,
)
from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.types import Episode


def episode(length, terminated=True, truncated=False, continued=False):
    rows = np.zeros((length + 1, 2), np.float32)
    actions = np.zeros((length, 1), np.float32)
    return Episode(rows, actions, actions, np.zeros(length), terminated, truncated, continued)


def ends(*pairs) -> Terminations:
    return Terminations(*(np.array(column) for column in zip(*pairs, strict=True)))


def test_demonstrations_say_how_their_episodes_ended():
    shown = Demonstrations.from_arrays(
        [np.zeros((n + 1, 2)) for n in (2, 3)],
        [np.zeros((n, 1)) for n in (2, 3)],
        terminated=[True, False],
    )
    np.testing.assert_equal(terminations_of(shown), ends((2, True), (3, False)))


def test_share_is_gamma_to_the_length_where_the_task_ended():
    assert ends((2, True), (3, False)).share(0.5) == 0.125  # (1/4 + 0) / 2
    assert ends((1, True), (3, True)).share(0.5) == 0.3125  # (1/2 + 1/8) / 2


@pytest.mark.parametrize(
    ("expert", "fixed", "expected"),
    [
        (ends((1000, False)), None, FAILURE),
        (ends((90, True), (100, False)), None, FAILURE),
        (ends((90, True), (80, True), (85, True), (100, False)), None, FAILURE),
        (ends((1000, False)), 1.5, 1.5),
        (ends((2, True)), 1.5, 1.5),  # whatever is demonstrated
        (ends((2, True)), 0.0, 0.0),
    ],
)
def test_where_the_expert_is_mostly_cut_off_or_a_number_is_set_the_cost_is_fixed(
    expert, fixed, expected
):
    cost = TerminationCost(expert, "neg_log_expert", 0.99, fixed)
    for length in (20, 1000):
        cost.add(episode(length))
        assert cost.value() == expected


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (None, np.log(0.001 / 0.251)),  # never seen of the agent
        (episode(200, False, True), np.log(0.001 / 0.251)),
        (episode(3), np.log(0.126 / 0.251)),
        (episode(2), 0.0),  # as often as the expert
        (episode(1), np.log(0.501 / 0.251)),
    ],
)
def test_where_the_expert_ends_itself_the_value_is_the_logit_of_the_shares_of_time(agent, expected):
    judged = TerminationCost(ends((2, True)), "neg_log_expert", 0.5, None)  # a share of 1/4
    assert judged.judged
    if agent:
        judged.add(agent)
    assert judged.value() == pytest.approx(expected, abs=0.01)


def test_the_logit_of_the_shares_is_bounded():
    slow = TerminationCost(ends((10, True)), "neg_log_expert", 0.5, None)
    slow.add(episode(1))  # (0.5 + 0.001) / (2^-10 + 0.001) = 253
    assert slow.value() == 2.0 < np.log(253)


ONE, FOUR = ends((2, True)), ends(*[(2, True)] * 4)  # the bound on WHERE: 0 and log(5 / 2)


@pytest.mark.parametrize(
    ("shown", "kind", "value", "where", "expected"),
    [
        (ONE, "neg_log_expert", 0.7, 9.0, 0.7),  # one end does not say where
        (ONE, "neg_log_expert", -0.7, 9.0, 0.0),
        (ONE, "log_d", 0.7, 9.0, -np.log1p(np.exp(-0.7))),
        (FOUR, "neg_log_expert", -0.2, 0.5, 0.3 + 1.5 * np.tanh(0.25)),
        (FOUR, "neg_log_expert", 0.3, 9.0, 0.3 + np.log(2.5) + 1.5 * np.tanh(np.log(2.5) / 2)),
        (FOUR, "neg_log_expert", 0.3, -0.2, 0.1),  # a right place makes up for an early end
        (FOUR, "log_d", 0.3, -0.2, -np.log1p(np.exp(-0.1))),
    ],
)
def test_a_judged_end_costs_by_when_and_where_it_is(shown, kind, value, where, expected):
    cost = TerminationCost(shown, kind, 0.5, None)
    found = cost.at(tf.constant(value), tf.constant([[where]]), tf.constant(1.5))
    np.testing.assert_allclose(found, [[expected]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("living", "expected"), [(0.7, 4.0), (3.0, 5.0), (-1.0, 4.0)])
def test_failure_costs_more_than_living(living, expected):
    cost = TerminationCost(ends((1000, False)), "neg_log_expert", 0.99, None)
    assert cost.at(tf.constant(cost.value()), None, tf.constant(living)) == expected
    fixed = TerminationCost(ends((1000, False)), "neg_log_expert", 0.99, 1.5)
    assert fixed.at(tf.constant(fixed.value()), None, tf.constant(living)) == 1.5


def test_ends_of_others_are_not_the_agents_but_their_steps_may_be_of_its_episode():
    mixed, own = (TerminationCost(ends((5, True)), "neg_log_expert", 0.5, None) for _ in range(2))
    mixed.add(episode(1), of_agent=False)
    assert mixed.value() == own.value()
    mixed.add(episode(3, terminated=False), of_agent=False)
    mixed.add(episode(1, continued=True))
    own.add(episode(4))
    assert mixed.value() == own.value()


def test_parts_of_an_episode_are_joined_the_last_ten_count_and_a_checkpoint_keeps_them(tmp_path):
    parts, whole, resumed = (
        TerminationCost(ends((5, True)), "neg_log_expert", 0.5, None) for _ in range(3)
    )
    for _ in range(2):
        whole.add(episode(1))
    for _ in range(10):
        whole.add(episode(4))
        parts.add(episode(3, terminated=False))
        parts.add(episode(1, continued=True))
    assert parts.value() == whole.value() == pytest.approx(np.log(2), rel=0.03)
    whole.add(episode(2, terminated=False))
    checkpoint.save(tmp_path, 0, whole.state_dict())
    resumed.load_state_dict(checkpoint.load(tmp_path))
    for cost in (whole, resumed):
        cost.add(episode(3, continued=True))
    assert resumed.value() == whole.value() < 0.65
