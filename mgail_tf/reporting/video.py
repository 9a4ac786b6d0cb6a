"""Videos of policies side by side, each with its own episodes from the same start."""

import dataclasses
import functools
import importlib.util
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from mgail_tf.envs.gym_env import EnvLike, Registered, make, make_rendered
from mgail_tf.envs.rollout import Policy, SteppedPolicy, at_step
from mgail_tf.errors import BadInput, one_line
from mgail_tf.files import check_absent, make_folder, written_whole
from mgail_tf.types import Spec

FRAMES_PER_SECOND = 25
_CAPTION = 28  # pixels above each picture
_PAUSE = 12  # frames that an episode's last picture stays
_BACKENDS = ("egl", "osmesa")  # by which MuJoCo draws without a display
_NOTHING = np.zeros((1, 1, 3), np.uint8)
_DRAWS = "import mujoco; c = mujoco.GLContext(8, 8); c.make_current(); c.free()"


def record_video(
    policies: Policy | SteppedPolicy | Sequence[Policy | SteppedPolicy],
    env: EnvLike,
    path: str | Path,
    *,
    seconds: float = 10.0,
    titles: Sequence[str] = (),
    stochastic: bool = False,
    seed: int = 0,
    height: int = 320,
    progress: bool = False,
) -> None:
    """Film policies in an environment, side by side, as fast as it runs, and write an mp4 or a gif.

    When an episode ends, the policy's next one begins. A caption tells each policy's title, and the
    steps and the return of the episode so far.

    Args:
        policies: one or more, each with `act(state, rng)`, or with `at(step)` returning such a one.
        env: a task's name, a Gymnasium id, or an environment or a function that makes one with
            `render_mode="rgb_array"`. An object is reset and stepped itself. Of MuJoCo use ids:
            they are drawn in a process of their own, because MuJoCo's software renderers and
            TensorFlow crash in the same one.
        path: of the file; the suffix .mp4 or .gif decides on its kind.
        seconds: length of the video.
        titles: one a policy; by default there are none.
        stochastic: take samples of the policies, not the mean or most probable actions.
        seed: of the environment and of the samples; the same for every policy.
        height: pixels of a picture; its width follows from the environment's pictures.
        progress: show a progress bar.

    Raises:
        BadInput: the file exists or has another suffix, the environment draws no pictures, or what
            draws or writes them is not installed.
    """
    path = Path(path)
    check_video(path)
    # a NumpyPolicy is a tuple too
    several = isinstance(policies, list | tuple) and not _acts(policies)
    filmed: Sequence[Any] = cast(Sequence[Any], policies) if several else [policies]
    if not filmed or not all(_acts(policy) for policy in filmed):
        kinds = ", ".join(type(policy).__name__ for policy in filmed) or "none"
        raise BadInput(f"record_video: found {kinds}, expected policies (an agent's .policy)")
    captions = list(titles) or [""] * len(filmed)
    if len(captions) != len(filmed):
        raise BadInput(f"titles: found {len(captions)}, expected {len(filmed)}, one a policy")
    if not seconds > 0 or height < 32:
        size = f"seconds {seconds:g}, height {height}"
        raise BadInput(f"record_video: found {size}, expected seconds above 0, height 32 or more")
    film = _Film(
        str(path),
        captions,
        max(1, round(seconds * FRAMES_PER_SECOND)),
        height // 2 * 2,
        seed,
        stochastic,
        progress,
    )
    rendered = make_rendered(env)
    try:
        for policy in filmed:
            _check_fits(policy, make(rendered, seed).spec)
        make_folder(path.parent)
        if not _is_mujoco(rendered):
            _write(rendered, filmed, film)
        elif isinstance(env, str | Registered):
            maker = env if isinstance(env, Registered) else Registered(env)
            _write_apart(maker, rendered, filmed, film)
        elif "tensorflow" in sys.modules:
            expected = "expected the environment's id, which is drawn in another process"
            raise BadInput(f"env: found an object of MuJoCo beside TensorFlow, {expected}")
        else:
            os.environ["MUJOCO_GL"] = choose_renderer()
            _write(rendered, filmed, film)
    finally:
        if rendered is not env:
            rendered.close()


def _acts(policy: Any) -> bool:
    return hasattr(policy, "act") or hasattr(policy, "at")


class _Film(NamedTuple):
    """What is to be written."""

    path: str
    titles: Sequence[str]  # one a policy
    length: int  # frames
    height: int  # pixels
    seed: int
    stochastic: bool
    progress: bool


