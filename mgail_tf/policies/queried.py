"""Experts that can be asked what they would do in any state, for interactive imitation."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mgail_tf.envs.evaluation import EVALUATION_SEED, evaluate, evaluate_random
from mgail_tf.envs.gym_env import EnvLike, make
from mgail_tf.errors import BadInput, one_line
from mgail_tf.policies import experts
from mgail_tf.policies.composed import load_policy
from mgail_tf.policies.numpy_policy import sha256
from mgail_tf.types import Spec

# A function of states [N, S] to actions in environment units, a policy, the path of a policy.npz or
# of a SavedModel, or None: the committed expert of the task.
Expert = Any


class QueriedExpert:
    """An expert that answers for any state, with its mean or most probable action.

    Attributes:
        fingerprint: the SHA-256 of its file or of a policy's arrays, or the name of its function or
            class.
    """

    def __init__(
        self, answer: Callable[[np.ndarray], Any], spec: Spec, fingerprint: str, committed: bool
    ):
        self._answer, self._spec = answer, spec
        self.fingerprint, self._committed = fingerprint, committed

    def __call__(self, states: np.ndarray) -> np.ndarray:
        """Return the actions [N, A] in [-1, 1] units or one-hot for states [N, S] as observed.

        Raises:
            BadInput: the expert fails, or answers with what are no actions.
        """
        spec, count = self._spec, len(states)
        shape: tuple[int, ...] = (count,) if spec.discrete else (count, spec.action_size)
        try:
            found = np.asarray(self._answer(states))
        except BadInput:
            raise
        except Exception as error:  # whatever a user's function raises
            raise BadInput(f"expert: {one_line(error)}") from error
        if spec.action_shape and found.shape == (count, *spec.action_shape):
            found = found.reshape(shape)
        if found.shape != shape or found.dtype.kind not in ("iu" if spec.discrete else "fiu"):
            kind = "integers" if spec.discrete else "numbers"
            given = f"{found.dtype}{list(found.shape)}"
            raise BadInput(f"expert: actions: found {given}, expected {kind} {list(shape)}")
        if spec.discrete:
            last = spec.first_action + spec.action_size - 1
            if not ((found >= spec.first_action) & (found <= last)).all():
                expected = f"expected {spec.first_action} to {last}"
                wrong = found[(found < spec.first_action) | (found > last)]
                raise BadInput(f"expert: actions: found {wrong[0]}, {expected}")
            return spec.one_hot(found)
        if not np.isfinite(found).all():
            wrong = found[~np.isfinite(found)]
            raise BadInput(f"expert: actions: found {wrong[0]}, expected finite numbers")
        return spec.scale_actions(np.clip(found, spec.action_low, spec.action_high))

    def act(self, state: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Return the action [A] for one state [S], whether `rng` is given or not."""
        return self(state[None])[0]

    def _published(self, task: str) -> bool:
        """Return whether its scores are: it is the committed one, and the limit the task's."""
        known = self._committed and experts.rows(task)
        return bool(known) and make(task, 0).spec.max_steps == self._spec.max_steps

    def length(self, task: str, env: EnvLike) -> float:
        """Return the mean length of its episodes: as published, or of ten that are run now."""
        if self._published(task):
            steps = {row["mode"]: float(row["length_mean"]) for row in experts.rows(task)}
            return steps["deterministic"]
        return evaluate(self, env, 10).length_mean

    def reference(self, task: str, env: EnvLike, episodes: int) -> experts.Reference:
        """Return the returns that a normalised score lies between: published, or measured now."""
        committed = experts.committed_reference(task)
        if committed and self._published(task):
            return committed
        chance = evaluate_random(env, episodes, EVALUATION_SEED)
        return experts.Reference(chance, evaluate(self, env, episodes).return_mean)


def queried_expert(expert: Expert, spec: Spec, task: str) -> QueriedExpert:
    """Return an expert that can be asked.

    Args:
        expert: see `Expert`.
        task: whose committed expert it is where none is given.

    Raises:
        BadInput: there is none, or it is of no such kind, or of another environment.
    """
    kinds = "a function of states, a policy, a policy.npz or a SavedModel's folder"
    if expert is None:
        expert = experts.weights_path(task)
        if not expert.exists():
            raise BadInput(f"{task}: found no committed expert to query, expected {kinds}")
    fingerprint = getattr(expert, "__qualname__", type(expert).__qualname__)
    if hasattr(expert, "arrays"):
        fingerprint = _sha256_of_arrays(expert.arrays())
    if isinstance(expert, str | Path):
        path = Path(expert)
        if path.is_dir():
            from mgail_tf.policies.saved_model import SavedPolicy  # TensorFlow takes seconds

            expert, fingerprint = SavedPolicy(path, spec), _sha256_of_folder(path)
        else:
            expert, fingerprint = load_policy(path, spec), sha256(path)
    if hasattr(expert, "at"):
        found = type(expert).__name__
        raise BadInput(f"expert: found a {found}, expected one that acts by the state alone")
    if not (hasattr(expert, "act") or callable(expert)):
        raise BadInput(f"expert: found a {type(expert).__name__}, expected {kinds}")
    weights = experts.weights_path(task)
    committed = weights.exists() and fingerprint == sha256(weights)
    answer: Callable[[np.ndarray], Any] = expert
    if hasattr(expert, "act"):

        def answer(states: np.ndarray) -> np.ndarray:
            return spec.apply(np.stack([expert.act(state, None) for state in states]))

    return QueriedExpert(answer, spec, fingerprint, committed)


def _sha256_of_arrays(arrays: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a policy's arrays and their names."""
    parts = [name.encode() + np.asarray(arrays[name]).tobytes() for name in sorted(arrays)]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _sha256_of_folder(path: Path) -> str:
    """Return the SHA-256 of the files in a folder."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
