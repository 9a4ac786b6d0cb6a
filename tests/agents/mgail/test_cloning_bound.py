"""Steps of cloning, where the policy errs by more than a cloned one, and what else is shown."""

import dataclasses

import numpy as np
import pytest

from mgail_tf.agents.mgail import rules
from mgail_tf.agents.mgail.agent import MGAIL
from mgail_tf.config.algorithms import BCConfig
from mgail_tf.errors import BadInput
from mgail_tf.networks.cloning import clone
from mgail_tf.networks.policy import cloning_error, policy_for, trunk
from mgail_tf.types import StateActions
from tests import toys
from tests.agents.mgail.test_agent import TINY


def _agent(shown, **changes):
    return MGAIL(toys.linear(), shown, dataclasses.replace(TINY, **changes))


@pytest.mark.parametrize(("bound", "share"), [(1e-6, 1.0), (1e6, 0.0)])
def test_policy_is_cloned_where_it_errs_by_more_than_the_bound(shown, bound, share):
    agent = _agent(shown, cloning_bound=bound)
    metrics = agent.update(agent.sample_batches())
    assert metrics["cloning_share"] == share
    learner, count = agent.learner, agent.config.updates_per_call
    steps = [int(x.iterations) for x in (learner.cloning_optimiser, learner.policy_optimiser)]
    assert steps == ([count, 0] if share else [0, count])


def test_agent_that_is_restored_among_steps_of_cloning_goes_on_bit_for_bit(
    shown, tmp_path, monkeypatch
):
    # what a cloned policy errs by: this one begins above it, and soon is about there
    cloning = "mgail_tf.agents.mgail.agent.clone"
    monkeypatch.setattr(cloning, lambda *found: clone(*found)._replace(error=0.085))
    config = {"cloning_bound": 1.0, "log_std": None, "updates_per_call": 5, "prefill_steps": 60}
    whole, stopped, resumed = (_agent(shown, **config) for _ in range(3))
    shares = [metrics["cloning_share"] for _, metrics in whole.iterate(140)]
    assert min(shares) < 1.0 and max(shares) > 0.0
    next(stopped.iterate(140))
    stopped.save(tmp_path / "agent.npz")
    resumed.restore(tmp_path / "agent.npz")
    assert [metrics["cloning_share"] for _, metrics in resumed.iterate(140)] == shares[1:]
    np.testing.assert_equal(resumed.state_dict(), whole.state_dict())


def test_cloned_steps_follow_the_demonstrations_alone(shown):
    """Whatever the discriminator says: its sign does not matter."""
    weights = []
    for cost in ("log_d", "neg_log_expert"):
        agent = _agent(shown, cloning_bound=1e-6, cost=cost)
        before = toys.action_error(agent.acting_policy)
        agent.update(agent.sample_batches())
        assert toys.action_error(agent.acting_policy) < before
        weights.append(np.concatenate([np.ravel(w) for w in agent.acting_policy.weights]))
    np.testing.assert_array_equal(*weights)


@pytest.mark.slow
def test_policy_stays_within_the_bound(shown):
    """The discriminator's wrong sign drives it away, and cloning holds it."""
    changes = {"cost": "log_d", "termination_cost": 4.0, "discriminator_learning_rate": 0.0}
    errors = []
    for bound in (None, 3.0):
        agent = _agent(shown, cloning_bound=bound, cloning_learning_rate=3e-3, **changes)
        for _ in agent.iterate(2000):
            pass
        errors.append(float(cloning_error(agent.learner.policy, *agent.expert)))
    cloned = clone(agent.spec, agent.expert, BCConfig(hidden=(32,), activation="tanh"), 0)
    assert errors[1] < 4.0 * cloned.error
    assert errors[0] > 3.0 * errors[1]


def test_error_of_a_gaussian_is_that_of_its_mean_alone(continuous):
    policy = policy_for(continuous, (4,), "tanh", 0)
    states = np.zeros((2, 3), np.float32)
    actions = np.asarray(policy(states)) + np.array([[0.3, 0.4], [0.0, 0.0]], np.float32)
    for log_std in (-3.0, 0.0):
        policy.log_std.assign([log_std, log_std])
        assert float(cloning_error(policy, states, actions)) == pytest.approx(0.125)


