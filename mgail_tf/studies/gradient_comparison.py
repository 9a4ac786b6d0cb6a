"""The paper's claim measured: the exact gradient against the score function's, at equal samples.

Both estimate the gradient of the same cost, that of T steps imagined by the policy in the learned
model, from the same trajectories. They are compared to the mean of the exact ones over many more.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mgail_tf.agents.mgail.agent import MGAIL
from mgail_tf.agents.mgail.imagination import burn_in, dynamics_of, imagine, never_terminating
from mgail_tf.agents.mgail.objectives import lambda_costs
from mgail_tf.errors import BadInput
from mgail_tf.networks.discriminator import policy_cost
from mgail_tf.types import Sequences, Trajectory

RUN = ("task", "seed", "env_steps")  # columns that say of which training a row is
COLUMNS = (
    *("horizon", "batch", "estimator", "estimates"),
    *("cosine_mean", "cosine_std", "relative_variance", "relative_squared_error"),
)
TABLE = (*RUN, *COLUMNS, "commit")
KEY = (*RUN, "horizon", "batch", "estimator")
REPEATS = 64  # estimates a row
REFERENCE = 256  # batches whose mean exact gradient is compared to
PAIRS = 1024  # of the agent, by which the cost of living is judged


def check(agent: MGAIL) -> None:
    """Refuse, before a training, what cannot be compared.

    Raises:
        BadInput: actions are discrete (the straight-through gradient is not exact), or nothing is
            imagined.
    """
    if agent.spec.discrete:
        raise BadInput(f"{agent.spec.env_id}: found discrete actions, expected a Box")
    if agent.config.rollout != "imagine":
        raise BadInput(f"rollout: found {agent.config.rollout}, expected imagine")


class Estimators:
    """Gradients by the networks of a trained agent, from batches of starts and noise.

    The trajectories are imagined as in the agent's training (termination and value as its settings
    say), but by the newest model, without `state_gradient_clip` and `model_noise`.
    """

    def __init__(self, agent: MGAIL, horizon: int, batch: int):
        """Take an agent as it stands."""
        self._agent, self._horizon, self._batch = agent, horizon, batch
        pairs = agent.buffer.sample(np.random.default_rng(0), (PAIRS,))
        self._ending = agent.learner.cost_of_ending(pairs, agent.termination_cost.value())

    def batches(self, count: int, rng: np.random.Generator) -> Iterator[tuple[Sequences, Any]]:
        """Yield (burn_in_steps + 1 recorded steps, noise [T, B, A]) of `count` batches."""
        agent = self._agent
        length = agent.config.burn_in_steps + 1
        shape = self._horizon, self._batch, agent.spec.action_size
        for _ in range(count):
            drawn = agent.buffer.sample_sequences(rng, 1, self._batch, length)
            starts = Sequences(*(tf.constant(x[0]) for x in drawn))
            yield starts, tf.constant(agent.learner.policy.draw_noise(rng, shape))

    def exact(self, starts: Sequences, noise: Any) -> Any:
        """Return the gradient of the mean cost, by the tape through model and discriminator."""
        variables = self._agent.learner.policy.trainable_variables
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self._costs_to_go(self._imagined(starts, noise))[0])
        return _flat(tape.gradient(loss, variables))

    def score(self, starts: Sequences, noise: Any, baseline: bool) -> Any:
        """Return that gradient by the score function: sum of grad log pi times the cost to go.

        Args:
            baseline: take the value of the state off the cost to go.
        """
        policy, gamma = self._agent.learner.policy, self._agent.gamma
        trajectory = self._imagined(starts, noise)
        to_go = self._costs_to_go(trajectory)
        seen = tf.stop_gradient(trajectory.states[:-1])
        if baseline:
            to_go -= self._agent.learner.value(seen)
        steps = tf.range(to_go.shape[0], dtype=to_go.dtype)
        alive = tf.math.cumprod(trajectory.continuation, 0, exclusive=True)
        weight = tf.stop_gradient(gamma ** steps[:, None] * alive * to_go)
        sample = tf.stop_gradient(policy.sample(seen, noise))
        with tf.GradientTape() as tape:
            logs = policy.distribution(seen).log_prob(sample)
            loss = tf.reduce_mean(tf.reduce_sum(weight * logs, 0))
        return _flat(tape.gradient(loss, policy.trainable_variables))

    def _imagined(self, starts: Sequences, noise: Any) -> Trajectory:
        agent, warm = self._agent, self._agent.config.burn_in_steps
        states, actions, _, mask = starts
        hidden = burn_in(agent.learner.model, states[:warm], actions[:warm], mask[:warm])
        dynamics = dynamics_of(agent.learner.model)
        if not agent.config.predict_termination:
            dynamics = never_terminating(dynamics)
        return imagine(agent.learner.policy, dynamics, states[warm], hidden, noise, unroll=False)

    def _costs_to_go(self, trajectory: Trajectory) -> Any:
        """Return costs to go [T, B] without mixing in values before the horizon."""
        agent, config = self._agent, self._agent.config
        logits = agent.learner.discriminator(trajectory.states[:-1], trajectory.actions)
        values = agent.learner.value(trajectory.states[1:]) if config.value_targets else None
        return lambda_costs(
            policy_cost(logits, config.cost),
            trajectory.continuation,
            values,
            agent.gamma,
            td_lambda=1.0,
            termination_cost=self._ending(trajectory.states[1:]),
        )


def _flat(gradients: Any) -> Any:
    return tf.concat([tf.reshape(g, [-1]) for g in gradients], 0)


def compare(
    agent: MGAIL, horizons: Sequence[int], sizes: Sequence[int], seed: int
) -> Iterator[dict[str, Any]]:
    """Yield a row (`COLUMNS`) for every horizon, batch size and estimator.

    Where no value is learnt (`value_targets`), there is no estimator with a baseline.
    """
    xla = agent.config.compile != "graph"
    for horizon in horizons:
        whole = Estimators(agent, horizon, max(sizes))
        exact = tf.function(whole.exact, jit_compile=xla)
        rng = np.random.default_rng([seed, horizon])
        parts = [exact(*batch).numpy() for batch in whole.batches(REFERENCE, rng)]
        reference = np.asarray(parts, np.float64).mean(0)
        for size in sizes:
            some = Estimators(agent, horizon, size)
            score = tf.function(some.score, jit_compile=xla)
            estimators = {
                "exact": tf.function(some.exact, jit_compile=xla),
                "score_function": lambda *b, score=score: score(*b, baseline=False),
                "score_function_with_baseline": lambda *b, score=score: score(*b, baseline=True),
            }
            if not agent.config.value_targets:
                del estimators["score_function_with_baseline"]
            for name, estimate in estimators.items():
                rng = np.random.default_rng([seed, horizon, size])  # the same for each
                found = [estimate(*batch).numpy() for batch in some.batches(REPEATS, rng)]
                yield {
                    "horizon": horizon,
                    "batch": size,
                    "estimator": name,
                    "estimates": REPEATS,
                    **statistics(np.asarray(found, np.float64), reference),
                }


def statistics(found: np.ndarray, reference: np.ndarray) -> dict[str, float]:
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
