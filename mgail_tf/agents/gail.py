"""GAIL (Ho & Ermon 2016): TRPO on the discriminator's judgement, the paper's baseline.

Each iteration collects a batch, lets the discriminator descend Eq. 3, and takes TRPO's natural
step (Eq. 4-5) on the surrogate reward, minus `policy_cost`. It reads no environment reward.

Which sign the reward has decides what an episode's end is worth, whoever the expert is:
"log_d" pays -log D, never negative: it is better to live on. Right where a task ends by failure.
"neg_log_expert" pays log(1 - D), never positive: it is better to end. Right where a task ends by
success, as MountainCar and Acrobot do.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mgail_tf import config as configs
from mgail_tf import envs
from mgail_tf.actor import NumpyPolicy
from mgail_tf.checkpoint import Resumable
from mgail_tf.networks.discriminator import Discriminator
from mgail_tf.normaliser import fit
from mgail_tf.objectives import discriminator_loss, policy_cost
from mgail_tf.parallel import Collectors
from mgail_tf.policy_gradient import PolicyGradient, Training, norm
from mgail_tf.types import Episode, Pairs, Spec


class GAIL(Resumable):
    """A discriminator, and a policy that follows it by the score function."""

    def __init__(self, spec: Spec, config: configs.GAIL, expert: Pairs, seed: int):
        """Build the networks; `seed` fixes their weights and every batch drawn."""
        self.config, self.spec = config, spec
        self.normaliser = fit(expert.states, config.normaliser_floor, config.discriminator_clip)
        self._expert = Pairs(self.normaliser(expert.states), expert.actions)
        self.policy_gradient = PolicyGradient(spec, config, seed)
        self.discriminator = Discriminator(spec, config.discriminator_hidden, "tanh", seed + 200)
        self._optimiser = keras.optimizers.Adam(config.discriminator_learning_rate)
        self._optimiser.build(self.discriminator.trainable_variables)
        self._descend = tf.function(self._minibatches, jit_compile=config.jit_compile)
        self._rng = np.random.default_rng([seed, 2])

    def actor(self) -> NumpyPolicy:
        """Return the policy that acts, with the present weights."""
        return self.policy_gradient.actor()

    def final_actor(self) -> NumpyPolicy:
        """Return the policy that is scored: the one that acts."""
        return self.actor()

    def _parts(self) -> dict[str, Any]:
        return {
            "policy_gradient": self.policy_gradient,
            "discriminator": self.discriminator,
            "optimiser": self._optimiser,
            "rng": self._rng,
        }

    def observe(self, episodes: Sequence[Episode]) -> None:
        """Take states into the policy's running statistics."""
        self.policy_gradient.observe(episodes)

    def rewards(self, pairs: Pairs) -> np.ndarray:
        """Return the surrogate rewards [N] of standardised pairs."""
        return -np.asarray(policy_cost(self.discriminator(*pairs), self.config.cost), np.float64)

    def _minibatches(self, agent, expert, mix):
        """Take a step on each of K minibatches [K, B, ...]; return the last one's metrics."""
        config, variables = self.config, self.discriminator.trainable_variables
        metrics = {"discriminator_loss": 0.0, "discriminator_accuracy": 0.0}
        for k in tf.range(mix.shape[0]):
            with tf.GradientTape() as tape:
                loss, metrics = discriminator_loss(
                    self.discriminator,
                    [column[k] for column in agent],
                    [column[k] for column in expert],
                    mix[k],
                    config.gradient_penalty,
                    config.gradient_slope,
                )
            self._optimiser.apply(tape.gradient(loss, variables), variables)
        return metrics

    def _draw(self, pairs: Pairs) -> tuple:
        shape = self.config.discriminator_steps, self.config.discriminator_batch
        rows = self._rng.integers(len(pairs.states), size=shape)
        return tf.constant(pairs.states[rows]), tf.constant(pairs.actions[rows])

    def update(self, episodes: Sequence[Episode], left: float) -> dict[str, float]:
        """Update the discriminator on a batch that `actor()` collected, then the policy.

        Args:
            left: fraction of the run that is left, for what is annealed.
        """
        parts = [
            Pairs(self.normaliser(e.states[:-1]), self.spec.scale_actions(e.actions))
            for e in episodes
        ]
        agent = Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        shape = (self.config.discriminator_steps, self.config.discriminator_batch, 1)
        mix = tf.constant(self._rng.random(shape, dtype=np.float32))
        metrics = self._descend(self._draw(agent), self._draw(self._expert), mix)
        judged = [e._replace(rewards=self.rewards(p)) for e, p in zip(episodes, parts, strict=True)]
        surrogate = float(np.mean(np.concatenate([e.rewards for e in judged])))
        return {  # in the order of the updates: the first that is not finite is named
            **{name: float(value) for name, value in metrics.items()},
            "discriminator_weights": norm(self.discriminator),
            "surrogate_reward": surrogate,
            **self.policy_gradient.update(judged, left),
        }


def train(task: str, expert: Pairs, config: configs.GAIL, seed: int, workers: int = 1) -> Training:
    """Return the training of an imitator; iterating over it runs it."""
    learner = GAIL(envs.make(task, seed).spec, config, expert, seed)
    return Training(Collectors(task, seed, config.environments, workers), learner, config)
