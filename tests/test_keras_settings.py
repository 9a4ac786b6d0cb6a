"""A user's own settings of Keras do not stop the package, or one line says what does."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
TRAIN = """
import warnings
import mgail_tf as mg
warnings.simplefilter("ignore")
shown = mg.expert_demonstrations("cartpole", episodes=1, cache="demos")
policy = mg.BC("cartpole", shown, mg.BCConfig(max_epochs=2)).learn().policy
policy.export("model")
print(policy.weights[0].dtype)
"""


def run(code, folder, **environment):
    command = [sys.executable, "-c", code]
    settings = os.environ | {"KERAS_HOME": str(folder)} | environment
    return subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("environment", "settings"), [({"KERAS_BACKEND": "jax"}, {}), ({}, {"floatx": "float64"})]
)
def test_training_and_export_work_with_other_settings(tmp_path, environment, settings):
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    done = run(TRAIN, tmp_path, **environment)
    assert done.stdout == "float32\n", done.stderr
    assert (tmp_path / "model/saved_model.pb").exists()


def test_keras_that_was_imported_with_another_backend_is_named(tmp_path):
    # as if it had been: no other backend is installed
    other = 'import keras\nkeras.backend.backend = lambda: "numpy"\n'
    done = run(other + "import mgail_tf as mg\nmg.BC", tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode and "BadInput" in last and "numpy" in last and "tensorflow" in last
