"""The losses of agents/mgail/learner.py on what `torch` and `jax.numpy` have in common."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mgail_tf.agents.mgail.agent import MGAIL
from mgail_tf.agents.mgail.batches import Batch
from mgail_tf.agents.mgail.learner import (
    GRADIENT_CLIP,
    POLICY_GRADIENT_CLIP,
    VALUE_LEARNING_RATE,
)
from mgail_tf.config.algorithms import MGAILConfig

NETWORKS = ("model", "discriminator", "policy", "value")
EPSILON = 1e-12  # of Adam, for the comparison: Keras puts it elsewhere than the two others do


class Library(NamedTuple):
    """What the libraries call differently."""

    xp: Any
    activations: dict[str, Callable[[Any], Any]]
    softplus: Callable[[Any], Any]
    sigmoid: Callable[[Any], Any]
    stop: Callable[[Any], Any]  # no gradient flows on
    bounded: Callable[[Any, float], Any]  # imagination.clip_state_gradient
    slope: Callable[[Callable[[Any], Any], Any], Any]  # of a sum, by its argument, differentiable


def weights_of(agent: MGAIL) -> dict[str, Any]:
    """Return copies of the agent's weights, network -> part -> arrays; trainable ones only."""

    def copied(part: Any) -> list[np.ndarray]:
        return [np.array(x) for x in part.get_weights()]

    parts: tuple[str, ...] = ("decoder",)
    if agent.config.forward_model == "hadamard_gru":
        parts = ("state_in", "gru", "state_out", "action_in", "decoder")
    return {
        "model": {name: copied(getattr(agent.learner.model, name)) for name in parts},
        "discriminator": {"trunk": copied(agent.learner.discriminator.trunk)},
        "policy": {"mean": copied(agent.learner.policy.mean)},
        "value": {"trunk": copied(agent.learner.value.trunk)},
    }


