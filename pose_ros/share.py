"""Where the files lie that are installed beside the code: model cards, parameter files."""

from __future__ import annotations

from pathlib import Path

from pose_ros.errors import PoseRosError


def share_path(*parts: str) -> Path:
    """Return a file or folder of the package's share folder.

    The same call serves a source tree, a virtual environment and a colcon or apt
    prefix, since each keeps ``share/pose_ros`` (or the sources) above the code.

    Args:
        parts: Path below the share folder, such as ``"models"``.

    Raises:
        PoseRosError: The installation lacks it.
    """
    package = Path(__file__).resolve().parent
    candidates = [package.parent] if (package.parent / "package.xml").is_file() else []
    candidates += [parent / "share" / "pose_ros" for parent in package.parents]
    for base in candidates:
        path = base.joinpath(*parts)
        if path.exists():
            return path
    raise PoseRosError(
        f"{'/'.join(parts)} is missing from this installation of pose_ros; install it again"
    )
