"""Presets: other settings of MGAIL under a name, and the additions to the paper that ablate it."""

from typing import Any

from mgail_tf.errors import BadInput

# MGAIL as printed, as far as there are switches: docs/method.md lists what has none. The horizon,
# the discount and the learning rates are not in print: the first two are the released code's.
_PAPER = {
    "cost": "log_d",
    "gamma": 0.99,
    "horizon": 10,
    "policy_batch": 32,
    "policy_activation": "relu",
    "policy_learning_rate": 3e-4,
    "predict_termination": False,
    "value_targets": None,
    "gradient_penalty": 0.0,
    "policy_averaging": None,
    "match_tolerance": None,
    "bc_weight": 0.0,
    "cloning_bound": None,
    "clone_share": 0.0,
    "demonstrated_share": 0.0,
    "learning_rate_schedule": "constant",
    "log_std": (-1.2, -1.2),
    "state_gradient_clip": None,
    "forward_model": "hadamard_gru",
    "model_units": 100,
    "model_ema_rate": None,
    "teacher_forced_steps": None,
    "model_learning_rate": 1e-3,
    "critic_activation": "relu",
    "recent_share": 0.0,
    "near_termination_share": 0.0,
    "model_noise": 0.0,
    "initial_episode_steps": None,
    "observation_components": None,
}
# The authors' released code, as far as a replayed rollout can be it.
_RELEASED = {
    **_PAPER,
    "cost": "neg_log_expert",
    "rollout": "replay",
    "policy_hidden": (100, 50),
    "policy_learning_rate": 1e-4,
    "policy_batch": 70,
    "model_learning_rate": 1e-4,
    "model_batch": 70,
    "discriminator_learning_rate": 1e-3,
    "discriminator_batch": 70,
    "replay_capacity": 50_000,
}
# Figure 5: the default with the paper's forward model.
_HADAMARD_GRU = {"forward_model": "hadamard_gru", "model_units": 100, "model_learning_rate": 1e-3}
# The same with paths around the product and the memory.
_FILM_GRU = {"forward_model": "film_gru", "model_units": 128}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "mgail": {
        "paper": _PAPER,
        "released": _RELEASED,
        "hadamard_gru": _HADAMARD_GRU,
        "film_gru": _FILM_GRU,
    },
}

# What is beyond the paper, each with the settings that it brings.
ADDITIONS: dict[str, dict[str, Any]] = {
    "cost": {"cost": "neg_log_expert"},
    "predict_termination": {"predict_termination": True},
    "recent_share": {"recent_share": 0.5},
    "near_termination_share": {"near_termination_share": 0.1},
    "value": {"value_targets": "both"},
    "gradient_penalty": {"gradient_penalty": None},
    "horizon": {"horizon": None, "policy_batch": None},
    "gamma": {"gamma": None},
    "state_gradient_clip": {"state_gradient_clip": 0.625},
    "vanilla": {"forward_model": "vanilla", "model_units": 200, "model_learning_rate": 3e-3},
    "teacher_forced_steps": {"teacher_forced_steps": 1},
    "model_ema_rate": {"model_ema_rate": 0.02},
    "critic_activation": {"critic_activation": "silu"},
    "policy_activation": {"policy_activation": "tanh"},
    "policy_learning_rate": {"policy_learning_rate": None},
    "cloning_bound": {"cloning_bound": 1.0},
    "clone_share": {"clone_share": 0.05},
    "demonstrated_share": {"demonstrated_share": 0.25},
    "observation_components": {"observation_components": "foreseen"},
    "decay": {"learning_rate_schedule": "linear", "log_std": None},
    "policy_averaging": {"policy_averaging": 0.05},
    "match_tolerance": {"match_tolerance": 0.03},
}


def preset_settings(algorithm: str, preset: str) -> dict[str, Any]:
    """Return what a preset changes of an algorithm's settings; "default" changes nothing.

    Raises:
        BadInput: the algorithm has no such preset.
    """
    known = PRESETS.get(algorithm, {})
    if preset != "default" and preset not in known:
        names = ", ".join(["default", *known])
        raise BadInput(f"preset: found {preset!r}, expected {names} ({algorithm})")
    return known.get(preset, {})


def ablations() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return the runs that show what each addition does: label -> (preset, settings).

    "paper+X" is the paper's MGAIL with an addition, "default-X" the default without it.
    """
    runs: dict[str, tuple[str, dict[str, Any]]] = {}
    for preset in ("paper", "released", "default"):
        runs[preset] = (preset, {})
    for name, settings in ADDITIONS.items():
        runs[f"paper+{name}"] = ("paper", settings)
        runs[f"default-{name}"] = ("default", {key: _PAPER[key] for key in settings})
    return runs


def has_effect(label: str, subsample: int) -> bool:
    """Return whether an ablation changes anything where one pair in `subsample` is shown."""
    return subsample == 1 or not label.endswith("demonstrated_share")
