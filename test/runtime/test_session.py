"""Sessions: which provider is chosen, and what is said when a network cannot run."""

import numpy as np
import pytest

from pose_ros.errors import ModelError, OptionError, RuntimeUnavailableError
from pose_ros.runtime.session import choose_providers, open_session

CPU, CUDA, RT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"


@pytest.mark.parametrize(
    ("provider", "require_gpu", "available", "expected"),
    [
        ("auto", False, [CPU], [CPU]),
        ("auto", False, [RT, CUDA, CPU], [CUDA, CPU]),
        ("auto", True, [CUDA, CPU], [CUDA, CPU]),
        ("cpu", False, [CUDA, CPU], [CPU]),
        ("cuda", False, [RT, CUDA, CPU], [CUDA, CPU]),
        ("tensorrt", False, [RT, CUDA, CPU], [RT, CUDA, CPU]),
        ("tensorrt", True, [RT, CPU], [RT, CPU]),
        ("auto", True, [CPU], RuntimeUnavailableError),
        ("cuda", False, [CPU], RuntimeUnavailableError),
        ("tensorrt", False, [CUDA, CPU], RuntimeUnavailableError),
        ("cpu", True, [CUDA, CPU], OptionError),
        ("gpu", False, [CPU], OptionError),
    ],
)
def test_providers(provider, require_gpu, available, expected):
    if isinstance(expected, list):
        assert choose_providers(provider, require_gpu, available) == expected
    else:
        with pytest.raises(expected):
            choose_providers(provider, require_gpu, available)


@pytest.mark.parametrize("threads", [0, 65, -1])
def test_threads_out_of_range(threads, tmp_path):
    with pytest.raises(OptionError, match=r"threads must be in \[1, 64\]"):
        open_session(tmp_path / "x.onnx", threads=threads)


def test_a_file_that_is_no_network_is_one_clear_error(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(ModelError, match=r"cannot load .*broken\.onnx"):
        open_session(path)


def test_a_network_runs_on_what_it_says(tmp_path):
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Neg", ["a"], ["minus"])],
        "two",
        [helper.make_tensor_value_info(name, kind, [2]) for name in "ab"],
        [helper.make_tensor_value_info(name, kind, [2]) for name in ("minus", "sum")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "two.onnx")
    session = open_session(tmp_path / "two.onnx", "cpu", threads=1)
    assert session.provider == "cpu"
    a, b = np.array([1, 2], np.float32), np.array([10, 20], np.float32)
    minus, total = session.run(a, b)
    assert minus.tolist() == [-1, -2]
    assert total.tolist() == [11, 22]
    with pytest.raises(ModelError, match="takes"):
        session.run(a)
