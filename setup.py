"""Build the wheel: the library and the command line, and the nodes where ROS 2 is.

``pip install .`` makes a wheel of pure Python, the same on every machine and in every shell. With
the ROS 2 wheels of PyPI in the environment (``requirements/jazzy.txt``), ``pip install
--no-build-isolation .`` builds the messages and nodes too: CMakeLists.txt, the one description of
what is built, runs against that ROS, and its install tree becomes the wheel. A ROS of apt is not
looked at, sourced or not: colcon builds for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zlib
from importlib import metadata
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext

NAME = "pose_ros"
ROOT = Path(__file__).resolve().parent
SHARED = ("config", "launch", "models", "msg", "srv")
TF_MESSAGES = "tf2_msgs"
# Of the install tree: what only a sourced workspace reads, or what names the build's own folders.
LEFT_OUT = (
    "share/ament_index/resource_index/parent_prefix_path/",
    *(
        f"share/{package}/{part}"
        for package in (NAME, TF_MESSAGES)
        for part in ("environment/", "local_setup.", "package.dsv")
    ),
)
# Both install the module onnxruntime, one over the other, and no extra of a wheel can take a
# requirement away: who builds it says which one it has.
ENGINE = "onnxruntime-gpu" if os.environ.get("POSE_ROS_GPU") == "1" else "onnxruntime"
REQUIRES = [
    # apsw, lz4 and zstd are what rosbags reads bags with; damaged ones are read with them alone
    "apsw>=3.51",
    # videos, with true times; loaded with the first one: nodes on topics alone do without
    "av>=17,<20",
    'backports.zstd~=1.0; python_version < "3.14"',
    "lz4~=4.3",
    "numpy>=1.26,<3",
    f"{ENGINE}>=1.20,<2",
    # OpenCV 5 samples between pixels otherwise: landmarks move by about 1% of a person
    "opencv-python-headless>=4.8,<5",
    "pyyaml~=6.0",
    "rosbags~=0.11.0",
    "scipy>=1.11,<2",  # who is who among several people, and rotations; loaded when needed
    'tomli>=2; python_version < "3.11"',  # calibrations of Pose2Sim and caliscope
    "tqdm~=4.66",
]
# Needed at run time, in the version that the messages are built with: no other one loads them.
ROS_REQUIRES = {
    "ros-rclpy": "[fastrtps]",
    "ros-action-msgs": "",
    "ros-diagnostic-msgs": "",
    "ros-geometry-msgs": "",
    "ros-lifecycle-msgs": "",
    "ros-rosgraph-msgs": "",
    "ros-sensor-msgs": "",
    "ros-std-msgs": "",
    "ros-std-srvs": "",
    "ros-visualization-msgs": "",
}


def ros_prefix() -> Path | None:
    """Return the environment that builds where ROS is installed in it; None where it is not.

    pip's isolated build does not see the packages of the environment, so it has none.
    """
    prefix = Path(sys.prefix)
    visible = any(
        path.name == "site-packages" and path.is_relative_to(prefix) for path in map(Path, sys.path)
    )
    return prefix if visible and (prefix / "share/ament_index").is_dir() else None


def lacks_tf_messages(prefix: Path) -> bool:
    """Return whether the ROS there has no tf2_msgs but what an earlier build of ours put there."""
    manifest = prefix / "share" / TF_MESSAGES / "package.xml"
    ours = (
        Path(str(file.locate())).resolve()
        for installed in metadata.distributions(name=NAME)
        for file in installed.files or ()
        if file.name == manifest.name
    )
    return not manifest.is_file() or manifest.resolve() in ours


def ros_requires() -> list[str]:
    """Return the requirements that follow from the ROS that is built against."""
    try:
        return [
            f"{name}{extra}~={metadata.version(name)}; sys_platform == 'linux'"
            for name, extra in ROS_REQUIRES.items()
        ]
    except metadata.PackageNotFoundError as missing:
        raise SystemExit(
            f"{NAME}: {missing.name} is missing of the ROS 2 in {sys.prefix}: "
            "pip install -r requirements/jazzy.txt, or build without --no-build-isolation "
            "for the library alone"
        ) from None


class FreshBuild(build):
    """Leave no module in the wheel that the sources no longer have."""

    def run(self) -> None:
        """Empty the folder that the wheel is made of, then build."""
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class CMakeBuild(build_ext):
    """Run CMakeLists.txt and take over what it installs beside the Python modules."""

    def run(self) -> None:
        """Build in a folder that lasts, so that the next build has little to do."""
        prefix = ros_prefix()
        if prefix is None:
            raise RuntimeError("the ROS that setup.py began with is gone")
        key = f"{prefix} {sys.version} {metadata.version('ros-std-msgs')}"
        self.build_messages(ROOT / "build" / f"cmake-{zlib.crc32(key.encode()):08x}", prefix)

    def build_messages(self, folder: Path, prefix: Path) -> None:
        """Build into a stage and copy from there."""
        stage = folder / "stage"
        shutil.rmtree(stage, ignore_errors=True)
        cmake_install(ROOT, folder, stage, prefix)
        library = Path(self.build_lib).resolve()
        copy_python(stage / "python" / NAME, library / NAME, ("msg", "srv"))
        if lacks_tf_messages(prefix):
            cmake_install(ROOT / "packaging" / TF_MESSAGES, folder / TF_MESSAGES, stage, prefix)
            kinds = ("", "msg", "srv", "action")
            copy_python(stage / "python" / TF_MESSAGES, library / TF_MESSAGES, kinds)
        # Nobody sources a virtual environment, so this tells every tool of ROS where it is.
        shutil.copy2(ROOT / "packaging" / f"{NAME}_ament.pth", library)
        share = Path(self.build_temp).resolve() / "data"
        shutil.rmtree(share, ignore_errors=True)
        for top in ("lib", "share"):
            shutil.copytree(stage / top, share / top)
        self.distribution.data_files = data_files(share)

    def get_outputs(self) -> list[str]:
        """Return nothing: there is no compiled extension of setuptools' own."""
        return []


