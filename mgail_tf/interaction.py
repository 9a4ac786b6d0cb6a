"""Algorithm 1's outer loop: acting, filling the buffer, and updating in turns."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mgail_tf import config as configs
from mgail_tf.checkpoint import Resumable
from mgail_tf.envs import Env
from mgail_tf.replay import ReplayBuffer
from mgail_tf.rollout import Collector


class Training(Resumable):
    """Algorithm 1: acting and updating in turns, up to the budget of environment steps.

    Iterating yields (environment steps so far, learner, metrics) after every block, and goes on
    where the last iteration or `restore` left off.
    """

    def __init__(self, env: Env, learner: Any, config: configs.MGAIL, seed: int):
        """Begin; `seed` fixes the actions that are drawn."""
        self.learner = learner
        capacity = min(config.buffer_capacity, config.env_steps)
        self._config = config
        self._buffer = ReplayBuffer(capacity, env.spec, self.learner.normaliser)
        self._collector = Collector(env, np.random.default_rng([seed, 1]))

    def __iter__(self) -> Iterator[tuple[int, Any, dict[str, float]]]:
        """Go on with the training."""
        learner, collector, config = self.learner, self._collector, self._config
        per_block = max(1, round(config.block / config.updates_per_step))
        while collector.env_steps < config.env_steps:
            steps = per_block if collector.env_steps else config.prefill_steps
            steps = min(steps, config.env_steps - collector.env_steps)
            if config.episode_steps:
                left = 1.0 - collector.env_steps / config.env_steps
                collector.limit = round(config.episode_steps / left)
            for episode in collector.collect(learner.actor(), steps):
                self._buffer.add(episode)
                learner.end_cost.add(episode)
            metrics = learner.update(self._buffer, collector.env_steps / config.env_steps)
            recent = collector.finished[-5:] or [(np.nan, np.nan)]
            metrics["return"], metrics["length"] = np.mean(recent, 0)
            metrics["dead_cost"] = learner.end_cost.value()
            yield collector.env_steps, learner, metrics

    def _parts(self) -> dict[str, Any]:
        return {"learner": self.learner, "buffer": self._buffer, "collector": self._collector}
