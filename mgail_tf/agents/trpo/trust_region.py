"""The natural policy step under a bound on the mean KL divergence (Schulman et al. 2015)."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def flatten(tensors: Sequence[Any]) -> tf.Tensor:
    """Concatenate tensors into one vector [P]."""
    return tf.concat([tf.reshape(t, [-1]) for t in tensors], 0)


def assign_flat(variables: Sequence[Any], flat: tf.Tensor) -> None:
    """Assign the parts of a vector [P] to the variables, in order."""
    parts = tf.split(flat, [int(tf.size(v)) for v in variables])
    for variable, part in zip(variables, parts, strict=True):
        variable.assign(tf.reshape(part, variable.shape))


def fisher_vector_product(
    mean_kl: Callable[[], tf.Tensor], variables: Sequence[Any], vector: tf.Tensor, damping: float
) -> tf.Tensor:
    """Return (F + damping I) v, F the Hessian of the mean KL at the present variables.

    `mean_kl` must hold the old distribution constant, so that its gradient is zero there and
    its Hessian is the Fisher information matrix.
    """
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            kl = mean_kl()
        slope = tf.reduce_sum(flatten(inner.gradient(kl, variables)) * vector)
    return flatten(outer.gradient(slope, variables)) + damping * vector


def conjugate_gradient(
    product: Callable[[tf.Tensor], tf.Tensor],
    b: tf.Tensor,
    iterations: int,
    tolerance: float = 1e-10,
) -> tf.Tensor:
    """Solve A x = b for a symmetric positive definite A given as a product (x starts at 0)."""
    x, r, p = tf.zeros_like(b), b, b
    squared = tf.reduce_sum(r * r)
    for _ in tf.range(iterations):
        if squared < tolerance:
            break
        a_p = product(p)
        alpha = squared / tf.reduce_sum(p * a_p)
        x += alpha * p
        r -= alpha * a_p
        new = tf.reduce_sum(r * r)
        p = r + (new / squared) * p
        squared = new
    return x


def line_search(
    evaluate: Callable[[], tuple[tf.Tensor, tf.Tensor]],
    variables: Sequence[Any],
    step: tf.Tensor,
    expected: tf.Tensor,
    max_kl: tf.Tensor,
    steps: int,
) -> tf.Tensor:
    """Try start + step / 2^i, keep the first that improves enough within the bound.

    Args:
        evaluate: returns (improvement over the start, mean KL from the start), at present values.
        step: full step [P].
        expected: improvement that the linear model expects of the full step.
        steps: how many halvings to try.

    Returns:
        The accepted fraction of the step, or 0: then the variables are exactly as before.
    """
    start, accepted = flatten(variables), tf.zeros([], step.dtype)
    for i in tf.range(steps):
        fraction = tf.pow(tf.constant(0.5, step.dtype), tf.cast(i, step.dtype))
        assign_flat(variables, start + fraction * step)
        improvement, kl = evaluate()
        # NaN compares false: a step to nowhere is refused
        if improvement > 0.1 * fraction * expected and kl <= max_kl:
            accepted = fraction
            break
    if accepted == 0:
        assign_flat(variables, start)
    return accepted


class TrustRegion:
    """One compiled natural step on a policy's surrogate objective."""

    def __init__(self, policy: Any, iterations: int, damping: float, line_search_steps: int):
        """Remember the policy and the settings of the solver and of the line search."""
        self._policy = policy
        self._iterations, self._damping, self._steps = iterations, damping, line_search_steps

    @tf.function
    def step(
        self, states: Any, samples: Any, advantages: Any, max_kl: Any, entropy_weight: Any = 0.0
    ) -> dict[str, Any]:
        """Improve E[ratio * advantage] + entropy_weight * H under KL(old || new) <= max_kl.

        Args:
            states: [N, S] standardised; samples: [N, A]; advantages: [N]; max_kl: scalar, nats.

        Returns:
            Metrics: accepted fraction of the step, KL, improvement, entropy, gradient norm.
        """
        policy = self._policy
        variables = policy.trainable_variables
        old = policy.distribution(states, frozen=True)
        old_log_prob = old.log_prob(samples)

        def objective():
            now = policy.distribution(states)
            ratio = tf.exp(now.log_prob(samples) - old_log_prob)
            return tf.reduce_mean(ratio * advantages + entropy_weight * now.entropy())

        def mean_kl():
            return tf.reduce_mean(old.kl_divergence(policy.distribution(states)))

        def product(vector):
            return fisher_vector_product(mean_kl, variables, vector, self._damping)

        with tf.GradientTape() as tape:
            start = objective()
        gradient = flatten(tape.gradient(start, variables))
        direction = conjugate_gradient(product, gradient, self._iterations)
        curvature = tf.reduce_sum(direction * product(direction))
        step = tf.sqrt(2.0 * max_kl / (curvature + 1e-12)) * direction
        fraction = line_search(
            lambda: (objective() - start, mean_kl()),
            variables,
            step,
            tf.reduce_sum(gradient * step),
            max_kl,
            self._steps,
        )
        return {
            "step_fraction": fraction,
            "kl": mean_kl(),
            "improvement": objective() - start,
            "entropy": tf.reduce_mean(policy.distribution(states).entropy()),
            "gradient_norm": tf.norm(gradient),
        }
