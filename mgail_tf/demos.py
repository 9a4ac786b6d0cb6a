"""Demonstrations: the npz schema, loading with checks, choosing, sub-sampling.

Schema (plain arrays; nothing pickled is ever read), E episodes, N steps in all:
    states      float32 [N + E, S]  each episode's s0 ... sN_e, one more than its actions
    actions     float32 [N, A] in environment units, or integers [N] where discrete: the
                environment's own, from `start` on
    rewards     float32 [N]         for scoring only; optional
    lengths     int64 [E]           steps of each episode
    terminated  bool [E]            the task ended there (as against a time limit)
    env_id      str
"""

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mgail_tf.types import UNREADABLE, BadInput, Episode, Pairs, Spec

_LARGEST = 1 << 30  # bytes out of a file that is 20 times smaller
_REQUIRED = ("states", "actions", "lengths", "terminated", "env_id")


class Demonstrations(NamedTuple):
    """Whole expert episodes of one environment."""

    env_id: str
    episodes: tuple[Episode, ...]
    sha256: str  # of the file

    @property
    def return_mean(self) -> float:
        """Mean return of the episodes; NaN where the file holds no rewards."""
        return float(np.mean([e.rewards.sum() for e in self.episodes]))

    def choose(self, count: int, seed: int) -> "Demonstrations":
        """Return `count` episodes drawn without replacement.

        Raises:
            BadInput: there are fewer.
        """
        if not 1 <= count <= len(self.episodes):
            raise BadInput(f"num_trajectories: found {count}, expected 1 to {len(self.episodes)}")
        chosen = np.random.default_rng(seed).permutation(len(self.episodes))[:count]
        return self._replace(episodes=tuple(self.episodes[i] for i in sorted(chosen)))

    def subsample(self, every: int, seed: int, spec: Spec) -> Pairs:
        """Keep one pair in `every` of each episode, from a random offset (Ho & Ermon 2016)."""
        if every < 1:
            raise BadInput(f"subsample: found {every}, expected at least 1")
        rng = np.random.default_rng([seed, every])
        states, actions = [], []
        for episode in self.episodes:
            # an episode shorter than the interval still gives one pair
            offset = rng.integers(min(every, len(episode.actions)))
            states.append(episode.states[:-1][offset::every])
            actions.append(spec.scale_actions(episode.actions[offset::every]))
        return Pairs(np.concatenate(states), np.concatenate(actions))


def save(path: Path, spec: Spec, episodes: Sequence[Episode]) -> None:
    """Write episodes by the schema; the same episodes give the same bytes."""
    actions = np.concatenate([e.actions for e in episodes])
    np.savez_compressed(
        path,
        states=np.concatenate([e.states for e in episodes]).astype(np.float32),
        actions=(
            spec.first_action + actions.argmax(-1) if spec.discrete else actions.astype(np.float32)
        ),
        rewards=np.concatenate([e.rewards for e in episodes]).astype(np.float32),
        lengths=np.array([len(e.actions) for e in episodes], np.int64),
        terminated=np.array([e.terminated for e in episodes]),
        env_id=spec.env_id,
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as data:
            whole = sum(member.file_size for member in data.zip.infolist())
            if whole > max(_LARGEST, 20 * path.stat().st_size):
                raise ValueError(f"it holds {whole} bytes, packed into {path.stat().st_size}")
            arrays = {name: data[name] for name in data.files if name in (*_REQUIRED, "rewards")}
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such demonstration file") from error
    except UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"{path}: not an npz of demonstrations ({reason})") from error
    missing = [name for name in _REQUIRED if name not in arrays]
    if missing:
        raise BadInput(f"{path}: missing {', '.join(missing)}; expected {', '.join(_REQUIRED)}")
    return arrays


def _check(path: Path, field: str, found: object, expected: object) -> None:
    if found != expected:
        text = " ".join(str(found).split())
        raise BadInput(f"{path}: {field}: found {text}, expected {expected}")


