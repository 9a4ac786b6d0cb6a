"""ONNX files of policies, which any ONNX runtime evaluates without TensorFlow or NumPy code."""

import json
import platform
from pathlib import Path
from typing import Any

import numpy as np

from mgail_tf.errors import BadInput, one_line
from mgail_tf.files import check_absent, make_folder, write_whole
from mgail_tf.optional import imported
from mgail_tf.policies.numpy_policy import NumpyPolicy, check_described, described, predicted
from mgail_tf.types import Spec

OPSET = 17  # of 2022: what runtimes of the last years know
IR_VERSION = 8  # the file format that belongs to it
_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh"}


class _Graph:
    """A chain of operations, each of which takes the result of the one before."""

    def __init__(self, onnx: Any, source: str):
        self._onnx, self._last = onnx, source
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, operation: str, result: str, *constants: np.ndarray, **attributes: int) -> None:
        """Append an operation on the last result and constants."""
        names = [self._last]
        for constant in constants:
            names.append(f"{result}/constant{len(names)}")
            self.constants.append(self._onnx.numpy_helper.from_array(constant, names[-1]))
        made = self._onnx.helper.make_node(operation, names, [result], result, **attributes)
        self.nodes.append(made)
        self._last = result


def export(path: Path, policy: NumpyPolicy, metadata: dict[str, Any]) -> None:
    """Write an ONNX file with one input and one output, which gives the policy's mode.

    Input `states`: float32 [batch, S] as observed. Output `actions`: float32 [batch, A] in
    environment units, clipped to the bounds; or int64 [batch], the numbers of discrete actions.
    The batch may have any size. A state that is not finite gets no error, as ONNX has none.

    What `policies.numpy_policy.described` says of the policy, the versions of the packages that
    wrote it, and `metadata` stand in the file's `metadata_props`, each value as JSON.

    Raises:
        BadInput: the file exists or cannot be written, the metadata are not JSON, or `onnx` is not
            installed.
    """
    check_absent(path)
    onnx = imported(str(path), "onnx", "onnx")
    packages = f"onnx {onnx.__version__}; numpy {np.__version__}"
    versions = {"versions": f"python {platform.python_version()}; {packages}"}
    properties = described(policy.spec, {**versions, **metadata})
    spec, helper, types = policy.spec, onnx.helper, onnx.TensorProto
    states = helper.make_tensor_value_info("states", types.FLOAT, ["batch", spec.state_size])
    if spec.discrete:
        actions = helper.make_tensor_value_info("actions", types.INT64, ["batch"])
    else:
        shape = spec.action_shape or (spec.action_size,)
        actions = helper.make_tensor_value_info("actions", types.FLOAT, ["batch", *shape])
    graph = _operations(onnx, policy)
    model = helper.make_model(
        helper.make_graph(graph.nodes, "policy", [states], [actions], graph.constants),
        producer_name="mgail_tf",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    helper.set_model_props(model, {name: json.dumps(x) for name, x in properties.items()})
    onnx.checker.check_model(model, full_check=True)
    make_folder(path.parent)
    try:
        write_whole(path, model.SerializeToString())
    except OSError as error:
        raise BadInput(f"{path}: cannot be written ({error.strerror})") from error


def _operations(onnx: Any, policy: NumpyPolicy) -> _Graph:
    """Return the operations of `NumpyPolicy.predict`, in float32.

    The mean is taken off in two parts, the second of which is what float32 lacks of the first: of
    states far from zero nothing is lost.
    """
    spec, normaliser, graph = policy.spec, policy.normaliser, _Graph(onnx, "states")
    if normaliser.components is not None:
        components = np.asarray(normaliser.components, np.int64)
        graph.add("Gather", "seen", components, axis=1)
    mean, clip = normaliser.mean.astype(np.float32), np.float32(normaliser.clip)
    graph.add("Sub", "centred", mean)
    graph.add("Sub", "centred_exactly", (normaliser.mean - mean).astype(np.float32))
    graph.add("Div", "standardised", normaliser.std.astype(np.float32))
    graph.add("Clip", "clipped", np.array(-clip), np.array(clip))
    last = len(policy.weights) - 2
    for i in range(0, len(policy.weights), 2):
        kernel, bias = (np.asarray(w, np.float32) for w in policy.weights[i : i + 2])
        graph.add("Gemm", f"layer{i // 2}", kernel, bias)
        name = policy.output if i == last else policy.activation
        if name != "linear":
            graph.add(_ACTIVATIONS[name], f"layer{i // 2}/{name}")
    if spec.discrete:
        graph.add("ArgMax", "best", axis=1, keepdims=0)
        graph.add("Add", "actions", np.array(spec.first_action, np.int64))
    else:
        graph.add("Mul", "scaled", spec.action_scale.astype(np.float32))
        graph.add("Add", "shifted", spec.action_shift.astype(np.float32))
        graph.add("Max", "at_least", spec.action_low.astype(np.float32))
        if spec.action_shape:
            graph.add("Min", "at_most", spec.action_high.astype(np.float32))
            graph.add("Reshape", "actions", np.array([-1, *spec.action_shape], np.int64))
        else:
            graph.add("Min", "actions", spec.action_high.astype(np.float32))
    return graph


def opened(path: Path) -> tuple[Any, dict[str, Any]]:
    """Return the session of onnxruntime that evaluates a file, and what the file says of itself.

    Raises:
        BadInput: not an exported policy, or `onnxruntime` is not installed.
    """
    if not path.is_file():
        raise BadInput(f"{path}: no such policy file")
    runtime = imported(str(path), "onnxruntime", "onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is raised too
    try:
        session = runtime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        found = session.get_modelmeta().custom_metadata_map
        return session, {name: json.loads(value) for name, value in found.items()}
    except Exception as error:  # onnxruntime's own errors have no common class
        raise BadInput(f"{path}: not an exported policy ({one_line(error)})") from error


class OnnxPolicy:
    """A loaded ONNX file that acts as a NumpyPolicy does, without sampling, for evaluation."""

    def __init__(self, path: str | Path, spec: Spec):
        """Load and check the environment and the sizes.

        Raises:
            BadInput: not an exported policy, one of another environment or for other sizes, or
                `onnxruntime` is not installed.
        """
        self._path, self.spec = Path(path), spec
        self._session, metadata = opened(self._path)
        check_described(self._path, metadata, spec)

    def actions(self, states: np.ndarray) -> np.ndarray:
        """Return actions in environment units, [B, A] or [B], of float32 states [B, S]."""
        return self._session.run(["actions"], {"states": states})[0]

    def predict(self, observation: Any, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return the mean or most probable action, see `NumpyPolicy.predict`."""
        return predicted(self, observation, rng)

    def act(self, state: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Return the mode [A] in [-1, 1] units or one-hot for a state [S].

        Raises:
            BadInput: a sample is asked for: the file holds no random numbers.
        """
        if rng is not None:
            raise BadInput(f"{self._path}: found a policy that is deterministic only, no sampling")
        action = self.actions(np.asarray(state, np.float32)[None])[0]
        if self.spec.discrete:
            return self.spec.one_hot(action)
        return self.spec.scale_actions(action.ravel())
