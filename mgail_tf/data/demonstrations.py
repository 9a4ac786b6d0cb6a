"""Demonstrations: recorded episodes of an expert, their npz file, and what is learnt from them.

The file holds plain arrays (nothing pickled is ever read) of E episodes, N steps in all:
    states      float32 [N + E, S]  each episode's s0 ... sN_e, one more than its actions
    actions     float32 [N, A] in environment units, or integers [N] where discrete: the
                environment's own numbers
    rewards     float32 [N]         for scoring only; optional
    lengths     int64 [E]           steps of each episode
    terminated  bool [E]            the task ended there (as against a time limit)
    env_id      str
    ends_recorded  bool             optional, see `Demonstrations.ends_recorded`

Files of other formats are read by `mgail_tf.data.formats`.
"""

import dataclasses
import hashlib
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mgail_tf.data import formats
from mgail_tf.data.formats import Recorded
from mgail_tf.data.summary import Summary, summarise
from mgail_tf.env_ids import is_other_version, warn_of_version
from mgail_tf.errors import UNREADABLE, BadInput, one_line, whole
from mgail_tf.files import check_absent, make_folder, most_unpacked, write_whole
from mgail_tf.types import Episode, Spec, StateActions

_REQUIRED = ("states", "actions", "lengths", "terminated", "env_id")
_OPTIONAL = ("rewards", "ends_recorded")


