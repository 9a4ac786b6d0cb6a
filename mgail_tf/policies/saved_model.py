"""SavedModel policies that run with TensorFlow alone, and back."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mgail_tf.errors import BadInput, one_line
from mgail_tf.files import check_free, to_json
from mgail_tf.policies.composed import MixturePolicy, NonstationaryPolicy, stacked
from mgail_tf.policies.numpy_policy import (
    NumpyPolicy,
    check_described,
    described,
    predicted,
    read_description,
)
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
            return {"actions": _applied(spec, self._head(states))}

        @tf.function(input_signature=[rows])
        def act(states):
            return serve(_finite(states))

        @tf.function(input_signature=[rows, seed])
        def sample(states, seed):
            head = _drawn(spec, self._head(_finite(states)), self.log_std, seed)
            return {"actions": _applied(spec, head)}

        self.serve, self.act, self.sample = serve, act, sample
        if spec.leaves:
            self.act_on = _of_observations(spec, act)

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


def _of_observations(spec: Spec, act, *further: tf.TensorSpec):
    """Return `act` as a function of a dictionary of the observation's arrays [B, ...] by name.

    Args:
        further: what else it takes.
    """
    parts = {
        leaf.name: tf.TensorSpec(
            [None, *leaf.shape], tf.int64 if leaf.choices else tf.float32, leaf.name
        )
        for leaf in spec.leaves
    }

    @tf.function(input_signature=[parts, *further])
    def act_on(observations, *given):
        states = tf.concat([_flat(x, observations[x.name]) for x in spec.leaves], 1)
        return act(states, *given)

    return act_on


def _drawn(spec: Spec, head, log_std, seed):
    """Return samples in [-1, 1] units, or scores [B, A] whose greatest is the sample."""
    seeds = tf.stack([seed, tf.zeros_like(seed)])
    uniform = tf.random.stateless_uniform(tf.shape(head), seeds, minval=1e-7)
    if spec.discrete:
        return head - tf.math.log(-tf.math.log(uniform))  # Gumbel-Max
    return head + tf.exp(log_std) * tf.math.ndtri(uniform)


def _applied(spec: Spec, head):
    """Return environment actions: clipped [B, A], or the numbers [B] of discrete ones."""
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
        BadInput: the folder exists and holds something or cannot be written, or the metadata are
            not JSON.
    """
    check_free(path)
    text = to_json(described(policy.spec, metadata))
    _write(path, lambda: _Exported(policy), text)


def _write(path: Path, module: Callable[[], Any], metadata: str) -> None:
    """Write what `module` makes as a SavedModel, and the metadata beside it.

    Raises:
        BadInput: the folder cannot be written.
    """
    try:
        with _uninterrupted():
            made = module()
            signatures = {
                "act": made.act.get_concrete_function(),
                "sample": made.sample.get_concrete_function(),
                "serving_default": made.serve.get_concrete_function(),
            }
            tf.saved_model.save(made, str(path), signatures)
        (path / "metadata.json").write_text(metadata)
    except (OSError, tf.errors.OpError) as error:
        raise BadInput(f"{path}: cannot be written ({one_line(error)})") from error


class _Members(tf.Module):
    """The networks of a policy that is made of several, their weights stacked."""

    def __init__(self, members: Sequence[NumpyPolicy]):
        super().__init__()
        self._first = members[0]
        arrays = stacked(members)
        self._names = sorted(name for name in arrays if name.startswith("layer"))
        mean = arrays["state_mean"].astype(np.float32)
        arrays["state_rest"] = (arrays["state_mean"] - mean).astype(np.float32)
        arrays |= {"state_mean": mean, "state_std": arrays["state_std"].astype(np.float32)}
        kept = (*self._names, "log_std", "state_mean", "state_rest", "state_std")
        self.arrays = {name: tf.Variable(arrays[name], trainable=False) for name in kept}

    def of(self, place):
        """Return the arrays of one member, as of a stack of one."""
        return {name: value[place : place + 1] for name, value in self.arrays.items()}

    def heads(self, states, arrays):
        """Return every member's means in [-1, 1] units or logits [N, B, A] of states [B, S]."""
        policy, clip = self._first, np.float32(self._first.normaliser.clip)
        mean, rest, std = (arrays[f"state_{name}"][:, None] for name in ("mean", "rest", "std"))
        x = tf.clip_by_value(((states - mean) - rest) / std, -clip, clip)
        for i in range(0, len(self._names), 2):
            name = policy.output if i == len(self._names) - 2 else policy.activation
            kernel, bias = (arrays[layer] for layer in self._names[i : i + 2])
            x = _ACTIVATIONS[name](x @ kernel + bias[:, None])
        return x


