"""Section 3.5 measured: what each part of the forward model does for its predictions.

The models learn from the same recorded steps, of an expert that errs ever more often, and foresee
episodes that they have not learnt from along their actions.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mgail_tf.agents.mgail import diagnostics
from mgail_tf.agents.mgail.objectives import forward_model_loss
from mgail_tf.data.normaliser import fit
from mgail_tf.data.replay import ReplayBuffer
from mgail_tf.envs.gym_env import make
from mgail_tf.envs.rollout import Collector
from mgail_tf.networks.forward_model import FORWARD_MODELS
from mgail_tf.networks.minimise import minimise
from mgail_tf.policies import experts
from mgail_tf.studies.match_ranking import Erring
from mgail_tf.types import Episode, Sequences, StateActions

COLUMNS = ("task", "model", "seed", "updates", "steps", "error_1", "error_5", "error_16", "commit")
KEY = COLUMNS[:5]
SHARES = (0.0, 0.2, 0.5, 1.0)  # of random actions, a quarter of the steps each
STEPS, UPDATES, BLOCK = 20_000, 5000, 50
HORIZONS, WARM = (1, 5, 16), 4
UNITS, RATE, CLIP, BATCH, LENGTH = 100, 1e-3, 10.0, 64, 8


def record(task: str, steps: int, seed: int) -> tuple[list[Episode], list[Episode]]:
    """Return episodes of `steps` steps in all to learn from, and a tenth as many to foresee."""
    parts: list[list[Episode]] = []
    for count, part_seed in ((steps, seed), (steps // 10, seed + 1)):
        episodes: list[Episode] = []
        for share in SHARES:
            environment = make(task, part_seed)
            expert = experts.load(task, environment.spec)
            policy = Erring(expert, environment.spec, share, part_seed)
            collector = Collector(environment, np.random.default_rng(part_seed))
            episodes += collector.collect(policy, count // len(SHARES))
        parts.append(episodes)
    return parts[0], parts[1]


def compare(
    task: str,
    seed: int = 0,
    models: Sequence[str] = tuple(FORWARD_MODELS),
    steps: int = STEPS,
    updates: int = UPDATES,
) -> Iterator[dict[str, Any]]:
    """Yield a row for each model: its errors 1, 5 and 16 steps ahead, by `diagnostics.measure`."""
    spec = make(task, seed).spec
    learnt, foreseen = record(task, steps, seed)
    normaliser = fit(np.concatenate([e.states for e in learnt]), None, CLIP)
    buffer = ReplayBuffer(steps, spec, normaliser)
    for episode in learnt:
        buffer.add(episode)
    seen = spec._replace(state_size=len(normaliser.mean))
    nothing = StateActions(np.zeros((1, seen.state_size)), np.zeros((1, spec.action_size)))
    for name in models:
        model: Any = FORWARD_MODELS[name](seen, UNITS, CLIP, "silu", seed)
        _train(model, buffer, updates, seed)
        found = diagnostics.measure(
            model,
            lambda states, actions: tf.zeros(len(states)),  # no discriminator is asked
            normaliser,
            spec,
            nothing,
            foreseen,
            HORIZONS,
            WARM,
        )
        errors = (found[f"open_loop_{k}"] for k in ("1", "5", "T"))
        row = {"task": task, "model": name, "seed": seed, "updates": updates, "steps": steps}
        yield row | {
            f"error_{k}": float(f"{error:.4g}") for k, error in zip(HORIZONS, errors, strict=True)
        }


def _train(model: Any, buffer: ReplayBuffer, updates: int, seed: int) -> None:
    """Minimise the loss of Line 7 in Algorithm 1, half of the steps from the model's own states."""
    optimiser = keras.optimizers.Adam(RATE, global_clipnorm=10.0)
    optimiser.build(model.trainable_variables)
    rng = np.random.default_rng([seed, 2])

    @tf.function
    def block(sequences):
        for k in tf.range(BLOCK):
            with tf.GradientTape() as tape:
                each = Sequences(*(x[k] for x in sequences))
                error, termination = forward_model_loss(model, each, LENGTH // 2, unroll=True)
                loss = error + termination
            minimise(loss, tape, model, optimiser)

    for done in range(0, updates, BLOCK):
        optimiser.learning_rate = RATE * (1.0 - 0.9 * done / updates)
        drawn = buffer.sample_sequences(rng, BLOCK, BATCH, LENGTH)
        block(Sequences(*(tf.constant(x) for x in drawn)))
