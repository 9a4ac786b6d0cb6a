"""Measure side by side what MGAIL's updates, acting and environment steps cost, on this machine.

    taskset -c 0 python launch/benchmark.py --task=hopper

The default sizes are the released code's: T = 10, batches of 70, a forward model with a GRU of 100.
Leave the machine idle; stepping with 2 processes needs 2 cores.
"""

import importlib
import sys
from typing import Any

import _flags
from absl import flags

import mgail_tf as mg

RELEASED = [
    "horizon=10",
    "policy_batch=70",
    "model_batch=70",
    "discriminator_batch=70",
    "forward_model=hadamard_gru",
    "model_units=100",
]
# what PyTorch and JAX compute here
PEERS = ["value_targets=recorded", "cloning_bound=None", "clone_share=0", "policy_activation=relu"]
SECTIONS = ["updates", "acting", "stepping"]
MORE = ["policies"]  # the exported forms: they need pip install -e '.[onnx]'
FLAGS = _flags.define("task", "set", "smoke", "threads")
flags.DEFINE_multi_enum(
    "section", SECTIONS, [*SECTIONS, *MORE], "What to measure.", flag_values=FLAGS
)
flags.DEFINE_boolean(
    "peers", False, "Time PyTorch and JAX too: pip install -e '.[peers]'.", flag_values=FLAGS
)
flags.DEFINE_integer("rounds", 10, "Turns of each variant.", lower_bound=1, flag_values=FLAGS)
flags.DEFINE_boolean("released_sizes", True, "Those above; or the defaults.", flag_values=FLAGS)


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    config = mg.for_task("mgail", get["task"])
    config = mg.override(config, ["updates_per_call=4"] if get["smoke"] else [])
    config = mg.override(config, RELEASED if get["released_sizes"] else [])
    config = mg.override(config, PEERS if get["peers"] else [])
    config = mg.override(config, get["set"])
    mg.make(get["env"], 0)
    if get["peers"]:
        _import_peers()
    _flags.load_tensorflow(get["threads"])
    from mgail_tf.studies import speed
    from mgail_tf.studies.peers import variants as peers

    sections = dict(speed.SECTIONS)
    if get["peers"]:
        sections["peers"] = peers.updates
    for section in [*get["section"], *(["peers"] if get["peers"] else [])]:
        variants = sections[section](get["env"], config)
        timings = speed.measure(variants, 1 if get["smoke"] else get["rounds"])
        print(f"\n{section:42}{'each':>12}{'ratio':>9}{'first call':>13}")
        for name, seconds, first in timings:
            cost = f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"
            ratio = seconds / timings[0].seconds
            print(f"{name:42}{cost:>12}{ratio:9.2f}{first:11.2f} s", flush=True)


def _import_peers() -> None:
    # before TensorFlow: torch crashes when it is imported after it
    for name in ("torch", "torch._dynamo", "jax", "optax"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            install = "pip install -e '.[peers]'"
            raise mg.BadInput(f"--peers: found no module {name}, expected: {install}") from error


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
