"""What --variant names beside "default": other settings of MGAIL. Any other name is only a label.

"paper+model_end" is the variant `paper` with one of the ADDITIONS, or several; "default-model_end"
is the default without: as `paper` has it.
"""

from typing import Any

from mgail_tf.types import BadInput

# MGAIL as printed, as far as there are switches (README.md names what has none); T and the
# learning rates are not in print: the released code's T
_PAPER = {
    "cost": "log_d",
    "horizon": 10,
    "model_end": False,
    "horizon_value": False,
    "gradient_penalty": 0.0,
    "averaging": 0.0,
    "cloning": 0.0,
    "decay": False,
    "state_gradient": 0.0,
    "model": "hadamard_gru",
    "model_units": 100,
    "model_target_rate": 1.0,
    "model_recorded": 0,
    "model_learning_rate": 1e-3,
    "critic_activation": "relu",
    "final_log_std": -1.2,
    # and what single tasks bring
    "before_end": 0.0,
    "end": "judged",
    "model_noise": 0.0,
    "episode_steps": 0,
    "state_components": 0,
}
_RELEASED = {  # the authors' released code, as far as a replayed rollout can be it
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
    "buffer_capacity": 50_000,
}

# What is beyond the paper or found, each with the settings that it brings: README.md has the list.
ADDITIONS: dict[str, dict[str, Any]] = {
    "cost": {"cost": "neg_log_expert"},
    "model_end": {"model_end": True},
    "horizon_value": {"horizon_value": True},
    "gradient_penalty": {"gradient_penalty": 1.0},
    "horizon": {"horizon": 16},
    "state_gradient": {"state_gradient": 3.0},
    "vanilla": {"model": "vanilla", "model_units": 200, "model_learning_rate": 3e-3},
    "model_recorded": {"model_recorded": 1},
    "model_target_rate": {"model_target_rate": 0.02},
    "critic_activation": {"critic_activation": "silu"},
    "cloning": {"cloning": 0.03},
    "decay": {"decay": True, "final_log_std": -2.3},
    "averaging": {"averaging": 0.05},
}
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "mgail": {
        "paper": _PAPER,
        "released": _RELEASED,
        # Figure 5: the default with the paper's forward model
        "hadamard_gru": {"model": "hadamard_gru", "model_units": 100, "model_learning_rate": 1e-3},
    },
}


def changes(algorithm: str, variant: str) -> dict[str, Any]:
    """Return what a variant changes of an algorithm's settings; nothing if it is only a label.

    Raises:
        BadInput: it adds or leaves out something unknown, or adds to something unknown.
    """
    known = VARIANTS.get(algorithm, {})
    sign = "-" if variant.startswith("default-") else "+"
    base, *names = variant.split(sign)
    settings = dict(known.get(base, {}))
    for name in names:
        if not known or (sign == "+" and base not in known) or name not in ADDITIONS:
            bases = " or ".join([*(f"{x}+X" for x in known), "default-X"])
            expected = f"a name without {sign} for {algorithm}"
            if known:
                expected = f"{bases}, X one of {', '.join(ADDITIONS)}"
            raise BadInput(f"--variant={variant}: found {base}{sign}{name}, expected {expected}")
        settings |= ADDITIONS[name] if sign == "+" else {k: _PAPER[k] for k in ADDITIONS[name]}
    return settings