class Losses:
    """The losses of one update, from weights and a batch, on whatever library."""

    def __init__(self, library: Library, agent: MGAIL):
        self.library, self.config = library, agent.effective_config
        self.gamma = agent.gamma
        self.act = library.activations[self.config.critic_activation]
        self.std = float(np.exp(agent.learner.policy.log_std[0]))  # the same of every action

    def _mlp(self, weights, x, activation, output=None):
        for i in range(0, len(weights), 2):
            x = x @ weights[i] + weights[i + 1]
            last = i == len(weights) - 2
            x = x if last and output is None else (output if last else activation)(x)
        return x

    def _predict(self, model, states, actions, hidden):
        lib, act, units = self.library, self.act, self.config.model_units
        if "gru" in model:
            x = self._mlp(model["state_in"], states, act, act)
            kernel, recurrent, bias = model["gru"]
            x = x @ kernel + bias
            gates = lib.sigmoid(x[:, : 2 * units] + hidden @ recurrent[:, : 2 * units])
            keep, reset = gates[:, :units], gates[:, units:]
            new = lib.xp.tanh(x[:, 2 * units :] + (reset * hidden) @ recurrent[:, 2 * units :])
            hidden = keep * hidden + (1.0 - keep) * new
            code = self._mlp(model["state_out"], hidden, act, act)
            code = code * self._mlp(model["action_in"], actions, act, act)
        else:
            code = lib.xp.concatenate([states, actions], -1)
        decoded = self._mlp(model["decoder"], code, act)
        clip = self.config.state_clip
        return lib.xp.clip(states + decoded[:, :-1], -clip, clip), hidden, decoded[:, -1]

    def _hidden(self, model, states):
        size = self.config.model_units if "gru" in model else 1
        return self.library.xp.zeros((states.shape[1], size))

    def _logits(self, discriminator, states, actions):
        pairs = self.library.xp.concatenate([states, actions], -1)
        return self._mlp(discriminator["trunk"], pairs, self.act)[..., 0]

    def _mean(self, policy, states):
        relu, tanh = self.library.activations["relu"], self.library.xp.tanh
        return self._mlp(policy["mean"], states, relu, tanh)

    def _value(self, value, states):
        return self._mlp(value["trunk"], states, self.act)[..., 0]

    def _to_go(self, costs, continuation, values, dead):
        gamma, td_lambda, after, rows = self.gamma, self.config.td_lambda, values[-1], []
        for t in reversed(range(len(costs))):
            ahead = td_lambda * after + (1.0 - td_lambda) * values[t]
            after = (1.0 - gamma) * costs[t]
            after = after + gamma * (continuation[t] * ahead + (1.0 - continuation[t]) * dead)
            rows.append(after)
        return self.library.xp.stack(rows[::-1])

    def model(self, weights: Any, batch: Batch) -> Any:
        """Return the sum of both losses of objectives.forward_model_loss."""
        lib, xp, forced = self.library, self.library.xp, self.config.teacher_forced_steps
        states, actions, terminated, mask = batch.sequences
        hidden, ahead, loss = self._hidden(weights, states), states[0], 0.0
        for t in range(actions.shape[0]):
            state = states[t]
            if forced and t >= forced:
                state = xp.where(mask[t - 1][:, None] > 0, ahead, state)
            ahead, hidden, logits = self._predict(weights, state, actions[t], hidden)
            hidden = hidden * mask[t][:, None]
            squared = xp.sum((ahead - states[t + 1]) ** 2, -1)
            entropy = lib.softplus(logits) - terminated[t] * logits
            loss = loss + xp.sum(mask[t] * (squared + entropy))
        return loss / xp.sum(mask)

    def discriminator(self, weights: Any, batch: Batch) -> Any:
        """Return the loss of networks.discriminator.discriminator_loss."""
        lib, xp, config = self.library, self.library.xp, self.config
        loss = xp.mean(lib.softplus(-self._logits(weights, *batch.agent)))
        loss = loss + xp.mean(lib.softplus(self._logits(weights, *batch.expert)))
        ours, theirs = (xp.concatenate(list(pairs), -1) for pairs in (batch.agent, batch.expert))
        points = ours * batch.mix + theirs * (1.0 - batch.mix)
        slopes = lib.slope(lambda x: xp.sum(self._mlp(weights["trunk"], x, self.act)), points)
        norm = xp.sqrt(xp.sum(slopes**2, -1) + 1e-12)
        excess = xp.clip(norm - config.gradient_slope, 0.0, None)
        return loss + config.gradient_penalty * xp.mean(excess**2)

    def policy(
        self, weights: Any, batch: Batch, model: Any, discriminator: Any, target: Any
    ) -> Any:
        """Return the policy's loss, less the constant of the cloning loss."""
        lib, xp, config = self.library, self.library.xp, self.config
        warm = config.burn_in_steps
        states, actions, _, mask = batch.starts
        hidden = self._hidden(model, states)
        for t in range(warm if "gru" in model else 0):  # the vanilla model has no memory
            hidden = self._predict(model, states[t], actions[t], hidden)[1] * mask[t][:, None]
        state, costs, continuation, ahead = states[warm], [], [], []
        for t in range(len(batch.noise)):
            judged = state
            if config.state_gradient_clip:
                carried = xp.concatenate([state, hidden], -1)
                carried = lib.bounded(carried, config.state_gradient_clip / batch.noise.shape[1])
                state, hidden = carried[:, : state.shape[-1]], carried[:, state.shape[-1] :]
            action = xp.clip(self._mean(weights, state) + self.std * batch.noise[t], -1.0, 1.0)
            state, hidden, logits = self._predict(model, state, action, hidden)
            costs.append(lib.softplus(self._logits(discriminator, judged, action)))
            continuation.append(lib.sigmoid(-logits))
            ahead.append(state)
        values = self._value(target, xp.stack(ahead))
        to_go = self._to_go(costs, continuation, values, batch.termination_cost)
        error = (batch.expert.actions - self._mean(weights, batch.expert.states)) / self.std
        cloned = 0.5 * xp.mean(xp.sum(error**2, -1))  # and a constant
        loss = xp.mean(to_go[0]) / (len(batch.noise) * (1.0 - self.gamma))
        return loss + config.bc_weight * cloned

    def value(self, weights: Any, batch: Batch, discriminator: Any, target: Any) -> Any:
        """Return the loss of objectives.value_loss on recorded steps."""
        lib, xp = self.library, self.library.xp
        assert batch.recorded is not None
        states, actions, terminated, mask = batch.recorded
        costs = lib.softplus(self._logits(discriminator, states[:-1], actions))
        values = self._value(target, states[1:])
        to_go = lib.stop(self._to_go(costs, 1.0 - terminated, values, batch.termination_cost))
        error = (self._value(weights, states[:-1]) - to_go) ** 2
        return xp.sum(mask * error) / xp.sum(mask)


def rates(config: MGAILConfig) -> dict[str, tuple[float, float]]:
    """Return each network's learning rate and bound on its gradient's norm."""
    assert config.discriminator_learning_rate is not None  # an effective configuration says both
    assert config.policy_learning_rate is not None
    return {
        "model": (config.model_learning_rate, GRADIENT_CLIP),
        "discriminator": (config.discriminator_learning_rate, GRADIENT_CLIP),
        "policy": (config.policy_learning_rate, POLICY_GRADIENT_CLIP),
        "value": (VALUE_LEARNING_RATE, GRADIENT_CLIP),
    }


def others(
    name: str, weights: dict[str, Any], ema_model: Any, target_value: Any
) -> tuple[Any, ...]:
    """Return the weights that a network's loss takes beside its own."""
    discriminator = weights["discriminator"]
    beside = {
        "policy": (ema_model, discriminator, target_value),
        "value": (discriminator, target_value),
    }
    return beside.get(name, ())
