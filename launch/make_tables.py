"""Make table1.csv: the paper's Table 1 beside the runs of a results folder.

python launch/make_tables.py
"""

import sys
from pathlib import Path

from absl import flags

from launch import cli

FLAGS = cli.define()
flags.DEFINE_string(
    "folder", None, "Holds runs.csv, paper_table1.csv. Default: results/", flag_values=FLAGS
)
flags.DEFINE_string("out", None, "CSV to write. Default: table1.csv there", flag_values=FLAGS)


def job() -> None:
    """Run what the flags say."""
    from mgail_tf import paper, results, tables
    from mgail_tf.types import BadInput

    get = cli.read(FLAGS)
    folder = Path(get["folder"] or tables.RESULTS)
    out = Path(get["out"] or folder / "table1.csv")
    if out.resolve().parent == folder.resolve() and out.name in paper.READ:
        raise BadInput(f"--out: found {out}, which the table is made from, expected another name")
    table = paper.table1(folder)
    results.make_folder(out.parent)
    results.write_whole(out, table.to_csv(index=False, lineterminator="\n"))
    shown = table[table["seeds"] > 0].copy()
    names = ["seeds", "env_steps", "return_mean", "normalised", "normalised_min"]
    print(shown[[*paper.CELL, *names, "paper_return_mean"]].to_string(index=False))
    print(f"\n{out}: {len(shown)} of {len(table)} cells")


def main(argv: list[str]) -> int:
    """Return the exit code."""
    return cli.run(job, FLAGS, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
