"""A page about what was found in a recording: one file that needs nothing else."""

from __future__ import annotations

from pose_ros.report.comparison import ComparisonBuilder
from pose_ros.report.page import PLOTS, ReportBuilder
from pose_ros.report.places import STAYING_FRAMES, CameraPlacement
from pose_ros.report.tables import FusedCameraFacts, RecordingFacts

__all__ = [
    "PLOTS",
    "STAYING_FRAMES",
    "CameraPlacement",
    "ComparisonBuilder",
    "FusedCameraFacts",
    "RecordingFacts",
    "ReportBuilder",
]
