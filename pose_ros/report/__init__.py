"""A page about what was found in a recording: one file that needs nothing else."""

from __future__ import annotations

from pose_ros.report.comparison import ComparisonBuilder
from pose_ros.report.facts import (
    STAYING_FRAMES,
    CameraPlacement,
    RecordingFacts,
)
from pose_ros.report.page import PLOTS, ReportBuilder

__all__ = [
    "PLOTS",
    "STAYING_FRAMES",
    "CameraPlacement",
    "ComparisonBuilder",
    "RecordingFacts",
    "ReportBuilder",
]
