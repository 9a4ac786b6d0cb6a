"""Videos show what the policies do, at the environment's speed, or say why they cannot."""

import os
import subprocess
import sys

import gymnasium
import imageio.v2 as imageio
import numpy as np
import pytest
from PIL import Image, ImageSequence

import mgail_tf as mg
from mgail_tf.errors import BadInput
from mgail_tf.policies import experts
from mgail_tf.reporting import video
from mgail_tf.reporting.video import record_video
from tests import toys
from tests.checks import refusal


class Push:
    """Takes the same action always: 0 pushes the cart to the left, 1 to the right."""

    def __init__(self, action, size=2):
        self._sample = np.eye(size, dtype=np.float32)[action]

    def act(self, state, rng):
        return self._sample


class Counted(gymnasium.Wrapper):
    """Counts resets and steps."""

    resets = steps = closed = 0

    def reset(self, **named):
        self.resets += 1
        return super().reset(**named)

    def step(self, action):
        self.steps += 1
        return super().step(action)

    def close(self):
        self.closed += 1


def cartpole(**named):
    return Counted(gymnasium.make("CartPole-v1", render_mode="rgb_array", **named))


@pytest.fixture
def expert():
    return experts.load("cartpole", mg.make("cartpole", 0).spec)


def _frames(path):
    """Return the frames [T, H, W, 3] of a video."""
    if path.suffix == ".gif":
        return np.stack([f.convert("RGB") for f in ImageSequence.Iterator(Image.open(path))])
    with imageio.get_reader(path) as reader:
        return np.stack([frame for frame in reader])  # it claims to be endless


def _cart(picture):
    """Return the mean column of what is black: the cart, and little beside it."""
    return np.nonzero((picture < 60).all(-1))[1].mean()


# -- what is seen ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["film.gif", "film.mp4"])
def test_policies_stand_side_by_side_and_move_apart(tmp_path, name):
    path = tmp_path / "made" / name
    titles = ["to the left", "to the right"]
    record_video([Push(0), Push(1)], "CartPole-v1", path, seconds=0.24, titles=titles, height=201)
    assert [*path.parent.iterdir()] == [path]
    frames = _frames(path)
    assert frames.shape == (6, 228, 600, 3)  # 200 and the caption; 400 x 600 is halved
    captions, (left, right) = frames[:, :28], np.split(frames[:, 28:], 2, axis=2)
    for caption in np.split(captions, 2, axis=2):
        assert (caption[0] > 200).any() and (caption[0] < 60).mean() > 0.7
    np.testing.assert_allclose(left[0].astype(float), right[0], atol=40)  # the same start
    assert _cart(left[-1]) < _cart(left[0]) - 2 and _cart(right[-1]) > _cart(right[0]) + 2


def test_film_has_the_environments_speed(tmp_path, expert):
    env = cartpole()
    record_video(expert, env, tmp_path / "film.gif", seconds=1.0, height=40)
    assert len(_frames(tmp_path / "film.gif")) == video.FRAMES_PER_SECOND
    # 50 steps a second; the last frame is of the time 0.96
    assert (env.resets, env.steps, env.closed) == (1, 48, 0)


def test_next_episode_begins_when_one_has_ended(tmp_path):
    env = cartpole()
    record_video(Push(0), env, tmp_path / "film.gif", seconds=2.0, height=60)
    assert env.resets == 3  # it falls after 0.2 s, and that stays for half a second
    assert len(_frames(tmp_path / "film.gif")) > 10
    with Image.open(tmp_path / "film.gif") as whole:
        shown = [f.info["duration"] for f in ImageSequence.Iterator(whole)]
    assert sum(shown) == 2000  # equal frames are one that is shown longer


def test_same_seed_gives_the_same_film_and_samples_another(tmp_path, expert):
    films = []
    for number, options in enumerate(({}, {}, {"seed": 1}, {"stochastic": True})):
        path = tmp_path / f"{number}.gif"
        record_video(expert, lambda: cartpole(), path, seconds=0.4, height=60, **options)
        films.append(path.read_bytes())
    assert films[0] == films[1] and len({*films}) == 3


# -- what is refused ---------------------------------------------------------------------------


def test_wrong_input_is_refused_before_anything_is_filmed(tmp_path, expert, monkeypatch):
    path, hopper = tmp_path / "a.gif", mg.make("hopper", 0).spec
    (tmp_path / "mine.gif").write_text("mine")
    refusal(tmp_path / "a.avi", record_video, expert, "cartpole", tmp_path / "a.avi")
    refusal(tmp_path / "a", record_video, expert, "cartpole", tmp_path / "a")
    refusal(tmp_path / "mine.gif", record_video, expert, "cartpole", tmp_path / "mine.gif")
    for policies in ([], mg, [expert, None]):
        refusal("record_video", record_video, policies, "cartpole", path)
    refusal("record_video", record_video, expert, "cartpole", path, seconds=0)
    refusal("titles", record_video, expert, "cartpole", path, titles=["a", "b"])
    assert "cannot be made" in refusal("NoSuch-v0", record_video, expert, "NoSuch-v0", path)
    other = expert._replace(spec=hopper)
    assert "state_size" in refusal("CartPole-v1", record_video, other, "cartpole", path)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)  # an import of it fails
    found = refusal(tmp_path / "a.mp4", record_video, expert, "cartpole", tmp_path / "a.mp4")
    assert "pip install -e '.[video]'" in found
    assert (tmp_path / "mine.gif").read_text() == "mine" and len([*tmp_path.iterdir()]) == 1


