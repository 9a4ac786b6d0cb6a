"""`--set key=value`: what values are possible, and reading them."""

import ast
import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from mgail_tf.types import BadInput

_CHOICES = {
    "activation": ("relu", "tanh"),
    "critic_activation": ("relu", "silu", "tanh"),
    "output": ("linear", "tanh"),
    "rollout": ("imagine", "replay"),
    "cost": ("log_d", "neg_log_expert", "logit"),
    "end": ("judged", "failure"),
    "value_data": ("imagined", "recorded"),
    "model": ("hadamard_gru", "vanilla"),
}
_FRACTIONS = ("gamma", "train_fraction")  # 0 < x < 1
_RATES = ("model_target_rate", "value_target_rate")  # 0 < x <= 1
_SHARES = ("before_end", "lam")  # 0 <= x <= 1
_MAY_BE_0 = (
    "averaging",
    "burn_in",
    "cg_damping",
    "cloning",
    "dead_cost",
    "discriminator_recent",
    "entropy",
    "episode_steps",
    "gradient_penalty",
    "gradient_slope",
    "model_noise",
    "model_recorded",
    "start_recent",
    "state_components",
    "state_gradient",
    "value_recent",
    "weight_decay",
)
_ANY = ("log_std", "initial_log_std", "final_log_std", "min_log_std")


def check(config: Any) -> Any:
    """Return the settings if every value is possible.

    Raises:
        BadInput: one is not; the line says which and what is expected.
    """
    for key, value in dataclasses.asdict(config).items():
        expected = ""
        if key in _CHOICES:
            expected = "" if value in _CHOICES[key] else f"one of {', '.join(_CHOICES[key])}"
        elif key in _FRACTIONS:
            expected = "" if 0 < value < 1 else "more than 0 and less than 1"
        elif key in _RATES:
            expected = "" if 0 < value <= 1 else "more than 0, at most 1"
        elif key in _SHARES:
            expected = "" if 0 <= value <= 1 else "from 0 to 1"
        elif isinstance(value, tuple):
            possible = all(type(x) is int and x > 0 for x in value)
            possible &= bool(value) or key.endswith("hidden")
            expected = "" if possible else "positive whole numbers"
        elif isinstance(value, bool):
            continue
        elif key in _ANY:
            expected = "" if math.isfinite(value) else "a finite number"
        elif key in _MAY_BE_0:
            expected = "" if 0 <= value < math.inf else "0 or more"
        elif not 0 < value < math.inf:
            expected = "more than 0"
        if expected:
            raise BadInput(f"--set {key}={value}: found {value}, expected {expected}")
    first = getattr(config, "batch_steps", (0,))[0]
    if first and (steps := config.env_steps) <= first:
        expected = f"more than {first}, the first of batch_steps, which sets the normaliser"
        raise BadInput(f"--set env_steps={steps}: found {steps}, expected {expected}")
    prefill = getattr(config, "prefill_steps", 0)
    if prefill and (steps := config.env_steps) <= prefill:
        expected = f"more than {prefill}, prefill_steps, after which the updates begin"
        raise BadInput(f"--set env_steps={steps}: found {steps}, expected {expected}")
    if updates := getattr(config, "updates_per_step", 0.0):
        real = config.block / max(1, round(config.block / updates))
        if abs(real / updates - 1.0) > 0.05:
            expected = f"block, {config.block}, divided by a whole number, such as {real:g}"
            raise BadInput(
                f"--set updates_per_step={updates}: found {updates}, expected {expected}"
            )
    return config


def _parsed(key: str, text: str, default: Any) -> Any:
    """Read `text` as a value of the default's type."""
    expected = type(default).__name__
    if isinstance(default, bool):
        text = {"true": "True", "false": "False"}.get(text, text)
    try:
        value = text if isinstance(default, str) else ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError) as error:
        raise BadInput(f"--set {key}={text}: found {text!r}, expected a {expected}") from error
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if isinstance(default, tuple) and type(value) is int:
        value = (value,)
    if type(value) is not type(default):
        raise BadInput(f"--set {key}={text}: found {text!r}, expected a {expected}")
    return value


def override(config: Any, assignments: Sequence[str]) -> Any:
    """Return the settings with `key=value` texts applied.

    Raises:
        BadInput: a text is no assignment, its key is unknown, or its value has another type.
    """
    known = [field.name for field in dataclasses.fields(config)]
    changes = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise BadInput(f"--set {assignment}: found no '=', expected key=value")
        if key not in known:
            raise BadInput(f"--set {assignment}: unknown key {key!r}; known: {', '.join(known)}")
        changes[key] = _parsed(key, text, getattr(config, key))
    return check(dataclasses.replace(config, **changes))
