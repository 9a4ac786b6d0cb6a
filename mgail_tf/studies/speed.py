"""What things cost, measured side by side in one process: variants take turns, medians count."""

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mgail_tf import config as configs
from mgail_tf import envs
from mgail_tf.agents import mgail
from mgail_tf.parallel import Collectors
from mgail_tf.replay import ReplayBuffer
from mgail_tf.rollout import Collector
from mgail_tf.types import Pairs


class Timing(NamedTuple):
    """One variant's cost."""

    name: str
    seconds: float  # per unit of work, the median over rounds
    first: float  # seconds of the first call, compilation included


class Variant(NamedTuple):
    """Something to time: `run` does `units` units of work."""

    name: str
    run: Callable[[], Any]
    units: int


def measure(variants: list[Variant], rounds: int) -> list[Timing]:
    """Run every variant once, then `rounds` times in turns; return the costs per unit."""
    first: list[float] = []
    taken: list[list[float]] = [[] for _ in variants]
    for variant in variants:
        start = time.perf_counter()
        variant.run()
        first.append(time.perf_counter() - start)
    for _ in range(rounds):
        for variant, times in zip(variants, taken, strict=True):
            start = time.perf_counter()
            variant.run()
            times.append((time.perf_counter() - start) / variant.units)
    return [
        Timing(v.name, float(np.median(t)), f)
        for v, t, f in zip(variants, taken, first, strict=True)
    ]


# -- updates ---------------------------------------------------------------------------------


class Bench:
    """A learner with a block of batches from 2,000 steps of its own."""

    def __init__(self, task: str, config: configs.MGAIL, **changes: Any):
        config = dataclasses.replace(config, **changes)
        collector = Collector(envs.make(task, 0), np.random.default_rng(0))
        spec = collector.env.spec
        rows = np.random.default_rng(0).standard_normal((200, spec.state_size), np.float32)
        actions = np.zeros((200, spec.action_size), np.float32)
        self.learner = mgail.MGAIL(spec, config, Pairs(rows, actions), 0)  # any pairs will do
        self.buffer = ReplayBuffer(2000, spec, self.learner.normaliser)
        for episode in collector.collect(self.learner.actor(), 2000):
            self.buffer.add(episode)
        self.block = tf.nest.map_structure(
            tf.constant, self.learner._batches(self.buffer, config.dead_cost)
        )
        self.size = config.block

    def fused(self) -> None:
        """Run the block, and wait for it."""
        float(self.learner._block(self.block)[0][0])

    def inside(self) -> Callable[[], Any]:
        """Return the block that draws its noise inside the graph."""

        @tf.function(jit_compile=self.learner.config.jit_compile)
        def run(block):
            noise = tf.random.normal(block["noise"].shape)
            mix = tf.random.uniform(block["mix"].shape)
            return self.learner._iterations({**block, "noise": noise, "mix": mix})

        return lambda: float(run(self.block)[0][0])

    def apart(self, count: int, wrap: Callable[[Any], Any]) -> Callable[[], None]:
        """Return `count` iterations, one call a network, each wrapped."""
        learner = self.learner
        updates = learner.update_model, learner.update_discriminator, learner.update_policy
        functions = [wrap(update) for update in updates]
        batches = [tf.nest.map_structure(lambda x, k=k: x[k], self.block) for k in range(count)]

        def run() -> None:
            for batch in batches:
                for function in functions:
                    metrics = function(batch)
            float(tf.nest.flatten(metrics)[0])

        return run


def updates(task: str, config: configs.MGAIL) -> list[Variant]:
    """Return the ways to run an iteration, all of MGAIL's networks once; the default first."""
    normal, plain = Bench(task, config), Bench(task, config, jit_compile=False)
    other = Bench(task, config, unroll=not config.unroll)
    names = ("scanned", "unrolled")
    compiled = functools.partial(tf.function, jit_compile=True)
    count = min(20, config.block)
    return [
        Variant(f"fused block, XLA, {names[config.unroll]}", normal.fused, normal.size),
        Variant(f"fused block, XLA, {names[not config.unroll]}", other.fused, other.size),
        Variant(
            "the same as the first, batches drawn too",
            lambda: normal.learner.update(normal.buffer, 0.0),
            normal.size,
        ),
        Variant("the same, noise drawn inside the graph", normal.inside(), normal.size),
        Variant("fused block without XLA", plain.fused, plain.size),
        Variant("a tf.function a network, XLA", normal.apart(count, compiled), count),
        Variant("a tf.function a network", plain.apart(count, tf.function), count),
        Variant("eager", plain.apart(2, lambda update: update), 2),
    ]


# -- acting and stepping ---------------------------------------------------------------------


def acting(task: str, config: configs.MGAIL) -> list[Variant]:
    """Return the ways to choose one action, and a step of the environment beside them."""
    bench, env = Bench(task, config), envs.make(task, 0)
    policy, actor = bench.learner.policy, bench.learner.actor()
    state, rng, count = env.reset(), np.random.default_rng(0), 200
    function = tf.function(lambda s: policy(s))
    concrete = function.get_concrete_function(tf.TensorSpec([1, env.spec.state_size]))
    sample = actor.act(state, None)

    def step() -> None:
        *_, terminated, truncated = env.step(sample)
        if terminated or truncated:
            env.reset()

    calls: dict[str, Callable[[], Any]] = {
        "NumPy actor, sampled": lambda: actor.act(state, rng),
        "NumPy actor, mean": lambda: actor.act(state, None),
        "concrete function": lambda: concrete(tf.constant(state[None])).numpy(),
        "tf.function": lambda: function(tf.constant(state[None])).numpy(),
        "Keras call": lambda: policy(state[None]).numpy(),
        "(a step of the environment)": step,
    }

    def times(call: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: [call() for _ in range(count)]

    return [Variant(name, times(call), count) for name, call in calls.items()]


def stepping(task: str, config: configs.MGAIL) -> list[Variant]:
    """Return the ways to take environment steps with a policy's actions."""
    actor = Bench(task, config).learner.actor()
    count, lanes = 2000, 8
    alone = Collector(envs.make(task, 0), np.random.default_rng(0))
    shares = {workers: Collectors(task, 0, 2, workers) for workers in (1, 2)}
    together = [envs.make(task, seed) for seed in range(lanes)]
    states = np.stack([env.reset() for env in together])
    rng, std = np.random.default_rng(0), np.exp(actor.log_std)

    def lockstep() -> None:
        for _ in range(count // lanes):
            heads = actor.head(states)
            if actor.discrete:
                best = (heads + rng.gumbel(size=heads.shape)).argmax(-1)
                samples = np.eye(heads.shape[1], dtype=np.float32)[best]
            else:
                samples = heads + std * rng.standard_normal(heads.shape, dtype=np.float32)
            for lane, env in enumerate(together):
                _, states[lane], _, terminated, truncated = env.step(samples[lane])
                if terminated or truncated:
                    states[lane] = env.reset()

    return [
        Variant("one environment", lambda: alone.collect(actor, count), count),
        Variant("2 environments, this process", lambda: shares[1].collect(actor, count), count),
        Variant("2 environments, 2 processes", lambda: shares[2].collect(actor, count), count),
        Variant(f"{lanes} in lockstep, one policy call for all", lockstep, count),
    ]


SECTIONS: Mapping[str, Callable[[str, configs.MGAIL], list[Variant]]] = {
    "updates": updates,
    "acting": acting,
    "stepping": stepping,
}
