"""The options for onnxruntime, as data: no GPU is needed to check them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pose_ros.errors import OptionError, RuntimeUnavailableError
from pose_ros.runtime.providers import (
    Inputs,
    batch_is_free,
    check_precision,
    choose_providers,
    cpu_flags,
    provider_options,
    session_entries,
)
from pose_ros.settings.estimation import MAX_PEOPLE

CPU, CUDA, RT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
IMAGE: Inputs = [("image", (0, 3, 256, 256))]
ENGINES = Path("/cache/tensorrt/net-fp16")


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
def test_provider_is_chosen_among_the_available_ones(provider, require_gpu, available, expected):
    if isinstance(expected, list):
        assert choose_providers(provider, require_gpu, available) == expected
    else:
        with pytest.raises(expected):
            choose_providers(provider, require_gpu, available)


@pytest.mark.parametrize("provider", ["auto", "cuda", "tensorrt"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_supported_precision_of_a_gpu_is_accepted(precision, provider):
    check_precision(precision, provider)


@pytest.mark.parametrize(
    ("precision", "provider", "message"),
    [
        ("fp16", "cpu", "precision 'fp16' contradicts provider 'cpu'"),
        ("fp64", "auto", "precision must be one of fp32, fp16, int8, got 'fp64'"),
        ("FP16", "cuda", "precision must be one of fp32, fp16, int8, got 'FP16'"),
    ],
)
def test_unsupported_precision_is_refused(precision, provider, message):
    with pytest.raises(OptionError, match=message):
        check_precision(precision, provider)


def test_cpu_has_no_options():
    assert provider_options([CPU], "fp32", IMAGE, ENGINES) == [(CPU, {})]


def test_cuda_provider_has_its_options():
    (cuda, options), cpu = provider_options([CUDA, CPU], "fp32", (), ENGINES)
    assert (cuda, cpu) == (CUDA, (CPU, {}))
    assert options == {
        "device_id": "0",
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",
    }


@pytest.mark.parametrize(("precision", "half"), [("fp32", "False"), ("fp16", "True")])
def test_tensorrt_provider_has_its_options_and_falls_back(precision, half):
    (tensorrt, options), cuda, cpu = provider_options([RT, CUDA, CPU], precision, IMAGE, ENGINES)
    assert (tensorrt, cuda[0], cpu[0]) == (RT, CUDA, CPU)
    assert options == {
        "device_id": "0",
        "trt_fp16_enable": half,
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": "/cache/tensorrt/net-fp16",
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": "/cache/tensorrt",
        "trt_profile_min_shapes": "image:1x3x256x256",
        "trt_profile_opt_shapes": "image:1x3x256x256",
        "trt_profile_max_shapes": f"image:{2 * MAX_PEOPLE}x3x256x256",
    }


def test_tensorrt_profiles_name_several_inputs():
    inputs = [("image", (0, 3, 8, 6)), ("state", (0, 5))]
    (_, options), _ = provider_options([RT, CPU], "fp32", inputs, ENGINES)
    assert options["trt_profile_min_shapes"] == "image:1x3x8x6,state:1x5"
    assert options["trt_profile_max_shapes"] == "image:20x3x8x6,state:20x5"


@pytest.mark.parametrize(
    ("inputs", "free"),
    [
        (IMAGE, True),
        ([*IMAGE, ("other", (1, 3))], False),
        ([("image", (0, 3, 0, 0))], False),
        ([("number", ())], False),
        ([], False),
    ],
)
def test_profile_is_set_only_if_the_batch_alone_changes(inputs, free):
    assert batch_is_free(inputs) is free
    (_, options), _ = provider_options([RT, CPU], "fp32", inputs, ENGINES)
    assert ("trt_profile_min_shapes" in options) is free


def test_options_of_a_provider_are_strings():
    for _, options in provider_options([RT, CUDA, CPU], "fp16", IMAGE, ENGINES):
        assert all(type(text) is str for item in options.items() for text in item)


def test_threads_of_the_engine_do_not_busy_wait():
    assert session_entries()["session.intra_op.allow_spinning"] == "0"


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("flags\t\t: fpu avx2 avx512_vnni", "0"),
        ("flags\t\t: fpu avx2 avx_vnni", "0"),
        ("flags\t\t: fpu avx2 avx512bw", "1"),
        ("Features\t: fp asimd asimddp", "1"),  # ARM, where onnxruntime does not look at it
        (None, "1"),
    ],
)
def test_sums_of_int8_products_do_not_overflow(tmp_path, line, entry):
    path = tmp_path / "cpuinfo"
    if line is not None:
        path.write_text(f"processor\t: 0\n{line}\nprocessor\t: 1\n{line}\n", encoding="utf-8")
    assert session_entries(cpu_flags(path))["session.x64quantprecision"] == entry
    assert session_entries()["session.x64quantprecision"] in ("0", "1")
