"""What things cost, measured side by side in one process: variants take turns, medians count."""

import dataclasses
import functools
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mgail_tf.agents.mgail.agent import MGAIL
from mgail_tf.agents.mgail.batches import Batch
from mgail_tf.config.algorithms import MGAILConfig
from mgail_tf.data.demonstrations import Demonstrations
from mgail_tf.envs.gym_env import EnvLike, make
from mgail_tf.envs.parallel import Collectors
from mgail_tf.envs.rollout import Collector
from mgail_tf.policies.onnx_policy import OnnxPolicy


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


def agent_of(task: EnvLike, config: MGAILConfig, **changes: Any) -> MGAIL:
    """Return an agent with changed settings; what its random demonstrations show plays no part."""
    # one environment step a call: then any number of updates a call will do
    calls = changes.get("updates_per_call", config.updates_per_call)
    config = dataclasses.replace(config, updates_per_step=float(calls), **changes)
    spec = make(task, 0).spec
    states = np.random.default_rng(0).standard_normal((201, spec.state_size), np.float32)
    middle = np.full(200, spec.first_action) if spec.discrete else [spec.action_shift] * 200
    return MGAIL(task, Demonstrations.from_arrays([states], [middle], terminated=[False]), config)


# -- updates ---------------------------------------------------------------------------------

COMPILED = {"xla": "XLA, scanned", "xla_unrolled": "XLA, unrolled", "graph": "without XLA"}


class Bench:
    """An agent and the batches of one call of `update`, from 2,000 environment steps of its own."""

    def __init__(self, task: EnvLike, config: MGAILConfig, **changes: Any):
        self.agent = agent = agent_of(task, config, **changes)
        collector = Collector(make(task, 0), np.random.default_rng(0))
        for episode in collector.collect(agent.acting_policy, 2000):
            agent.buffer.add(episode)
        self.batches = agent.sample_batches()

    def variant(self, name: str, calls: int = 1) -> Variant:
        """Return a variant of so many calls of `update`, always on the same batches."""

        def run() -> None:
            for _ in range(calls):
                self.agent.update(self.batches)

        config = self.agent.config
        units = calls * config.updates_per_call
        return Variant(f"{name}, {COMPILED[config.compile]}", run, units)


def noise_inside(agent: MGAIL) -> Callable[[Batch], None]:
    """Return the agent's updates as one graph that draws the noise itself."""

    @tf.function(jit_compile=agent.config.compile != "graph")
    def run(batches):
        noise = tf.random.normal(batches.noise.shape)
        mix = tf.random.uniform(batches.mix.shape)
        return agent.learner.run_updates(batches._replace(noise=noise, mix=mix))

    return lambda batches: run(batches)[0].numpy()


def updates(task: EnvLike, config: MGAILConfig) -> list[Variant]:
    """Return the ways to update all of MGAIL's networks; the first as `config` says."""
    other = "xla" if config.compile == "xla_unrolled" else "xla_unrolled"
    first, second = Bench(task, config), Bench(task, config, compile=other)
    plain = Bench(task, config, compile="graph")
    single = Bench(task, config, updates_per_call=1)
    plain_single = Bench(task, config, updates_per_call=1, compile="graph")
    count, inside = config.updates_per_call, noise_inside(first.agent)
    return [
        first.variant("block of updates"),
        second.variant("block of updates"),
        Variant(
            "the first, batches drawn too",
            lambda: first.agent.update(first.agent.sample_batches()),
            count,
        ),
        Variant("the first, noise drawn in the graph", lambda: inside(first.batches), count),
        plain.variant("block of updates"),
        single.variant("a call for each update", min(20, count)),
        plain_single.variant("a call for each update", min(20, count)),
        Variant("eager", lambda: plain_single.agent.learner.run_updates(plain_single.batches), 1),
    ]


# -- acting and stepping ---------------------------------------------------------------------