def _checked_actions(path: Path, actions: np.ndarray, spec: Spec) -> np.ndarray:
    """Return [N, A] actions as applied: one-hot, or clipped with one warning that counts."""
    if spec.discrete:
        if actions.ndim != 1 or actions.dtype.kind not in "iu":
            found = f"{actions.dtype}{list(actions.shape)}"
            raise BadInput(f"{path}: actions: found {found}, expected integers [N]")
        first, last = spec.first_action, spec.first_action + spec.action_size - 1
        outside = actions[(actions < first) | (actions > last)]
        if len(outside):
            raise BadInput(f"{path}: actions: found {outside[0]}, expected {first} to {last}")
        return np.eye(spec.action_size, dtype=np.float32)[actions.astype(np.int64) - first]
    _check(path, "actions: sizes after the first", actions.shape[1:], (spec.action_size,))
    clipped = np.clip(actions, spec.action_low, spec.action_high).astype(np.float32)
    count = int((np.abs(clipped - actions) > 1e-6).sum())
    if count:
        share = 100 * count / actions.size
        warnings.warn(
            f"{path}: {count} action components ({share:.0f} %) lie outside the action space and "
            "were clipped, as the environment does",
            stacklevel=3,
        )
    return clipped


def load(path: Path, spec: Spec) -> Demonstrations:
    """Read a demonstration file and check it against an environment.

    Raises:
        BadInput: one line naming the file, the field, what was found and what was expected.
    """
    arrays = _read(path)
    states, actions = arrays["states"], arrays["actions"]
    lengths, terminated = arrays["lengths"], arrays["terminated"]
    _check(path, "env_id", str(arrays["env_id"]), spec.env_id)
    for field, array in (("lengths", lengths), ("terminated", terminated)):
        kind = "iu" if field == "lengths" else "b"
        if array.ndim != 1 or array.dtype.kind not in kind:
            expected = "integers [E]" if field == "lengths" else "booleans [E]"
            found = f"{array.dtype}{list(array.shape)}"
            raise BadInput(f"{path}: {field}: found {found}, expected {expected}")
    if not len(lengths) or lengths.min() < 1:
        found = "no episode" if not len(lengths) else f"an episode of length {lengths.min()}"
        raise BadInput(f"{path}: lengths: found {found}, expected at least 1 step each")
    steps, episodes = sum(lengths.tolist()), len(lengths)
    rewards = arrays.get("rewards", np.full(actions.shape[:1], np.nan, np.float32))
    _check(path, "terminated: size", terminated.shape, (episodes,))
    for field, array in (("states", states), ("actions", actions), ("rewards", rewards)):
        if array.dtype.kind not in "fiu":
            raise BadInput(f"{path}: {field}: found {array.dtype}, expected numbers")
    _check(path, "states: size", states.shape, (steps + episodes, spec.state_size))
    _check(path, "actions: length", actions.shape[:1], (steps,))
    _check(path, "rewards: size", rewards.shape, (steps,))
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and refused as such
        states = states.astype(np.float32)
        actions = actions.astype(np.float32) if actions.dtype.kind == "f" else actions
    for field, array in (("states", states), ("actions", actions)):
        bad = np.count_nonzero(~np.isfinite(array))
        _check(path, f"{field}: values that are NaN or infinite", bad, 0)
    applied = _checked_actions(path, actions, spec)
    ends = np.cumsum(lengths.astype(np.int64))[:-1]
    rows = zip(
        np.split(states, ends + np.arange(1, episodes)),
        np.split(applied, ends),
        np.split(rewards.astype(np.float64), ends),
        terminated,
        strict=True,
    )
    return Demonstrations(
        spec.env_id,
        tuple(
            Episode(s, a, spec.scale_actions(a), r, bool(t), not t, continued=False)
            for s, a, r, t in rows
        ),
        hashlib.sha256(path.read_bytes()).hexdigest(),
    )
