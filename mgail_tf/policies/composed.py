"""Policies that are made of several networks: a mixture, and one for each step of an episode.

Their policy.npz holds the members' arrays stacked, and a `kind`; `load_policy` reads every kind.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mgail_tf.config.tasks import TASKS, task_with_id
from mgail_tf.envs.gym_env import make
from mgail_tf.errors import UNREADABLE, BadInput
from mgail_tf.policies.experts import results_folder
from mgail_tf.policies.numpy_policy import (
    NumpyPolicy,
    predicted,
    read_arrays,
    save_arrays,
    write_arrays,
)
from mgail_tf.types import Spec

_STACKED = ("log_std", "state_mean", "state_std")  # and the layers


@dataclasses.dataclass(frozen=True)
class _Composed:
    """What policies made of several share: how they are written and exported."""

    members: tuple[NumpyPolicy, ...]

    @property
    def spec(self) -> Spec:
        """What the environment is like."""
        return self.members[0].spec

    def arrays(self) -> dict[str, Any]:
        """Return what `save` writes, by name."""
        return stacked(self.members)

    def save(self, path: str | Path) -> None:
        """Write an npz of plain arrays (nothing pickled), with the env id.

        Raises:
            BadInput: a file is there already, or it cannot be written.
        """
        save_arrays(Path(path), self.arrays())

    def save_whole(self, path: Path) -> None:
        """Do what `save` does, and replace what is there."""
        write_arrays(path, self.arrays())

    def export(
        self,
        path: str | Path,
        metadata: dict[str, Any] | None = None,
        format: str = "saved_model",
    ) -> None:
        """Write a SavedModel that TensorFlow alone runs, see `policies.saved_model`.

        Raises:
            BadInput: the folder exists and holds something, or the format is another.
        """
        if format != "saved_model":
            found = f"found {format!r} for a policy that is made of several"
            raise BadInput(f"format: {found}, expected 'saved_model'")
        from mgail_tf.policies import saved_model  # TensorFlow takes seconds to import

        policy: Any = self  # one of the kinds below
        saved_model.export_composed(Path(path), policy, metadata or {})


@dataclasses.dataclass(frozen=True)
class MixturePolicy(_Composed):
    """One of several policies acts, drawn anew at every step."""

    probabilities: np.ndarray  # [N] of the members, they sum to 1

    def act(self, state: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Return a sample [A] for one state [S]; without `rng` what the whole mixture does.

        That is the mean of the members' means, or the action to which the mixture gives the
        greatest probability. The most probable member would be the first of SMILe, a cloned policy.
        """
        if rng is not None:
            drawn = np.searchsorted(np.cumsum(self.probabilities[:-1]), rng.random(), side="right")
            return self.members[drawn].act(state, rng)
        heads = np.stack([member.head(state) for member in self.members])  # [N, A]
        if not self.spec.discrete:
            return (self.probabilities @ heads).astype(np.float32)
        odds = np.exp(heads - heads.max(-1, keepdims=True))
        shares = self.probabilities @ (odds / odds.sum(-1, keepdims=True))
        return np.eye(len(shares), dtype=np.float32)[shares.argmax()]

    def predict(self, state: Any, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return the action for one observation, as `NumpyPolicy.predict` does."""
        return predicted(self, state, rng)

    def arrays(self) -> dict[str, Any]:
        """Return what `save` writes, by name."""
        return {"kind": "mixture", "probabilities": self.probabilities, **super().arrays()}


@dataclasses.dataclass(frozen=True)
class NonstationaryPolicy(_Composed):
    """One policy for each step of an episode; steps after the last one are the last one's.

    It acts by `at(step)`, as the step is no part of a state.
    """

    def at(self, step: int) -> NumpyPolicy:
        """Return the policy that acts at a step of an episode, counted from 0."""
        return self.members[min(step, len(self.members) - 1)]

    def arrays(self) -> dict[str, Any]:
        """Return what `save` writes, by name."""
        return {"kind": "nonstationary", **super().arrays()}


AnyPolicy = NumpyPolicy | MixturePolicy | NonstationaryPolicy


def stacked(members: Sequence[NumpyPolicy]) -> dict[str, Any]:
    """Return the arrays of policies of one shape, the first axis of each being the policies'."""
    each = [member.arrays() for member in members]
    return {
        name: np.stack([arrays[name] for arrays in each]) if _is_stacked(name) else value
        for name, value in each[0].items()
    }


def unstacked(arrays: Mapping[str, Any], spec: Spec, path: str) -> tuple[NumpyPolicy, ...]:
    """Return the policies of which `stacked` has made arrays.

    Args:
        path: what messages call them.

    Raises:
        BadInput: they are no policies, or made for another environment.
    """
    lengths = {name: len(np.atleast_1d(x)) for name, x in arrays.items() if _is_stacked(name)}
    if len({*lengths.values()}) != 1 or not min(lengths.values()):
        raise BadInput(f"{path}: members: found {lengths}, expected one number, not 0")
    count = min(lengths.values())
    return tuple(
        NumpyPolicy.from_arrays(
            {name: x[i] if _is_stacked(name) else x for name, x in arrays.items()}, spec, path
        )
        for i in range(count)
    )


def released_path(task: str) -> Path:
    """Return where a task's released policy lies."""
    return results_folder() / "policies" / task / "policy.npz"


def _is_stacked(name: str) -> bool:
    return name in _STACKED or name.startswith("layer")


def load_policy(path: str | Path, spec: Spec | None = None) -> AnyPolicy:
    """Read a policy.npz of any kind, and check that it fits the environment.

    Args:
        path: the file, or the folder of a finished run; or the name of one of the paper's tasks:
            the policy of MGAIL that `launch/release_policies.py` has written for it, as in
            `load_policy("hopper")`.
        spec: of the environment: `mgail_tf.make(env, 0).spec`. None: of the one that the file
            names, of an id of the paper's tasks that task.

    Raises:
        BadInput: the file is missing, damaged, or made for another environment; or no `spec` is
            given, and Gymnasium does not know the environment that the file names.
    """
    if str(path) in TASKS and not Path(path).exists():
        path = released_path(str(path))
    if (inside := Path(path) / "policy.npz").exists():
        path = inside
    arrays = read_arrays(path)
    if spec is None:
        if "env_id" not in arrays:
            raise BadInput(f"{path}: not a policy file (missing env_id)")
        spec = make(task_with_id(str(arrays["env_id"])), 0).spec
    if "kind" not in arrays:
        return NumpyPolicy.from_arrays(arrays, spec, str(path))
    kind = str(arrays.pop("kind"))
    probabilities = arrays.pop("probabilities", None)
    try:
        members = unstacked(arrays, spec, str(path))
    except UNREADABLE as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"{path}: not a policy file ({' '.join(str(error).split())})") from error
    if kind == "nonstationary":
        return NonstationaryPolicy(members)
    if kind != "mixture":
        raise BadInput(f"{path}: kind: found {kind}, expected mixture or nonstationary")
    weights = np.zeros(0) if probabilities is None else probabilities
    fits = weights.shape == (len(members),) and weights.dtype.kind == "f"
    if not fits or weights.min() < 0.0 or not np.isclose(weights.sum(), 1.0):
        expected = f"{len(members)} numbers that sum to 1"
        raise BadInput(f"{path}: probabilities: found {weights.tolist()}, expected {expected}")
    return MixturePolicy(members, weights)
