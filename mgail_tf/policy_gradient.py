"""TRPO with GAE (Schulman et al. 2015, 2016) on whatever rewards the episodes carry.

The experts follow the environment's, GAIL its discriminator's.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mgail_tf import config as configs
from mgail_tf.actor import NumpyPolicy
from mgail_tf.checkpoint import Resumable
from mgail_tf.networks.policy import for_spec, to_numpy
from mgail_tf.networks.value import Value, ValueFit
from mgail_tf.normaliser import RunningMoments
from mgail_tf.parallel import Collectors
from mgail_tf.returns import discounted_sums, gae
from mgail_tf.trust_region import TrustRegion
from mgail_tf.types import Episode, Spec


class PolicyGradient(Resumable):
    """Policy, value function and running statistics of one learner."""

    def __init__(self, spec: Spec, config: configs.TRPO, seed: int):
        """Build the networks; `seed` fixes their initial weights and the minibatch order."""
        self.config = config
        self.policy = for_spec(
            spec,
            config.hidden,
            config.activation,
            seed,
            log_std=config.initial_log_std,
            output=config.output,
            output_scale=config.output_scale,
        )
        self.value = Value(spec.state_size, config.hidden, config.activation, seed + 100)
        self._fit = ValueFit(self.value, config.value_learning_rate, config.jit_compile)
        self._region = TrustRegion(
            self.policy, config.cg_iterations, config.cg_damping, config.line_search_steps
        )
        self._rng = np.random.default_rng(seed)
        self._states = RunningMoments(spec.state_size)
        self._returns = RunningMoments(1)

    def actor(self) -> NumpyPolicy:
        """Return the policy that rollouts use, with the present weights and normaliser."""
        normaliser = self._states.normaliser(1e-3, self.config.state_clip)
        if not self._states.count:
            normaliser.std[:] = 1.0
        return to_numpy(self.policy, normaliser)

    def _parts(self) -> dict[str, Any]:
        return {
            "policy": self.policy,
            "value": self.value,
            "value_optimiser": self._fit.optimiser,
            "states": self._states,
            "returns": self._returns,
            "rng": self._rng,
        }

    def observe(self, episodes: Sequence[Episode]) -> None:
        """Take states into the running statistics that standardise them."""
        self._states.add(np.concatenate([e.states[:-1] for e in episodes]))

    def _advantages(self, episodes: Sequence[Episode], scale: float) -> tuple[np.ndarray, ...]:
        """Return states [N, S], samples [N, A], advantages [N] and value targets [N]."""
        normaliser, config = self.actor().normaliser, self.config
        states = [normaliser(e.states) for e in episodes]
        values = np.split(
            np.asarray(self.value(np.concatenate(states)), np.float64),
            np.cumsum([len(s) for s in states])[:-1],
        )
        advantages = []
        for episode, v in zip(episodes, values, strict=True):
            if episode.terminated:
                v[-1] = 0.0  # a cut episode is bootstrapped, a terminated one is worth nothing more
            advantages.append(gae(episode.rewards / scale, v, config.gamma, config.lam))
        targets = np.concatenate([a + v[:-1] for a, v in zip(advantages, values, strict=True)])
        return (
            np.concatenate([s[:-1] for s in states]),
            np.concatenate([e.samples for e in episodes]),
            np.concatenate(advantages).astype(np.float32),
            targets.astype(np.float32),
        )

    def update(self, episodes: Sequence[Episode], left: float) -> dict[str, float]:
        """Take one natural step on a batch that `actor()` collected, then refit the value.

        Args:
            left: fraction of the run that is left, for what is annealed.
        """
        config = self.config
        max_kl = config.max_kl * (0.1 + 0.9 * left if config.anneal_kl else 1.0)
        for episode in episodes:
            sums = discounted_sums(episode.rewards, config.gamma)
            self._returns.add(sums[:, None])
        scale = float(self._returns.normaliser(1e-3, 1.0).std[0])  # values of order one
        states, samples, advantages, targets = self._advantages(episodes, scale)
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        metrics = self._region.step(
            states, samples, advantages, np.float32(max_kl), np.float32(config.entropy)
        )
        if not self.policy.discrete:
            cap = config.final_log_std + left * (config.initial_log_std - config.final_log_std)
            self.policy.log_std.assign(np.clip(self.policy.log_std, config.min_log_std, cap))
        loss = self._fit.fit(states, targets, config.value_epochs, config.value_batch, self._rng)
        self.observe(episodes)
        return {  # in the order of the updates: the first that is not finite is named
            **{k: float(v) for k, v in metrics.items()},
            "policy_weights": norm(self.policy),
            "value_loss": loss,
            "value_weights": norm(self.value),
        }


def norm(network: Any) -> float:
    """Return the norm of a network's weights: not finite once an update has spoilt them."""
    return float(tf.linalg.global_norm(network.trainable_variables))


class Training(Resumable):
    """Collecting batches and learning from them, up to the budget of environment steps.

    Iterating yields (environment steps so far, learner, metrics) after every update, and goes on
    where the last iteration or `restore` left off.
    """

    def __init__(self, collectors: Collectors, learner: Any, config: configs.TRPO):
        """Begin; `learner` is a PolicyGradient or has its methods."""
        self.learner: Any = learner
        self._config = config
        self._collector = collectors

    def __iter__(self) -> Iterator[tuple[int, Any, dict[str, float]]]:
        """Go on with the training."""
        learner, config, collector = self.learner, self._config, self._collector
        if not collector.env_steps:
            # the first batch only sets the normaliser: a step taken without one is wasted
            learner.observe(collector.collect(learner.actor(), config.batch_steps[0]))
        while collector.env_steps < config.env_steps:
            left = 1.0 - collector.env_steps / config.env_steps
            batch = config.batch_steps[int((1.0 - left) * len(config.batch_steps))]
            collector.finished.clear()
            metrics = learner.update(collector.collect(learner.actor(), batch), left)
            means = np.mean(collector.finished or [(np.nan, np.nan)], 0)
            metrics["return"], metrics["length"] = means
            yield collector.env_steps, learner, metrics

    def _parts(self) -> dict[str, Any]:
        return {"learner": self.learner, "collector": self._collector}