def test_held_out_error_is_small_where_pairs_say_enough(continuous, rng):
    states = rng.standard_normal((400, 3)).astype(np.float32)
    law = np.tanh(states[:, :2])
    noise = rng.uniform(-1.0, 1.0, law.shape).astype(np.float32)
    config = BCConfig(hidden=(32,), learning_rate=1e-2, max_epochs=200)
    learnt = clone(continuous, StateActions(states, law), config, 0)
    unlearnable = clone(continuous, StateActions(states, noise), config, 0)
    assert learnt.error < 0.05 and 0.5 < unlearnable.error < 1.0  # two components of variance 1/3


def test_held_out_error_of_discrete_actions_is_no_less_than_pairs_can_tell(discrete, rng):
    states = rng.standard_normal((20, 4)).astype(np.float32)
    actions = np.eye(3, dtype=np.float32)[(states[:, 0] > 0.0).astype(int)]
    config = BCConfig(hidden=(32,), learning_rate=1e-1, max_epochs=300)
    assert clone(discrete, StateActions(states, actions), config, 0).error >= 1.0 / 6


@pytest.mark.parametrize(
    ("error", "first"), [(0.0, 0.05), (2 * 0.0025, 0.1), (2 * 0.01, 0.15), (2.0, 0.15)]
)
def test_exploration_is_as_wide_as_a_clone_errs(error, first):
    begin, end = rules.exploration(error, 2)
    assert (np.exp(begin), np.exp(end)) == pytest.approx((first, first / 6))


def test_noise_of_a_run_is_given_or_follows_from_the_clone(shown):
    assert np.exp(_agent(shown).acting_policy.log_std) == pytest.approx(np.exp(-1.6))
    given = _agent(shown)
    config = BCConfig(hidden=(32,), activation="tanh")
    first, last = rules.exploration(clone(given.spec, given.expert, config, 0).error, 1)
    agent = _agent(shown, log_std=None)
    assert agent.acting_policy.log_std == pytest.approx(first, rel=1e-5)
    agent._anneal(1.0)
    assert agent.acting_policy.log_std == pytest.approx(last, rel=1e-5)


# -- a share of the run in which a clone acts ---------------------------------------------------


def _cloned(agent):
    """Return the weights of the clone that an agent like TINY fits to what is shown."""
    seen = agent.spec._replace(state_size=agent.expert.states.shape[1])
    config = BCConfig(hidden=(32,), activation="tanh")
    return trunk(clone(seen, agent.expert, config, 0).network).get_weights()


def test_a_clone_acts_before_the_first_update_and_is_scored_until_one_is_as_near(
    shown, monkeypatch
):
    """Here the policy never is: its steps are judged to be far off."""
    agent = _agent(shown, clone_share=0.2, prefill_steps=60, match_tolerance=0.03)
    acted = []
    collect, compare = agent._collector.collect, agent._safeguard._compare

    def watched(policy, steps):
        acted.append((agent.learner.updates, steps, policy.weights))
        return collect(policy, steps)

    def judged(recent):
        found = compare(recent)
        agent._safeguard.last = 0.1 if len(agent._safeguard.kept) == 0 else 0.2
        return found

    monkeypatch.setattr(agent._collector, "collect", watched)
    monkeypatch.setattr(agent._safeguard, "_compare", judged)
    for _ in agent.iterate(1000):
        pass
    cloned = _cloned(agent)
    (updates, steps, weights), *others = acted
    assert updates == 0 and steps == 188  # a fifth of what the random actions have left
    np.testing.assert_equal(list(weights), cloned)
    assert len(others) > 1
    assert not any(np.array_equal(weights[0], cloned[0]) for _, _, weights in others)
    np.testing.assert_equal(list(agent.policy.weights), cloned)
    assert agent._safeguard.own and not np.array_equal(agent._safeguard.own[0], cloned[0])
    # the discriminator takes no step of the clone's for the agent's
    buffer = agent.buffer
    np.testing.assert_equal(np.flatnonzero(~buffer._of_agent[: len(buffer)]), np.arange(60, 248))


