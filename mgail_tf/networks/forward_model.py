"""Forward models f(s, a) -> s': the paper's (Figure 4, bottom), its parts, the vanilla one (top).

`FilmGRU` is the paper's with paths around its product and its GRU. All predict the change of the
standardised state and, beyond the paper, the logit of P(the step terminates the task).
"""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from mgail_tf.networks.mlp import MLP
from mgail_tf.types import Spec

UPDATE_GATE_BIAS = -2.0  # of FilmGRU: an eighth of the memory is kept at first


class Prediction(NamedTuple):
    """Prediction of one step."""

    next_states: Any  # [B, S]
    hidden: Any  # [B, H] recurrent state after seeing the step's state
    termination_logits: Any  # [B] of the step terminating the task


class _ForwardModel(keras.Model):
    """Decoding into the next state and the logit of termination, which all models share."""

    def __init__(self, spec: Spec, clip: float):
        super().__init__()
        self.state_size, self.clip = spec.state_size, clip

    def _predict(self, states, code, hidden) -> Prediction:
        decoded = self.decoder(code)
        change, logits = decoded[..., : self.state_size], decoded[..., self.state_size]
        next_states = tf.clip_by_value(states + change, -self.clip, self.clip)
        return Prediction(next_states, hidden, logits)


def _gru(inputs: int, units: int, seed: int) -> Any:
    """Return a cell with the equations of Cho et al. 2014."""
    cell = keras.layers.GRUCell(
        units,
        reset_after=False,
        kernel_initializer=keras.initializers.GlorotUniform(seed),
        recurrent_initializer=keras.initializers.Orthogonal(seed=seed + 1),
    )
    cell.build((None, inputs))
    return cell


class HadamardGRU(_ForwardModel):
    """State through dense, GRU, dense; action through dense, dense; their Hadamard product decoded.

    Section 3.5 and Figure 4, bottom. The classes after it leave one part out or replace it.
    """

    memory = True  # the GRU between the state's layers
    fusion = "hadamard"  # of state and action: hadamard, sum or concatenation

    def __init__(self, spec: Spec, units: int, clip: float, activation: str, seed: int):
        """Build with `units` in every layer; `clip` bounds standardised states."""
        super().__init__(spec, clip)
        self.state_in = MLP(spec.state_size, [], units, activation, seed, output=activation)
        if self.memory:
            self.gru = _gru(units, units, seed + 10)
        self.state_out = MLP(units, [], units, activation, seed + 1, output=activation)
        self.action_in = MLP(
            spec.action_size, [units], units, activation, seed + 2, output=activation
        )
        fused = 2 * units if self.fusion == "concatenation" else units
        self.decoder = MLP(
            fused, [units], spec.state_size + 1, activation, seed + 20, output_scale=0.1
        )
        self.hidden_size = units if self.memory else 1
        self.built = True

    def call(self, states: Any, actions: Any, hidden: Any) -> Prediction:
        """Predict one step from states [B, S], actions [B, A], hidden [B, H]."""
        code = self.state_in(states)
        if self.memory:
            hidden, _ = self.gru(code, [hidden])
            code = hidden
        state, action = self.state_out(code), self.action_in(actions)
        if self.fusion == "hadamard":
            fused = state * action
        elif self.fusion == "sum":
            fused = state + action
        else:
            fused = tf.concat([state, action], -1)
        return self._predict(states, fused, hidden)


class Hadamard(HadamardGRU):
    """Without the GRU."""

    memory = False


class SumGRU(HadamardGRU):
    """With the sum of both codes in place of their product."""

    fusion = "sum"


class ConcatenationGRU(HadamardGRU):
    """With both codes side by side in place of their product."""

    fusion = "concatenation"


class FilmGRU(_ForwardModel):
    """State encoder with a GRU, and an action that scales and shifts it (FiLM, Perez et al. 2018).

    The product of Section 3.5 with paths around both of its parts: code x (1 + W a) + U a, where
    the code is of the state and of the GRU's memory. So the product begins near the code, a change
    that takes the state or the action alone needs no product, and what the state says goes around
    the memory. The GRU begins with little memory: its update gate has a negative bias.
    """

    def __init__(self, spec: Spec, units: int, clip: float, activation: str, seed: int):
        """Build with `units` in every layer of the state's, and half as many in the GRU.

        `clip` bounds standardised states.
        """
        super().__init__(spec, clip)
        self.hidden_size = memory = max(units // 2, 1)
        self.activation = keras.activations.get(activation)
        self.state_in = MLP(spec.state_size, [], units, activation, seed, output=activation)
        self.gru = _gru(units, memory, seed + 10)
        update, rest = tf.fill([memory], UPDATE_GATE_BIAS), tf.zeros([2 * memory])
        self.gru.bias.assign(tf.concat([update, rest], 0))  # gates: update, reset, candidate
        self.state_out = MLP(units + memory, [], units, activation, seed + 1)
        self.action_in = MLP(
            spec.action_size, [memory], 2 * units, activation, seed + 2, output_scale=0.5
        )
        self.decoder = MLP(units, [], spec.state_size + 1, activation, seed + 20, output_scale=0.1)
        self.built = True

    def call(self, states: Any, actions: Any, hidden: Any) -> Prediction:
        """Predict one step from states [B, S], actions [B, A], hidden [B, H]."""
        code = self.state_in(states)
        hidden, _ = self.gru(code, [hidden])
        code = self.state_out(tf.concat([code, hidden], -1))
        scale, shift = tf.split(self.action_in(actions), 2, -1)
        return self._predict(states, self.activation(code * (1.0 + scale) + shift), hidden)


class Vanilla(_ForwardModel):
    """State and action concatenated, two hidden layers, no memory (Figure 4, top)."""

    def __init__(self, spec: Spec, units: int, clip: float, activation: str, seed: int):
        """Build with `units` in both layers; `clip` bounds standardised states."""
        super().__init__(spec, clip)
        self.decoder = MLP(
            spec.state_size + spec.action_size,
            [units, units],
            spec.state_size + 1,
            activation,
            seed,
            output_scale=0.1,
        )
        self.hidden_size = 1
        self.built = True

    def call(self, states: Any, actions: Any, hidden: Any) -> Prediction:
        """Predict one step from states [B, S] and actions [B, A]; hidden is passed through."""
        code = tf.concat([states, actions], -1)
        return self._predict(states, code, hidden)


FORWARD_MODELS: dict[str, type[HadamardGRU] | type[FilmGRU] | type[Vanilla]] = {
    "hadamard_gru": HadamardGRU,
    "hadamard": Hadamard,
    "sum_gru": SumGRU,
    "concatenation_gru": ConcatenationGRU,
    "film_gru": FilmGRU,
    "vanilla": Vanilla,
}