def _write(rendered: Any, policies: Sequence[Policy | SteppedPolicy], film: _Film) -> None:
    """Draw the policies in an environment, one after the other, and write the video."""
    name, total = rendered.spec.id if rendered.spec else "env", film.length * len(policies)
    films: list[list[np.ndarray]] = [[] for _ in policies]
    with tqdm(total=total, unit=" frames", desc=name, disable=not film.progress) as bar:
        for policy, title, frames in zip(policies, film.titles, films, strict=True):
            for drawn, told in _moments(rendered, policy, film, rendered.render):
                frames.append(_captioned(drawn, title, told, film.height))
                bar.update()
    path = Path(film.path)
    pictures = (np.hstack(frames) for frames in zip(*films, strict=True))
    with written_whole(path) as partial:
        (_write_mp4 if path.suffix == ".mp4" else _write_gif)(partial, pictures)


def _write_apart(
    env: Registered, rendered: Any, policies: Sequence[Policy | SteppedPolicy], film: _Film
) -> None:
    """Record what the policies do, and let another process play it again, draw and write it.

    MuJoCo's software renderers (Mesa) and TensorFlow crash in one process: each brings an LLVM.

    Raises:
        BadInput: nothing draws here, or the other process failed.
    """
    renderer = choose_renderer()
    arrays: dict[str, Any] = {}
    for number, policy in enumerate(policies):
        recorder = _Recorder(policy)
        for _ in _moments(rendered, recorder, film, lambda: _NOTHING):
            pass
        arrays |= {f"states{number}": recorder.states, f"samples{number}": recorder.samples}
    asked = {
        "env": dataclasses.asdict(env),
        "film": film._replace(path=str(Path(film.path).absolute())),
    }
    with tempfile.TemporaryDirectory() as folder:
        np.savez(f"{folder}/recorded.npz", asked=json.dumps(asked), **arrays)
        call = f"from mgail_tf.reporting import video; video.film_recorded({folder!r})"
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        own = {**os.environ, "MUJOCO_GL": renderer, "PYTHONPATH": paths}
        ended = subprocess.run([sys.executable, "-c", call], env=own, check=False).returncode
        if (error := Path(folder) / "error.txt").exists():
            raise BadInput(error.read_text())
    if ended:
        raise BadInput(
            f"{env.env_id}: the process that draws by MUJOCO_GL={renderer} ended with {ended}"
        )


def film_recorded(folder: str) -> None:
    """Draw and write what `record_video` recorded in a folder; what is refused goes to error.txt.

    Args:
        folder: holds recorded.npz.
    """
    with np.load(f"{folder}/recorded.npz", allow_pickle=False) as data:
        asked = json.loads(str(data["asked"]))
        film = _Film(*asked["film"])
        recorded = range(len(film.titles))
        policies = [_Recorded(data[f"states{i}"], data[f"samples{i}"]) for i in recorded]
    try:
        rendered = make_rendered(Registered(**asked["env"]))
        _write(rendered, policies, film)
        rendered.close()
    except BadInput as error:
        (Path(folder) / "error.txt").write_text(str(error))
    except KeyboardInterrupt:  # the other process tells of it
        sys.exit(130)


