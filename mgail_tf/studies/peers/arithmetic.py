"""The losses of agents/mgail.py on what `torch` and `jax.numpy` have in common."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

NETWORKS = ("model", "discriminator", "policy", "value")
EPSILON = 1e-12  # of Adam, for the comparison: Keras puts it elsewhere than the two others do
_CLIPS = {"model": 10.0, "discriminator": 10.0, "value": 10.0}


class Library(NamedTuple):
    """What the two call differently."""

    xp: Any
    activations: dict[str, Callable[[Any], Any]]
    softplus: Callable[[Any], Any]
    sigmoid: Callable[[Any], Any]
    stop: Callable[[Any], Any]  # no gradient flows on
    bounded: Callable[[Any, float], Any]  # imagination.bounded
    slope: Callable[[Callable[[Any], Any], Any], Any]  # of a sum, by its argument, differentiable


def weights_of(learner: Any) -> dict[str, Any]:
    """Return copies of the learner's weights, network -> part -> arrays; trainable ones only."""

    def copied(part: Any) -> list[np.ndarray]:
        return [np.array(x) for x in part.get_weights()]

    parts: tuple[str, ...] = ("decoder",)
    if learner.config.model == "hadamard_gru":
        parts = ("state_in", "gru", "state_out", "action_in", "decoder")
    return {
        "model": {name: copied(getattr(learner.model, name)) for name in parts},
        "discriminator": {"trunk": copied(learner.discriminator.trunk)},
        "policy": {"mean": copied(learner.policy.mean)},
        "value": {"trunk": copied(learner.value.trunk)},
    }


class Losses:
    """The losses of agents/mgail.py, from weights and a batch, on whatever library."""

    def __init__(self, library: Library, learner: Any):
        self.library, self.config = library, learner.config
        self.act = library.activations[self.config.critic_activation]
        self.std = float(np.exp(learner.policy.log_std[0]))  # the same of every action

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

    def _to_go(self, costs, survival, values, dead):
        gamma, lam, after, rows = self.config.gamma, self.config.lam, values[-1], []
        for t in reversed(range(len(costs))):
            ahead = lam * after + (1.0 - lam) * values[t]
            after = (1.0 - gamma) * costs[t]
            after = after + gamma * (survival[t] * ahead + (1.0 - survival[t]) * dead)
            rows.append(after)
        return self.library.xp.stack(rows[::-1])

    def model(self, weights, batch):
        """Return the loss of objectives.forward_model_loss."""
        lib, (states, actions, ended, mask) = self.library, batch["sequences"]
        hidden, ahead, loss = self._hidden(weights, states), states[0], 0.0
        for t in range(actions.shape[0]):
            state = states[t]
            if self.config.model_recorded and t >= self.config.model_recorded:
                state = lib.xp.where(mask[t - 1][:, None] > 0, ahead, state)
            ahead, hidden, logits = self._predict(weights, state, actions[t], hidden)
            hidden = hidden * mask[t][:, None]
            squared = ((ahead - states[t + 1]) ** 2).sum(-1)
            entropy = lib.softplus(logits) - ended[t] * logits
            loss = loss + (mask[t] * (squared + entropy)).sum()
        return loss / mask.sum()

    def discriminator(self, weights, batch):
        """Return the loss of objectives.discriminator_loss."""
        lib, config = self.library, self.config
        agent, expert = batch["agent"], batch["expert"]
        loss = lib.softplus(-self._logits(weights, *agent)).mean()
        loss = loss + lib.softplus(self._logits(weights, *expert)).mean()
        ours, theirs = (lib.xp.concatenate(list(pairs), -1) for pairs in (agent, expert))
        points = ours * batch["mix"] + theirs * (1.0 - batch["mix"])
        slopes = lib.slope(lambda x: self._mlp(weights["trunk"], x, self.act).sum(), points)
        norm = lib.xp.sqrt((slopes**2).sum(-1) + 1e-12)
        excess = lib.xp.clip(norm - config.gradient_slope, 0.0, None)
        return loss + config.gradient_penalty * (excess**2).mean()

    def policy(self, weights, batch, model, discriminator, target):
        """Return the policy's loss, agents/mgail.py's, less the constant of the cloning loss."""
        lib, config, warm = self.library, self.config, self.config.burn_in
        states, actions, _, mask = batch["starts"]
        hidden = self._hidden(model, states)
        for t in range(warm if "gru" in model else 0):  # the vanilla model has no memory
            hidden = self._predict(model, states[t], actions[t], hidden)[1] * mask[t][:, None]
        state, limit = states[warm], config.state_gradient / (config.policy_batch * config.horizon)
        costs, survival, ahead = [], [], []
        for noise in batch["noise"]:
            judged = state
            state = lib.bounded(state, limit) if limit else state
            action = lib.xp.clip(self._mean(weights, state) + self.std * noise, -1.0, 1.0)
            state, hidden, logits = self._predict(model, state, action, hidden)
            costs.append(lib.softplus(self._logits(discriminator, judged, action)))
            survival.append(lib.sigmoid(-logits))
            ahead.append(state)
        values = self._value(target, lib.xp.stack(ahead))
        to_go = self._to_go(costs, survival, values, batch["dead_cost"])
        error = (batch["expert"][1] - self._mean(weights, batch["expert"][0])) / self.std
        cloned = 0.5 * (error**2).sum(-1).mean()  # and a constant
        return to_go[0].mean() / (config.horizon * (1.0 - config.gamma)) + config.cloning * cloned

    def value(self, weights, batch, discriminator, target):
        """Return the loss of objectives.value_loss on recorded steps."""
        lib, (states, actions, ended, mask) = self.library, batch["recorded"]
        costs = lib.softplus(self._logits(discriminator, states[:-1], actions))
        values = self._value(target, states[1:])
        to_go = lib.stop(self._to_go(costs, 1.0 - ended, values, batch["dead_cost"]))
        return (mask * (self._value(weights, states[:-1]) - to_go) ** 2).sum() / mask.sum()


def rates(config: Any) -> dict[str, tuple[float, float]]:
    """Return each network's learning rate and bound on its gradient's norm."""
    clips = {**_CLIPS, "policy": config.gradient_clip}
    return {name: (getattr(config, f"{name}_learning_rate"), clips[name]) for name in NETWORKS}


def others(name: str, w: dict[str, Any], slow: Any, target: Any) -> tuple[Any, ...]:
    """Return the weights that a network's loss takes beside its own."""
    beside = {"policy": (slow, w["discriminator"], target), "value": (w["discriminator"], target)}
    return beside.get(name, ())
