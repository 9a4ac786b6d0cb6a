"""The experience buffer B of Algorithm 1."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mgail_tf.checkpoint import Resumable
from mgail_tf.data.normaliser import Normaliser
from mgail_tf.types import Episode, Sequences, Spec, StateActions

TERMINATIONS = 64  # the last so many are drawn from
STEPS_BEFORE = 64  # steps up to a termination that are drawn from
_FIRST_ALLOCATION = 4096  # steps; the arrays double until the capacity is reached


_COLUMNS = ("states", "next_states", "actions", "terminated", "episode", "step", "of_agent")


class Recent(NamedTuple):
    """What is drawn of the newest steps."""

    steps: int  # how many of them are recent
    share: float  # of a batch that is drawn from them; the others are drawn from all


class ReplayBuffer(Resumable):
    """A ring of the last `capacity` steps, in environment units, standardised when sampled."""

    def __init__(self, capacity: int, spec: Spec, normaliser: Normaliser):
        """Begin empty; memory for states [S] and actions [A] grows with what is held."""
        self._spec, self._normaliser, self._capacity = spec, normaliser, capacity
        first = min(capacity, _FIRST_ALLOCATION)
        self._states = np.zeros((first, spec.state_size), np.float32)
        self._next_states = np.zeros((first, spec.state_size), np.float32)
        self._actions = np.zeros((first, spec.action_size), np.float32)
        self._terminated = np.zeros(first, np.float32)
        self._episode = np.full(first, -1, np.int64)  # which episode a slot's step is from
        self._step = np.zeros(first, np.int64)  # its position there
        self._of_agent = np.zeros(first, bool)  # whether `sample` draws from it
        self._head, self._size = 0, 0
        self._last_episode, self._next_step = -1, 0

    def __len__(self) -> int:
        """Return the number of steps held."""
        return self._size

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs."""
        counters = [self._head, self._size, self._last_episode, self._next_step]
        columns = {name: getattr(self, f"_{name}")[: self._size].copy() for name in _COLUMNS}
        return {"counters": counters, **columns}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go back to where `state_dict()` was asked; the capacity must be the same."""
        head, size, last_episode, next_step = saved["counters"]
        self._reserve(size)
        for name in _COLUMNS:
            getattr(self, f"_{name}")[:size] = saved[name]
        self._head, self._size = head, size
        self._last_episode, self._next_step = last_episode, next_step

    def _reserve(self, steps: int) -> None:
        """Make room for `steps` steps, at most the capacity."""
        held = len(self._states)
        if min(steps, self._capacity) <= held:
            return
        more = min(self._capacity, max(steps, 2 * held)) - held
        for name in _COLUMNS:
            column = getattr(self, f"_{name}")
            empty = np.full((more, *column.shape[1:]), -1 if name == "episode" else 0, column.dtype)
            setattr(self, f"_{name}", np.concatenate([column, empty]))

    def add(self, episode: Episode, of_agent: bool = True) -> None:
        """Append an Episode; one that is `continued` is joined to the one added before it.

        Args:
            of_agent: `sample` and `sample_ends` draw from it.
        """
        if not episode.continued:
            self._last_episode, self._next_step = self._last_episode + 1, 0
        count = len(episode.actions)
        self._reserve(self._size + count)
        steps = np.arange(max(0, count - self._capacity), count)
        slots = (self._head + steps) % len(self._states)
        self._states[slots] = episode.states[:-1][steps]
        self._next_states[slots] = episode.states[1:][steps]
        self._actions[slots] = self._spec.scale_actions(episode.actions[steps])
        self._terminated[slots] = (steps == count - 1) & episode.terminated
        self._episode[slots] = self._last_episode
        self._step[slots] = self._next_step + steps
        self._of_agent[slots] = of_agent
        self._next_step += count
        self._head = (self._head + count) % self._capacity
        self._size = min(self._size + count, self._capacity)

    def _draw_slots(
        self,
        rng: np.random.Generator,
        shape: Sequence[int],
        recent: Recent | None,
        near_termination: float,
    ) -> np.ndarray:
        """Draw slots: a share of recent steps, one from before terminations, the rest uniformly."""
        capacity = len(self._states)
        ages = rng.integers(self._size, size=tuple(shape))
        if recent:
            others = shape[-1] - round(recent.share * shape[-1])
            some = (*shape[:-1], shape[-1] - others)
            ages[..., others:] = rng.integers(min(self._size, recent.steps), size=some)
        if near_termination:
            ended = self._last_terminations()
            some = (*shape[:-1], round(near_termination * shape[-1]))
            if len(ended):
                end = rng.choice(ended, some)
                held = np.minimum(  # steps of its episode before it
                    self._step[(self._head - 1 - end) % capacity], self._size - 1 - end
                )
                before = np.minimum(rng.integers(STEPS_BEFORE, size=some), held)
                ages[..., : some[-1]] = end + before
        return (self._head - 1 - ages) % capacity

    def _beside(self, slots: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the slots so many steps later, and whether they are of the same episodes."""
        others = (slots + steps) % len(self._states)
        same = (self._episode[others] == self._episode[slots]) & (
            self._step[others] == self._step[slots] + steps
        )
        return others, same

    def _later(self, rng: np.random.Generator, slots: np.ndarray, steps: int) -> np.ndarray:
        """Return slots [blocks, 1, batch] 0 to `steps` - 1 steps later, in the same episodes."""
        _, same = self._beside(slots, np.arange(steps)[None, :, None])
        left = same.sum(1, keepdims=True) - 1  # steps of the episode after it
        moved = np.minimum(rng.integers(steps, size=slots.shape), left)
        return (slots + moved) % len(self._states)

    def sample(
        self, rng: np.random.Generator, shape: Sequence[int], recent: Recent | None = None
    ) -> StateActions:
        """Draw steps of the agent's uniformly; `shape` leads: [*shape, S] and [*shape, A].

        Args:
            recent: a share of them is drawn from the agent's newest steps.
        """
        own = np.flatnonzero(self._of_agent[: self._size])
        slots = own[rng.integers(len(own), size=tuple(shape))]
        if recent:
            oldest = np.searchsorted(own, self._head)  # a full ring goes on there
            newest = np.roll(own, -oldest)[-recent.steps :]
            some = (*shape[:-1], round(recent.share * shape[-1]))
            slots[..., : some[-1]] = newest[rng.integers(len(newest), size=some)]
        return StateActions(self._normaliser(self._states[slots]), self._actions[slots])

    def newest(self, steps: int) -> StateActions:
        """Return the last so many steps in the order they were added, all if there are fewer."""
        ages = np.arange(min(steps, self._size))[::-1]
        slots = (self._head - 1 - ages) % len(self._states)
        return StateActions(self._normaliser(self._states[slots]), self._actions[slots])

    def sample_ends(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray | None:
        """Draw states [*shape, S] reached by the agent's last `TERMINATIONS`; None without one."""
        ages = self._last_terminations(of_agent=True)
        if not len(ages):
            return None
        slots = (self._head - 1 - rng.choice(ages, shape)) % len(self._states)
        return self._normaliser(self._next_states[slots])

    def _last_terminations(self, of_agent: bool = False) -> np.ndarray:
        """Return the ages of the last `TERMINATIONS`, the newest first; 0 is the newest step."""
        ended = self._terminated[: self._size] > 0
        if of_agent:
            ended &= self._of_agent[: self._size]
        ages = (self._head - 1 - np.flatnonzero(ended)) % len(self._states)
        return np.sort(ages)[:TERMINATIONS]

    def sample_sequences(
        self,
        rng: np.random.Generator,
        blocks: int,
        batch: int,
        length: int,
        recent: Recent | None = None,
        near_termination: float = 0.0,
        anywhere: bool = False,
    ) -> Sequences:
        """Draw steps uniformly from the buffer, and the stretches of `length` steps they end.

        states:   s-2  s-1  s0  s1    length = 3; the stretch ends with the drawn step s0 -> s1
        actions:  a-2  a-1  a0
        mask:      0    1    1        s-1 began the episode: what would come before is padding

        Args:
            recent: share of the batch for which a step is drawn from the newest ones.
            near_termination: share of the batch for which a step is drawn from the `STEPS_BEFORE`
                up to one of the last `TERMINATIONS` terminations.
            anywhere: the step drawn lies anywhere in its stretch, which ends up to `length` - 1
                steps later, or where the episode does. So the last step of an episode is in half
                as many stretches as another step; else it is in one where others are in `length`.

        Returns:
            Sequences with a leading axis of `blocks`: states [blocks, length+1, batch, S], ...
        """
        last = self._draw_slots(rng, (blocks, 1, batch), recent, near_termination)
        if anywhere:
            last = self._later(rng, last, length)
        slots, mask = self._beside(last, np.arange(1 - length, 1)[None, :, None])
        slots = np.where(mask, slots, last)
        states = np.concatenate([self._states[slots], self._next_states[last]], 1)
        return Sequences(
            self._normaliser(states),
            self._actions[slots],
            self._terminated[slots],
            mask.astype(np.float32),
        )
