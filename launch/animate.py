"""Film policies side by side, each on the same start, as an animated GIF.

    python launch/animate.py --task=hopper \
        --policies=runs/imitate-hopper-seed0/bc/policy.npz,runs/imitate-hopper-seed0/mgail/policy.npz

Rendering needs a display or OSMesa (Debian: libosmesa6), and for classic control pygame.
"""

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("MUJOCO_GL", "osmesa" if not os.environ.get("DISPLAY") else "glfw")

import _flags
import gymnasium
import numpy as np
from absl import flags
from PIL import Image, ImageDraw

import mgail_tf as mg
from mgail_tf.config.tasks import TASKS
from mgail_tf.errors import one_line
from mgail_tf.policies import experts

FLAGS = _flags.define("task", "seed")
flags.DEFINE_list("policies", [], "policy.npz files; default: the expert.", flag_values=FLAGS)
flags.DEFINE_list("titles", [], "Captions; default: the files' folders.", flag_values=FLAGS)
flags.DEFINE_string("out", None, "GIF to write. Default: TASK.gif", flag_values=FLAGS)
flags.DEFINE_float("seconds", 6.0, "Of the film.", lower_bound=0.1, flag_values=FLAGS)
flags.DEFINE_integer("size", 240, "Pixels of a picture's side.", lower_bound=32, flag_values=FLAGS)
FRAMES_PER_SECOND = 20


def make_rendered(env_id: str) -> gymnasium.Env:
    """Make an environment that renders, seen by the camera that follows a MuJoCo body."""
    spec = gymnasium.spec(env_id)
    follow: dict[str, Any] = {"camera_name": "track"} if "mujoco" in str(spec.entry_point) else {}
    return gymnasium.make(env_id, render_mode="rgb_array", **follow)


def film(env: gymnasium.Env, policy: mg.NumpyPolicy, seed: int, count: int) -> list[np.ndarray]:
    """Return `count` frames [H, W, 3] of one episode; its last one stays when it has ended."""
    state, _ = env.reset(seed=seed)
    rate = env.metadata.get("render_fps", FRAMES_PER_SECOND)
    frames: list[np.ndarray] = []
    steps, ended = 0, False
    while len(frames) < count:
        if not ended and steps * FRAMES_PER_SECOND < len(frames) * rate:
            state, _, terminated, truncated, _ = env.step(policy.predict(state))
            steps, ended = steps + 1, terminated or truncated
            continue
        frames.append(frames[-1] if ended and frames else np.asarray(env.render()))
    return frames


def job(get: dict[str, Any]) -> None:
    """Run what the flags say."""
    task, seconds = get["task"], get["seconds"]
    out = Path(get["out"] or f"{_flags.as_file_name(task)}.gif")
    if out.exists():
        raise mg.BadInput(f"{out}: exists; choose another --out or remove it")
    spec = mg.make(task, 0).spec
    titles = get["titles"] or [Path(name).resolve().parent.name for name in get["policies"]]
    policies = [mg.NumpyPolicy.load(path, spec) for path in get["policies"]]
    if not policies:
        policies, titles = [experts.load(task, spec)], get["titles"] or ["expert"]
    if len(titles) != len(policies):
        raise mg.BadInput(f"--titles: found {len(titles)}, expected {len(policies)}")
    env_id = TASKS[task].env_id if task in TASKS else task
    films = []
    try:
        env = make_rendered(env_id)
        for policy in policies:
            count = round(seconds * FRAMES_PER_SECOND)
            films.append(film(env, policy, get["seed"], count))
    except Exception as error:  # no display, no renderer, no pygame
        raise mg.BadInput(f"{env_id}: cannot be rendered ({one_line(error)})") from error
    size, pictures = (get["size"], get["size"]), []
    for frames in zip(*films, strict=True):
        whole = Image.new("RGB", (size[0] * len(frames), size[1]))
        for i, (frame, title) in enumerate(zip(frames, titles, strict=True)):
            whole.paste(Image.fromarray(frame).resize(size), (i * size[0], 0))
            ImageDraw.Draw(whole).text((i * size[0] + 8, 6), title, fill="white")
        pictures.append(whole.quantize(64))
    duration = 1000 // FRAMES_PER_SECOND
    pictures[0].save(out, save_all=True, append_images=pictures[1:], duration=duration, loop=0)
    print(f"{out}: {', '.join(titles)}, {seconds:g} s")


main = _flags.script(job, FLAGS)

if __name__ == "__main__":
    sys.exit(main(sys.argv))
