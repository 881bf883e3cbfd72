"""onnxruntime's wheels report to their makers; under pose_ros they do not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

LOAD = """
import sys
from pathlib import Path
from pose_ros.runtime.session import open_session
open_session(Path(sys.argv[1]))
"""


def test_no_usage_data_is_collected(lite_models: Path, tmp_path: Path) -> None:
    # it sends nothing in a CI environment
    quiet = ("CI", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "TF_BUILD")
    environment = {k: v for k, v in os.environ.items() if k not in quiet}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    network = next(lite_models.glob("blazepose-detector.onnx"))
    subprocess.run([sys.executable, "-c", LOAD, str(network)], env=environment, check=True)
    found = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.db")]
    assert found == []
