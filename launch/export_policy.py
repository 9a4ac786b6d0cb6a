"""Export a policy.npz (default: a committed expert) as a SavedModel.

python launch/export_policy.py --task=hopper --policy=runs/.../policy.npz --out=hopper_policy
"""

import sys
from pathlib import Path

from absl import flags

from launch import cli

FLAGS = cli.define(task="hopper", seed=1_000_000, episodes=50, smoke=False, threads=1)
flags.DEFINE_string("policy", None, "A policy.npz; default: the expert's.", flag_values=FLAGS)
flags.DEFINE_string("out", None, "Folder to write. Default: TASK_policy", flag_values=FLAGS)


def job() -> None:
    """Run what the flags say."""
    from mgail_tf import actor, envs, experts, results, tables
    from mgail_tf.evaluation import evaluate

    get = cli.read(FLAGS)
    task, out = get["task"], Path(get["out"] or f"{get['task'].replace('/', '_')}_policy")
    results.check_free(out)
    spec = envs.make(task, 0).spec
    policy = actor.load(Path(get["policy"]), spec) if get["policy"] else experts.load(task, spec)
    cli.load_tensorflow(get["threads"])
    from mgail_tf import export

    episodes = 2 if get["smoke"] else get["episodes"]
    modes = ("deterministic", "stochastic")
    scores = {m: evaluate(task, policy, episodes, get["seed"], m).return_mean for m in modes}
    export.save(out, policy, spec, {"versions": tables.versions(), "scores": scores})
    print(f"{out}: {', '.join(f'{m} {s:.1f}' for m, s in scores.items())} over {episodes} episodes")


def main(argv: list[str]) -> int:
    """Return the exit code."""
    return cli.run(job, FLAGS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
