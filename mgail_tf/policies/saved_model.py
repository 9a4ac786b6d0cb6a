"""SavedModel policies that run with TensorFlow alone, and back."""

import contextlib
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mgail_tf.errors import BadInput
from mgail_tf.files import check_free, to_json
from mgail_tf.policies.numpy_policy import NumpyPolicy, check_described, described
from mgail_tf.types import Leaf, Spec

_ACTIVATIONS = {"relu": tf.nn.relu, "tanh": tf.tanh, "linear": tf.identity}


class _Exported(tf.Module):
    """The policy with normalisation and action scaling inside, in environment units."""

    def __init__(self, policy: NumpyPolicy):
        super().__init__()
        self._policy, spec = policy, policy.spec
        self.weights = [tf.Variable(w, trainable=False) for w in policy.weights]
        self.log_std = tf.Variable(policy.log_std, trainable=False)
        rows = tf.TensorSpec([None, spec.state_size], tf.float32, "states")
        seed = tf.TensorSpec([], tf.int64, "seed")

        @tf.function(input_signature=[rows])
        def serve(states):
            return {"actions": self._applied(self._head(states))}

        @tf.function(input_signature=[rows])
        def act(states):
            return serve(_finite(states))

        @tf.function(input_signature=[rows, seed])
        def sample(states, seed):
            head = self._head(_finite(states))
            seeds = tf.stack([seed, tf.zeros_like(seed)])
            uniform = tf.random.stateless_uniform(tf.shape(head), seeds, minval=1e-7)
            if spec.discrete:
                head -= tf.math.log(-tf.math.log(uniform))  # Gumbel-Max
            else:
                head += tf.exp(self.log_std) * tf.math.ndtri(uniform)
            return {"actions": self._applied(head)}

        self.serve, self.act, self.sample = serve, act, sample
        if spec.leaves:
            parts = {
                leaf.name: tf.TensorSpec(
                    [None, *leaf.shape], tf.int64 if leaf.choices else tf.float32, leaf.name
                )
                for leaf in spec.leaves
            }

            @tf.function(input_signature=[parts])
            def act_on(observations):
                return act(tf.concat([_flat(x, observations[x.name]) for x in spec.leaves], 1))

            self.act_on = act_on

    def _head(self, states):
        """Return means in [-1, 1] units or logits [B, A], as `NumpyPolicy.head` does, in float32.

        The mean is taken off in two parts, the second of which is what float32 lacks of the first:
        of states far from zero nothing is lost.
        """
        policy, normaliser = self._policy, self._policy.normaliser
        mean = normaliser.mean.astype(np.float32)
        rest = (normaliser.mean - mean).astype(np.float32)
        std = normaliser.std.astype(np.float32)
        if normaliser.components is not None:
            states = tf.gather(states, normaliser.components, axis=1)
        scaled = ((states - mean) - rest) / std
        x = tf.clip_by_value(scaled, -np.float32(normaliser.clip), np.float32(normaliser.clip))
        last = len(self.weights) - 2
        for i in range(0, len(self.weights), 2):
            name = policy.output if i == last else policy.activation
            x = _ACTIVATIONS[name](x @ self.weights[i] + self.weights[i + 1])
        return x

    def _applied(self, head):
        """Return environment actions: clipped [B, A], or the numbers [B] of discrete ones."""
        spec = self._policy.spec
        if spec.discrete:
            return spec.first_action + tf.argmax(head, -1)
        actions = spec.action_shift + spec.action_scale * head
        actions = tf.clip_by_value(actions, spec.action_low, spec.action_high)
        return tf.reshape(actions, [-1, *spec.action_shape]) if spec.action_shape else actions


def _flat(leaf: Leaf, values):
    """Return the components [B, size] of one array of the observations [B, ...]."""
    if not leaf.choices:
        return tf.reshape(values, [-1, leaf.size])
    places = tf.reshape(values, [-1, len(leaf.choices)]) - np.array(leaf.first, np.int64)
    one_hot = [tf.one_hot(places[:, i], count) for i, count in enumerate(leaf.choices)]
    return tf.concat(one_hot, 1)


def _finite(states):
    """Return states; one that is not finite would be clipped and get an action like any other."""
    return tf.debugging.check_numerics(states, "states: expected finite numbers")


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back for a moment: out of TensorFlow's tracing it would come as another error."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if pressed:
        raise KeyboardInterrupt


def export(path: Path, policy: NumpyPolicy, metadata: dict[str, Any]) -> None:
    """Write a SavedModel with signatures `act(states)` and `sample(states, seed)`.

    states: float32 [B, S] as observed; seed: int64 []. Both return {"actions": [B, A] or [B]}, and
    refuse states that are not finite. `serving_default` is `act` without that check, in operations
    that TFLite has too. Where observations are no flat array, the function `act_on` takes a
    dictionary of their arrays [B, ...] by name, such as "goal.position", and does what `act` does.
    metadata.json in the same folder holds what `policies.numpy_policy.described` says of the
    policy, and `metadata`.

    Raises:
        BadInput: the folder exists and holds something, or the metadata are not JSON.
    """
    check_free(path)
    text = to_json(described(policy.spec, metadata))
    with _uninterrupted():
        module = _Exported(policy)
        signatures = {
            "act": module.act.get_concrete_function(),
            "sample": module.sample.get_concrete_function(),
            "serving_default": module.serve.get_concrete_function(),
        }
        tf.saved_model.save(module, str(path), signatures)
    (path / "metadata.json").write_text(text)


class SavedPolicy:
    """A loaded SavedModel that acts as a NumpyPolicy does, for evaluation."""

    def __init__(self, path: str | Path, spec: Spec):
        """Load and check the environment and the sizes.

        Raises:
            BadInput: not an exported policy, or one of another environment or for other sizes.
        """
        path = Path(path)
        try:
            metadata = json.loads((path / "metadata.json").read_text())
            self._model = tf.saved_model.load(str(path))
            if not isinstance(metadata, dict):
                raise ValueError(f"metadata.json holds a {type(metadata).__name__}")
        except (OSError, ValueError, IndexError, tf.errors.OpError) as error:
            reason = str(error).splitlines()[0]
            raise BadInput(f"{path}: not an exported policy ({reason})") from error
        check_described(path, metadata, spec)
        self._spec = spec

    def act(self, state: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Return a sample [A] in [-1, 1] units or one-hot for a state [S]; mode without rng."""
        row = tf.constant(state[None])
        if rng is None:
            result = self._model.signatures["act"](states=row)
        else:
            seed = tf.constant(int(rng.integers(1 << 62)), tf.int64)
            result = self._model.signatures["sample"](states=row, seed=seed)
        action = result["actions"].numpy()[0]
        if self._spec.discrete:
            return self._spec.one_hot(action)
        return self._spec.scale_actions(action.ravel())
