"""The practice set: every scripted expert does its task, far better than chance."""

import numpy as np
import pytest

from mgail_tf.studies import practice

# least mean return of the expert over 10 episodes; most of random actions
RETURNS = {
    "pendulum": (-300.0, -900.0),
    "double_pendulum": (1800.0, 200.0),
    "reacher": (-12.0, -30.0),
    "lunar_lander": (220.0, 0.0),
    "point_mass": (5.0, -5.0),
}


def _mean_return(env, act) -> float:
    returns = []
    for seed in range(10):
        state, _ = env.reset(seed=seed)
        total, over = 0.0, False
        while not over:
            state, reward, terminated, truncated, _ = env.step(act(state))
            total, over = total + reward, terminated or truncated
        returns.append(total)
    return float(np.mean(returns))


@pytest.mark.parametrize("name", practice.PRACTICE)
def test_experts_do_their_task_and_chance_does_not(name):
    env = practice.PRACTICE[name].make()
    env.action_space.seed(0)
    least, most = RETURNS[name]
    expert = practice.PRACTICE[name].expert
    assert _mean_return(env, lambda state: np.float32(expert(state, env))) > least
    assert _mean_return(env, lambda state: env.action_space.sample()) < most


@pytest.mark.parametrize(
    ("place", "success"), [((0.75, 0.0), True), ((0.0, 0.1), False), ((-0.99, 0.99), False)]
)
def test_the_point_mass_ends_at_its_goal_at_the_obstacle_and_at_the_border(place, success):
    env = practice.PointMass()
    env.reset(seed=0)
    env._place, env._speed = np.array(place), np.array([-0.2, 0.0])
    env._obstacle = np.zeros(2)
    for _ in range(3):
        _, reward, terminated, truncated, info = env.step(np.array([-1.0, 0.0]))
        if terminated:
            break
    assert terminated and not truncated
    assert info["success"] is success
    assert reward > 9.0 if success else reward < -10.0


def test_demonstrations_are_of_the_expert_and_follow_from_the_seed():
    shown, again, other = (practice.demonstrate("point_mass", 2, seed) for seed in (0, 0, 1))
    assert len(shown) == 2 and shown.terminated.all() and shown.return_mean > 5.0
    assert shown.sha256 == again.sha256 != other.sha256
