"""What MGAIL's updates are given. Chance is drawn in NumPy: cheap there, and resumable."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mgail_tf.checkpoint import Resumable
from mgail_tf.config.algorithms import MGAILConfig
from mgail_tf.data.replay import Recent, ReplayBuffer
from mgail_tf.types import Sequences, StateActions

RECENT, FEWEST = 0.2, 2000  # share of the steps that is recent, and how many are at least
ERRORS = 1024  # one-step errors of the model that are resampled
ERROR_WINDOW = Recent(10_000, 1.0)  # they are of the last so many steps


class Batch(NamedTuple):
    """What one update is given; for several updates, every array has a leading axis.

    L = sequence_length, D = discriminator_batch, B = policy_batch, T = horizon.
    """

    sequences: Sequences  # L steps, model_batch of them, for the forward model
    agent: StateActions  # [D, ...]
    expert: StateActions  # [D, ...]
    mix: Any  # [D, 1] uniform
    starts: Sequences  # burn_in_steps and one more (T more where replayed), B of them
    noise: Any  # [T, B, A] of the policy
    termination_cost: Any  # [] of `TerminationCost.value`
    recorded: Sequences | None  # T steps, B of them, where the value learns from recorded ones
    model_errors: Any  # [T, B, S], or None
    ends: Any  # [D, S] states in which the agent's episodes terminated, or None
    expert_ends: Any  # [D, S] the demonstrations'


class Rollouts(NamedTuple):
    """What is imagined in an update."""

    horizon: int  # T
    batch: int  # B


class Batches(Resumable):
    """Draws the batches and the noise of `updates_per_call` updates at once."""

    def __init__(
        self,
        config: MGAILConfig,
        rollouts: Rollouts,
        expert: StateActions,
        expert_ends: np.ndarray | None,
        draw_noise: Callable[..., np.ndarray],
        model_errors: Callable[[Sequences], Any],
        rng: np.random.Generator,
        demonstrated: ReplayBuffer | None = None,
    ):
        """Remember where to draw from.

        Args:
            expert: standardised pairs.
            demonstrated: the demonstrations' steps; None: none is drawn.
            expert_ends: standardised states [E, S] in which demonstrations terminate; None: ends
                are not judged.
            draw_noise: (generator, shape) -> noise of the policy.
            model_errors: one-step errors [B, S] of the model at the last steps of stretches.
        """
        self._config, self._rollouts = config, rollouts
        self._expert, self._expert_ends = expert, expert_ends
        self._draw_noise, self._model_errors, self._rng = draw_noise, model_errors, rng
        self._demonstrated = demonstrated

    def _parts(self) -> dict[str, Any]:
        return {"rng": self._rng}

    def draw(self, buffer: ReplayBuffer, termination_cost: float) -> Batch:
        """Return the batches, with a leading axis of `updates_per_call`."""
        config, rng, expert = self._config, self._rng, self._expert
        horizon, policy_batch = self._rollouts
        count, size = config.updates_per_call, config.discriminator_batch
        recent = None
        if config.recent_share:
            recent = Recent(max(FEWEST, int(RECENT * len(buffer))), config.recent_share)
        agent = buffer.sample(rng, (count, size), recent)
        rows = rng.integers(len(expert.states), size=(count, size))
        length = config.burn_in_steps + (horizon if config.rollout == "replay" else 1)
        shape = (count, horizon, policy_batch, expert.actions.shape[-1])
        recorded, errors, ends, expert_ends = None, None, None, None
        sequences = self._sequences(
            buffer, config.model_batch, config.sequence_length, anywhere=True
        )
        mix = rng.random((count, size, 1), dtype=np.float32)
        near = config.near_termination_share
        starts = self._sequences(buffer, policy_batch, length, recent=recent, near_termination=near)
        noise = self._draw_noise(rng, shape)
        if config.value_targets in ("recorded", "both"):
            recorded = self._sequences(
                buffer,
                policy_batch,
                horizon,
                recent=recent,
                near_termination=near,
                anywhere=True,
            )
        if config.model_noise and config.rollout == "imagine":
            errors = self._draw_errors(buffer, shape[:-1])
        if self._expert_ends is not None:
            expert_ends = rng.choice(self._expert_ends, (count, size))
            ends = buffer.sample_ends(rng, (count, size))
            ends = expert_ends if ends is None else ends  # until there is one: nothing to learn
        return Batch(
            sequences=sequences,
            agent=agent,
            expert=StateActions(expert.states[rows], expert.actions[rows]),
            mix=mix,
            starts=starts,
            noise=noise,
            termination_cost=np.full(count, termination_cost, np.float32),
            recorded=recorded,
            model_errors=errors,
            ends=ends,
            expert_ends=expert_ends,
        )

    def _sequences(
        self, buffer: ReplayBuffer, batch: int, length: int, **options: Any
    ) -> Sequences:
        """Draw stretches, a share of them from the demonstrations.

        Args:
            options: of `ReplayBuffer.sample_sequences`, for those from the buffer.
        """
        count = self._config.updates_per_call
        if self._demonstrated is None:
            return buffer.sample_sequences(self._rng, count, batch, length, **options)
        shown = round(self._config.demonstrated_share * batch)
        own = buffer.sample_sequences(self._rng, count, batch - shown, length, **options)
        more = self._demonstrated.sample_sequences(self._rng, count, shown, length)
        return Sequences(*(np.concatenate(pair, 2) for pair in zip(own, more, strict=True)))

    def _draw_errors(self, buffer: ReplayBuffer, shape: tuple[int, ...]) -> np.ndarray:
        """Resample one-step errors of the model, [*shape, S], times `model_noise`."""
        config, rng = self._config, self._rng
        length = config.burn_in_steps + 1
        recorded = buffer.sample_sequences(rng, 1, ERRORS, length, ERROR_WINDOW)
        errors = np.asarray(self._model_errors(Sequences(*(x[0] for x in recorded))))
        return np.float32(config.model_noise) * errors[rng.integers(ERRORS, size=shape)]
