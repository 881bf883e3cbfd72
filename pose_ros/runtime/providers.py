"""What onnxruntime gets: which providers, with which options. Pure functions, no engine."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence, Set
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

from pose_ros.errors import OptionError, RuntimeUnavailableError
from pose_ros.settings.estimation import MAX_PEOPLE, PRECISIONS, PROVIDERS

LONG_NAMES = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""onnxruntime's names, by ours."""

EXACT_PRODUCTS = "session.x64quantprecision"
"""onnxruntime's name for products of quantized numbers that do not overflow."""

MAX_BATCH = 2 * MAX_PEOPLE
"""The largest batch that a TensorRT engine is built for: two hands of everybody."""

ENGINES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "onnxruntime-directml",
    "onnxruntime-rocm",
)
"""Distributions that install the module onnxruntime; each overwrites the files of another."""

ENGINE_CURE = (
    "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install onnxruntime-gpu for a GPU, "
    "or pip install onnxruntime for the CPU"
)

Inputs: TypeAlias = Sequence[tuple[str, tuple[int, ...]]]
"""Name and shape of a network's inputs; 0 where an axis is free."""


def installed_engines() -> dict[str, str]:
    """Return the version of each distribution of onnxruntime that is installed, by its name."""
    found = {}
    for name in ENGINES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def engine_conflict(installed: Mapping[str, str]) -> str:
    """Return what is wrong with the distributions of onnxruntime; empty if nothing.

    ``ENGINE_CURE`` mends it.

    Args:
        installed: As ``installed_engines`` returns it.
    """
    if len(installed) < 2:
        return ""
    names = " and ".join(f"{name} {version}" for name, version in installed.items())
    return f"{names} are both installed and overwrite each other"


def choose_providers(provider: str, require_gpu: bool, available: list[str]) -> list[str]:
    """Return onnxruntime's provider list for a choice of ours.

    Args:
        provider: One of ``PROVIDERS``.
        require_gpu: Refuse to run on the CPU.
        available: onnxruntime's names of what was built into it.

    Raises:
        OptionError: ``provider`` is unknown.
        RuntimeUnavailableError: It is not available.
    """
    if provider not in PROVIDERS:
        raise OptionError(f"provider must be one of {', '.join(PROVIDERS)}, got {provider!r}")
    if require_gpu and provider == "cpu":
        raise OptionError("require_gpu contradicts provider 'cpu'")
    if provider == "auto":
        provider = "cuda" if LONG_NAMES["cuda"] in available else "cpu"
    if LONG_NAMES[provider] not in available or (require_gpu and provider == "cpu"):
        have = ", ".join(short for short, long in LONG_NAMES.items() if long in available)
        lacking = "provider for a GPU" if provider == "cpu" else provider
        raise RuntimeUnavailableError(
            f"this onnxruntime has no {lacking} (it has {have}); {ENGINE_CURE}"
        )
    chain = {"tensorrt": ("tensorrt", "cuda", "cpu"), "cuda": ("cuda", "cpu"), "cpu": ("cpu",)}
    return [LONG_NAMES[p] for p in chain[provider] if LONG_NAMES[p] in available]


def check_precision(precision: str, provider: str) -> None:
    """Refuse a precision that is unknown or that a provider does not have.

    Raises:
        OptionError: It is.
    """
    if precision not in PRECISIONS:
        raise OptionError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    if precision == "fp16" and provider == "cpu":
        raise OptionError("precision 'fp16' contradicts provider 'cpu', which computes in fp32")
    if precision == "int8" and provider not in ("auto", "cpu"):
        raise OptionError(f"precision 'int8' is for provider 'cpu'; {provider} has fp16")


def cpu_flags(path: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Return what the CPU can do, in Linux' words; nothing where that is unknown."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())


def session_entries(flags: Set[str] | None = None) -> dict[str, str]:
    """Return the entries of a session's configuration.

    Args:
        flags: What the CPU can do; None looks.
    """
    flags = cpu_flags() if flags is None else flags
    return {
        # threads that spin while they wait take the cores that the rest of a robot needs;
        # sleeping costs nothing that could be measured, and less CPU time under load
        "session.intra_op.allow_spinning": "0",
        # which provider got which node is what tells a fallback
        "session.record_ep_graph_assignment_info": "1",
        # quantized networks: on x86 of before VNNI sums of products would overflow. With VNNI
        # they do not, but onnxruntime would slow down all the same, to half the speed
        EXACT_PRODUCTS: "0" if flags & {"avx512_vnni", "avx_vnni"} else "1",
    }


def provider_options(
    chain: Sequence[str], precision: str, inputs: Inputs, engines: Path
) -> list[tuple[str, dict[str, str]]]:
    """Return providers with their options, as onnxruntime takes them.

    Args:
        chain: As ``choose_providers`` returns it.
        precision: One of ``PRECISIONS``.
        inputs: The network's inputs.
        engines: Folder of the TensorRT engines of this network in this precision; the
            timing cache, which all networks share, lies in the folder above it.
    """
    options = {
        LONG_NAMES["tensorrt"]: _tensorrt(precision, inputs, engines),
        LONG_NAMES["cuda"]: {
            "device_id": "0",
            # memory is the robot's too: take what is needed, not the next power of two
            "arena_extend_strategy": "kSameAsRequested",
            # the exhaustive search would start over whenever the number of people changes
            "cudnn_conv_algo_search": "HEURISTIC",
            # fp32 means fp32, not its 10-bit relative
            "use_tf32": "0",
        },
    }
    return [(name, options.get(name, {})) for name in chain]


def batch_is_free(inputs: Inputs) -> bool:
    """Whether the batch, and nothing else, may change from run to run."""
    return bool(inputs) and all(shape[:1] == (0,) and 0 not in shape[1:] for _, shape in inputs)


def _tensorrt(precision: str, inputs: Inputs, engines: Path) -> dict[str, str]:
    return {
        "device_id": "0",
        "trt_fp16_enable": str(precision == "fp16"),
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": str(engines),
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": str(engines.parent),
        **_profiles(inputs),
    }


def _profiles(inputs: Inputs) -> dict[str, str]:
    """Return the batches that one engine serves; without them each new one builds another."""
    if not batch_is_free(inputs):
        return {}

    def of(batch: int) -> str:
        return ",".join(
            f"{name}:{'x'.join(str(size) for size in (batch, *shape[1:]))}"
            for name, shape in inputs
        )

    return {
        "trt_profile_min_shapes": of(1),
        "trt_profile_opt_shapes": of(1),
        "trt_profile_max_shapes": of(MAX_BATCH),
    }
