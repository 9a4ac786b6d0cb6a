"""The benchmark times what it says: every way of updating ends with the same weights."""

import dataclasses
import sys

import numpy as np
import pytest
import tensorflow as tf

from launch import benchmark
from mgail_tf import benchmarks, config
from mgail_tf.peers import variants
from mgail_tf.types import BadInput

TINY = config.MGAIL(block=2, horizon=3, policy_hidden=(8,), value_hidden=(8,), model_units=8)


def test_measure_takes_turns_and_counts_units(monkeypatch):
    now, calls = [0.0], []
    monkeypatch.setattr(benchmarks.time, "perf_counter", lambda: now[0])

    def variant(name, cost, units):
        def run():
            now[0] += cost + (10.0 if name not in calls else 0.0)  # the first call compiles
            calls.append(name)

        return benchmarks.Variant(name, run, units)

    slow, fast = benchmarks.measure([variant("slow", 4.0, 2), variant("fast", 1.0, 4)], 3)
    assert slow == ("slow", 2.0, 14.0) and fast == ("fast", 0.25, 11.0)
    assert calls == ["slow", "fast"] * 4


def test_fused_and_separate_updates_do_the_same():
    settings = dataclasses.replace(TINY, discriminator_hidden=(8,), jit_compile=False)
    fused, apart, fresh = (benchmarks.Bench("hopper", settings) for _ in range(3))
    fused.fused()
    apart.apart(2, tf.function)()
    for name in ("model", "discriminator", "policy", "value"):
        ours, theirs = (getattr(b.learner, name).get_weights() for b in (fused, apart))
        before = getattr(fresh.learner, name).get_weights()
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert max(np.abs(a - b).max() for a, b in zip(ours, before, strict=True)) > 1e-5


def test_benchmark_prints_its_sections(capsys):
    flags = ["benchmark", "--task=cartpole", "--smoke", "--section=acting", "--section=stepping"]
    assert benchmark.main(flags) == 0
    printed = capsys.readouterr().out
    for name in ("NumPy actor, sampled", "Keras call", "one environment", "2 processes"):
        assert name in printed
    assert printed.count(" 1.00 ") >= 2  # each section's first variant is its measure


def test_peers_that_are_not_installed_or_cannot_be_compared_are_refused(capsys, monkeypatch):
    for name in ("torch", "torch._dynamo", "jax", "optax"):
        monkeypatch.setitem(sys.modules, name, None)  # an import of it fails
    assert benchmark.main(["benchmark", "--smoke", "--peers"]) == 2
    assert "--peers: found no module torch, expected: pip install" in capsys.readouterr().err
    with pytest.raises(BadInput, match="--peers: found task cartpole"):
        variants.updates("cartpole", TINY)


def test_every_way_of_updating_is_timed(capsys):
    variants = benchmarks.updates("cartpole", dataclasses.replace(TINY, jit_compile=False))
    names = [variant.name for variant in variants]
    assert names[0] == "fused block, XLA, scanned" and names[-1] == "eager"
    for variant in variants:
        if "drawn" in variant.name:  # the others compile long, or are compared above
            variant.run()