def cmake_install(source: Path, folder: Path, stage: Path, prefix: Path) -> None:
    """Configure a project where needed, build and install it.

    Args:
        source: The folder of its CMakeLists.txt.
        folder: To build in.
        stage: To install to.
        prefix: Where ROS is.
    """
    environment = {
        **os.environ,
        "AMENT_PREFIX_PATH": str(prefix),
        "CMAKE_PREFIX_PATH": str(prefix),
        # the environment's own cmake and ninja, whether or not it is active
        "PATH": os.pathsep.join((str(prefix / "bin"), os.environ["PATH"])),
    }
    configure = [
        *("cmake", "-S", str(source), "-B", str(folder), "-G", "Ninja"),
        "-DCMAKE_BUILD_TYPE=Release",
        "-DBUILD_TESTING=OFF",
        f"-DPython3_EXECUTABLE={sys.executable}",
        f"-DCMAKE_INSTALL_PREFIX={stage}",
        "-DPYTHON_INSTALL_DIR=python",
    ]
    if not (folder / "build.ninja").exists():
        subprocess.run(configure, check=True, env=environment)
    install = ["cmake", "--build", str(folder), "--target", "install"]
    subprocess.run(install, check=True, env=environment)


def copy_python(generated: Path, package: Path, folders: tuple[str, ...]) -> None:
    """Take over what was generated for Python: modules of some folders, and the libraries."""
    for folder in folders:
        (package / folder).mkdir(parents=True, exist_ok=True)
        for module in (generated / folder).glob("*.py"):
            shutil.copy2(module, package / folder)
    for library in generated.glob("*.so"):
        shutil.copy2(library, package)


def data_files(base: Path) -> list[tuple[str, list[str]]]:
    """Return (folder below the prefix, its files) for an install tree."""
    found: dict[str, list[str]] = {}
    for path in sorted(base.rglob("*")):
        relative = path.relative_to(base)
        if path.is_file() and not relative.as_posix().startswith(LEFT_OUT):
            found.setdefault(relative.parent.as_posix(), []).append(str(path))
    return list(found.items())


def shared_files() -> list[tuple[str, list[str]]]:
    """Return what CMakeLists.txt would install to share/, where it does not run."""
    return [
        (f"share/{NAME}/{folder}", [str(p) for p in sorted(Path(folder).iterdir()) if p.is_file()])
        for folder in SHARED
    ]


if ros_prefix():
    setup(
        install_requires=REQUIRES + ros_requires(),
        ext_modules=[Extension(f"{NAME}.msg", [])],
        data_files=[("share", [])],
        cmdclass={"build": FreshBuild, "build_ext": CMakeBuild},
    )
else:
    setup(
        install_requires=REQUIRES,
        data_files=shared_files(),
        cmdclass={"build": FreshBuild},
    )