@dataclasses.dataclass(frozen=True)
class Demonstrations:
    """Whole expert episodes of one environment, and which of their pairs are learnt from.

    Attributes:
        states, actions, lengths, terminated, env_id: as in the file, see the module.
        rewards: [N]; NaN where none were recorded.
        source: what messages call it: the file's path.
        sha256: of the file or of the arrays; names the demonstrations in result rows.
        expert_return: the return that a normalised score of 1 stands for; NaN where unknown.
        ends_recorded: the last state of an episode that terminated is the one in which the task
            ended. False: it is the state before, because the file lacks the last states.
        every: one pair in so many of each episode is learnt from.
        seed: fixes the offset at which each episode's pairs begin.
    """

    states: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    lengths: np.ndarray
    terminated: np.ndarray
    env_id: str
    source: str
    sha256: str
    expert_return: float
    ends_recorded: bool = True
    every: int = 1
    seed: int = 0

    @classmethod
    def load(cls, path: str | Path, env_id: str = "") -> "Demonstrations":
        """Read demonstrations, and check that they are consistent.

        What the path holds decides how it is read, not its name:
            an npz file that `save` wrote
            a flat HDF5 file, as D4RL's are: see `mgail_tf.data.formats.read_hdf5`
            a folder of `imitation`'s trajectories, which `datasets` saved
            "minari:ID", or the folder of a Minari dataset: see `from_minari`

        Args:
            path: of the file or folder, or "minari:ID".
            env_id: of the environment that they fit, whatever the file says; "": as it says.

        Raises:
            BadInput: one line naming the file, the field, what was found and what was expected.
        """
        if str(path).startswith(formats.MINARI_PREFIX):
            return cls.from_minari(str(path).removeprefix(formats.MINARI_PREFIX), env_id)
        path = Path(path)
        kind = formats.kind_of(path)
        if kind == formats.MINARI:
            return cls._of(str(path), formats.read_minari(path, str(path)), env_id)
        if kind == formats.TRAJECTORIES:
            return cls._of(str(path), formats.read_huggingface(path), env_id)
        if kind == formats.HDF5:
            return cls._of(str(path), formats.read_hdf5(path), env_id)
        if kind != formats.NPZ:
            raise BadInput(f"{path}: found {kind}, expected {formats.EXPECTED}")
        arrays = _read(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        checked = _checked(str(path), arrays)
        checked["env_id"] = env_id or checked["env_id"]
        return cls(**checked, source=str(path), sha256=digest)._with_return()

    @classmethod
    def from_minari(cls, dataset: Any, env_id: str = "") -> "Demonstrations":
        """Read a Minari dataset (extra: minari).

        Observations are flattened as `gymnasium.spaces.flatten` does with the dataset's observation
        space. A dataset that is not on this machine is downloaded.

        Args:
            dataset: a dataset's id, such as "mujoco/hopper/expert-v0", or a `MinariDataset`.
            env_id: of the environment, whatever the dataset says; "": as it says.

        Raises:
            BadInput: the dataset cannot be had, its spaces are not ones that can be flattened, or
                it holds more or fewer steps than its metadata say.
        """
        name = dataset if isinstance(dataset, str) else getattr(dataset, "id", "dataset")
        source = f"{formats.MINARI_PREFIX}{name}"
        return cls._of(source, formats.read_minari(dataset, source), env_id)

    def to_minari(
        self,
        dataset_id: str,
        env: Any = None,
        *,
        data_format: str = "hdf5",
        algorithm_name: str = "",
        author: str = "",
        description: str = "",
    ) -> Any:
        """Write a Minari dataset, as Minari's `DataCollector` does (extra: minari).

        Every episode has one observation more than actions. Where rewards are unknown they are NaN.

        Args:
            dataset_id: such as "rail/scripted-v0".
            env: the environment: a `gymnasium.Env`, its id or its `EnvSpec`. The dataset gets its
                spaces, and its spec for `recover_environment()`; states are put back into its
                observation space. None: unbounded flat spaces, and no `env_id`.
            data_format: "hdf5", "arrow" or "parquet".
            algorithm_name, author, description: for the dataset's metadata.

        Returns:
            The new `MinariDataset`.

        Raises:
            BadInput: there is a dataset of that id, the id is malformed, the demonstrations do not
                fit the environment, or pairs are left out (`sample(every=...)`).
        """
        self._check_whole("to_minari")
        described = {
            "algorithm_name": algorithm_name,
            "author": author and {author},
            "description": description,
        }
        known = {name: text for name, text in described.items() if text}
        return formats.write_minari(self._recorded(), dataset_id, env, data_format, known)

    @classmethod
    def from_trajectories(
        cls, trajectories: Sequence[Any], env_id: str = "", source: str = "trajectories"
    ) -> "Demonstrations":
        """Make demonstrations of trajectories as the library `imitation` has them.

        Args:
            trajectories: objects or mappings, one an episode, with `obs` [N + 1, ...], `acts`
                [N, ...], `terminal` (the task ended, as against a time limit), and perhaps `rews`
                [N]. Their `infos` are not looked at.
            env_id: of the environment that they fit; "" if that is not to be checked.
            source: what messages call them.

        Raises:
            BadInput: one of them lacks something, or its arrays do not fit together.
        """
        return cls._of(source, formats.read_trajectories(trajectories, source), env_id)

    @classmethod
    def from_arrays(
        cls,
        states: Sequence[ArrayLike],
        actions: Sequence[ArrayLike],
        *,
        terminated: ArrayLike,
        rewards: Sequence[ArrayLike] | None = None,
        env_id: str = "",
    ) -> "Demonstrations":
        """Make demonstrations of arrays, one of each kind an episode.

        Args:
            states: [N_e + 1, S] each: one more than actions, the last state included.
            actions: [N_e, A] in environment units, or integers [N_e] where discrete.
            terminated: [E], whether the task ended there (as against a time limit).
            rewards: [N_e] each; without them a score is not normalised by what is demonstrated.
            env_id: of the environment that they fit; "" if that is not to be checked.

        Raises:
            BadInput: the arrays do not fit together.
        """
        ends = np.asarray(terminated, bool)
        if not len(states) or not len(states) == len(actions) == np.size(ends):
            found = f"{len(states)} of states, {len(actions)} of actions"
            wanted = f"{np.size(ends)}, as many as of terminated, and not 0"
            raise BadInput(f"demonstrations: arrays an episode: found {found}, expected {wanted}")
        if rewards is not None and len(rewards) != len(states):
            found = f"found {len(rewards)}, expected {len(states)}, as many as of states"
            raise BadInput(f"demonstrations: arrays of rewards: {found}")
        recorded = Recorded(states, actions, ends, rewards)
        return cls._of("demonstrations", recorded, env_id)

    @classmethod
    def _of(cls, source: str, recorded: Recorded, env_id: str) -> "Demonstrations":
        """Make demonstrations of what was recorded.

        Args:
            env_id: where it does not say.

        Raises:
            BadInput: the arrays do not fit together.
        """
        for i, (s, a) in enumerate(zip(recorded.states, recorded.actions, strict=True)):
            steps = _length(source, f"actions of episode {i}", a)
            if (found := _length(source, f"states of episode {i}", s)) != steps + 1:
                expected = f"expected {steps + 1}, one more than its actions"
                raise BadInput(f"{source}: states of episode {i}: found {found}, {expected}")
            if recorded.rewards is None:
                continue
            rewards = recorded.rewards[i]
            if (found := _length(source, f"rewards of episode {i}", rewards)) != steps:
                expected = f"expected {steps}, as many as its actions"
                raise BadInput(f"{source}: rewards of episode {i}: found {found}, {expected}")
        arrays = {
            "states": _joined(source, "states", recorded.states),
            "actions": _joined(source, "actions", recorded.actions),
            "lengths": np.array([len(np.asarray(a)) for a in recorded.actions]),
            "terminated": np.asarray(recorded.terminated, bool),
            "env_id": np.array(env_id or recorded.env_id),
            "ends_recorded": np.array(recorded.ends_recorded),
        }
        if recorded.rewards is not None:
            arrays["rewards"] = _joined(source, "rewards", recorded.rewards)
        checked = _checked(source, arrays)
        # the file which `save` writes has the same name
        hashed = hashlib.sha256(cls(**checked, source="", sha256="")._packed())
        made = cls(**checked, source=source, sha256=hashed.hexdigest())
        if np.isfinite(recorded.expert_return):
            return dataclasses.replace(made, expert_return=recorded.expert_return)
        return made._with_return()

    def _recorded(self) -> Recorded:
        """Return what `_of` makes demonstrations of."""
        return Recorded(
            self._split_states(),
            self._split(self.actions),
            self.terminated,
            self._split(self.rewards),
            self.env_id,
            self.ends_recorded,
        )

    @classmethod
    def from_episodes(cls, spec: Spec, episodes: Sequence[Episode]) -> "Demonstrations":
        """Make demonstrations of episodes that a `Collector` rolled out."""
        return cls.from_arrays(
            [e.states for e in episodes],
            [
                spec.first_action + e.actions.argmax(-1) if spec.discrete else e.actions
                for e in episodes
            ],
            env_id=spec.env_id,
            terminated=[e.terminated for e in episodes],
            rewards=[e.rewards for e in episodes],
        )

    def save(self, path: str | Path) -> None:
        """Write the npz file; the same demonstrations give the same bytes.

        Raises:
            BadInput: a file is there already, it cannot be written, or pairs are left out
                (`sample(every=...)`): a file holds every pair.
        """
        self._check_whole("save")
        check_absent(Path(path))
        self.save_whole(Path(path))

    def _check_whole(self, method: str) -> None:
        """Refuse to write demonstrations of which pairs are left out: files hold every pair."""
        if self.every > 1:
            found, expected = f"found one pair in {self.every}", "expected every pair"
            advice = f"{method} before `sample(every=...)`, and sample what is loaded"
            raise BadInput(f"{self.source}: {method}: {found}, {expected}: {advice}")

    def save_whole(self, path: Path) -> None:
        """Do what `save` does, and replace what is there."""
        make_folder(path.parent)
        try:
            write_whole(path, self._packed())
        except OSError as error:
            raise BadInput(f"{path}: cannot be written ({error.strerror})") from error

    def _packed(self) -> bytes:
        """Return what the npz file holds."""
        arrays: dict[str, Any] = {"states": self.states, "actions": self.actions}
        if not np.isnan(self.rewards).all():
            arrays["rewards"] = self.rewards
        arrays |= {"lengths": self.lengths, "terminated": self.terminated}
        arrays["env_id"] = self.env_id
        if not self.ends_recorded:
            arrays["ends_recorded"] = self.ends_recorded
        packed = io.BytesIO()
        np.savez_compressed(packed, **arrays)
        return packed.getvalue()

    def __repr__(self) -> str:
        """Return one line for a person."""
        steps, kept = len(self.actions), f"1 pair in {self.every}"
        return f"Demonstrations({len(self)} episodes, {steps} steps, {kept}, {self.source})"

    def __len__(self) -> int:
        """Return the number of episodes."""
        return len(self.lengths)

    @property
    def return_mean(self) -> float:
        """Mean return of the episodes; NaN where there are no rewards."""
        return float(np.mean(self.returns()))

    def _with_return(self) -> "Demonstrations":
        return dataclasses.replace(self, expert_return=self.return_mean)

    def _split(self, steps: np.ndarray) -> list[np.ndarray]:
        """Return an array over steps [N, ...] as one an episode."""
        return np.split(steps, np.cumsum(self.lengths)[:-1])

    def _split_states(self) -> list[np.ndarray]:
        return np.split(self.states, np.cumsum(self.lengths + 1)[:-1])

    def sample(
        self, trajectories: int | None = None, every: int = 1, seed: int = 0
    ) -> "Demonstrations":
        """Choose episodes without replacement, and one pair in `every` of each.

        The pairs of an episode begin at a random offset (Ho & Ermon 2016).

        Args:
            trajectories: how many episodes; None: all.
            seed: fixes which, and the offsets.

        Raises:
            BadInput: there are fewer episodes, `every` is less than 1 or `seed` less than 0.
        """
        count = len(self) if trajectories is None else whole("num_trajectories", trajectories)
        every = whole("subsample", every)
        if not 1 <= count <= len(self):
            found = f"num_trajectories: found {count}, expected 1 to {len(self)}"
            raise BadInput(f"{self.source}: {found}")
        if every < 1:
            raise BadInput(f"{self.source}: subsample: found {every}, expected at least 1")
        chosen = sorted(self._shuffled(seed)[:count])
        return dataclasses.replace(self._chosen(chosen), every=every, seed=seed)

    def held_out(self, trajectories: int, seed: int = 0) -> "Demonstrations":
        """Return whole episodes that `sample` with the same seed chooses last.

        They are none of those that it chooses as long as both together are at most all.

        Raises:
            BadInput: there are fewer episodes, or `seed` is less than 0.
        """
        if not 1 <= whole("held_out", trajectories) <= len(self):
            found = f"held_out: found {trajectories}, expected 1 to {len(self)}"
            raise BadInput(f"{self.source}: {found}")
        return self._chosen(sorted(self._shuffled(seed)[-trajectories:]))

    def _shuffled(self, seed: int) -> list[int]:
        """Return the numbers of all episodes in the order in which a seed chooses them."""
        if whole("seed", seed) < 0:
            raise BadInput(f"{self.source}: seed: found {seed}, expected at least 0")
        return np.random.default_rng(seed).permutation(len(self)).tolist()

    def _chosen(self, chosen: list[int]) -> "Demonstrations":
        states, actions = self._split_states(), self._split(self.actions)
        rewards = self._split(self.rewards)
        return dataclasses.replace(
            self,
            states=np.concatenate([states[i] for i in chosen]),
            actions=np.concatenate([actions[i] for i in chosen]),
            rewards=np.concatenate([rewards[i] for i in chosen]),
            lengths=self.lengths[chosen],
            terminated=self.terminated[chosen],
        )

    def common(self, other: "Demonstrations") -> int:
        """Return how many of the episodes are in other demonstrations too."""
        theirs = {states.tobytes() for states in other._split_states()}
        return sum(states.tobytes() in theirs for states in self._split_states())

    @property
    def mostly_terminate(self) -> bool:
        """Whether more than three quarters terminated: then that is what the expert does."""
        return mostly(self.terminated)

    def terminal_states(self) -> np.ndarray:
        """Return the states [E, S] in which episodes terminated; none if they are unknown."""
        if not self.ends_recorded:
            return self.states[:0]
        return self.states[(np.cumsum(self.lengths + 1) - 1)[self.terminated]]

    def for_spec(self, spec: Spec) -> "Demonstrations":
        """Check that the demonstrations fit an environment; clip actions as it does.

        Their `env_id` may lack the environment's namespace, or name the module that registers it.
        It may name another version of the environment whose states and actions have the same sizes.

        Returns:
            The demonstrations with clipped actions; one warning says how many were clipped, and one
            that they are of another version.

        Raises:
            BadInput: the environment, the sizes or the actions are others.
        """
        name, other_version = self.source, False
        if self.env_id:
            other_version = is_other_version(name, self.env_id, spec.env_id)
        _check(name, "states: size", self.states.shape[1:], (spec.state_size,))
        actions = _applied(name, self.actions, spec)
        if not other_version:
            return dataclasses.replace(self, actions=actions)
        warn_of_version(name, self.env_id, spec.env_id)
        return dataclasses.replace(self, actions=actions, env_id=spec.env_id)

    def summary(self, spec: Spec | None = None) -> Summary:
        """Return what the demonstrations hold, with a text for people: `print(demos.summary())`.

        Args:
            spec: of the environment that they are checked against (`mgail_tf.make(env, 0).spec`);
                without it nothing is said of the bounds of actions.

        Raises:
            BadInput: they do not fit the environment, see `for_spec`.
        """
        if spec is not None:
            with warnings.catch_warnings():  # the summary says what is outside the bounds
                warnings.filterwarnings("ignore", "(?s).* action components ")
                self.for_spec(spec)
        return summarise(self, spec)

    def transitions(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return all recorded steps: states [N, S], actions as recorded, next states [N, S]."""
        states = self._split_states()
        before = np.concatenate([s[:-1] for s in states])
        return before, self.actions, np.concatenate([s[1:] for s in states])

    def returns(self) -> np.ndarray:
        """Return the return of every episode, [E]; NaN where rewards are unknown."""
        return np.array([r.sum() for r in self._split(self.rewards.astype(np.float64))])

    def _offsets(self) -> np.ndarray:
        """Return the step [E] at which each episode's pairs begin."""
        rng = np.random.default_rng([self.seed, self.every])
        # an episode shorter than the interval still gives one pair
        return np.array([rng.integers(min(self.every, length)) for length in self.lengths])

    def count_pairs(self) -> int:
        """Return how many pairs are learnt from."""
        return int(np.sum(-(-(self.lengths - self._offsets()) // self.every)))

    def episodes(self, spec: Spec) -> list[StateActions]:
        """Return every pair of each episode, states as observed, actions as networks see them.

        Raises:
            BadInput: the demonstrations do not fit the environment, see `for_spec`.
        """
        checked = self.for_spec(spec)
        scaled = spec.one_hot if spec.discrete else spec.scale_actions
        steps = zip(checked._split_states(), checked._split(checked.actions), strict=True)
        return [StateActions(states[:-1], scaled(actions)) for states, actions in steps]

    def recorded_episodes(self, spec: Spec) -> list[Episode]:
        """Return the whole episodes as an agent's are collected, every step with what follows it.

        An end whose state is not recorded is left out.

        Raises:
            BadInput: the demonstrations do not fit the environment, see `for_spec`.
        """
        checked, found = self.for_spec(spec), list[Episode]()
        parts = checked._split_states(), checked._split(checked.actions), checked.terminated
        for states, given, terminated in zip(*parts, strict=True):
            actions = spec.one_hot(given) if spec.discrete else given
            scaled = actions if spec.discrete else spec.scale_actions(given)
            ended = bool(terminated) and checked.ends_recorded
            nothing = np.zeros(len(actions))
            found.append(Episode(states, actions, scaled, nothing, ended, not ended, False))
        return found

    def pairs(self, spec: Spec) -> StateActions:
        """Return the pairs that are learnt from: states as observed, actions as networks see them.

        Raises:
            BadInput: the demonstrations do not fit the environment, see `for_spec`.
        """
        checked = self.for_spec(spec)
        states, actions = [], []
        steps = zip(
            checked._split_states(),
            checked._split(checked.actions),
            checked._offsets(),
            strict=True,
        )
        for episode_states, episode_actions, offset in steps:
            kept = episode_actions[offset :: self.every]
            states.append(episode_states[:-1][offset :: self.every])
            actions.append(spec.one_hot(kept) if spec.discrete else spec.scale_actions(kept))
        return StateActions(np.concatenate(states), np.concatenate(actions))


def mostly(terminated: np.ndarray) -> bool:
    """Return whether more than three quarters of episodes terminated, as against being cut off.

    An expert that falls now and then shows no fall that is to be imitated.
    """
    return bool(np.mean(terminated) > 0.75)


def fitting(demonstrations: Any, spec: Spec) -> Demonstrations:
    """Return demonstrations that an agent was given, as `Demonstrations.for_spec` does.

    Raises:
        BadInput: it was given something else, or they do not fit.
    """
    if not isinstance(demonstrations, Demonstrations):
        found, expected = type(demonstrations).__name__, "expected mgail_tf.Demonstrations"
        raise BadInput(f"demonstrations: found a {found}, {expected} (Demonstrations.load(path))")
    return demonstrations.for_spec(spec)


def _length(source: str, field: str, part: ArrayLike) -> int:
    """Return the number of rows of an array.

    Raises:
        BadInput: it is ragged, or a single number.
    """
    try:
        shape = np.shape(part)
    except ValueError as error:
        raise BadInput(f"{source}: {field}: {one_line(error)}; expected an array") from error
    if not shape:
        raise BadInput(f"{source}: {field}: found a single value, expected an array")
    return int(shape[0])


def _joined(source: str, field: str, parts: Sequence[ArrayLike]) -> np.ndarray:
    """Return the arrays of all episodes as one.

    Raises:
        BadInput: their sizes after the first differ.
    """
    arrays = [np.asarray(part) for part in parts]
    sizes = {array.shape[1:] for array in arrays}
    if len(sizes) > 1:
        found = ", ".join(map(str, sorted(sizes)))
        raise BadInput(f"{source}: {field}: sizes after the first: found {found}, expected one")
    return np.concatenate(arrays)


def _read(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an npz file that the schema names."""
    try:
        with np.load(path, allow_pickle=False) as data:
            size = sum(member.file_size for member in data.zip.infolist())
            if size > most_unpacked(path):
                raise ValueError(f"it holds {size} bytes, packed into {path.stat().st_size}")
            arrays = {name: data[name] for name in data.files if name in (*_REQUIRED, *_OPTIONAL)}
    except UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if "pickle" in reason:  # NumPy's advice is to unpickle it
            reason = "it is damaged, or holds pickled objects, which are never read"
        raise BadInput(f"{path}: not an npz of demonstrations ({reason})") from error
    missing = [name for name in _REQUIRED if name not in arrays]
    if missing:
        raise BadInput(f"{path}: missing {', '.join(missing)}; expected {', '.join(_REQUIRED)}")
    return arrays


def _check(name: str, field: str, found: object, expected: object) -> None:
    if found != expected:
        text = " ".join(str(found).split())
        raise BadInput(f"{name}: {field}: found {text}, expected {expected}")


def _kinds(arrays: dict[str, np.ndarray]) -> Iterator[tuple[str, bool, str]]:
    """Yield (field, whether its kind of array is right, what is expected)."""
    lengths, terminated = arrays["lengths"], arrays["terminated"]
    yield "lengths", lengths.ndim == 1 and lengths.dtype.kind in "iu", "integers [E]"
    yield "terminated", terminated.ndim == 1 and terminated.dtype.kind == "b", "booleans [E]"
    for field in ("states", "actions", "rewards"):
        yield field, arrays[field].dtype.kind in "fiu", "numbers"


def _text(array: np.ndarray) -> str:
    """Return a text that an array holds, in whatever way it was put there."""
    value = np.asarray(array).ravel().tolist()
    value = value[0] if len(value) == 1 else value
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _checked(name: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the fields of `Demonstrations` out of arrays by the schema.

    Raises:
        BadInput: they are not consistent.
    """
    states, actions, lengths = (arrays[field] for field in ("states", "actions", "lengths"))
    rewards = arrays.get("rewards", np.full(actions.shape[:1], np.nan, np.float32))
    for field, right, expected in _kinds({**arrays, "rewards": rewards}):
        if not right:
            array = rewards if field == "rewards" else arrays[field]
            found = f"{array.dtype}{list(array.shape)}"
            raise BadInput(f"{name}: {field}: found {found}, expected {expected}")
    if not len(lengths) or lengths.min() < 1:
        found = "no episode" if not len(lengths) else f"an episode of length {lengths.min()}"
        raise BadInput(f"{name}: lengths: found {found}, expected at least 1 step each")
    steps, episodes = sum(lengths.tolist()), len(lengths)
    _check(name, "terminated: size", arrays["terminated"].shape, (episodes,))
    _check(name, "states: axes", states.ndim, 2)
    _check(name, "states: length", len(states), steps + episodes)
    _check(name, "actions: length", actions.shape[:1], (steps,))
    _check(name, "rewards: size", rewards.shape, (steps,))
    with np.errstate(over="ignore"):  # beyond float32 is infinite, and refused as such
        states = states.astype(np.float32)
        actions = actions.astype(np.float32) if actions.dtype.kind == "f" else actions
        rewards = rewards.astype(np.float32)
    for field, array in (("states", states), ("actions", actions)):
        bad = np.count_nonzero(~np.isfinite(array))
        _check(name, f"{field}: values that are NaN or infinite", bad, 0)
    bad = np.count_nonzero(~np.isfinite(rewards))
    if np.isinf(rewards).any() or bad < len(rewards):  # all NaN: they are unknown
        _check(name, "rewards: values that are NaN or infinite", bad, 0)
    return {
        "states": states,
        "actions": actions,
        "rewards": rewards,
        "lengths": lengths.astype(np.int64),
        "terminated": arrays["terminated"],
        "env_id": _text(arrays["env_id"]),
        "expert_return": np.nan,
        "ends_recorded": bool(np.all(arrays.get("ends_recorded", True))),
    }


def _applied(name: str, actions: np.ndarray, spec: Spec) -> np.ndarray:
    """Return actions as the environment applies them, with one warning where they are clipped."""
    if spec.discrete:
        if actions.ndim != 1 or actions.dtype.kind not in "iu":
            found = f"{actions.dtype}{list(actions.shape)}"
            raise BadInput(f"{name}: actions: found {found}, expected integers [N]")
        first, last = spec.first_action, spec.first_action + spec.action_size - 1
        outside = actions[(actions < first) | (actions > last)]
        if len(outside):
            raise BadInput(f"{name}: actions: found {outside[0]}, expected {first} to {last}")
        return actions.astype(np.int64)
    _check(name, "actions: sizes after the first", actions.shape[1:], (spec.action_size,))
    clipped = np.clip(actions, spec.action_low, spec.action_high).astype(np.float32)
    count = int((np.abs(clipped - actions) > 1e-6).sum())
    if count:
        share = 100 * count / actions.size
        warnings.warn(
            f"{name}: {count} action components ({share:.0f} %) lie outside the action space and "
            "were clipped, as the environment does",
            stacklevel=3,
        )
    return clipped
