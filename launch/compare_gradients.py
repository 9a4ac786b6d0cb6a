"""Compare the exact policy gradient with the score function's, after a short training of MGAIL.

    python launch/compare_gradients.py --task=hopper --env_steps=20000

Both see the same imagined trajectories. They are compared to the mean of 256 exact gradients of the
largest batch.
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.reporting import tables
from mgail_tf.training import provenance

FLAGS = _flags.define(
    *("task", "seed", "env_steps", "set", "preset", "threads", "smoke"),
    *("demos", "num_trajectories", "subsample"),
)
flags.DEFINE_multi_integer("horizon", [1, 4, 16, 32], "T.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_multi_integer("batch", [16, 64, 256], "Starts.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_string("table", "runs/gradients.csv", "CSV to merge the rows into.", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    config, env_steps = _flags.settings("mgail", get)
    demonstrations, _ = _flags.demonstrations(get)
    _flags.load_tensorflow(get["threads"])
    from mgail_tf.studies import gradient_comparison

    table = Path(get["table"])
    tables.check(table, gradient_comparison.TABLE)
    agent = mg.MGAIL(get["env"], demonstrations, config, get["seed"])
    gradient_comparison.check(agent)
    agent.learn(env_steps)
    run = {"task": get["task"], "seed": get["seed"], "env_steps": env_steps}
    print(f"{'horizon':>8}{'batch':>7} {'estimator':30}{'cosine':>8}{'variance':>12}")
    for row in gradient_comparison.compare(agent, get["horizon"], get["batch"], get["seed"]):
        whole = {**run, **row, "commit": provenance.commit()}
        tables.merge(table, [whole], gradient_comparison.KEY)
        print(
            f"{row['horizon']:8}{row['batch']:7} {row['estimator']:30}"
            f"{row['cosine_mean']:8.3f}{row['relative_variance']:12.4g}",
            flush=True,
        )


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
