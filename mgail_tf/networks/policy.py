"""Policies: Gaussian with a reparameterised sample, categorical with a straight-through one."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from mgail_tf.data.normaliser import Normaliser
from mgail_tf.networks.mlp import MLP
from mgail_tf.policies.numpy_policy import NumpyPolicy
from mgail_tf.types import Spec

tfd = tfp.distributions


class GaussianPolicy(keras.Model):
    """pi(a|s) = N(mean(s), diag(std)^2), actions in [-1, 1] units, std independent of the state."""

    discrete = False

    def __init__(
        self,
        spec: Spec,
        hidden: Sequence[int],
        activation: str,
        seed: int,
        log_std: float,
        learn_std: bool,
        output: str = "tanh",
        output_scale: float = 0.01,
    ):
        """Build with a mean squashed by `output` ("tanh" keeps it in range; or "linear").

        Args:
            output_scale: of the last layer's initial weights; small ones start with a mean of 0.
        """
        super().__init__()
        self.activation, self.output_activation = activation, output
        self.mean = MLP(
            spec.state_size, hidden, spec.action_size, activation, seed, output, output_scale
        )
        self.log_std = self.add_weight(
            shape=(spec.action_size,),
            initializer=keras.initializers.Constant(log_std),
            trainable=learn_std,
            name="log_std",
        )

    def call(self, states: Any) -> Any:
        """Return the mean [..., A] for states [..., S]; it is also the mode."""
        return self.mean(states)

    def distribution(self, states: Any, frozen: bool = False) -> Any:
        """Return the distribution over actions; its log_prob sums over components.

        Args:
            frozen: no gradient flows to the parameters (the old policy of a natural step).
        """
        mean, std = self(states), tf.exp(tf.convert_to_tensor(self.log_std))
        if frozen:
            mean, std = tf.stop_gradient(mean), tf.stop_gradient(std)
        return tfd.Independent(tfd.Normal(mean, std), reinterpreted_batch_ndims=1)

    def sample(self, states: Any, noise: Any) -> Any:
        """Return mean(s) + std * noise (Eq. 10), noise from `draw_noise`, of the mean's shape."""
        return self(states) + tf.exp(tf.convert_to_tensor(self.log_std)) * noise

    def infer_noise(self, states: Any, actions: Any, noise: Any) -> Any:
        """Return the noise with which `sample` draws the given actions; `noise` is not needed."""
        return (actions - self(states)) / tf.exp(tf.convert_to_tensor(self.log_std))

    @staticmethod
    def draw_noise(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
        """Draw standard normal noise outside the graph, where it is cheap and resumable."""
        return rng.standard_normal(shape, dtype=np.float32)


class CategoricalPolicy(keras.Model):
    """pi(a|s) over one-hot actions, sampled by Gumbel-Max, differentiated by Gumbel-softmax."""

    discrete = True

    def __init__(
        self,
        spec: Spec,
        hidden: Sequence[int],
        activation: str,
        seed: int,
        temperature: float,
        output_scale: float = 0.01,
    ):
        """Build with the Gumbel-softmax temperature tau of Section 3.2.2.

        Args:
            output_scale: of the last layer's initial weights; small ones start uniform.
        """
        super().__init__()
        self.activation, self.output_activation = activation, "linear"
        self.temperature = temperature
        self.logits = MLP(
            spec.state_size, hidden, spec.action_size, activation, seed, "linear", output_scale
        )

    def call(self, states: Any) -> Any:
        """Return logits [..., A] for states [..., S]."""
        return self.logits(states)

    def distribution(self, states: Any, frozen: bool = False) -> Any:
        """Return the distribution over one-hot actions (`frozen`: without gradient)."""
        logits = tf.stop_gradient(self(states)) if frozen else self(states)
        return tfd.OneHotCategorical(logits=logits, dtype=keras.backend.floatx())

    def relaxed(self, states: Any) -> Any:
        """Return the Gumbel-softmax distribution that `sample` draws its soft action from."""
        return tfd.RelaxedOneHotCategorical(self.temperature, logits=self(states))

    def sample(self, states: Any, noise: Any) -> Any:
        """Return a one-hot sample whose gradient is the soft one's (Section 3.2.2).

        argmax(g + log pi) forward, d softmax((g + log pi) / tau) backward; noise g is from
        `draw_noise`, of the logits' shape.
        """
        scores = self(states) + noise
        soft = tf.nn.softmax(scores / self.temperature)
        hard = tf.one_hot(tf.argmax(scores, -1), scores.shape[-1], dtype=soft.dtype)
        return soft + tf.stop_gradient(hard - soft)

    def infer_noise(self, states: Any, actions: Any, noise: Any) -> Any:
        """Return Gumbel noise from its posterior given that `sample` draws the given actions.

        The winner's score is Gumbel at log sum exp of the logits, the others' are Gumbels cut off
        below it (Maddison et al. 2014); `noise` is fresh Gumbel noise that fixes both.
        """
        log_pi = tf.nn.log_softmax(self(states))
        winner = tf.reduce_sum(actions * noise, -1, keepdims=True)  # log sum exp is 0
        losers = winner - tf.nn.softplus(winner - noise - log_pi)
        return actions * winner + (1.0 - actions) * losers - log_pi

    @staticmethod
    def draw_noise(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
        """Draw standard Gumbel noise outside the graph."""
        return rng.gumbel(size=shape).astype(np.float32)


Policy = GaussianPolicy | CategoricalPolicy


def policy_for(
    spec: Spec,
    hidden: Sequence[int],
    activation: str,
    seed: int,
    *,
    log_std: float = -0.5,
    learn_std: bool = True,
    output: str = "tanh",
    output_scale: float = 0.01,
    temperature: float = 1.0,
) -> Policy:
    """Return the policy that an environment's actions ask for; see the classes' arguments."""
    if spec.discrete:
        return CategoricalPolicy(spec, hidden, activation, seed, temperature, output_scale)
    return GaussianPolicy(spec, hidden, activation, seed, log_std, learn_std, output, output_scale)


def trunk(policy: Policy) -> MLP:
    """Return the layers that give a policy's mean or logits."""
    return policy.logits if policy.discrete else policy.mean


def cloning_loss(policy: Policy, states: Any, actions: Any) -> Any:
    """Return the mean negative log-likelihood of actions [B, A] in states [B, S]."""
    return -tf.reduce_mean(policy.distribution(states).log_prob(actions))


def cloning_error(policy: Policy, states: Any, actions: Any) -> Any:
    """Return by how much the policy errs on actions [B, A] in states [B, S].

    Returns:
        The mean squared distance of the mean action, whatever the standard deviation is; of
        discrete actions the cloning loss.
    """
    if policy.discrete:
        return cloning_loss(policy, states, actions)
    return tf.reduce_mean(tf.reduce_sum(tf.square(policy(states) - actions), -1))


def to_numpy(policy: Policy, normaliser: Normaliser, spec: Spec) -> NumpyPolicy:
    """Return the NumPy policy with the present weights; costs about 0.1 ms.

    Args:
        spec: of the environment, whose states `normaliser` standardises for the network. The
            policy takes all their components: those that the network does not see weigh nothing.
    """
    weights = [np.asarray(w) for w in trunk(policy).get_weights()]
    if (seen := normaliser.components) is not None:
        kernel = np.zeros((spec.state_size, weights[0].shape[1]), np.float32)
        mean, std = np.zeros(spec.state_size), np.ones(spec.state_size)
        kernel[seen], mean[seen], std[seen] = weights[0], normaliser.mean, normaliser.std
        weights[0], normaliser = kernel, Normaliser(mean, std, normaliser.clip)
    return NumpyPolicy(
        tuple(weights),
        np.zeros(0, np.float32) if policy.discrete else np.asarray(policy.log_std),
        normaliser,
        policy.activation,
        policy.output_activation,
        spec,
    )
