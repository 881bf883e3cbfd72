"""Small recordings of drawn people, for tests of batch processing."""

import pytest

from pose_ros.analysis.fleet import Fleet, FleetOptions, find_recordings
from pose_ros.analysis.task import BagTask, Settings, TaskOutputs
from pose_ros.settings.gestures import GestureOptions
from pose_ros.synthetic.scene_bag import BagOptions, write_scene_bag
from pose_ros.synthetic.source import open_synthetic


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    """A folder with three recordings of 1.2 s at 10 images a second, one of them an MCAP."""
    folder = tmp_path_factory.mktemp("recordings")
    for name, scene, storage in (
        ("day1/run1", "pointing?seed=1&", "sqlite3"),
        ("day1/run2", "pointing?seed=2&", "mcap"),
        ("day2/run1", "crossing?", "sqlite3"),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        source = open_synthetic(f"{scene}width=320&height=240", fps=10, loop=True, live=False)
        write_scene_bag(folder / name, source, BagOptions(storage, depth="none", seconds=1.2))
    return folder


@pytest.fixture(scope="session")
def contents():
    """What returns the bytes of all files below a folder, by their path; the manifest's sorted."""

    def read(folder):
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and path.name != ".lock"
        }
        lines = files["manifest.jsonl"].splitlines(keepends=True)
        return files | {"manifest.jsonl": b"".join(sorted(lines))}

    return read


@pytest.fixture(scope="session")
def analyze():
    """What analyzes recordings as the command line does; gives the reports by the jobs' names."""
    template = BagTask("", Settings(gestures=GestureOptions()), TaskOutputs(bag="results"))

    def run(recordings, out, tick=lambda running: None, **options):
        with Fleet(FleetOptions(out, **options)) as fleet:
            plan = fleet.plan(find_recordings([str(recordings)]), template)
            return {job.name: report for job, report in fleet.run(plan.jobs, tick)}

    return run


@pytest.fixture(scope="session")
def by_one(recordings, analyze, tmp_path_factory):
    """The results of one worker."""
    out = tmp_path_factory.mktemp("one")
    reports = analyze(recordings, out)
    assert sorted(reports) == ["day1/run1", "day1/run2", "day2/run1"]
    assert all(report.images == 12 for report in reports.values())
    assert all(report.with_people > 8 for report in reports.values())
    return out
