"""The benchmark times what it says: every way of updating does the same."""

import dataclasses
import sys
from types import SimpleNamespace

import benchmark
import numpy as np
import pytest
import tensorflow as tf

import mgail_tf as mg
from mgail_tf.agents.mgail.imagination import clip_state_gradient
from mgail_tf.agents.mgail.scan import slice_of
from mgail_tf.studies import speed
from mgail_tf.studies.peers import arithmetic, variants

TINY = dataclasses.replace(
    mg.for_task("mgail", "hopper"),
    updates_per_call=2,
    updates_per_step=0.5,
    horizon=3,
    policy_hidden=8,
    discriminator_hidden=8,
    model_units=8,
    # what the peers compute
    value_targets="recorded",
    cloning_bound=None,
    clone_share=0.0,
    policy_activation="relu",
    log_std=(-1.0, -2.0),  # so that nothing is cloned for it
    compile="graph",
)

pytestmark = pytest.mark.slow


def test_measure_takes_turns_and_counts_units(monkeypatch):
    now, calls = [0.0], []
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])

    def variant(name, cost, units):
        def run():
            now[0] += cost + (10.0 if name not in calls else 0.0)  # the first call compiles
            calls.append(name)

        return speed.Variant(name, run, units)

    slow, fast = speed.measure([variant("slow", 4.0, 2), variant("fast", 1.0, 4)], 3)
    assert slow == ("slow", 2.0, 14.0) and fast == ("fast", 0.25, 11.0)
    assert calls == ["slow", "fast"] * 4


def test_a_block_and_a_call_for_each_update_do_the_same(eager):
    block, fresh = (speed.Bench("hopper", TINY) for _ in range(2))
    single = speed.Bench("hopper", TINY, updates_per_call=1)
    block.variant("").run()
    for k in range(2):
        single.agent.update(slice_of(block.batches, slice(k, k + 1)))
    for name in ("model", "discriminator", "policy", "value"):
        ours, theirs = (getattr(b.agent.learner, name).get_weights() for b in (block, single))
        before = getattr(fresh.agent.learner, name).get_weights()
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert max(np.abs(a - b).max() for a, b in zip(ours, before, strict=True)) > 1e-5


def test_every_way_of_updating_is_timed(eager):
    ways = speed.updates("cartpole", TINY)
    assert [way.name for way in ways] == [
        "block of updates, without XLA",  # as TINY says
        "block of updates, XLA, unrolled",
        "the first, batches drawn too",
        "the first, noise drawn in the graph",
        "block of updates, without XLA",
        "a call for each update, without XLA",
        "a call for each update, without XLA",
        "eager",
    ]
    assert [way.units for way in ways] == [2] * 7 + [1]
    for way in ways:
        way.run()


def test_benchmark_prints_its_sections(capsys):
    flags = ["benchmark", "--task=cartpole", "--smoke", "--section=acting", "--section=stepping"]
    assert benchmark.main(flags) == 0
    printed = capsys.readouterr().out
    for name in ("NumPy policy, sampled", "Keras call", "one environment", "2 processes"):
        assert name in printed
    assert "SavedModel, 1 observation" not in printed  # it is measured where it is asked for
    assert benchmark.main([*flags[:3], "--section=policies"]) == 0
    printed += capsys.readouterr().out
    for name in ("NumPy", "SavedModel", "ONNX Runtime"):
        assert f"{name}, 1 observation" in printed and f"{name}, 1,024 observations" in printed
    assert printed.count(" 1.00 ") >= 3  # each section's first variant is its measure


def test_peers_that_are_not_installed_or_cannot_be_compared_are_refused(capsys, monkeypatch):
    for name in ("torch", "torch._dynamo", "jax", "optax"):
        monkeypatch.setitem(sys.modules, name, None)  # an import of it fails
    assert benchmark.main(["benchmark", "--smoke", "--peers"]) == 2
    assert "--peers: found no module torch, expected: pip install" in capsys.readouterr().err
    with pytest.raises(mg.BadInput, match="--peers: found task cartpole"):
        variants.updates("cartpole", TINY)


def _slope(function, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x)


TENSORFLOW = arithmetic.Library(
    SimpleNamespace(
        clip=lambda x, low, high: tf.clip_by_value(x, low, np.inf if high is None else high),
        concatenate=tf.concat,
        mean=tf.reduce_mean,
        sqrt=tf.sqrt,
        stack=tf.stack,
        sum=tf.reduce_sum,
        tanh=tf.tanh,
        where=tf.where,
        zeros=tf.zeros,
    ),
    {"relu": tf.nn.relu, "silu": tf.nn.silu},
    tf.nn.softplus,
    tf.sigmoid,
    tf.stop_gradient,
    lambda x, limit: clip_state_gradient(limit)(x),
    _slope,
)


@pytest.mark.parametrize("changes", [{"forward_model": "hadamard_gru"}, {"td_lambda": 0.5}])
def test_losses_of_the_peers_have_the_gradients_of_the_agents(changes, eager):
    config = dataclasses.replace(TINY, **changes)
    bench = speed.Bench("hopper", config, updates_per_call=1)
    agent, batch = bench.agent, slice_of(bench.batches, 0)
    losses = arithmetic.Losses(TENSORFLOW, agent)
    before = arithmetic.weights_of(agent)
    metrics = agent.update(bench.batches)
    after = arithmetic.weights_of(agent)
    # as the copy imagines: after it has followed the model
    ema_model = {
        part: getattr(agent.learner.ema_model, part).get_weights() for part in before["model"]
    }
    for name in arithmetic.NETWORKS:
        own = tf.nest.map_structure(tf.Variable, before[name])
        beside = arithmetic.others(name, after, ema_model, before["value"])
        with tf.GradientTape() as tape:
            loss = getattr(losses, name)(own, batch, *beside)
        norm = tf.linalg.global_norm(tape.gradient(loss, tf.nest.flatten(own)))
        np.testing.assert_allclose(norm, metrics[f"{name}_gradient"], rtol=1e-4, err_msg=name)