class _ExportedMixture(tf.Module):
    """A mixture, in environment units."""

    def __init__(self, policy: MixturePolicy):
        super().__init__()
        spec, self._members = policy.spec, _Members(policy.members)
        self.probabilities = tf.Variable(policy.probabilities.astype(np.float32), trainable=False)
        rows = tf.TensorSpec([None, spec.state_size], tf.float32, "states")

        @tf.function(input_signature=[rows])
        def serve(states):
            heads = self._members.heads(states, self._members.arrays)
            each = tf.nn.softmax(heads) if spec.discrete else heads
            weights = tf.reshape(self.probabilities, [-1, 1, 1])
            return {"actions": _applied(spec, tf.reduce_sum(weights * each, 0))}

        @tf.function(input_signature=[rows])
        def act(states):
            return serve(_finite(states))

        @tf.function(input_signature=[rows, tf.TensorSpec([], tf.int64, "seed")])
        def sample(states, seed):
            heads = self._members.heads(_finite(states), self._members.arrays)
            places = tf.range(tf.shape(states)[0])
            who = tf.stack([seed, tf.ones_like(seed)])  # apart from the seeds of what it does
            uniform = tf.random.stateless_uniform(tf.shape(places), who)
            drawn = tf.searchsorted(tf.cumsum(self.probabilities[:-1]), uniform, side="right")
            head = tf.gather_nd(heads, tf.stack([drawn, places], 1))
            log_std = tf.gather(self._members.arrays["log_std"], drawn)
            return {"actions": _applied(spec, _drawn(spec, head, log_std, seed))}

        self.serve, self.act, self.sample = serve, act, sample
        if spec.leaves:
            self.act_on = _of_observations(spec, act)


class _ExportedSteps(tf.Module):
    """A policy for each step of an episode, in environment units."""

    def __init__(self, policy: NonstationaryPolicy):
        super().__init__()
        spec, self._members = policy.spec, _Members(policy.members)
        rows = tf.TensorSpec([None, spec.state_size], tf.float32, "states")
        place = tf.TensorSpec([], tf.int64, "step")
        last = len(policy.members) - 1

        def member(step):
            return self._members.of(tf.clip_by_value(step, 0, last))

        @tf.function(input_signature=[rows, place])
        def serve(states, step):
            head = self._members.heads(states, member(step))[0]
            return {"actions": _applied(spec, head)}

        @tf.function(input_signature=[rows, place])
        def act(states, step):
            return serve(_finite(states), step)

        @tf.function(input_signature=[rows, place, tf.TensorSpec([], tf.int64, "seed")])
        def sample(states, step, seed):
            arrays = member(step)
            head = self._members.heads(_finite(states), arrays)[0]
            head = _drawn(spec, head, arrays["log_std"], seed)
            return {"actions": _applied(spec, head)}

        self.serve, self.act, self.sample = serve, act, sample
        if spec.leaves:
            self.act_on = _of_observations(spec, act, place)


def export_composed(
    path: Path, policy: MixturePolicy | NonstationaryPolicy, metadata: dict[str, Any]
) -> None:
    """Write a SavedModel of a policy that is made of several, as `export` does.

    The signatures of a policy with a network for each step take a third input, step: int64 [], from
    0 on in every episode. metadata.json says so: "kind" is "mixture" or "nonstationary".

    Raises:
        BadInput: the folder exists and holds something, or cannot be written.
    """
    check_free(path)
    kind = "mixture" if isinstance(policy, MixturePolicy) else "nonstationary"
    text = to_json(described(policy.spec, {**metadata, "kind": kind}))
    if isinstance(policy, MixturePolicy):
        _write(path, lambda: _ExportedMixture(policy), text)
    else:
        _write(path, lambda: _ExportedSteps(policy), text)


class SavedPolicy:
    """A loaded SavedModel that acts as the policy that was exported, for evaluation."""

    def __init__(self, path: str | Path, spec: Spec):
        """Load and check the environment and the sizes.

        Raises:
            BadInput: not an exported policy, or one of another environment or for other sizes.
        """
        path = Path(path)
        metadata = read_description(path)
        try:
            self._model = tf.saved_model.load(str(path))
        except (OSError, ValueError, IndexError, tf.errors.OpError) as error:
            reason = str(error).splitlines()[0]
            raise BadInput(f"{path}: not an exported policy ({reason})") from error
        check_described(path, metadata, spec)
        self.spec = spec
        if metadata.get("kind") == "nonstationary":
            self.at = self._at

    def predict(self, observation: Any, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return the action for an observation, see `NumpyPolicy.predict`."""
        return predicted(self, observation, rng)

    def _at(self, step: int) -> "_SavedStep":
        """Return the policy that acts at a step of an episode, counted from 0."""
        return _SavedStep(self, step)

    def act(
        self, state: np.ndarray, rng: np.random.Generator | None, step: int | None = None
    ) -> np.ndarray:
        """Return a sample [A] in [-1, 1] units or one-hot for a state [S]; mode without rng.

        Args:
            step: of the episode, for a policy that is another at each.
        """
        given = {"states": tf.constant(state[None])}
        if step is not None:
            given["step"] = tf.constant(step, tf.int64)
        if rng is None:
            result = self._model.signatures["act"](**given)
        else:
            seed = tf.constant(int(rng.integers(1 << 62)), tf.int64)
            result = self._model.signatures["sample"](**given, seed=seed)
        action = result["actions"].numpy()[0]
        if self.spec.discrete:
            return self.spec.one_hot(action)
        return self.spec.scale_actions(action.ravel())


class _SavedStep(NamedTuple):
    """What a loaded policy does at one step of an episode."""

    policy: SavedPolicy
    step: int

    def act(self, state: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Return a sample [A] in [-1, 1] units or one-hot for a state [S]; mode without rng."""
        return self.policy.act(state, rng, self.step)