def acting(task: EnvLike, config: MGAILConfig) -> list[Variant]:
    """Return the ways to choose one action, and a step of the environment beside them."""
    agent, env = agent_of(task, config), make(task, 0)
    network, policy = agent.learner.policy, agent.acting_policy
    state, rng, count = env.reset(), np.random.default_rng(0), 200
    seen = agent.normaliser(state)[None]
    function = tf.function(lambda states: network(states))
    concrete = function.get_concrete_function(tf.TensorSpec(seen.shape))
    sample = policy.act(state, None)

    def step() -> None:
        *_, terminated, truncated = env.step(sample)
        if terminated or truncated:
            env.reset()

    calls: dict[str, Callable[[], Any]] = {
        "NumPy policy, sampled": lambda: policy.act(state, rng),
        "NumPy policy, mean": lambda: policy.act(state, None),
        "concrete function": lambda: concrete(tf.constant(seen)).numpy(),
        "tf.function": lambda: function(tf.constant(seen)).numpy(),
        "Keras call": lambda: network(seen).numpy(),
        "(a step of the environment)": step,
    }

    return [Variant(name, _times(call, count), count) for name, call in calls.items()]


def _times(call: Callable[[], Any], count: int) -> Callable[[], Any]:
    return lambda: [call() for _ in range(count)]


def policies(task: EnvLike, config: MGAILConfig) -> list[Variant]:
    """Return the forms of one policy, each from states to actions in environment units.

    Raises:
        BadInput: the packages that write and run ONNX files are not installed.
    """
    policy, spec = agent_of(task, config).policy, make(task, 0).spec
    with tempfile.TemporaryDirectory() as folder:
        policy.export(f"{folder}/policy.onnx", format="onnx")
        policy.export(f"{folder}/saved_model")
        onnx = OnnxPolicy(f"{folder}/policy.onnx", spec)
        model = tf.saved_model.load(f"{folder}/saved_model")
    function = model.signatures["serving_default"]
    rng, found = np.random.default_rng(0), []
    for rows, count in ((1, 200), (1024, 20)):
        states = rng.standard_normal((rows, spec.state_size), np.float32)
        calls: dict[str, Callable[[np.ndarray], Any]] = {
            "NumPy": lambda states: spec.apply(policy.head(states)),
            "SavedModel": lambda states: function(states=tf.constant(states))["actions"].numpy(),
            "ONNX Runtime": onnx.actions,
        }
        observed = "1 observation" if rows == 1 else f"{rows:,} observations"
        for name, call in calls.items():
            run = _times(functools.partial(call, states), count)
            found.append(Variant(f"{name}, {observed}", run, count))
    return found


def stepping(task: EnvLike, config: MGAILConfig) -> list[Variant]:
    """Return the ways to take environment steps with a policy's actions."""
    policy = agent_of(task, config).acting_policy
    count, lanes = 2000, 8
    alone = Collector(make(task, 0), np.random.default_rng(0))
    shares = {workers: Collectors(task, 0, 2, workers) for workers in (1, 2)}
    together = [make(task, seed) for seed in range(lanes)]
    states = np.stack([env.reset() for env in together])
    rng, std = np.random.default_rng(0), np.exp(policy.log_std)

    def lockstep() -> None:
        for _ in range(count // lanes):
            heads = policy.head(states)
            if policy.discrete:
                best = (heads + rng.gumbel(size=heads.shape)).argmax(-1)
                samples = np.eye(heads.shape[1], dtype=np.float32)[best]
            else:
                samples = heads + std * rng.standard_normal(heads.shape, dtype=np.float32)
            for lane, env in enumerate(together):
                _, states[lane], _, terminated, truncated = env.step(samples[lane])
                if terminated or truncated:
                    states[lane] = env.reset()

    return [
        Variant("one environment", lambda: alone.collect(policy, count), count),
        Variant("2 environments, this process", lambda: shares[1].collect(policy, count), count),
        Variant("2 environments, 2 processes", lambda: shares[2].collect(policy, count), count),
        Variant(f"{lanes} in lockstep, one policy call for all", lockstep, count),
    ]


SECTIONS: Mapping[str, Callable[[str, MGAILConfig], list[Variant]]] = {
    "updates": updates,
    "acting": acting,
    "policies": policies,
    "stepping": stepping,
}
