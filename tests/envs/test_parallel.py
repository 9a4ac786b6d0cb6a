"""Several environments: what is collected does not depend on how many processes step them."""

import os
import signal

import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

from mgail_tf import checkpoint
from mgail_tf.envs.gym_env import make
from mgail_tf.envs.parallel import Collectors
from mgail_tf.envs.rollout import Collector
from mgail_tf.errors import BadInput
from tests.checks import refusal
from tests.toys import Random, Uncopied, linear

CARTPOLE = Random(make("cartpole", 0).spec)


def test_one_environment_is_a_collector():
    alone = Collector(make("cartpole", 3), np.random.default_rng([3, 1]))
    collectors = Collectors("cartpole", 3)
    for steps in (70, 31):
        np.testing.assert_equal(collectors.collect(CARTPOLE, steps), alone.collect(CARTPOLE, steps))
    assert (collectors.env_steps, collectors.finished) == (101, alone.finished)


@pytest.mark.slow
@pytest.mark.parametrize(
    "env", [lambda: "cartpole", linear, lambda: linear], ids=["name", "object", "function"]
)
def test_any_number_of_processes_collects_the_same_and_goes_on_from_a_checkpoint(tmp_path, env):
    policy = Random(make(env(), 0).spec)
    here, apart = Collectors(env(), 3, 3), Collectors(env(), 3, 3, workers=2)
    for steps in (100, 2):  # 2: fewer than environments
        first = here.collect(policy, steps)
        assert sum(len(e.rewards) for e in first) == steps
        np.testing.assert_equal(apart.collect(policy, steps), first)
    starts = [e.states[0] for e in first]
    assert len({s.tobytes() for s in starts}) == len(starts)  # the environments differ
    checkpoint.save(tmp_path, 0, apart.state_dict())
    resumed = Collectors(env(), 3, 3, workers=3)
    resumed.load_state_dict(checkpoint.load(tmp_path))
    expected = here.collect(policy, 200)
    for other in (apart, resumed):
        np.testing.assert_equal(other.collect(policy, 200), expected)
        assert (other.env_steps, other.finished) == (302, here.finished)


def test_a_process_that_ends_is_named_and_an_error_in_one_is_the_callers():
    collectors = Collectors("cartpole", 0, 2, workers=2)
    collectors.collect(CARTPOLE, 10)
    os.kill(collectors._shares[1]._process.pid, signal.SIGKILL)
    with pytest.raises(BadInput, match="-9"):  # its exit code
        collectors.collect(CARTPOLE, 10)
    with pytest.raises(BadInput, match="Nothing-v0"):
        Collectors("Nothing-v0", 0, 2, workers=2).collect(CARTPOLE, 10)


def test_more_processes_than_environments_are_refused():
    for workers in (3, 0, -1):
        with pytest.raises(BadInput, match=f"workers: found {workers}, expected from 1 to 2"):
            Collectors("cartpole", 0, 2, workers=workers)


def test_object_that_cannot_be_copied_is_one_environment_only():
    env = TimeLimit(Uncopied(), 50)
    assert len(Collectors(env, 0).collect(Random(make(env, 0).spec), 60)) == 2
    with pytest.raises(BadInput, match="num_envs"):
        Collectors(env, 0, 2)


def test_a_function_that_cannot_be_sent_to_a_process_is_refused():
    found = refusal("workers", Collectors, lambda: make("cartpole", 0), 0, 2, workers=2)
    assert "pickle" in found


def test_what_was_asked_before_an_interruption_is_dropped(monkeypatch):
    collectors = Collectors("cartpole", 0, 2, workers=2)
    collectors.collect(CARTPOLE, 6)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(collectors._shares[0], "answer", _interrupt)
        collectors.collect(CARTPOLE, 10)
    assert len(collectors.state_dict()["collectors"]) == 2
    episodes = collectors.collect(CARTPOLE, 4)
    assert sum(len(episode.rewards) for episode in episodes) == 4
    assert not any(episode.continued for episode in episodes)  # the steps between are lost


def test_what_is_restored_after_an_interruption_goes_on(monkeypatch):
    collectors = Collectors("cartpole", 0, 2)
    collectors.collect(CARTPOLE, 6)
    saved = collectors.state_dict()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(collectors._shares[0], "answer", _interrupt)
        collectors.collect(CARTPOLE, 10)
    collectors.load_state_dict(saved)
    assert all(episode.continued for episode in collectors.collect(CARTPOLE, 2))


def _interrupt():
    raise KeyboardInterrupt