def test_environment_that_draws_nothing_is_refused(tmp_path, expert):
    path = tmp_path / "a.gif"
    for env in (gymnasium.make("CartPole-v1"), lambda: gymnasium.make("CartPole-v1")):
        assert "render_mode='rgb_array'" in refusal("CartPole-v1", record_video, expert, env, path)
    policy = toys.LinearExpert()
    assert "render_mode" in refusal("ToyLinear-v0", record_video, policy, "ToyLinear-v0", path)
    env = toys.linear()
    env.unwrapped.render_mode = "rgb_array"
    assert "render" in refusal("Linear", record_video, policy, env, path)
    env.unwrapped.render = lambda: np.zeros((3, 3))
    assert "found float64 (3, 3)" in refusal("Linear", record_video, policy, env, path)
    assert [*tmp_path.iterdir()] == []


def test_interrupted_film_leaves_nothing(tmp_path, expert, monkeypatch):
    def interrupt(path, pictures):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(video, "_write_gif", interrupt)
    with pytest.raises(KeyboardInterrupt):
        record_video(expert, "cartpole", tmp_path / "a.gif", seconds=0.1)
    assert [*tmp_path.iterdir()] == []


# -- MuJoCo ------------------------------------------------------------------------------------


@pytest.fixture
def backends(monkeypatch):
    """Return a function that says which backends are tried; what was found before is forgotten."""
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(video.platform, "system", lambda: "Linux")

    def names(*tried):
        monkeypatch.setattr(video, "_BACKENDS", tried)
        video._working_backend.cache_clear()

    yield names
    video._working_backend.cache_clear()


def test_renderer_is_the_first_that_works_unless_one_is_named(backends, monkeypatch):
    tried = []

    def run(command, env, **options):
        tried.append(env["MUJOCO_GL"])
        return subprocess.CompletedProcess(command, 0 if env["MUJOCO_GL"] == "osmesa" else 1)

    monkeypatch.setattr(video.subprocess, "run", run)
    backends("egl", "osmesa")
    assert (video.choose_renderer(), tried) == ("osmesa", ["egl", "osmesa"])
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    assert (video.choose_renderer(), len(tried)) == ("glfw", 2)


@pytest.mark.slow
def test_no_renderer_is_said_in_one_line(backends, tmp_path):
    backends("nosuch")
    policy = Push(0, 3)
    message = refusal("MuJoCo", record_video, policy, "hopper", tmp_path / "a.gif")
    assert "libegl1" in message and "libosmesa6" in message
    assert "MUJOCO_GL" not in os.environ and [*tmp_path.iterdir()] == []


def test_mujoco_object_is_not_drawn_beside_tensorflow(tmp_path):
    path, policy = tmp_path / "a.gif", experts.load("hopper", mg.make("hopper", 0).spec)
    env = gymnasium.make("Hopper-v5", render_mode="rgb_array")
    assert "expected the environment's id" in refusal("env", record_video, policy, env, path)


def test_recorded_policy_acts_again_in_the_same_states_only():
    states, samples = np.arange(6.0).reshape(3, 2), np.arange(3.0)[:, None]
    recorded = video._Recorded(states, samples)
    np.testing.assert_array_equal(recorded.act(states[0], None), samples[0])
    refusal("env", recorded.act, states[2], None)


@pytest.mark.slow
def test_camera_follows_the_hopper(backends, tmp_path):
    backends("egl", "osmesa")
    try:
        video.choose_renderer()
    except BadInput as error:
        pytest.skip(str(error))  # a machine on which nothing draws MuJoCo
    assert "tensorflow" in sys.modules  # by tests/conftest.py: it crashes beside the renderers
    policy = experts.load("hopper", mg.make("hopper", 0).spec)
    record_video(policy, "hopper", tmp_path / "a.gif", seconds=1.2, height=120)
    frames = _frames(tmp_path / "a.gif")[:, 28:].astype(int)
    # brown is the hopper alone: after a second it is where it was, and the floor has moved
    brown = (frames[..., 0] > frames[..., 2] + 30).sum((1, 2))
    assert brown[-1] > brown[0] / 2 > 50
    columns = [np.nonzero(f[..., 0] > f[..., 2] + 30)[1].mean() for f in (frames[0], frames[-1])]
    assert abs(columns[1] - columns[0]) < 15
    assert (np.abs(frames[-1] - frames[0]).max(-1) > 60).mean() > 0.05
