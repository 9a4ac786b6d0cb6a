"""The updates of agents/mgail/learner.py in PyTorch (eager) and JAX (one compiled block)."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from mgail_tf.agents.mgail.agent import MGAIL
from mgail_tf.agents.mgail.batches import Batch
from mgail_tf.agents.mgail.learner import VALUE_TARGET_RATE
from mgail_tf.agents.mgail.scan import slice_of
from mgail_tf.studies.peers.arithmetic import (
    EPSILON,
    NETWORKS,
    Library,
    Losses,
    others,
    rates,
    weights_of,
)


def torch_block(agent: MGAIL, batches: Batch) -> Callable[[], dict[str, Any]]:
    """Return a function that runs the updates in PyTorch and returns the weights."""
    import torch
    from torch.utils import _pytree as pytree

    torch.set_num_threads(1)
    functional = torch.nn.functional

    def bounded(x, limit):
        if x.requires_grad:
            x = x.clone()
            x.register_hook(
                lambda g: g * torch.clamp(limit / (g.norm(dim=-1, keepdim=True) + 1e-12), max=1.0)
            )
        return x

    def slope(function, x):
        x = x.detach().requires_grad_(True)
        return torch.autograd.grad(function(x), x, create_graph=True)[0]

    library = Library(
        torch,
        {"relu": functional.relu, "silu": functional.silu},
        functional.softplus,
        torch.sigmoid,
        lambda x: x.detach(),
        bounded,
        slope,
    )
    config, ema_rate = agent.effective_config, agent.config.model_ema_rate or 1.0
    losses = Losses(library, agent)
    tensors = functools.partial(
        pytree.tree_map, lambda x: None if x is None else torch.tensor(np.asarray(x))
    )
    weights = tensors(weights_of(agent))
    ema_model, target_value = tensors(weights["model"]), tensors(weights["value"])
    flat = {name: pytree.tree_leaves(weights[name]) for name in NETWORKS}
    optimisers, clips = {}, {}
    for name, (rate, clip) in rates(config).items():
        for x in flat[name]:
            x.requires_grad_(True)
        clips[name] = clip
        optimisers[name] = torch.optim.Adam(flat[name], rate, eps=EPSILON)
    slices = [tensors(slice_of(batches, k)) for k in range(config.updates_per_call)]

    def follow(copy, network, rate):
        with torch.no_grad():
            torch._foreach_lerp_(pytree.tree_leaves(copy), pytree.tree_leaves(network), rate)

    def run() -> dict[str, Any]:
        for batch in slices:
            for name in NETWORKS:
                beside = others(name, weights, ema_model, target_value)
                loss = getattr(losses, name)(weights[name], batch, *beside)
                gradients = torch.autograd.grad(loss, flat[name])
                for x, gradient in zip(flat[name], gradients, strict=True):
                    x.grad = gradient
                torch.nn.utils.clip_grad_norm_(flat[name], clips[name])
                optimisers[name].step()
                if name == "model":
                    follow(ema_model, weights["model"], ema_rate)
            follow(target_value, weights["value"], VALUE_TARGET_RATE)
        return weights

    return run


def jax_block(agent: MGAIL, batches: Batch) -> Callable[[], dict[str, Any]]:
    """Return a function that runs the updates in JAX and returns the weights."""
    import jax
    import jax.numpy as jnp
    import optax

    @functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
    def bounded(x, limit):
        return x

    def backward(limit, _, upstream):
        norm = jnp.linalg.norm(upstream, axis=-1, keepdims=True)
        return (upstream * jnp.minimum(1.0, limit / (norm + 1e-12)),)

    bounded.defvjp(lambda x, limit: (x, None), backward)
    library = Library(
        jnp,
        {"relu": jax.nn.relu, "silu": jax.nn.silu},
        jax.nn.softplus,
        jax.nn.sigmoid,
        jax.lax.stop_gradient,
        bounded,
        lambda function, x: jax.grad(function)(x),
    )
    config, ema_rate = agent.effective_config, agent.config.model_ema_rate or 1.0
    losses = Losses(library, agent)
    optimisers = {
        name: optax.chain(optax.clip_by_global_norm(clip), optax.adam(rate, eps=EPSILON))
        for name, (rate, clip) in rates(config).items()
    }

    def follow(copy, network, rate):
        return jax.tree.map(lambda old, new: old + rate * (new - old), copy, network)

    def update(carry, batch):
        weights, ema_model, target_value, states = carry
        weights, states = dict(weights), dict(states)
        for name in NETWORKS:
            beside = others(name, weights, ema_model, target_value)
            gradients = jax.grad(getattr(losses, name))(weights[name], batch, *beside)
            change, states[name] = optimisers[name].update(gradients, states[name])
            weights[name] = optax.apply_updates(weights[name], change)
            if name == "model":
                ema_model = follow(ema_model, weights["model"], ema_rate)
        target_value = follow(target_value, weights["value"], VALUE_TARGET_RATE)
        return (weights, ema_model, target_value, states), None

    arrays = functools.partial(jax.tree.map, lambda x: jnp.asarray(np.asarray(x)))
    weights = arrays(weights_of(agent))
    states = {name: optimisers[name].init(weights[name]) for name in NETWORKS}
    carry = [(weights, weights["model"], weights["value"], states)]
    data = arrays(batches)
    block = jax.jit(lambda carry, data: jax.lax.scan(update, carry, data)[0])

    def run() -> dict[str, Any]:
        carry[0] = jax.block_until_ready(block(carry[0], data))
        return carry[0][0]

    return run
