"""TRPO on the environment's reward: trains the experts, and only them."""

from collections.abc import Iterator

from mgail_tf import config as configs
from mgail_tf import envs
from mgail_tf.policy_gradient import PolicyGradient, iterate


def train(
    task: str, config: configs.TRPO, seed: int
) -> Iterator[tuple[int, PolicyGradient, dict[str, float]]]:
    """Yield (environment steps so far, learner, metrics) after every update, until the budget."""
    env = envs.make(task, seed)
    learner = PolicyGradient(env.spec, config, seed)
    for steps, metrics in iterate(env, learner, config, seed):
        yield steps, learner, metrics
