"""The cost of the time after a task's end, by hand-worked numbers."""

import numpy as np
import pytest

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
    ("cost", "agent", "expected"),
    [
        ("neg_log_expert", None, 0.0),  # never seen of the agent: it is the expert's mark
        ("neg_log_expert", episode(200, False, True), 0.0),
        ("neg_log_expert", episode(3), 0.0),  # half as often: D = 1/3
        ("neg_log_expert", episode(2), 0.0),  # as often as the expert: D = 1/2
        ("neg_log_expert", episode(1), np.log(2)),  # twice as often: D = 2/3
        ("log_d", episode(1), np.log(2 / 3)),
        ("log_d", episode(3), np.log(1 / 3)),
    ],
)
def test_where_the_expert_ends_itself_the_end_is_judged_as_any_state(cost, agent, expected):
    judged = TerminationCost(ends((2, True)), cost, 0.5, None)  # a share of 1/4
    if agent:
        judged.add(agent)
    assert judged.value() == pytest.approx(expected, rel=0.01)


def test_judged_cost_is_at_most_that_of_failure():
    slow = TerminationCost(ends((10, True)), "neg_log_expert", 0.5, None)
    slow.add(episode(1))  # (0.5 + 0.001) / (2^-10 + 0.001) = 253
    assert slow.value() == FAILURE < np.log(253)


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
