"""Build the messages for pip.

CMakeLists.txt is the one description of what is built and installed. Colcon runs it as it is;
here it runs against the ROS 2 wheels of PyPI (Jazzy, or what ROS_DISTRO names), and its install
tree becomes the wheel, with that of packaging/tf2_msgs where those wheels have no message for
/tf. Where PyPI has no ROS for the machine, the wheel holds the library and the command line alone.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zlib
from importlib import metadata
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext

NAME = "pose_ros"
ROOT = Path(__file__).resolve().parent
SHARED = ("config", "launch", "models", "msg")
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
REQUIRES = [
    # apsw, lz4 and zstd are what rosbags reads bags with; damaged ones are read with them alone
    "apsw>=3.50",
    # videos, with true times; loaded with the first one: nodes on topics alone do without
    "av>=17,<20",
    'backports.zstd~=1.0; python_version < "3.14"',
    "lz4~=4.3",
    "numpy>=1.26,<3",
    "onnxruntime>=1.20,<2",
    # OpenCV 5 samples between pixels otherwise: landmarks move by about 1% of a person
    "opencv-python-headless>=4.8,<5",
    "pyyaml~=6.0",
    "rosbags~=0.11.0",
    "scipy>=1.11,<2",
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
    """Return where ROS is: around a site-packages folder of this (or pip's build) environment."""
    for path in map(Path, sys.path):
        if path.name == "site-packages" and (path.parents[2] / "share/ament_index").is_dir():
            return path.parents[2]
    return None


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


def build_requires() -> list[str]:
    """Return what pip installs before it builds; nothing where PyPI has no ROS for the machine."""
    wheels = ROOT / "requirements" / f"{os.environ.get('ROS_DISTRO', 'jazzy')}.txt"
    if (sys.platform, platform.machine()) != ("linux", "x86_64") or not wheels.is_file():
        return []
    lines = [
        line
        for path in (wheels, wheels.with_name("build.txt"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return [line for line in lines if not line.startswith(("#", "-r "))]


def ros_requires() -> list[str]:
    """Return the requirements that follow from the ROS that is built against."""
    return [
        f"{name}{extra}~={metadata.version(name)}; sys_platform == 'linux'"
        for name, extra in ROS_REQUIRES.items()
    ]


class FreshBuild(build):
    """Leave no module in the wheel that the sources no longer have."""

    def run(self) -> None:
        """Empty the folder that the wheel is made of, then build."""
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class CMakeBuild(build_ext):
    """Run CMakeLists.txt and take over what it installs beside the Python modules."""

    def run(self) -> None:
        """Choose a build folder: a lasting one where the same ROS will be there next time."""
        prefix = ros_prefix()
        if prefix is None:
            raise RuntimeError("the ROS that setup.py began with is gone")
        if prefix == Path(sys.prefix):  # kept, so that the next build has little to do
            key = f"{prefix} {sys.version} {metadata.version('ros-std-msgs')}"
            folder = ROOT / "build" / f"cmake-{zlib.crc32(key.encode()):08x}"
            self.build_messages(folder, prefix)
        else:  # pip's isolated environment is gone tomorrow, and CMake's cache would name it
            with tempfile.TemporaryDirectory() as temporary:
                self.build_messages(Path(temporary), prefix)

    def build_messages(self, folder: Path, prefix: Path) -> None:
        """Build into a stage and copy from there."""
        stage = folder / "stage"
        shutil.rmtree(stage, ignore_errors=True)
        cmake_install(ROOT, folder, stage, prefix)
        library = Path(self.build_lib).resolve()
        copy_python(stage / "python" / NAME, library / NAME, ("msg",))
        if lacks_tf_messages(prefix):
            cmake_install(ROOT / "packaging" / TF_MESSAGES, folder / TF_MESSAGES, stage, prefix)
            copy_python(stage / "python" / TF_MESSAGES, library / TF_MESSAGES, ("", "msg"))
        # Nobody sources a virtual environment, so this tells every tool of ROS where it is.
        shutil.copy2(ROOT / "packaging" / f"{NAME}_ament.pth", library)
        share = Path(self.build_temp).resolve() / "data"  # outlives a temporary build folder
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
    if not build_requires():
        print(f"{NAME}: PyPI has no ROS 2 for this machine: built without messages and nodes")
    setup(
        install_requires=REQUIRES,
        setup_requires=build_requires(),
        data_files=shared_files(),
        cmdclass={"build": FreshBuild},
    )
