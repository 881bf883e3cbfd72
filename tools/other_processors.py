"""Run tests with the numbers of other processors: what passes here shall pass there.

Vector instructions differ in the order in which they add up, so the last bits of a result depend
on the processor. NumPy, OpenBLAS (in NumPy and in SciPy) and OpenCV choose their instructions by
environment variables. onnxruntime asks the processor itself and has no such switch: a session
without its blocked layout (``NCHWc``) sums up in another order, which moves landmarks as much as
running without AVX-512 does.

``python -m tools.other_processors [PYTEST_ARGUMENT...]``; by default the tests of numbers.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator

PLAIN_KERNELS = "POSE_ROS_PLAIN_KERNELS"
"""With it, ``test/conftest.py`` has onnxruntime work without its blocked layout."""

DEFAULT_TESTS = ("test/core", "test/networks", "test/accuracy")


@contextlib.contextmanager
def plain_kernels() -> Iterator[None]:
    """Let onnxruntime add up in another order in the sessions that are opened meanwhile."""
    import onnxruntime

    usual = onnxruntime.SessionOptions

    def plain() -> onnxruntime.SessionOptions:
        options = usual()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        return options

    onnxruntime.SessionOptions = plain
    try:
        yield
    finally:
        onnxruntime.SessionOptions = usual


def environments() -> dict[str, dict[str, str]]:
    """Return what to set for each kind of processor."""
    numpy_kernels = importlib.import_module("numpy._core._multiarray_umath").__cpu_dispatch__
    wide = [name for name in numpy_kernels if name.startswith(("AVX512", "X86_V4"))]
    return {
        "AVX2, as Haswell and Zen": {
            "OPENBLAS_CORETYPE": "HASWELL",
            "NPY_DISABLE_CPU_FEATURES": " ".join(wide),
            "OPENCV_CPU_DISABLE": "AVX512-SKX",
            PLAIN_KERNELS: "1",
        },
        "SSE, as Nehalem": {
            "OPENBLAS_CORETYPE": "NEHALEM",
            "NPY_DISABLE_CPU_FEATURES": " ".join(numpy_kernels),
            "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX2,AVX",
            "OPENCV_IPP": "disabled",
            PLAIN_KERNELS: "1",
        },
    }


def main(arguments: list[str]) -> int:
    """Run pytest once for each processor; return how many of the runs failed."""
    failed = 0
    for name, variables in environments().items():
        print(f"== {name}: {' '.join(f'{k}={v!r}' for k, v in variables.items())}", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", *(arguments or DEFAULT_TESTS)]
        failed += subprocess.run(command, env=os.environ | variables, check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
