"""Compare the exact policy gradient with the score function's, after a short training of MGAIL.

    python launch/compare_gradients.py --task=hopper --set env_steps=20000

Both see the same imagined trajectories; what they are compared to is the mean of 256 exact ones of
the largest batch.
"""

import sys
from pathlib import Path

from absl import flags

from launch import cli, train_mgail

NAMES = ("task", "seed", "demos", "num_trajectories", "subsample", "variant", "set", "smoke")
FLAGS = cli.define(
    **{name: cli.IMITATION_FLAGS[name] for name in NAMES},
    **{"results": None, "threads": 1},
)
flags.DEFINE_multi_integer("horizon", [1, 4, 16, 32], "T.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_multi_integer("batch", [16, 64, 256], "Starts.", lower_bound=1, flag_values=FLAGS)


def job() -> None:
    """Run what the flags say."""
    get = cli.read(FLAGS)
    described = cli.imitation("mgail", FLAGS, train_mgail.SMOKE)
    from mgail_tf.absorbing import ends_of
    from mgail_tf.imitation import prepare

    from mgail_tf import gradients, tables
    from mgail_tf.agents import mgail

    table = Path(get["results"] or "runs/gradients.csv")
    tables.check_table(table, ("task", "seed", "env_steps", *gradients.COLUMNS, "commit"))
    given = prepare(described)
    gradients.check(given.spec, described.config)
    ends = ends_of(given.demonstrations.episodes)
    training = mgail.train(described.task, given.pairs, described.config, described.seed, ends)
    steps = max(steps for steps, _, _ in training)
    print(f"{'horizon':>8}{'batch':>7} {'estimator':30}{'cosine':>8}{'variance':>12}")
    for row in gradients.compare(training, get["horizon"], get["batch"], described.seed):
        run = {"task": described.task, "seed": described.seed, "env_steps": steps}
        tables.append_row(table, {**run, **row, "commit": tables.commit()})
        print(
            f"{row['horizon']:8}{row['batch']:7} {row['estimator']:30}"
            f"{row['cosine_mean']:8.3f}{row['relative_variance']:12.4g}",
            flush=True,
        )


def main(argv: list[str]) -> int:
    """Return the exit code."""
    return cli.run(job, FLAGS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
