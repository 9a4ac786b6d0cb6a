"""The variants that are timed, and the check that they do the same work."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mgail_tf.config.algorithms import MGAILConfig
from mgail_tf.envs.gym_env import EnvLike
from mgail_tf.errors import BadInput
from mgail_tf.studies.peers.arithmetic import EPSILON, NETWORKS, weights_of
from mgail_tf.studies.peers.loops import jax_block, torch_block
from mgail_tf.studies.speed import Bench, Variant

PEERS = {"PyTorch, eager": torch_block, "JAX, the block compiled": jax_block}
_CLOSE = 0.05


def disagreement(before: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    """Return how far a peer's weights are from ours, as a share of the way that ours have come.

    Of the network where it is largest.
    """

    def flat(tree: Any) -> np.ndarray:
        leaves = [x for part in sorted(tree) for x in tree[part]]
        plain = [np.asarray(x.detach() if hasattr(x, "detach") else x) for x in leaves]
        return np.concatenate([x.ravel() for x in plain])

    shares = []
    for name in NETWORKS:
        start, end, other = (flat(weights[name]) for weights in (before, ours, theirs))
        shares.append(float(np.linalg.norm(other - end) / np.linalg.norm(end - start)))
    return max(shares)


def updates(task: EnvLike, config: MGAILConfig) -> list[Variant]:
    """Return MGAIL's updates in TensorFlow, PyTorch and JAX; the first runs check the others.

    Raises:
        BadInput: the task has discrete actions, or (on a peer's first run) it does not end where
            ours does: it lacks what `config` changes.
    """
    bench = Bench(task, config)
    agent = bench.agent
    if agent.spec.discrete:
        raise BadInput(f"--peers: found task {task}, expected one with continuous actions")
    for optimiser in (
        agent.learner.model_optimiser,
        agent.learner.discriminator_optimiser,
        agent.learner.policy_optimiser,
        agent.learner.value_optimiser,
    ):
        optimiser.epsilon = EPSILON
    before = weights_of(agent)
    after: list[Any] = []

    def ours() -> None:
        agent.update(bench.batches)
        if not after:
            after.append(weights_of(agent))

    def checked(name: str, run: Callable[[], Any]) -> Callable[[], None]:
        calls = [0]

        def call() -> None:
            weights = run()
            calls[0] += 1
            if calls[0] == 1 and not (far := disagreement(before, after[0], weights)) < _CLOSE:
                raise BadInput(
                    f"--peers: {name}: found {far:.1%} of the way off after a block, expected "
                    f"{_CLOSE:.0%} at most: it lacks what --set or the task changes"
                )

        return call

    peers = {name: checked(name, make(agent, bench.batches)) for name, make in PEERS.items()}
    runs = {"TensorFlow, block of updates": ours, **peers}
    return [Variant(name, run, config.updates_per_call) for name, run in runs.items()]
