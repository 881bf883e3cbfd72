"""Nothing that is installed runs or unpickles what it reads."""

import ast

import pytest

# Modules that build arbitrary objects, or run text.
MODULES = {"dill", "joblib", "marshal", "pickle", "shelve", "code", "codeop"}
CALLS = {"eval", "exec", "compile", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load",
         "yaml.full_load", "yaml.load_all", "yaml.safe_load"}  # fmt: skip
KEYWORDS = {"allow_pickle", "shell"}
# documents.py bounds what it loads; the others read what this project itself wrote a moment ago
READERS = {"pose_ros/documents.py", "tools/trt_pose_networks.py"}


def unsafe(source: str) -> list[str]:
    """Return the unsafe calls of a module's source, one line each."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").split(".")[0]]
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            found += [f"{node.lineno}: {name}()"] if name in CALLS else []
            found += [
                f"{node.lineno}: {keyword.arg}="
                for keyword in node.keywords
                if keyword.arg in KEYWORDS
            ]
            continue
        else:
            continue
        found += [f"{node.lineno}: import {name}" for name in names if name in MODULES]
    return found


def test_no_module_runs_or_unpickles_what_it_reads(checkout):
    folders = ("benchmarks", "examples", "pose_ros", "launch", "scripts", "tools")
    paths = [path for folder in folders for path in sorted((checkout / folder).rglob("*.py"))]
    assert len(paths) > 200
    found = [
        f"{name}:{line}"
        for path in [*paths, checkout / "setup.py"]
        if (name := path.relative_to(checkout).as_posix()) not in READERS
        for line in unsafe(path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import pickle", "1: import pickle"),
        ("from pickle import loads", "1: import pickle"),
        ("import numpy as np\nnp.load(f, allow_pickle=True)", "2: allow_pickle="),
        ("import subprocess\nsubprocess.run('ls', shell=True)", "2: shell="),
        ("eval('1')", "1: eval()"),
        ("import os\nos.system('ls')", "2: os.system()"),
        ("import yaml\nyaml.safe_load(text)", "2: yaml.safe_load()"),
    ],
)
def test_unsafe_call_is_found(source, line):
    assert unsafe(source) == [line]
