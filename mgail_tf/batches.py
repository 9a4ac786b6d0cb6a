"""What a block of MGAIL's updates needs of chance, drawn in NumPy: cheap there, and resumable."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mgail_tf import config as configs
from mgail_tf.checkpoint import Resumable
from mgail_tf.replay import ReplayBuffer
from mgail_tf.types import Pairs, Spec


class Batches(Resumable):
    """Draws the batches and the noise of `block` iterations at once."""

    def __init__(
        self,
        spec: Spec,
        config: configs.MGAIL,
        expert: Pairs,
        draw_noise: Callable[..., np.ndarray],
        rng: np.random.Generator,
    ):
        """Remember the expert's standardised pairs and the policy's kind of noise."""
        self._spec, self._config, self._expert = spec, config, expert
        self._draw_noise, self._rng = draw_noise, rng

    def _parts(self) -> dict[str, Any]:
        return {"rng": self._rng}

    def __call__(self, buffer: ReplayBuffer, dead_cost: float) -> dict[str, Any]:
        """Return the batches, with a leading axis of `block`."""
        config, rng, expert = self._config, self._rng, self._expert
        count, size = config.block, config.discriminator_batch
        agent = buffer.sample(rng, (count, size), config.discriminator_recent)
        rows = rng.integers(len(expert.states), size=(count, size))
        length = config.burn_in + (config.horizon if config.rollout == "replay" else 1)
        shape = (count, config.horizon, config.policy_batch, self._spec.action_size)
        drawn = {
            "sequences": buffer.sample_sequences(
                rng, count, config.model_batch, config.model_length
            ),
            "agent": (agent.states, agent.actions),
            "expert": (expert.states[rows], expert.actions[rows]),
            "mix": rng.random((count, size, 1), dtype=np.float32),
            "starts": buffer.sample_sequences(
                rng, count, config.policy_batch, length, config.start_recent, config.before_end
            ),
            "noise": self._draw_noise(rng, shape),
            "dead_cost": np.full(count, dead_cost, np.float32),
        }
        if config.horizon_value and config.value_data == "recorded":
            drawn["recorded"] = buffer.sample_sequences(
                rng,
                count,
                config.policy_batch,
                config.horizon,
                config.value_recent,
                config.before_end,
            )
        return drawn
