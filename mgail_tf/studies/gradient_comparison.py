"""The paper's claim measured: the exact gradient against the score function's, at equal samples.

Both estimate the gradient of the same cost, that of T steps imagined by the policy in the learned
model, from the same trajectories. What is compared to is the mean of the exact ones over many more.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mgail_tf import config as configs
from mgail_tf.imagination import burn_in, imagine
from mgail_tf.interaction import Training
from mgail_tf.objectives import costs_to_go, policy_cost
from mgail_tf.types import BadInput, Spec

COLUMNS = (
    *("horizon", "batch", "estimator", "estimates"),
    *("cosine_mean", "cosine_std", "relative_variance", "relative_squared_error"),
)
REPEATS = 64  # estimates a row
REFERENCE = 256  # batches whose mean is compared to


def check(spec: Spec, config: configs.MGAIL) -> None:
    """Refuse, before a training, what cannot be compared.

    Raises:
        BadInput: actions are discrete (the straight-through gradient is not exact), or nothing is
            imagined.
    """
    if spec.discrete:
        raise BadInput(f"{spec.env_id}: found discrete actions, expected a Box")
    if config.rollout != "imagine":
        raise BadInput(f"--set rollout={config.rollout}: found {config.rollout}, expected imagine")


class Estimators:
    """Gradients by a trained learner's networks, from batches of starts and noise."""

    def __init__(self, training: Training, horizon: int, batch: int):
        """Freeze a training as it stands.

        The trajectories are imagined as the training's are (end and value as its settings say), but
        without a bound on J_s, `model_noise` and the slow copy.
        """
        learner = training.learner
        self._learner, self._buffer = learner, training._buffer
        self._config = dataclasses.replace(learner.config, horizon=horizon, policy_batch=batch)

    def _imagined(self, states, actions, mask, noise):
        learner, warm = self._learner, self._config.burn_in
        hidden = burn_in(learner.model, states[:warm], actions[:warm], mask[:warm])
        how = False, self._config.model_end
        return imagine(learner.policy, learner.model, states[warm], hidden, noise, *how)

    def _to_go(self, trajectory):
        """Return costs to go [T, B] without mixing in values before the horizon."""
        config, learner = self._config, self._learner
        states, actions, survival = trajectory
        costs = policy_cost(learner.discriminator(states[:-1], actions), config.cost)
        values = learner.value(states[1:]) if config.horizon_value else None
        dead = learner.end_cost.value()
        return costs_to_go(costs, survival, values, config.gamma, 1.0, dead)

    def exact(self, states, actions, mask, noise):
        """Return the gradient of the mean cost, by the tape through model and discriminator."""
        variables = self._learner.policy.trainable_variables
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self._to_go(self._imagined(states, actions, mask, noise))[0])
        return _flat(tape.gradient(loss, variables))

    def score(self, states, actions, mask, noise, baseline: bool):
        """Return that gradient by the score function: sum of grad log pi times the cost to go.

        Args:
            baseline: take the value of the state off the cost to go.
        """
        policy = self._learner.policy
        trajectory = self._imagined(states, actions, mask, noise)
        to_go = self._to_go(trajectory)
        seen = tf.stop_gradient(trajectory.states[:-1])
        if baseline:
            to_go -= self._learner.value(seen)
        steps = tf.range(to_go.shape[0], dtype=to_go.dtype)
        alive = tf.math.cumprod(trajectory.survival, 0, exclusive=True)
        weight = tf.stop_gradient(self._config.gamma ** steps[:, None] * alive * to_go)
        sample = tf.stop_gradient(policy.sample(seen, noise))
        with tf.GradientTape() as tape:
            logs = policy.distribution(seen).log_prob(sample)
            loss = tf.reduce_mean(tf.reduce_sum(weight * logs, 0))
        return _flat(tape.gradient(loss, policy.trainable_variables))

    def batches(self, count: int, rng: np.random.Generator) -> Iterator[tuple]:
        """Yield (states, actions, mask, noise) of `count` batches."""
        config, spec = self._config, self._learner.spec
        for _ in range(count):
            drawn = self._buffer.sample_sequences(rng, 1, config.policy_batch, config.burn_in + 1)
            states, actions, _, mask = (tf.constant(x[0]) for x in drawn)
            shape = config.horizon, config.policy_batch, spec.action_size
            yield states, actions, mask, tf.constant(self._learner.policy.draw_noise(rng, shape))


def _flat(gradients: Any):
    return tf.concat([tf.reshape(g, [-1]) for g in gradients], 0)


def compare(
    training: Training, horizons: Sequence[int], sizes: Sequence[int], seed: int
) -> Iterator[dict[str, Any]]:
    """Yield a row for every horizon, batch size and estimator: cosine and relative variance.

    Where no value is learnt (`horizon_value`), there is no baseline either.
    """
    jit = training.learner.config.jit_compile
    for horizon in horizons:
        whole = Estimators(training, horizon, max(sizes))
        exact = tf.function(whole.exact, jit_compile=jit)
        rng = np.random.default_rng([seed, horizon])
        parts = [exact(*batch).numpy() for batch in whole.batches(REFERENCE, rng)]
        reference = np.asarray(parts, np.float64).mean(0)
        for size in sizes:
            some = Estimators(training, horizon, size)
            kinds: dict[str, Callable[..., Any]] = {
                "exact": some.exact,
                "score_function": lambda *b, some=some: some.score(*b, baseline=False),
                "score_function_with_baseline": lambda *b, some=some: some.score(*b, baseline=True),
            }
            if not training.learner.config.horizon_value:
                del kinds["score_function_with_baseline"]
            for name, kind in kinds.items():
                estimate = tf.function(kind, jit_compile=jit)
                rng = np.random.default_rng([seed, horizon, size])  # the same for every kind
                found = np.asarray([estimate(*b).numpy() for b in some.batches(REPEATS, rng)])
                yield {
                    "horizon": horizon,
                    "batch": size,
                    "estimator": name,
                    "estimates": REPEATS,
                    **_statistics(found.astype(np.float64), reference),
                }


def _statistics(found: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Return how estimates [R, P] compare to a reference [P]."""
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(reference)
    cosine = found @ reference / norms
    error = np.square(found - reference).sum(1).mean() / np.square(reference).sum()
    spread = np.square(found - found.mean(0)).sum(1).mean() / np.square(reference).sum()
    return {
        "cosine_mean": round(float(cosine.mean()), 4),
        "cosine_std": round(float(cosine.std()), 4),
        "relative_variance": float(f"{spread:.4g}"),
        "relative_squared_error": float(f"{error:.4g}"),
    }
