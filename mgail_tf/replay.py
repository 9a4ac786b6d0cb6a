"""The experience buffer B of Algorithm 1."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mgail_tf.checkpoint import Resumable
from mgail_tf.normaliser import Normaliser
from mgail_tf.types import Episode, Pairs, Sequences, Spec

ENDS, BEFORE_END = 64, 64  # how many of the last ends, and how many steps before one, are drawn


class ReplayBuffer(Resumable):
    """A ring of the last `capacity` steps, in environment units, standardised when sampled."""

    def __init__(self, capacity: int, spec: Spec, normaliser: Normaliser):
        """Allocate for `capacity` steps of states [S] and actions [A]."""
        self._spec, self._normaliser = spec, normaliser
        self._states = np.zeros((capacity, spec.state_size), np.float32)
        self._next_states = np.zeros((capacity, spec.state_size), np.float32)
        self._actions = np.zeros((capacity, spec.action_size), np.float32)
        self._terminated = np.zeros(capacity, np.float32)
        self._episode = np.full(capacity, -1, np.int64)  # which episode a slot's step is from
        self._step = np.zeros(capacity, np.int64)  # its position there
        self._head, self._size = 0, 0
        self._last_episode, self._next_step = -1, 0

    def __len__(self) -> int:
        """Return the number of steps held."""
        return self._size

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs."""
        counters = [self._head, self._size, self._last_episode, self._next_step]
        return {"counters": counters, **{k: v[: self._size] for k, v in self._columns().items()}}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go back to where `state()` was asked; the capacity must be the same."""
        self._head, self._size, self._last_episode, self._next_step = saved["counters"]
        for name, column in self._columns().items():
            column[: self._size] = saved[name]

    def _columns(self) -> dict[str, np.ndarray]:
        return {
            "states": self._states,
            "next_states": self._next_states,
            "actions": self._actions,
            "terminated": self._terminated,
            "episode": self._episode,
            "step": self._step,
        }

    def add(self, episode: Episode) -> None:
        """Append an Episode; one that is `continued` is joined to the one added before it."""
        if not episode.continued:
            self._last_episode, self._next_step = self._last_episode + 1, 0
        count, capacity = len(episode.actions), len(self._states)
        skipped = max(0, count - capacity)
        steps = np.arange(skipped, count)
        slots = (self._head + steps) % capacity
        self._states[slots] = episode.states[:-1][steps]
        self._next_states[slots] = episode.states[1:][steps]
        self._actions[slots] = self._spec.scale_actions(episode.actions[steps])
        self._terminated[slots] = (steps == count - 1) & episode.terminated
        self._episode[slots] = self._last_episode
        self._step[slots] = self._next_step + steps
        self._next_step += count
        self._head = (self._head + count) % capacity
        self._size = min(self._size + count, capacity)

    def _drawn(
        self, rng: np.random.Generator, shape: Sequence[int], recent: int, before_end: float = 0.0
    ) -> np.ndarray:
        count, capacity = min(self._size, recent or self._size), len(self._states)
        ages = rng.integers(count, size=tuple(shape))
        if before_end:
            ended = np.flatnonzero(self._terminated[: self._size])
            ended = np.sort((self._head - 1 - ended) % capacity)[:ENDS]  # ages, the last end first
            some = (*shape[:-1], round(before_end * shape[-1]))
            if len(ended):
                end = rng.choice(ended, some)
                held = np.minimum(  # steps of its episode before it
                    self._step[(self._head - 1 - end) % capacity], self._size - 1 - end
                )
                ages[..., : some[-1]] = end + np.minimum(rng.integers(BEFORE_END, size=some), held)
        return (self._head - 1 - ages) % capacity

    def sample(self, rng: np.random.Generator, shape: Sequence[int], recent: int = 0) -> Pairs:
        """Draw steps uniformly; `shape` leads every field: [*shape, S] and so on.

        Args:
            recent: draw from the last so many steps only; 0 draws from all.
        """
        slots = self._drawn(rng, shape, recent)
        return Pairs(self._normaliser(self._states[slots]), self._actions[slots])

    def sample_sequences(
        self,
        rng: np.random.Generator,
        blocks: int,
        batch: int,
        length: int,
        recent: int = 0,
        before_end: float = 0.0,
    ) -> Sequences:
        """Draw stretches of `length` steps whose LAST step is uniform over the buffer.

        With `recent`, it is uniform over the last so many steps.

        states:   s-2  s-1  s0  s1    length = 3; the stretch ends with the drawn step s0 -> s1
        actions:  a-2  a-1  a0
        mask:      0    1    1        s-1 began the episode: what would come before is padding

        Args:
            before_end: share of the batch whose last step is one of the `BEFORE_END` up to one of
                the last `ENDS` ends of the task, whatever `recent` says.

        Returns:
            Sequences with a leading axis of `blocks`: states [blocks, length+1, batch, S], ...
        """
        last = self._drawn(rng, (blocks, 1, batch), recent, before_end)
        back = np.arange(length - 1, -1, -1)[None, :, None]
        slots = (last - back) % len(self._states)
        mask = (self._episode[slots] == self._episode[last]) & (
            self._step[slots] == self._step[last] - back
        )
        slots = np.where(mask, slots, last)
        states = np.concatenate([self._states[slots], self._next_states[last]], 1)
        return Sequences(
            self._normaliser(states),
            self._actions[slots],
            self._terminated[slots],
            mask.astype(np.float32),
        )