class _Recorder:
    """A policy that keeps what it saw and did."""

    def __init__(self, policy: Policy | SteppedPolicy):
        self._policy, self._step = policy, 0
        self.states: list[np.ndarray] = []
        self.samples: list[np.ndarray] = []

    def act(self, state: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        self.states.append(state)
        self.samples.append(at_step(self._policy, self._step).act(state, rng))
        return self.samples[-1]

    def at(self, step: int) -> "_Recorder":
        self._step = step
        return self


class _Recorded:
    """A policy that does again what was recorded, in the same states."""

    def __init__(self, states: np.ndarray, samples: np.ndarray):
        self._recorded = zip(states, samples, strict=True)

    def act(self, state: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        before, sample = next(self._recorded)
        if not np.array_equal(state, before):
            raise BadInput("env: found other states when it was played again with the same seed")
        return sample


def check_video(path: Path) -> None:
    """Refuse the name of a video that cannot be written, before anything is filmed.

    Raises:
        BadInput: the file exists or has another suffix, or mp4 needs a package that is missing.
    """
    if path.suffix not in (".mp4", ".gif"):
        raise BadInput(f"{path}: found {path.suffix or 'no suffix'}, expected .mp4 or .gif")
    check_absent(path)
    if path.suffix == ".mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        install = "pip install -e '.[video]', or a name that ends in .gif"
        raise BadInput(f"{path}: no package imageio-ffmpeg, expected: {install}")


def choose_renderer() -> str:
    """Return how MuJoCo draws here: as MUJOCO_GL says, or by EGL or OSMesa, without a display.

    Raises:
        BadInput: neither of them works.
    """
    named = os.environ.get("MUJOCO_GL", "")
    if named in (*_BACKENDS, "glfw"):
        return named
    return _working_backend() if platform.system() == "Linux" else "glfw"


@functools.cache
def _working_backend() -> str:
    """Return the first backend that works, each tried in a process of its own: it may crash."""
    for name in _BACKENDS:
        command, tried = [sys.executable, "-c", _DRAWS], {**os.environ, "MUJOCO_GL": name}
        if not subprocess.run(command, env=tried, capture_output=True, check=False).returncode:
            return name
    install = "install one of them (Debian: apt-get install libegl1, or libosmesa6)"
    raise BadInput(f"MuJoCo: found neither EGL nor OSMesa to draw with; {install}")


def _is_mujoco(env: Any) -> bool:
    return any("mujoco" in kind.__module__ for kind in type(env.unwrapped).__mro__)


def _check_fits(policy: Any, spec: Spec) -> None:
    """Refuse a policy that says that it is for states or actions of other sizes."""
    own = getattr(policy, "spec", None)
    if not isinstance(own, Spec):
        return
    for name in ("state_size", "action_size", "discrete"):
        found, expected = getattr(own, name), getattr(spec, name)
        if found != expected:
            raise BadInput(f"{spec.env_id}: policy: {name}: found {found}, expected {expected}")


def _moments(
    rendered: Any, policy: Policy | SteppedPolicy, film: _Film, render: Callable[[], Any]
) -> Iterator[tuple[np.ndarray, str]]:
    """Yield the pictures [H, W, 3] of a policy's episodes, and what to tell of each.

    Raises:
        BadInput: they cannot be drawn.
    """
    env, rng = make(rendered, film.seed), np.random.default_rng(film.seed)
    rate = float(rendered.metadata.get("render_fps") or FRAMES_PER_SECOND)
    count = 0
    while True:
        state, steps, total, ended = env.reset(), 0, 0.0, False
        for number in itertools.count():
            # the steps that are over at the time of this frame
            while not ended and steps * FRAMES_PER_SECOND < number * rate:
                acting = at_step(policy, steps)
                sample = acting.act(state, rng if film.stochastic else None)
                _, state, reward, terminated, truncated = env.step(sample)
                steps, total, ended = steps + 1, total + reward, terminated or truncated
            picture = _picture(env.spec.env_id, render), f"step {steps}, return {total:.1f}"
            for _ in range(1 + _PAUSE if ended else 1):
                yield picture
                count += 1
                if count == film.length:
                    return
            if ended:
                break


def _picture(env_id: str, render: Callable[[], Any]) -> np.ndarray:
    """Return what an environment draws, [H, W, 3].

    Raises:
        BadInput: it cannot be drawn, or is no picture.
    """
    try:
        drawn = render()
    except Exception as error:  # whatever a renderer raises: no pygame, no OpenGL
        raise BadInput(f"{env_id}: render: {one_line(error)}") from error
    if not isinstance(drawn, np.ndarray) or drawn.dtype != np.uint8 or drawn.shape[2:] != (3,):
        array = f"{drawn.dtype} {drawn.shape}" if isinstance(drawn, np.ndarray) else None
        found = array or type(drawn).__name__
        raise BadInput(f"{env_id}: render: found {found}, expected an array uint8 [H, W, 3]")
    return drawn


def _captioned(drawn: np.ndarray, title: str, told: str, height: int) -> np.ndarray:
    """Return a picture in a height, with a caption above it; its sides are even, for H.264."""
    width = max(2, round(height * drawn.shape[1] / drawn.shape[0] / 2) * 2)
    whole = Image.new("RGB", (width, height + _CAPTION), "#202020")
    whole.paste(Image.fromarray(drawn).resize((width, height)), (0, _CAPTION))
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(13)
    draw.text((8, _CAPTION // 2), title, "white", font, anchor="lm")
    draw.text((width - 8, _CAPTION // 2), told, "#b0b0b0", font, anchor="rm")
    return np.asarray(whole)


def _write_mp4(path: Path, pictures: Iterator[np.ndarray]) -> None:
    import imageio.v2 as imageio

    writer: Any = imageio.get_writer(path, fps=FRAMES_PER_SECOND, macro_block_size=2)
    with writer:
        for picture in pictures:
            writer.append_data(picture)


def _write_gif(path: Path, pictures: Iterator[np.ndarray]) -> None:
    images = (Image.fromarray(picture).quantize(128) for picture in pictures)
    duration = 1000 // FRAMES_PER_SECOND
    next(images).save(path, save_all=True, append_images=images, duration=duration, loop=0)
