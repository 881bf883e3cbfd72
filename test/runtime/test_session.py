"""Sessions: the provider that runs a network, and the log when it is not the requested one."""

from __future__ import annotations

import logging
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from pose_ros.cli import doctor
from pose_ros.errors import ModelError, OptionError, RuntimeUnavailableError
from pose_ros.runtime import session as sessions
from pose_ros.runtime.providers import session_entries
from pose_ros.runtime.session import OrtSession, engine_folder, in_fp16, open_session

CPU, CUDA, RT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
LOADING = onnxruntime.InferenceSession


@pytest.fixture
def sums(tmp_path):
    """A network of two inputs: its outputs are -a and a + b."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Neg", ["a"], ["minus"])],
        "two",
        [helper.make_tensor_value_info(name, kind, ["n", 2]) for name in "ab"],
        [helper.make_tensor_value_info(name, kind, ["n", 2]) for name in ("minus", "sum")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "sums.onnx")
    return tmp_path / "sums.onnx"


def arrays(count=1):
    values = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    return values, 10 * values


class Gpu:
    """In place of ``InferenceSession``: a GPU that the CPU plays.

    Attributes:
        broken: Providers that do not work, with what they do: raise, or be
            silently left out, as onnxruntime does with both.
        loads: Model and providers of each try.
        loaded: What came of them.
    """

    def __init__(self, broken):
        self.broken = broken
        self.loads = []
        self.loaded = []

    def __call__(self, model, options, *, providers, **keywords):
        names = [p if isinstance(p, str) else p[0] for p in providers]
        self.loads.append((model, providers))
        for name in names:
            if self.broken.get(name) == "raise":
                raise RuntimeError(f"{name}:\n  no such library")
        loaded = LOADING(model, options, providers=[CPU], **keywords)
        self.loaded.append(loaded)
        present = [name for name in names if name not in self.broken]
        loaded.get_providers = lambda: present
        if present[0] != CPU:
            loaded.get_provider_graph_assignment_info = self.assign(present[0])
        if present[0] == RT:
            folder = dict(providers)[RT]["trt_engine_cache_path"]
            (Path(folder) / "net_sm87.engine").touch()
        return loaded

    def assign(self, name):
        if self.broken.get("assignment") == "unknown":

            def assigned():
                raise AttributeError

            return assigned
        return lambda: [type("Part", (), {"ep_name": name})]


@pytest.fixture
def gpu(monkeypatch):
    """Pretend that onnxruntime has all providers; return a function that breaks some."""

    def make(**broken):
        long = {"cuda": CUDA, "tensorrt": RT, "assignment": "assignment"}
        fake = Gpu({long[name]: how for name, how in broken.items()})
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [RT, CUDA, CPU])
        monkeypatch.setattr(onnxruntime, "InferenceSession", fake)
        # there is no memory of a GPU to keep anything in
        monkeypatch.setattr(sessions, "OrtSession", lambda loaded: OrtSession(loaded, "cpu"))
        return fake

    return make


@pytest.mark.parametrize("threads", [0, 65, -1])
def test_threads_out_of_range_are_refused(threads, tmp_path):
    with pytest.raises(OptionError, match=r"threads must be in \[1, 64\]"):
        open_session(tmp_path / "x.onnx", threads=threads)


@pytest.mark.parametrize("provider", ["cpu", "auto"])
def test_unknown_precision_is_refused(provider, tmp_path):
    with pytest.raises(OptionError, match="precision"):
        open_session(tmp_path / "x.onnx", provider, precision="int4")


@pytest.mark.parametrize("provider", ["cpu", "tensorrt"])
def test_file_that_is_not_a_network_gives_one_clear_error(tmp_path, provider, gpu):
    gpu()
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a network")
    with pytest.raises(ModelError, match=r"cannot load .*broken\.onnx") as caught:
        open_session(path, provider)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("device", [None, "cpu"])
def test_network_runs_on_the_provider_that_it_reports(sums, device):
    loaded = LOADING(str(sums), providers=[CPU])
    session = OrtSession(loaded, device)
    assert session.provider == "cpu"
    for count in (1, 3, 2, 1):
        a, b = arrays(count)
        minus, total = session.run(a, b)
        assert np.array_equal(minus, -a)
        assert np.array_equal(total, a + b)


@pytest.mark.parametrize("device", [None, "cpu"])
def test_outputs_stay_unchanged_by_later_runs(sums, device):
    session = OrtSession(LOADING(str(sums), providers=[CPU]), device)
    a, b = arrays(2)
    first = session.run(a, b)
    kept = [array.copy() for array in first]
    session.run(a + 1, b + 1)
    assert all(np.array_equal(*pair) for pair in zip(first, kept, strict=True))


@pytest.mark.parametrize("device", [None, "cpu"])
def test_non_contiguous_inputs_are_accepted(sums, device):
    session = OrtSession(LOADING(str(sums), providers=[CPU]), device)
    wide = np.arange(8, dtype=np.float32).reshape(2, 4)
    minus, total = session.run(wide[:, ::2], wide[:, 1::2])
    assert np.array_equal(minus, -wide[:, ::2])
    assert np.array_equal(total, wide[:, ::2] + wide[:, 1::2])


@pytest.mark.parametrize("device", [None, "cpu"])
def test_inputs_of_another_shape_are_refused(sums, device):
    session = OrtSession(LOADING(str(sums), providers=[CPU]), device)
    a, b = arrays()
    for wrong in ((a,), (a, b, b), (a, b[:, :1]), (a.astype(np.float64), b.astype(np.float64))):
        with pytest.raises(
            ModelError, match=r"takes a \['n', 2\] tensor\(float\), b .*; got \(1, 2\) "
        ):
            session.run(*wrong)
    assert np.array_equal(session.run(a, b)[1], a + b)  # and it goes on


def test_number_of_kept_shapes_is_bounded(sums):
    session = OrtSession(LOADING(str(sums), providers=[CPU]), "cpu")
    for count in range(1, 2 * sessions.MAX_SHAPES):
        a, b = arrays(count)
        assert np.array_equal(session.run(a, b)[1], a + b)
    assert session.kept_shapes < sessions.MAX_SHAPES


def test_a_gpu_that_breaks_down_gives_one_clear_error(sums, gpu, monkeypatch):
    fake = gpu()
    session = open_session(sums, "cuda")

    def out_of_memory(binding, options):
        raise Fail("CUDA failure 2:\nout of memory")

    monkeypatch.setattr(fake.loaded[-1], "run_with_iobinding", out_of_memory)
    with pytest.raises(
        RuntimeUnavailableError, match="cuda cannot run the network: CUDA fail"
    ) as e:
        session.run(*arrays())
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("assignment", ["known", "unknown"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("provider", ["auto", "cuda", "tensorrt"])
def test_requested_provider_runs(sums, gpu, caplog, provider, precision, assignment):
    fake = gpu(assignment=assignment)
    session = open_session(sums, provider, require_gpu=True, precision=precision)
    assert session.provider == {"auto": "cuda"}.get(provider, provider)
    a, b = arrays()
    assert np.array_equal(session.run(a, b)[1], a + b)
    assert caplog.records == []
    in_half = precision == "fp16" and provider != "tensorrt"  # which does that by itself
    assert isinstance(fake.loads[-1][0], bytes) == in_half


@pytest.mark.parametrize("how", ["raise", "leave out"])
def test_fallback_is_logged(sums, gpu, caplog, how):
    fake = gpu(cuda=how)
    session = open_session(sums, "cuda", precision="fp16")
    assert session.provider == "cpu"
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "sums.onnx runs on cpu: cuda cannot run it" in text
    assert "sums.onnx runs in fp32: the CPU has no fp16" in text
    assert ("no such library" in text) == (how == "raise")
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert fake.loads[-1] == (str(sums), [(CPU, {})])  # and not in half precision


@pytest.mark.parametrize("how", ["raise", "leave out"])
def test_a_fallback_is_an_error_where_a_gpu_is_required(sums, gpu, how):
    gpu(cuda=how, tensorrt=how)
    for provider in ("auto", "cuda", "tensorrt"):
        with pytest.raises(RuntimeUnavailableError, match="require_gpu is set, but sums") as caught:
            open_session(sums, provider, require_gpu=True)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("how", ["raise", "leave out"])
def test_cuda_runs_if_tensorrt_is_missing(sums, gpu, caplog, how):
    gpu(tensorrt=how)
    session = open_session(sums, "tensorrt", require_gpu=True)
    assert session.provider == "cuda"
    assert "sums.onnx runs on cuda: tensorrt cannot run it" in caplog.text


def test_provider_without_nodes_falls_back_to_cpu(sums, gpu, caplog):
    fake = gpu()
    fake.assign = lambda name: lambda: [type("Part", (), {"ep_name": CPU})]
    assert open_session(sums, "cuda").provider == "cpu"
    assert "cuda cannot run it" in caplog.text


def test_half_precision_without_a_gpu_falls_back_to_fp32_with_a_log(sums, caplog):
    if CUDA in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    assert open_session(sums, precision="fp16").provider == "cpu"
    assert "runs in fp32" in caplog.text


def test_engine_is_built_once_and_logged(sums, gpu):
    gpu()
    lines: list[str] = []
    for precision, said in (("fp32", True), ("fp32", False), ("fp16", True), ("fp16", False)):
        lines.clear()
        open_session(sums, "tensorrt", precision=precision, progress=lines.append)
        folder = engine_folder(sums, precision)
        if not said:
            assert lines == []
            continue
        assert lines[0].startswith(f"building a TensorRT engine for sums in {precision}: ")
        assert lines[0].endswith(f"it is kept in {folder}")
        assert lines[1].startswith("built in ")
        assert folder.parent == sums.parent / "tensorrt"


def test_engine_is_rebuilt_for_another_network(sums):
    before = engine_folder(sums, "fp32")
    sums.write_bytes(sums.read_bytes() + b"\0")
    assert engine_folder(sums, "fp32") != before


def test_half_precision_is_nearly_the_same(sums):
    content = in_fp16(sums)
    casts = [n for n in onnx.load_from_string(content).graph.node if n.op_type == "Cast"]
    assert len(casts) == 4
    half = LOADING(content, providers=[CPU])
    assert [value.type for value in (*half.get_inputs(), *half.get_outputs())] == (
        ["tensor(float)"] * 4
    )
    a, b = arrays(5)
    minus, total = OrtSession(half).run(a / 3, b / 3)
    assert np.allclose(minus, -a / 3, rtol=1e-3)
    assert np.allclose(total, (a + b) / 3, rtol=2e-3)


def test_half_precision_without_its_package_gives_one_clear_error(sums, gpu, monkeypatch):
    gpu()
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(
        RuntimeUnavailableError, match=r'needs onnx: run pip install "pose_ros\[mod'
    ):
        open_session(sums, "cuda", precision="fp16")


def test_quantized_weights_shared_by_two_nodes_are_accepted(tmp_path, monkeypatch, caplog):
    """onnxruntime cannot load them where it is to multiply them exactly."""
    exact = session_entries(flags=set())
    monkeypatch.setattr(sessions, "session_entries", lambda: exact)
    helper, numpy_helper, kind = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT
    weights = np.array([[90, -30], [20, 100]], np.int8)
    constants = {
        "scale": np.float32(0.01), "zero": np.int8(0), "middle": np.uint8(128), "weights": weights
    }  # fmt: skip
    product = ["scale", "middle", "weights", "scale", "zero", "scale", "middle"]
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["x", "scale", "middle"], ["q"]),
            helper.make_node("QLinearMatMul", ["q", *product], ["a"]),
            helper.make_node("QLinearMatMul", ["a", *product], ["b"]),
            helper.make_node("DequantizeLinear", ["b", "scale", "middle"], ["y"]),
        ],
        "shared",
        [helper.make_tensor_value_info("x", kind, [1, 2])],
        [helper.make_tensor_value_info("y", kind, [1, 2])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "shared.onnx")
    (found,) = open_session(tmp_path / "shared.onnx").run(np.array([[0.5, 1.0]], np.float32))
    assert np.allclose(found, [[0.5, 1]] @ (0.01 * weights) @ (0.01 * weights), atol=0.02)
    assert "shared.onnx: on this CPU its whole numbers may overflow" in caplog.text


def test_two_distributions_of_onnxruntime_are_logged_once_with_the_cure(
    sums, tmp_path, monkeypatch, caplog
):
    """Add the metadata that pip writes for onnxruntime-gpu beside the installed one."""
    written = tmp_path / "site" / "onnxruntime_gpu-1.20.1.dist-info"
    written.mkdir(parents=True)
    (written / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.20.1\n"
    )
    monkeypatch.syspath_prepend(str(written.parent))
    sessions.warn_of_conflict.cache_clear()
    open_session(sums)
    open_session(sums)
    sessions.warn_of_conflict.cache_clear()
    (record,) = caplog.records
    assert "and onnxruntime-gpu 1.20.1 are both installed" in record.getMessage()
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in record.getMessage()
    (finding,) = doctor.check_engine(Namespace())
    assert record.getMessage() == f"{finding.message}: {finding.cure}"
