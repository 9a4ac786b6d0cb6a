"""TRPO on the environment's reward: trains the experts, and only them."""

from mgail_tf import config as configs
from mgail_tf import envs
from mgail_tf.policy_gradient import PolicyGradient, Training


def train(task: str, config: configs.TRPO, seed: int) -> Training:
    """Return the training of a task's expert; iterating over it runs it."""
    env = envs.make(task, seed)
    return Training(env, PolicyGradient(env.spec, config, seed), config, seed)
