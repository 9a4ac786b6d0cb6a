"""Measure bias and variance of the Gumbel-softmax gradient, after a short training of MGAIL.

    python launch/compare_temperatures.py --task=cartpole --env_steps=2000

The exact gradient of the expected cost of one imagined step is a sum over the discrete actions. The
rows go to a CSV, and a picture of them beside it.
"""

import sys
from pathlib import Path
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg
from mgail_tf.reporting import plots, tables
from mgail_tf.training import provenance

FLAGS = _flags.define(
    *("seed", "env_steps", "set", "preset", "threads", "smoke"),
    *("demos", "num_trajectories", "subsample"),
    task="cartpole",
)
flags.DEFINE_string(
    "table", "runs/temperatures.csv", "CSV to merge the rows into.", flag_values=FLAGS
)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    config, env_steps = _flags.settings("mgail", get)
    demonstrations, _ = _flags.demonstrations(get)
    _flags.load_tensorflow(get["threads"])
    from mgail_tf.studies import temperature_comparison

    table = Path(get["table"])
    tables.check(table, temperature_comparison.TABLE)
    agent = mg.MGAIL(get["env"], demonstrations, config, get["seed"])
    temperature_comparison.check(agent)
    agent.learn(env_steps, progress=True)
    run = {"task": get["task"], "seed": get["seed"], "env_steps": env_steps}
    estimates = 20 if get["smoke"] else temperature_comparison.ESTIMATES
    rows = []
    print(f"{'estimator':18}{'temperature':>12}{'cosine':>9}{'bias':>9}{'deviation':>11}")
    for row in temperature_comparison.compare(agent, estimates=estimates, seed=get["seed"]):
        rows.append({**run, **row, "commit": provenance.commit()})
        print(
            f"{row['estimator']:18}{row['temperature']:12g}{row['cosine']:9.3f}{row['bias']:9.3g}"
            f"{row['deviation']:11.3g}",
            flush=True,
        )
    tables.merge(table, rows, temperature_comparison.KEY)
    picture = table.with_suffix(".png")
    title = f"One imagined step of {agent.spec.env_id}, after {env_steps:,} environment steps"
    plots.plot_temperatures(rows, picture, title)
    print(f"{table}, {picture.name}")


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
