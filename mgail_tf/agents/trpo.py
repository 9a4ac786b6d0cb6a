"""TRPO on the environment's reward: trains the experts, and only them."""

from mgail_tf import config as configs
from mgail_tf import envs
from mgail_tf.parallel import Collectors
from mgail_tf.policy_gradient import PolicyGradient, Training


def train(task: str, config: configs.TRPO, seed: int, workers: int = 1) -> Training:
    """Return the training of a task's expert; iterating over it runs it."""
    learner = PolicyGradient(envs.make(task, seed).spec, config, seed)
    return Training(Collectors(task, seed, config.environments, workers), learner, config)
