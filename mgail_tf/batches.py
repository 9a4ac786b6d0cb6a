"""What a block of MGAIL's updates is given: chance drawn in NumPy, cheap there and resumable."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mgail_tf import config as configs
from mgail_tf.checkpoint import Resumable
from mgail_tf.replay import ReplayBuffer
from mgail_tf.types import Pairs, Sequences, Spec

ERRORS, RECENT = 1024, 10_000  # of the model, on how many of the last so many steps


class Batches(Resumable):
    """Draws the batches and the noise of `block` iterations at once."""

    def __init__(
        self,
        spec: Spec,
        config: configs.MGAIL,
        expert: Pairs,
        draw_noise: Callable[..., np.ndarray],
        model_errors: Callable[[Sequences], Any],
        rng: np.random.Generator,
    ):
        """Remember the expert's standardised pairs, the policy's kind of noise and the model's.

        Args:
            model_errors: by how much the model misses the last states of stretches, [B, S].
        """
        self._spec, self._config, self._expert = spec, config, expert
        self._draw_noise, self._model_errors, self._rng = draw_noise, model_errors, rng

    def _parts(self) -> dict[str, Any]:
        return {"rng": self._rng}

    def __call__(self, buffer: ReplayBuffer, dead_cost: float) -> dict[str, Any]:
        """Return the batches by name, each with a leading axis of `block`.

        "sequences": Sequences of L = `model_length` steps, `model_batch` of them, for the model.
        "agent", "expert": (states [D, S], actions [D, A]), D = `discriminator_batch`; "mix" [D, 1].
        "starts": Sequences of `burn_in` steps and one more (T more where replayed), B of them.
        "noise": [T, B, A]; "dead_cost": [], the argument.
        "recorded": Sequences of T steps, B of them, where the value learns from such.
        "errors": [T, B, S] of the model, times `model_noise`, where there are any.
        """
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
        if config.model_noise and config.rollout == "imagine":
            recorded = buffer.sample_sequences(rng, 1, ERRORS, config.burn_in + 1, RECENT)
            errors = np.asarray(self._model_errors(Sequences(*(x[0] for x in recorded))))
            rows = rng.integers(ERRORS, size=shape[:-1])
            drawn["errors"] = np.float32(config.model_noise) * errors[rows]
        return drawn
