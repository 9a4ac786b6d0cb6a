"""MGAIL: end-to-end differentiable adversarial imitation learning, and its baselines.

    agent = mgail_tf.MGAIL(env, demonstrations, seed=0)
    agent.learn(env_steps=40_000, run_dir="runs/mine")

Names are imported when they are first used: a process that only steps environments imports no
TensorFlow.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if "keras" not in sys.modules:  # Keras reads it when it is first imported
    os.environ["KERAS_BACKEND"] = "tensorflow"

if TYPE_CHECKING:
    from mgail_tf.agents.bc import BC as BC
    from mgail_tf.agents.gail import GAIL as GAIL
    from mgail_tf.agents.interactive import DAgger as DAgger
    from mgail_tf.agents.interactive import ForwardTraining as ForwardTraining
    from mgail_tf.agents.interactive import SMILe as SMILe
    from mgail_tf.agents.mgail.agent import MGAIL as MGAIL
    from mgail_tf.agents.trpo.agent import TRPO as TRPO
    from mgail_tf.config.algorithms import BCConfig as BCConfig
    from mgail_tf.config.algorithms import DAggerConfig as DAggerConfig
    from mgail_tf.config.algorithms import ForwardTrainingConfig as ForwardTrainingConfig
    from mgail_tf.config.algorithms import GAILConfig as GAILConfig
    from mgail_tf.config.algorithms import MGAILConfig as MGAILConfig
    from mgail_tf.config.algorithms import SMILeConfig as SMILeConfig
    from mgail_tf.config.algorithms import TRPOConfig as TRPOConfig
    from mgail_tf.config.overrides import override as override
    from mgail_tf.config.tasks import TASKS as TASKS
    from mgail_tf.config.tasks import for_task as for_task
    from mgail_tf.data.demonstrations import Demonstrations as Demonstrations
    from mgail_tf.envs.evaluation import Score as Score
    from mgail_tf.envs.evaluation import evaluate as evaluate
    from mgail_tf.envs.gym_env import make as make
    from mgail_tf.errors import BadInput as BadInput
    from mgail_tf.errors import Diverged as Diverged
    from mgail_tf.policies.composed import MixturePolicy as MixturePolicy
    from mgail_tf.policies.composed import NonstationaryPolicy as NonstationaryPolicy
    from mgail_tf.policies.composed import load_policy as load_policy
    from mgail_tf.policies.experts import expert_demonstrations as expert_demonstrations
    from mgail_tf.policies.experts import record as record
    from mgail_tf.policies.match import Match as Match
    from mgail_tf.policies.match import match as match
    from mgail_tf.policies.numpy_policy import NumpyPolicy as NumpyPolicy
    from mgail_tf.policies.onnx_policy import OnnxPolicy as OnnxPolicy
    from mgail_tf.policies.saved_model import SavedPolicy as SavedPolicy
    from mgail_tf.reporting.verdict import verdict as verdict
    from mgail_tf.reporting.video import record_video as record_video

_EXPORTS = {
    "agents.bc": ("BC",),
    "agents.gail": ("GAIL",),
    "agents.interactive": ("DAgger", "ForwardTraining", "SMILe"),
    "agents.mgail.agent": ("MGAIL",),
    "agents.trpo.agent": ("TRPO",),
    "config.algorithms": (
        *("BCConfig", "DAggerConfig", "ForwardTrainingConfig", "GAILConfig"),
        *("MGAILConfig", "SMILeConfig", "TRPOConfig"),
    ),
    "config.overrides": ("override",),
    "config.tasks": ("TASKS", "for_task"),
    "data.demonstrations": ("Demonstrations",),
    "envs.evaluation": ("Score", "evaluate"),
    "envs.gym_env": ("make",),
    "errors": ("BadInput", "Diverged"),
    "policies.composed": ("MixturePolicy", "NonstationaryPolicy", "load_policy"),
    "policies.experts": ("expert_demonstrations", "record"),
    "policies.match": ("Match", "match"),
    "policies.numpy_policy": ("NumpyPolicy",),
    "policies.onnx_policy": ("OnnxPolicy",),
    "policies.saved_model": ("SavedPolicy",),
    "reporting.verdict": ("verdict",),
    "reporting.video": ("record_video",),
}
_MODULE = {name: f"mgail_tf.{module}" for module, names in _EXPORTS.items() for name in names}
__all__ = list(_MODULE)


def __getattr__(name: str) -> Any:
    """Import a public name (PEP 562)."""
    if name not in _MODULE:
        raise AttributeError(f"module 'mgail_tf' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE[name]), name)


def __dir__() -> list[str]:
    return __all__
