"""The policy that rollouts use: a NumPy forward pass, 10-20 times cheaper than a TF call."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from mgail_tf.normaliser import Normaliser
from mgail_tf.types import UNREADABLE, BadInput, Spec

_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
    "linear": lambda x: x,
}


class Actor(Protocol):
    """What rollouts need of a policy."""

    def act(self, state: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Return a sample [A] for one state [S]; without `rng` the mode of the distribution."""
        ...


class NumpyPolicy(NamedTuple):
    """A multi-layer perceptron with a Gaussian or a categorical head.

    Takes states in environment units, returns samples in [-1, 1] units or one-hot.
    """

    weights: tuple[np.ndarray, ...]  # kernel, bias, kernel, bias, ...
    log_std: np.ndarray  # [A]; empty where discrete
    normaliser: Normaliser
    activation: str  # of the hidden layers
    output: str  # activation of the mean: "tanh" or "linear"
    discrete: bool

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
        if not self.discrete:
            if rng is None:
                return head
            noise = rng.standard_normal(head.shape, dtype=np.float32)
            return head + np.exp(self.log_std) * noise
        if rng is not None:
            head = head + rng.gumbel(size=head.shape)  # Gumbel-Max: argmax(g + log pi)
        sample = np.zeros_like(head, dtype=np.float32)
        sample[np.argmax(head)] = 1.0
        return sample

    def save(self, path: Path, spec: Spec) -> None:
        """Write an npz of plain arrays (nothing pickled), with the env id."""
        layers: dict[str, Any] = {f"layer{i:02d}": w for i, w in enumerate(self.weights)}
        np.savez_compressed(
            path,
            **layers,
            log_std=self.log_std,
            state_mean=self.normaliser.mean.astype(np.float64),
            state_std=self.normaliser.std.astype(np.float64),
            state_clip=np.float64(self.normaliser.clip),
            activation=self.activation,
            output=self.output,
            discrete=self.discrete,
            env_id=spec.env_id,
            state_size=spec.state_size,
        )


def load(path: Path, spec: Spec) -> NumpyPolicy:
    """Read a policy written by `NumpyPolicy.save` and check that it fits the environment.

    Raises:
        BadInput: the file is missing, damaged, or made for another environment.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            names = sorted(n for n in data.files if n.startswith("layer"))
            env_id = str(data["env_id"])
            # not in older files, whose policies see every component
            size = int(data["state_size"] if "state_size" in data else data["state_mean"].size)
            policy = NumpyPolicy(
                tuple(data[n] for n in names),
                data["log_std"],
                Normaliser(data["state_mean"], data["state_std"], float(data["state_clip"])),
                str(data["activation"]),
                str(data["output"]),
                bool(data["discrete"]),
            )
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such policy file") from error
    except UNREADABLE as error:
        raise BadInput(f"{path}: not a policy file ({' '.join(str(error).split())})") from error
    for field, found, expected in _fit(policy, spec, env_id, size):
        if found != expected:
            raise BadInput(f"{path}: {field}: found {found}, expected {expected}")
    return policy


def _fit(
    policy: NumpyPolicy, spec: Spec, env_id: str, state_size: int
) -> Iterator[tuple[str, object, object]]:
    """Yield (field, found, expected) of everything that must fit."""
    yield "env_id", env_id, spec.env_id
    yield "discrete", policy.discrete, spec.discrete
    yield "activation is known", policy.activation in _ACTIVATIONS, True
    yield "output is known", policy.output in _ACTIVATIONS, True
    yield "number of layer arrays is even", len(policy.weights) % 2 == 0 < len(policy.weights), True
    yield "state_mean: size", (state_size,), (spec.state_size,)
    size = policy.normaliser.mean.size  # it may see the first components only
    yield "state_mean: size is at most that", 0 < size <= state_size, True
    yield "state_std: size", policy.normaliser.std.shape, (size,)
    for i in range(0, len(policy.weights), 2):
        kernel, bias = policy.weights[i : i + 2]
        yield f"layer{i:02d}: sizes", kernel.shape, (size, *bias.shape)
        size = bias.size
    yield "weights: actions of the last layer", size, spec.action_size
    yield "log_std: size", policy.log_std.shape, (0 if spec.discrete else spec.action_size,)


def sha256(path: Path) -> str:
    """Return a file's SHA-256 as hexadecimal text."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
