"""Section 3.2.2 measured: bias and variance of the Gumbel-softmax gradient over its temperature.

The cost of one imagined step is a function of a discrete action. With few actions its expectation
under the policy, and that one's gradient, are sums: what estimators miss is known exactly.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mgail_tf.agents.mgail.agent import MGAIL
from mgail_tf.agents.mgail.imagination import burn_in, dynamics_of, never_terminating
from mgail_tf.agents.mgail.objectives import lambda_costs
from mgail_tf.errors import BadInput
from mgail_tf.networks.discriminator import policy_cost

RUN = ("task", "seed", "env_steps")  # columns that say of which training a row is
COLUMNS = ("estimator", "temperature", "estimates", "cosine", "bias", "deviation")
TABLE = (*RUN, *COLUMNS, "commit")
KEY = (*RUN, "estimator", "temperature")
TEMPERATURES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
STARTS, ESTIMATES, PAIRS = 256, 1000, 1024


def check(agent: MGAIL) -> None:
    """Refuse, before a training, an agent without discrete actions.

    Raises:
        BadInput: its actions are continuous: nothing is relaxed.
    """
    if not agent.spec.discrete:
        raise BadInput(f"{agent.spec.env_id}: found a Box, expected discrete actions")


class Estimators:
    """Gradients of the expected cost of one imagined step, from the same recorded states.

    The cost of an action is D's, and from the next state on the value's, by the newest model.
    """

    def __init__(self, agent: MGAIL, starts: int = STARTS, seed: int = 0):
        """Take an agent as it stands, and draw the recorded states [B, S]."""
        self._agent, rng = agent, np.random.default_rng(seed)
        self._variables = agent.learner.policy.trainable_variables
        pairs = agent.buffer.sample(rng, (PAIRS,))
        self._ending = agent.learner.cost_of_ending(pairs, agent.termination_cost.value())
        warm = agent.config.burn_in_steps
        drawn = agent.buffer.sample_sequences(rng, 1, starts, warm + 1)
        states, actions, _, mask = (tf.constant(x[0]) for x in drawn)
        self._hidden = burn_in(agent.learner.model, states[:warm], actions[:warm], mask[:warm])
        self._states = states[warm]
        self._dynamics = dynamics_of(agent.learner.model)
        if not agent.config.predict_termination:
            self._dynamics = never_terminating(self._dynamics)

    def noise(self, rng: np.random.Generator) -> Any:
        """Return standard Gumbel noise [B, A]."""
        shape = self._states.shape[0], self._agent.spec.action_size
        return tf.constant(self._agent.learner.policy.draw_noise(rng, shape))

    def cost(self, actions: Any) -> Any:
        """Return the cost [B] of actions [B, A], one-hot or soft, in the recorded states."""
        agent, config = self._agent, self._agent.config
        found = self._dynamics(self._states, actions, self._hidden, 0)
        logits = agent.learner.discriminator(self._states, actions)
        after = found.next_states[None]
        return lambda_costs(
            policy_cost(logits, config.cost)[None],
            tf.sigmoid(-found.termination_logits)[None],
            agent.learner.value(after) if config.value_targets else None,
            agent.gamma,
            td_lambda=1.0,
            termination_cost=self._ending(after),
        )[0]

    def exact(self) -> Any:
        """Return the gradient of sum_a pi(a|s) cost(s, a), averaged over states: no estimate."""
        each = tf.stop_gradient(self._costs())
        with tf.GradientTape() as tape:
            probabilities = tf.nn.softmax(self._agent.learner.policy(self._states))
            loss = tf.reduce_mean(tf.reduce_sum(probabilities * each, -1))
        return self._flat(tape, loss)

    def straight_through(self, noise: Any, temperature: Any) -> Any:
        """Return the gradient through argmax forward and softmax backward (Section 3.2.2)."""
        with tf.GradientTape() as tape:
            scores, soft = self._soft(noise, temperature)
            hard = tf.one_hot(tf.argmax(scores, -1), scores.shape[-1], dtype=soft.dtype)
            loss = tf.reduce_mean(self.cost(soft + tf.stop_gradient(hard - soft)))
        return self._flat(tape, loss)

    def relaxed(self, noise: Any, temperature: Any) -> Any:
        """Return the gradient through the soft action itself."""
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.cost(self._soft(noise, temperature)[1]))
        return self._flat(tape, loss)

    def score(self, noise: Any, temperature: Any) -> Any:
        """Return the score function's gradient, the mean cost in a state as its baseline.

        The temperature plays no part.
        """
        policy, each = self._agent.learner.policy, tf.stop_gradient(self._costs())
        logits = tf.stop_gradient(policy(self._states))
        taken = tf.one_hot(tf.argmax(logits + noise, -1), each.shape[-1])
        baseline = tf.reduce_sum(tf.nn.softmax(logits) * each, -1)
        weight = tf.reduce_sum(taken * each, -1) - baseline
        with tf.GradientTape() as tape:
            logs = tf.nn.log_softmax(policy(self._states))
            loss = tf.reduce_mean(weight * tf.reduce_sum(taken * logs, -1))
        return self._flat(tape, loss)

    def _costs(self) -> Any:
        """Return the cost [B, A] of every action."""
        size = self._agent.spec.action_size
        shape = [self._states.shape[0], size]
        each = [self.cost(tf.broadcast_to(tf.one_hot(a, size), shape)) for a in range(size)]
        return tf.stack(each, -1)

    def _soft(self, noise: Any, temperature: Any) -> tuple[Any, Any]:
        scores = self._agent.learner.policy(self._states) + noise
        return scores, tf.nn.softmax(scores / temperature)

    def _flat(self, tape: tf.GradientTape, loss: Any) -> Any:
        gradients = tape.gradient(loss, [v.value for v in self._variables])
        return tf.concat([tf.reshape(g, [-1]) for g in gradients], 0)


def compare(
    agent: MGAIL,
    temperatures: Sequence[float] = TEMPERATURES,
    estimates: int = ESTIMATES,
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """Yield a row (`COLUMNS`) for every estimator and temperature.

    `bias` is the distance of the estimates' mean to the exact gradient, `deviation` the root of
    their mean squared distance to their own mean, both as shares of the exact gradient's norm, and
    `cosine` that of their mean with it. Every estimator sees the same noise.
    """
    estimators = Estimators(agent, seed=seed)
    exact = np.asarray(tf.function(estimators.exact)(), np.float64)
    for name in ("straight_through", "relaxed", "score"):
        estimate = tf.function(getattr(estimators, name))
        for temperature in temperatures if name != "score" else (1.0,):
            rng = np.random.default_rng([seed, 1])
            given = tf.constant(temperature, tf.float32)
            found = [estimate(estimators.noise(rng), given).numpy() for _ in range(estimates)]
            yield {
                "estimator": name,
                "temperature": temperature,
                "estimates": estimates,
                **statistics(np.asarray(found, np.float64), exact),
            }


def statistics(found: np.ndarray, exact: np.ndarray) -> dict[str, float]:
    """Return what estimates [R, P] miss of an exact gradient [P]."""
    mean, norm = found.mean(0), np.linalg.norm(exact)
    deviation = np.sqrt(np.square(found - mean).sum(1).mean())
    return {
        "cosine": round(float(mean @ exact / (np.linalg.norm(mean) * norm)), 4),
        "bias": float(f"{np.linalg.norm(mean - exact) / norm:.4g}"),
        "deviation": float(f"{deviation / norm:.4g}"),
    }
