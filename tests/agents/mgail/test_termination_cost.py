"""The cost of the time after a task's end, by hand-worked numbers."""

import numpy as np
import pytest

from mgail_tf import checkpoint
from mgail_tf.absorbing import EndCost, Ends, ends_of
from mgail_tf.types import Episode


def episode(length, terminated=True, truncated=False, continued=False):
    rows = np.zeros((length + 1, 2), np.float32)
    actions = np.zeros((length, 1), np.float32)
    return Episode(rows, actions, actions, np.zeros(length), terminated, truncated, continued)


def ends(*pairs) -> Ends:
    return ends_of([episode(n, end, not end) for n, end in pairs])


def test_share_is_gamma_to_the_length_where_the_task_ended():
    assert ends((2, True), (3, False)).share(0.5) == 0.125  # (1/4 + 0) / 2
    assert ends((1, True), (3, True)).share(0.5) == 0.3125  # (1/2 + 1/8) / 2


@pytest.mark.parametrize("expert", [None, ends((1000, False)), ends((90, True), (100, False))])
def test_where_the_expert_is_mostly_cut_off_ending_is_failure(expert):
    cost = EndCost(expert, "neg_log_expert", 0.99, 4.0)
    for length in (20, 1000):
        cost.add(episode(length))
        assert cost.value() == 4.0


def test_where_the_expert_ends_itself_the_end_is_judged_as_any_state():
    shown = ends((2, True))  # share 1/4 at gamma 1/2

    def after(*agents, cost="neg_log_expert"):
        judged = EndCost(shown, cost, 0.5, 4.0)
        for agent in agents:
            judged.add(agent)
        return judged.value()

    assert after() == 0.0  # never seen of the agent: it is the expert's mark
    assert after(episode(200, False, True)) == 0.0
    assert after(episode(3)) == 0.0  # half as often: D = 1/3
    assert after(episode(2)) == 0.0  # as often as the expert: D = 1/2
    assert after(episode(1)) == pytest.approx(np.log(2), rel=0.01)  # twice as often: D = 2/3
    assert after(episode(1), cost="log_d") == pytest.approx(np.log(2 / 3), rel=0.01)
    assert after(episode(3), cost="log_d") == pytest.approx(np.log(1 / 3), rel=0.01)
    assert after(episode(1), cost="logit") == pytest.approx(np.log(2), rel=0.01)
    assert after(episode(3), cost="logit") == pytest.approx(np.log(1 / 2), rel=0.01)
    slow = EndCost(ends((10, True)), "neg_log_expert", 0.5, 4.0)
    slow.add(episode(1))  # (0.5 + 0.001) / (2^-10 + 0.001) = 253
    assert slow.value() == 4.0  # log 253 is more


def test_parts_of_an_episode_are_joined_the_last_ten_count_and_a_checkpoint_keeps_them(tmp_path):
    made = [EndCost(ends((5, True)), "neg_log_expert", 0.5, 9.0) for _ in range(3)]
    parts, whole, resumed = made
    for _ in range(2):
        whole.add(episode(1))
    for _ in range(10):
        whole.add(episode(4))
        parts.add(episode(3, terminated=False))
        parts.add(episode(1, continued=True))
    assert parts.value() == whole.value() == pytest.approx(np.log(2), rel=0.03)
    whole.add(episode(2, terminated=False))
    checkpoint.save(tmp_path, 0, whole.state())
    resumed.restore(checkpoint.load(tmp_path))
    for cost in (whole, resumed):
        cost.add(episode(3, continued=True))
    assert resumed.value() == whole.value() < 0.65
