"""The switches of other processors have an effect, and on onnxruntime too."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import pose_ros
from pose_ros.core.types import FloatArray
from tools.other_processors import PLAIN_KERNELS, environments, main, plain_kernels

SHOW = """\
import cv2
from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
print(*(name for name in __cpu_dispatch__ if __cpu_features__[name]))
print(cv2.getCPUFeaturesLine())
"""


@pytest.mark.parametrize("name", environments())
def test_wide_vector_instructions_are_disabled(name: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SHOW],
        env=os.environ | environments()[name],
        capture_output=True,
        text=True,
        check=True,
    )
    numpy_has, opencv_has = shown.stdout.splitlines()[:2]
    assert "X86_V4" not in numpy_has
    assert "AVX512" not in numpy_has
    # OpenCV marks what it may not use with a question mark
    used = [word for word in opencv_has.split() if not word.endswith("?")]
    assert not any("AVX512" in word for word in used)
    if name.startswith("SSE"):
        assert numpy_has == ""
        assert not any("AVX2" in word for word in used)


def test_failed_run_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = tmp_path / "test_it.py"
    monkeypatch.chdir(tmp_path)
    test.write_text(
        "import os\n"
        f"def test_it():\n    assert os.environ[{PLAIN_KERNELS!r}] == '1'\n"
        "    assert os.environ.get('OPENCV_IPP') != 'disabled'\n"
    )
    assert main([str(test)]) == 1


@pytest.mark.skipif(
    PLAIN_KERNELS in os.environ or platform.machine() != "x86_64",
    reason="onnxruntime has its usual kernels on x86-64 alone",
)
def test_plain_kernels_change_only_the_last_bits(data: Path) -> None:
    image = cv2.imread(str(data / "images" / "humans_0.jpg"))

    def keypoints() -> FloatArray:
        estimator = pose_ros.create_estimator("blazepose-full", static=True)
        found: FloatArray = estimator.estimate(image, channels="bgr").keypoints[0]
        return found

    usual = keypoints()
    with plain_kernels():
        plain = keypoints()
    assert 0.0 < np.abs(plain - usual).max() < 1.0
    assert np.array_equal(keypoints(), usual)
