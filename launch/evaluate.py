"""Score a policy.npz, an exported SavedModel or a committed expert.

python launch/evaluate.py --task=hopper --policy=runs/mgail-hopper-default-seed0/policy.npz
python launch/evaluate.py --task=hopper --saved_model=runs/.../saved_model
python launch/evaluate.py --task=hopper            (the committed expert)
"""

import sys
from pathlib import Path

from absl import flags

from launch import cli

FLAGS = cli.define(task="hopper", seed=1_000_000, episodes=50, smoke=False, threads=1)
flags.DEFINE_string("policy", None, "A policy.npz; default: the expert's.", flag_values=FLAGS)
flags.DEFINE_string("saved_model", None, "A folder that export wrote.", flag_values=FLAGS)


def job() -> None:
    """Run what the flags say."""
    from mgail_tf import actor, envs, experts
    from mgail_tf.evaluation import evaluate
    from mgail_tf.types import BadInput

    get = cli.read(FLAGS)
    if get["policy"] and get["saved_model"]:
        raise BadInput("--policy and --saved_model: found both, expected one")
    spec = envs.make(get["task"], 0).spec
    policy: actor.Actor
    if get["saved_model"]:
        cli.load_tensorflow(get["threads"])
        from mgail_tf import export

        policy = export.SavedPolicy(Path(get["saved_model"]), spec)
    elif get["policy"]:
        policy = actor.load(Path(get["policy"]), spec)
    else:
        policy = experts.load(get["task"], spec)
    episodes = 2 if get["smoke"] else get["episodes"]
    for mode in ("deterministic", "stochastic"):
        score = evaluate(get["task"], policy, episodes, get["seed"], mode)
        print(
            f"{spec.env_id} {mode}: return {score.return_mean:.1f} "
            f"+- {score.return_std_over_episodes:.1f} (std over {episodes} episodes), "
            f"length {score.length_mean:.1f}"
        )


def main(argv: list[str]) -> int:
    """Return the exit code."""
    return cli.run(job, FLAGS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