@pytest.mark.parametrize(("share", "steps", "kept"), [(0.2, 40, True), (0.1, 10, False)])
def test_a_clone_goes_on_to_the_time_limit_where_that_is_not_far(shown, share, steps, kept):
    """The random actions end 10 steps into an episode of 50."""
    agent = _agent(shown, clone_share=share, prefill_steps=60, match_tolerance=0.03)
    assert next(agent.iterate(160))[0] == 60 + steps
    assert bool(agent._safeguard.kept) == kept
    assert agent._acts_since == 60 + steps


def test_policy_that_matches_as_well_as_the_clone_takes_its_place(shown, monkeypatch):
    agent = _agent(shown, clone_share=0.2, prefill_steps=60, match_tolerance=0.03)
    monkeypatch.setattr(agent._safeguard, "_compare", lambda _: True)
    agent._safeguard.last = 0.1
    for _ in agent.iterate(1000):
        pass
    np.testing.assert_equal(agent._safeguard.kept, agent._safeguard.own)
    assert not np.array_equal(agent.policy.weights[0], _cloned(agent)[0])


def test_a_clone_of_discrete_actions_acts_too(discrete):
    env = toys.Drawn(discrete)
    shown = toys.rolled_out(env, toys.Random(discrete), 8)
    agent = MGAIL(env, shown, dataclasses.replace(TINY, clone_share=0.5))
    np.testing.assert_equal(agent._clone_weights, _cloned(agent))


def test_agent_that_is_restored_after_the_clone_has_acted_goes_on_bit_for_bit(shown, tmp_path):
    changes = {"clone_share": 0.4, "prefill_steps": 60, "updates_per_call": 5}
    whole, stopped, resumed = (_agent(shown, **changes) for _ in range(3))
    steps = [steps for steps, _ in whole.iterate(160)]
    assert steps[0] == 60 + 40
    next(stopped.iterate(160))
    stopped.save(tmp_path / "agent.npz")
    resumed.restore(tmp_path / "agent.npz")
    assert [steps for steps, _ in resumed.iterate(160)] == steps[1:]
    np.testing.assert_equal(resumed.state_dict(), whole.state_dict())


def test_a_clone_leaves_a_step_to_learn_from(shown):
    agent = _agent(shown, clone_share=0.99, prefill_steps=60)
    assert [steps for steps, _ in agent.iterate(61)] == [60, 61]
    with pytest.raises(BadInput, match=r"^clone_share: found 0\.99, expected less than 0\.5"):
        next(_agent(shown, clone_share=0.99, prefill_steps=60).iterate(160))


# -- what the demonstrations' steps are good for -----------------------------------------------


def _is_shown(agent, sequences):
    """Return which stretches [calls, batch] begin in a demonstrated state."""
    demonstrated = {tuple(x) for x in agent.normaliser(agent.demonstrations.states).round(4)}
    starts = np.asarray(sequences.states)[:, -2].round(4)
    return np.array([[tuple(x) in demonstrated for x in row] for row in starts])


def test_a_share_of_all_stretches_is_demonstrated(shown):
    agent = _agent(shown, demonstrated_share=0.25, value_targets="both")
    batches = agent.sample_batches()
    for sequences, size in (
        (batches.sequences, agent.config.model_batch),
        (batches.starts, agent.config.policy_batch),
        (batches.recorded, agent.config.policy_batch),
    ):
        found = _is_shown(agent, sequences)
        assert found.shape[1] == size
        assert found[:, -size // 4 :].all()
        assert found[:, : -size // 4].mean() < 0.1  # a reset of both may be the same


def test_pairs_without_what_follows_them_are_no_stretches(shown):
    agent = _agent(shown.sample(every=2), demonstrated_share=0.25)
    assert _is_shown(agent, agent.sample_batches().sequences).mean() < 0.1


def test_recorded_episodes_are_whole_episodes(shown):
    agent = _agent(shown)
    ends = dataclasses.replace(shown, terminated=np.arange(len(shown)) == 0)
    for recorded in (True, False):
        demonstrations = dataclasses.replace(ends, ends_recorded=recorded)
        steps = demonstrations.recorded_episodes(agent.spec)
        assert [len(e.actions) for e in steps] == list(shown.lengths)
        assert [e.terminated for e in steps] == [recorded] + [False] * (len(shown) - 1)
        np.testing.assert_array_equal(np.concatenate([e.states for e in steps]), shown.states)
        np.testing.assert_array_equal(np.concatenate([e.actions for e in steps]), shown.actions)
