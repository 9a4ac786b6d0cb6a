"""Several environments: what is collected does not depend on how many processes step them."""

import os
import signal

import numpy as np
import pytest

from launch import train_expert, train_gail
from mgail_tf import checkpoint, envs
from mgail_tf.parallel import Collectors
from mgail_tf.rollout import Collector
from mgail_tf.types import BadInput


class Drawn:
    """A policy that draws one of two actions; at module level, so that processes can share it."""

    def act(self, state, rng):
        return np.eye(2, dtype=np.float32)[rng.integers(2)]


def same(found, expected):
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


def test_one_environment_is_a_collector():
    alone = Collector(envs.make("cartpole", 3), np.random.default_rng([3, 1]))
    collectors = Collectors("cartpole", 3)
    for steps in (70, 31):
        same(collectors.collect(Drawn(), steps), alone.collect(Drawn(), steps))
    assert (collectors.env_steps, collectors.finished) == (101, alone.finished)


def test_any_number_of_processes_collects_the_same_and_goes_on_from_a_checkpoint(tmp_path):
    here, apart = Collectors("cartpole", 3, 3), Collectors("cartpole", 3, 3, workers=2)
    for steps in (100, 2):  # 2: fewer than environments
        first = here.collect(Drawn(), steps)
        assert sum(len(e.rewards) for e in first) == steps
        same(apart.collect(Drawn(), steps), first)
    starts = [e.states[0] for e in first]
    assert len({s.tobytes() for s in starts}) == len(starts)  # the environments differ
    checkpoint.save(tmp_path, 0, apart.state())
    resumed = Collectors("cartpole", 3, 3, workers=3)
    resumed.restore(checkpoint.load(tmp_path))
    expected = here.collect(Drawn(), 200)
    for other in (apart, resumed):
        same(other.collect(Drawn(), 200), expected)
        assert (other.env_steps, other.finished) == (302, here.finished)


def test_a_process_that_ends_is_named_and_an_error_in_one_is_the_callers():
    collectors = Collectors("cartpole", 0, 2, workers=2)
    collectors.collect(Drawn(), 10)
    os.kill(collectors._shares[1]._process.pid, signal.SIGKILL)
    with pytest.raises(BadInput, match=r"worker process ended \(exit code -9\)"):
        collectors.collect(Drawn(), 10)
    with pytest.raises(BadInput, match="Nothing-v0: cannot be made"):
        Collectors("Nothing-v0", 0, 2, workers=2).collect(Drawn(), 10)


@pytest.mark.parametrize("script", [train_expert, train_gail])
def test_more_processes_than_environments_are_refused(script, capsys, tmp_path):
    flags = ["--task=cartpole", "--workers=3", "--set=environments=2", f"--out={tmp_path / 'o'}"]
    assert script.main(["script", *flags]) == 2
    assert "--workers=3: found 3, expected at most 2" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
