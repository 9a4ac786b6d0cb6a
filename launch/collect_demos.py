"""Roll demonstrations out of an expert; the same command gives the same bytes.

python launch/collect_demos.py --task=hopper --trajectories=25 --out=hopper.npz
"""

import sys
from pathlib import Path

from absl import flags

from launch import cli

FLAGS = cli.define(task="hopper", seed=0, smoke=False)
flags.DEFINE_integer("trajectories", 25, "Whole episodes.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_boolean("deterministic", False, "Take the mode, not a sample.", flag_values=FLAGS)
flags.DEFINE_string("policy", None, "A policy.npz; default: the expert's.", flag_values=FLAGS)
flags.DEFINE_string("out", None, "The npz to write. Default: TASK.npz", flag_values=FLAGS)


def job() -> None:
    """Run what the flags say."""
    from tqdm import tqdm

    from mgail_tf import actor, demos, envs, experts
    from mgail_tf.types import BadInput

    get = cli.read(FLAGS)
    out = Path(get["out"] or f"{get['task'].replace('/', '_')}.npz")
    if out.suffix != ".npz":
        raise BadInput(f"--out={out}: found suffix {out.suffix!r}, expected .npz")
    if out.exists():
        raise BadInput(f"{out}: exists; choose another --out or remove it")
    spec = envs.make(get["task"], 0).spec
    policy = (
        actor.load(Path(get["policy"]), spec) if get["policy"] else experts.load(get["task"], spec)
    )
    count = 1 if get["smoke"] else get["trajectories"]
    with tqdm(total=count, unit="episode") as bar:
        experts.collect(
            policy, get["task"], count, get["seed"], not get["deterministic"], out, bar.update
        )
    loaded = demos.load(out, spec)
    print(f"{out}: {count} episodes, mean return {loaded.return_mean:.1f}, sha256 {loaded.sha256}")


def main(argv: list[str]) -> int:
    """Return the exit code."""
    return cli.run(job, FLAGS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
