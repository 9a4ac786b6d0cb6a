"""Export a policy.npz or a run's policy as a SavedModel or as an ONNX file, with its scores.

    python launch/export_policy.py --policy=runs/mgail-hopper-default-seed0
    python launch/export_policy.py --policy=runs/.../policy.npz --format=onnx

Without --policy the committed expert is exported.
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.envs.evaluation import EVALUATION_SEED, MODES
from mgail_tf.files import check_absent, check_free
from mgail_tf.training.provenance import versions

FLAGS = _flags.define("task", "policy", "episodes", "smoke", "threads", seed=EVALUATION_SEED)
FLAGS["policy"].help = (
    "A policy.npz or a run's folder; without --task its environment is taken. Default: the "
    "committed expert."
)
flags.DEFINE_enum(
    "format",
    "saved_model",
    ["saved_model", "onnx"],
    "saved_model runs with TensorFlow alone; onnx in any ONNX runtime, without sampling.",
    flag_values=FLAGS,
)
flags.DEFINE_string(
    "out",
    None,
    "Folder to write, or .onnx file. Default: TASK_policy or TASK_policy.onnx beside the policy "
    "file, or in runs/exported",
    flag_values=FLAGS,
)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    env, onnx = get["env"], get["format"] == "onnx"
    out = Path(get["out"] or _default(get))
    if (out.suffix == ".onnx") != onnx:
        expected = "a name that ends in .onnx" if onnx else "a folder's name (or --format=onnx)"
        raise mg.BadInput(f"--out={out}: --format={get['format']}: expected {expected}")
    if onnx:
        check_absent(out)
    else:
        check_free(out)
    spec = mg.make(env, 0).spec
    policy = _flags.numpy_policy_of(get, spec)
    episodes = 2 if get["smoke"] else get["episodes"]
    scores = {
        mode: mg.evaluate(policy, env, episodes, get["seed"], mode).return_mean for mode in MODES
    }
    if not onnx:
        _flags.load_tensorflow(get["threads"])
    policy.export(out, {"versions": versions(), "scores": scores}, get["format"])
    print(f"{out}: {', '.join(f'{m} {s:.1f}' for m, s in scores.items())} over {episodes} episodes")


def _default(get: dict[str, Any]) -> Path:
    """Return the path to write where --out says none."""
    name = f"{_flags.as_file_name(get['task'])}_policy"
    given = Path(get["policy"] or "runs/exported/policy.npz")
    folder = given if given.is_dir() else given.parent
    return folder / (f"{name}.onnx" if get["format"] == "onnx" else name)


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
