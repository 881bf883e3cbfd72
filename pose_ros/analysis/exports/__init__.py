"""Results in the formats of other programs: tables, COCO keypoints, motion capture."""

from pose_ros.analysis.exports.writing import Exports, check_exports, open_exports

__all__ = ["Exports", "check_exports", "open_exports"]
