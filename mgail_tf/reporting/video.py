"""Videos of policies side by side, each with its own episodes from the same start."""

import functools
import itertools
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from mgail_tf.envs.gym_env import Environment, EnvLike, make, make_rendered
from mgail_tf.envs.rollout import Policy
from mgail_tf.errors import BadInput, one_line
from mgail_tf.files import check_absent, make_folder
from mgail_tf.types import Spec

FRAMES_PER_SECOND = 25
_CAPTION = 28  # pixels above each picture
_PAUSE = 12  # frames that an episode's last picture stays
_BACKENDS = ("egl", "osmesa")  # by which MuJoCo draws without a display
_DRAWS = "import mujoco; c = mujoco.GLContext(8, 8); c.make_current(); c.free()"


def record_video(
    policies: Policy | Sequence[Policy],
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
        policies: one or more, each with `act(state, rng)`.
        env: a task's name, a Gymnasium id, or an environment or a function that makes one with
            `render_mode="rgb_array"`. An object is reset and stepped itself.
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
    several = isinstance(policies, list | tuple) and not hasattr(policies, "act")
    filmed: Sequence[Any] = cast(Sequence[Any], policies) if several else [policies]
    if not filmed or not all(hasattr(policy, "act") for policy in filmed):
        kinds = ", ".join(type(policy).__name__ for policy in filmed) or "none"
        raise BadInput(f"record_video: found {kinds}, expected policies (an agent's .policy)")
    captions = list(titles) or [""] * len(filmed)
    if len(captions) != len(filmed):
        raise BadInput(f"titles: found {len(captions)}, expected {len(filmed)}, one a policy")
    if not seconds > 0 or height < 32:
        size = f"seconds {seconds:g}, height {height}"
        raise BadInput(f"record_video: found {size}, expected seconds above 0, height 32 or more")
    rendered = make_rendered(env)
    try:
        if _is_mujoco(rendered):
            choose_renderer()
        count = max(1, round(seconds * FRAMES_PER_SECOND))
        films: list[list[np.ndarray]] = [[] for _ in filmed]
        with tqdm(total=count * len(filmed), unit=" frames", disable=not progress) as bar:
            for policy, title, film in zip(filmed, captions, films, strict=True):
                stepped = make(rendered, seed)
                _check_fits(policy, stepped.spec)
                rng = np.random.default_rng(seed) if stochastic else None
                frames = _frames(stepped, rendered, policy, rng)
                for drawn, told in itertools.islice(frames, count):
                    film.append(_captioned(drawn, title, told, height // 2 * 2))
                    bar.update()
    finally:
        if rendered is not env:
            rendered.close()
    make_folder(path.parent)
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    pictures = (np.hstack(frames) for frames in zip(*films, strict=True))
    try:
        (_write_mp4 if path.suffix == ".mp4" else _write_gif)(partial, pictures)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def check_video(path: Path) -> None:
    """Refuse the name of a video that cannot be written, before anything is filmed.

    Raises:
        BadInput: the file exists or has another suffix, or mp4 needs a package that is missing.
    """
    if path.suffix not in (".mp4", ".gif"):
        raise BadInput(f"{path}: found {path.suffix or 'no suffix'}, expected .mp4 or .gif")
    check_absent(path)
    if path.suffix == ".mp4":
        try:
            import imageio_ffmpeg  # noqa: F401
        except ImportError as error:
            install = "pip install mgail_tf[video], or a name that ends in .gif"
            raise BadInput(f"{path}: no package imageio-ffmpeg, expected: {install}") from error


def choose_renderer() -> None:
    """Let MuJoCo draw without a display by EGL or OSMesa, unless MUJOCO_GL says how it draws.

    Raises:
        BadInput: neither of them works here.
    """
    if platform.system() != "Linux" or os.environ.get("MUJOCO_GL") in (*_BACKENDS, "glfw"):
        return
    os.environ["MUJOCO_GL"] = _working_backend()


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
    own = getattr(policy, "spec", spec)
    for name in ("state_size", "action_size", "discrete"):
        found, expected = getattr(own, name), getattr(spec, name)
        if found != expected:
            raise BadInput(f"{spec.env_id}: policy: {name}: found {found}, expected {expected}")


def _frames(
    env: Environment, rendered: Any, policy: Policy, rng: np.random.Generator | None
) -> Iterator[tuple[np.ndarray, str]]:
    """Yield pictures [H, W, 3] of a policy's episodes without end, and what to tell of each."""
    rate = float(rendered.metadata.get("render_fps") or FRAMES_PER_SECOND)
    while True:
        state, steps, total, ended = env.reset(), 0, 0.0, False
        for number in itertools.count():
            # the steps that are over at the time of this frame
            while not ended and steps * FRAMES_PER_SECOND < number * rate:
                _, state, reward, terminated, truncated = env.step(policy.act(state, rng))
                steps, total, ended = steps + 1, total + reward, terminated or truncated
            frame = _drawn(env.spec.env_id, rendered), f"step {steps}, return {total:.1f}"
            yield frame
            if ended:
                break
        for _ in range(_PAUSE):
            yield frame


def _drawn(env_id: str, rendered: Any) -> np.ndarray:
    """Return the environment's picture [H, W, 3].

    Raises:
        BadInput: it cannot be drawn, or is none.
    """
    try:
        drawn: Any = rendered.render()
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
