"""The policy that rollouts use and files hold: a NumPy forward pass, cheaper than TensorFlow's."""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from mgail_tf.data.normaliser import Normaliser
from mgail_tf.env_ids import is_other_version, warn_of_version
from mgail_tf.errors import UNREADABLE, BadInput
from mgail_tf.files import check_absent, make_folder, to_json, written_whole
from mgail_tf.types import Spec

_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
    "linear": lambda x: x,
}


_REQUIRED = (
    *("log_std", "state_mean", "state_std", "state_clip"),
    *("activation", "output", "discrete", "env_id"),
)


class NumpyPolicy(NamedTuple):
    """A multi-layer perceptron with a Gaussian or a categorical head.

    Takes states in environment units. `predict` returns actions in environment units; `act`, which
    rollouts use, samples in [-1, 1] units or one-hot.
    """

    weights: tuple[np.ndarray, ...]  # kernel, bias, kernel, bias, ...
    log_std: np.ndarray  # [A]; empty where discrete
    normaliser: Normaliser
    activation: str  # of the hidden layers
    output: str  # activation of the mean: "tanh" or "linear"
    spec: Spec

    @property
    def discrete(self) -> bool:
        """Whether actions are discrete."""
        return self.spec.discrete

    def head(self, state: np.ndarray) -> np.ndarray:
        """Return the Gaussian's mean in [-1, 1] units or the logits, for states [..., S]."""
        act = _ACTIVATIONS[self.activation]
        x = self.normaliser(state)
        last = len(self.weights) - 2
        for i in range(0, last, 2):
            x = act(x @ self.weights[i] + self.weights[i + 1])
        return _ACTIVATIONS[self.output](x @ self.weights[last] + self.weights[last + 1])

    def act(self, state: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Return a sample [A] for one state [S]; without `rng` the mode of the distribution."""
        head = self.head(state)
        if not self.spec.discrete:
            if rng is None:
                return head
            noise = rng.standard_normal(head.shape, dtype=np.float32)
            return head + np.exp(self.log_std) * noise
        if rng is not None:
            head = head + rng.gumbel(size=head.shape)  # Gumbel-Max: argmax(g + log pi)
        sample = np.zeros_like(head, dtype=np.float32)
        sample[np.argmax(head)] = 1.0
        return sample

    def predict(self, state: Any, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return the action for one observation as the environment takes it.

        Args:
            state: the observation as the environment gives it (a dictionary, for example), or
                flat, [S].
            rng: draws a sample; without it the mean or most probable action is returned.

        Returns:
            An array clipped to the action space, or the number of a discrete action (0-d).

        Raises:
            ValueError: the observation is not one of the environment's, or is not finite.
        """
        return predicted(self, state, rng)

    def arrays(self) -> dict[str, Any]:
        """Return what `save` writes, by name."""
        layers: dict[str, Any] = {f"layer{i:02d}": w for i, w in enumerate(self.weights)}
        components = self.normaliser.components
        seen = {} if components is None else {"state_components": components}
        return {
            **layers,
            **seen,
            "log_std": self.log_std,
            "state_mean": self.normaliser.mean.astype(np.float64),
            "state_std": self.normaliser.std.astype(np.float64),
            "state_clip": np.float64(self.normaliser.clip),
            "activation": self.activation,
            "output": self.output,
            "discrete": self.spec.discrete,
            "env_id": self.spec.env_id,
            "state_size": self.spec.state_size,
        }

    def save(self, path: str | Path) -> None:
        """Write an npz of plain arrays (nothing pickled), with the env id.

        Raises:
            BadInput: a file is there already, or it cannot be written.
        """
        save_arrays(Path(path), self.arrays())

    def save_whole(self, path: Path) -> None:
        """Do what `save` does, and replace what is there."""
        write_arrays(path, self.arrays())

    @classmethod
    def load(cls, path: str | Path, spec: Spec) -> "NumpyPolicy":
        """Read a policy that `save` wrote, and check that it fits the environment.

        Args:
            spec: of the environment: `mgail_tf.make(env, 0).spec`.

        Raises:
            BadInput: the file is missing, damaged, or made for another environment.
        """
        arrays = read_arrays(path)
        if "kind" in arrays:
            expected = "expected a single network; mgail_tf.load_policy reads it"
            raise BadInput(f"{path}: kind: found {arrays['kind']}, {expected}")
        return cls.from_arrays(arrays, spec, str(path))

    @classmethod
    def from_arrays(cls, data: Mapping[str, Any], spec: Spec, path: str) -> "NumpyPolicy":
        """Return the policy that `arrays` describes, and check that it fits the environment.

        Args:
            path: what messages call it.

        Raises:
            BadInput: it is no policy, or made for another environment.
        """
        try:
            if missing := [n for n in _REQUIRED if n not in data]:
                raise ValueError(f"missing {', '.join(missing)}")
            names = sorted(n for n in data if n.startswith("layer"))
            env_id, discrete = str(data["env_id"]), bool(data["discrete"])
            # a file without it is of a policy that sees every component
            size = int(data["state_size"] if "state_size" in data else data["state_mean"].size)
            mean, seen = data["state_mean"], data.get("state_components")
            if seen is None and mean.size < size:  # an older file: it sees the first components
                seen = np.arange(mean.size)
            policy = cls(
                tuple(data[n] for n in names),
                data["log_std"],
                Normaliser(mean, data["state_std"], float(data["state_clip"]), seen),
                str(data["activation"]),
                str(data["output"]),
                spec,
            )
        except UNREADABLE as error:
            raise BadInput(f"{path}: not a policy file ({' '.join(str(error).split())})") from error
        other_version = is_other_version(str(path), env_id, spec.env_id)
        found_spec = spec._replace(discrete=discrete, state_size=size)
        for field, found, expected in _fit(policy, found_spec):
            if found != expected:
                raise BadInput(f"{path}: {field}: found {found}, expected {expected}")
        if other_version:
            warn_of_version(str(path), env_id, spec.env_id)
        return policy

    def export(
        self,
        path: str | Path,
        metadata: dict[str, Any] | None = None,
        format: Literal["saved_model", "onnx"] = "saved_model",
    ) -> None:
        """Write the policy so that other programs run it without this package.

        Args:
            path: a folder for a SavedModel, a file name that ends in .onnx for ONNX.
            metadata: further entries of what the export says of itself: JSON values.
            format: "saved_model", which TensorFlow alone runs, see `policies.saved_model`; or
                "onnx", which gives the mode and no samples, see `policies.onnx_policy`.

        Raises:
            BadInput: the path exists and holds something, does not fit the format or cannot be
                written, the metadata are not JSON, or `format="onnx"` and the package `onnx` is not
                installed.
        """
        if format not in ("saved_model", "onnx"):
            raise BadInput(f"format: found {format!r}, expected 'saved_model' or 'onnx'")
        if (Path(path).suffix == ".onnx") != (format == "onnx"):
            expected = "a folder's name" if format == "saved_model" else "a name that ends in .onnx"
            raise BadInput(f"{path}: format {format!r}: expected {expected}")
        if format == "onnx":
            from mgail_tf.policies import onnx_policy

            onnx_policy.export(Path(path), self, metadata or {})
        else:
            from mgail_tf.policies import saved_model  # TensorFlow takes seconds to import

            saved_model.export(Path(path), self, metadata or {})


def _fit(policy: NumpyPolicy, found: Spec) -> Iterator[tuple[str, object, object]]:
    """Yield (field, found, expected) of everything that must fit."""
    spec = policy.spec
    yield "discrete", found.discrete, spec.discrete
    yield "activation is known", policy.activation in _ACTIVATIONS, True
    yield "output is known", policy.output in _ACTIVATIONS, True
    yield "number of layer arrays is even", len(policy.weights) % 2 == 0 < len(policy.weights), True
    yield "state_mean: size", (found.state_size,), (spec.state_size,)
    size = policy.normaliser.mean.size  # it may see some of the components only
    yield "state_mean: size is at most that", 0 < size <= found.state_size, True
    yield "state_std: size", policy.normaliser.std.shape, (size,)
    if (seen := policy.normaliser.components) is not None:
        yield "state_components: size", np.shape(seen), (size,)
        whole = np.issubdtype(np.asarray(seen).dtype, np.integer)
        inside = whole and bool(np.all((seen >= 0) & (seen < found.state_size)))
        yield "state_components: are components of a state", inside, True
    for i in range(0, len(policy.weights), 2):
        kernel, bias = policy.weights[i : i + 2]
        yield f"layer{i:02d}: sizes", kernel.shape, (size, *bias.shape)
        size = bias.size
    yield "weights: actions of the last layer", size, spec.action_size
    yield "log_std: size", policy.log_std.shape, (0 if spec.discrete else spec.action_size,)


def described(spec: Spec, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an exported policy says of itself, as JSON values, and the user's metadata.

    Raises:
        BadInput: the metadata are not JSON.
    """
    discrete = spec.discrete
    numbers = f"int64 [batch]: the numbers of actions, from {spec.first_action} on"
    shape = ", ".join(map(str, spec.action_shape or (spec.action_size,)))
    continuous = f"float32 [batch, {shape}] in environment units, within the bounds"
    facts = {
        "env_id": spec.env_id,
        "state_size": spec.state_size,
        "action_size": spec.action_size,
        "discrete": discrete,
        "action_low": None if discrete else spec.action_low.tolist(),
        "action_high": None if discrete else spec.action_high.tolist(),
        "first_action": spec.first_action,
        "max_steps": spec.max_steps,
        "states": f"float32 [batch, {spec.state_size}] as observed",
        "observation": [leaf._asdict() | {"name": leaf.name} for leaf in spec.leaves] or None,
        "action_shape": list(spec.action_shape) or None,
        "actions": numbers if discrete else continuous,
    }
    try:
        return json.loads(to_json({**metadata, **facts}))
    except (TypeError, ValueError) as error:
        raise BadInput(f"metadata: expected JSON values ({error})") from error


def read_description(folder: Path) -> dict[str, Any]:
    """Return what an exported SavedModel says of itself in its metadata.json.

    Raises:
        BadInput: there is no such file, or it holds something else.
    """
    try:
        metadata = json.loads((folder / "metadata.json").read_text())
        if not isinstance(metadata, dict):
            raise ValueError(f"metadata.json holds a {type(metadata).__name__}")
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"{folder}: not an exported policy ({reason})") from error
    return metadata


def check_described(path: Path, metadata: Mapping[str, Any], spec: Spec) -> None:
    """Refuse an exported policy of another environment or for other sizes.

    Raises:
        BadInput: names the first entry of its metadata that differs.
    """
    env_id = str(metadata.get("env_id"))
    other_version = is_other_version(str(path), env_id, spec.env_id)
    for name in ("state_size", "action_size", "discrete"):
        found, expected = metadata.get(name), getattr(spec, name)
        if found != expected:
            raise BadInput(f"{path}: {name}: found {found}, expected {expected}")
    if other_version:
        warn_of_version(str(path), env_id, spec.env_id)


def predicted(policy: Any, observation: Any, rng: np.random.Generator | None) -> np.ndarray:
    """Return the action of a policy for one observation, see `NumpyPolicy.predict`.

    Args:
        policy: with `spec` and `act`.

    Raises:
        ValueError: the observation is not one of the environment's, or is not finite.
    """
    spec, state = policy.spec, policy.spec.flatten(observation)
    if not np.isfinite(state).all():
        raise ValueError(f"observation: found {state}, expected finite numbers")
    action = np.asarray(spec.apply(policy.act(state, rng)))
    return action.reshape(spec.action_shape) if spec.action_shape else action


def save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write an npz under a new name.

    Raises:
        BadInput: a file is there already, or it cannot be written.
    """
    check_absent(path)
    make_folder(path.parent)
    try:
        write_arrays(path, arrays)
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror})") from error


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write an npz so that the file under that name is never half written."""
    with written_whole(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_arrays(path: str | Path) -> dict[str, Any]:
    """Return the arrays of a policy file.

    Raises:
        BadInput: it is missing, damaged or no npz file.
    """
    if Path(path).is_file() and not zipfile.is_zipfile(path):
        raise BadInput(f"{path}: not an npz file; expected a policy file")
    try:
        with np.load(path, allow_pickle=False) as data:
            return dict(data)
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such policy file") from error
    except UNREADABLE as error:
        raise BadInput(f"{path}: not a policy file ({' '.join(str(error).split())})") from error


def sha256(path: Path) -> str:
    """Return a file's SHA-256 as hexadecimal text."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
