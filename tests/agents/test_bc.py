"""Behavioural cloning: it imitates, stops in time, and takes as few pairs as there are."""

import numpy as np
import pytest

from mgail_tf.agents.bc import BC
from mgail_tf.config.algorithms import BCConfig
from tests import toys


@pytest.mark.slow
def test_cloning_imitates_the_linear_expert_and_stops_at_its_best(shown):
    agent = BC(toys.linear(), shown, BCConfig(learning_rate=3e-3))
    assert len(agent._fit.train.states) == 175 and len(agent._fit.held_out.states) == 75
    losses, kernels = [], []
    for epoch, metrics in agent.iterate():
        losses.append(metrics["held_out_loss"])
        kernels.append(agent.policy.weights[0])
        assert (epoch, metrics["best_held_out_loss"]) == (len(losses), min(losses))
    best = np.argmin(losses)
    assert len(losses) == 1 + best + agent.config.patience
    np.testing.assert_array_equal(agent.policy.weights[0], kernels[best])
    assert toys.action_error(agent.policy) < 0.2
    assert list(agent.iterate()) == []


@pytest.mark.parametrize(("steps", "train", "held"), [(1, 1, 1), (2, 1, 1), (3, 2, 1)])
def test_few_pairs_are_on_both_sides(shown, steps, train, held):
    few = shown.sample(1, every=50 // steps)
    agent = BC(toys.linear(), few, BCConfig(max_epochs=3))
    states, _ = few.pairs(agent.spec)
    rows = len(states)
    assert rows == steps
    assert (len(agent._fit.train.states), len(agent._fit.held_out.states)) == (train, held)
    assert len(list(agent.iterate())) == 3
    assert all(np.isfinite(w).all() for w in agent.policy.weights)


def test_epochs_are_at_most_as_many_as_asked(shown):
    agent = BC(toys.linear(), shown, BCConfig(max_epochs=9))
    assert [epoch for epoch, _ in agent.iterate(4)] == [1, 2, 3, 4]
    agent = BC(toys.linear(), shown, BCConfig(max_epochs=9))
    assert [epoch for epoch, _ in agent.iterate()][-1] == 9
