"""GAIL: it imitates, pays with the sign that is asked for, and reads no reward."""

import dataclasses

import numpy as np
import pytest

from mgail_tf.agents.gail import GAIL
from mgail_tf.config.algorithms import GAILConfig
from mgail_tf.envs.gym_env import make
from mgail_tf.envs.rollout import Collector
from tests import toys

TINY = GAILConfig(
    batch_steps=(1000,),
    hidden=(16,),
    value_epochs=5,
    discriminator_hidden=(32,),
    discriminator_learning_rate=1e-3,
    discriminator_batch=64,
    discriminator_steps=20,
    compile="graph",
)


@pytest.mark.slow
def test_gail_imitates_the_linear_expert(shown):
    agent = GAIL(toys.linear(), shown, TINY)
    *_, (steps, metrics) = agent.iterate(20_000)
    assert steps == 20_000
    assert toys.action_error(agent.policy) < 0.6  # the mean action is 0.9
    assert 0.5 < metrics["discriminator_accuracy"] < 0.9


@pytest.mark.parametrize(
    ("cost", "reward"), [("log_d", -np.log(0.75)), ("neg_log_expert", -np.log(4))]
)
def test_gail_pays_for_fooling_the_discriminator_with_the_sign_that_is_asked_for(
    shown, cost, reward
):
    agent = GAIL(toys.linear(), shown, dataclasses.replace(TINY, cost=cost))
    weights = [np.zeros_like(w) for w in agent.discriminator.get_weights()]
    weights[-1][:] = np.log(3.0)  # D = P(agent) = 3/4 everywhere
    agent.discriminator.set_weights(weights)
    np.testing.assert_allclose(agent.rewards(agent.expert), np.full(250, reward), rtol=1e-6)


@pytest.mark.slow
def test_gail_never_reads_the_environments_reward(shown):
    few = dataclasses.replace(TINY, cg_iterations=2, discriminator_steps=2)

    def updated(blind):
        agent = GAIL(toys.linear(), shown, few)
        collector = Collector(make(toys.linear(), 0), np.random.default_rng(0))
        for _ in range(2):
            batch = collector.collect(agent.policy, 200)
            if blind:
                batch = [e._replace(rewards=np.full(len(e.rewards), np.nan)) for e in batch]
            metrics = agent.update(batch, 1.0)
        return metrics

    found = updated(True)
    assert found == updated(False)
    assert all(np.isfinite(value) for value in found.values())
