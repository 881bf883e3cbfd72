"""What the command line prints beside its results."""

import logging

from pose_ros.cli.terminal import NotTwice


def record(line, error=None):
    return logging.LogRecord("cameras", logging.INFO, __file__, 1, line, None, error)


def test_line_that_several_cameras_log_in_a_row_is_printed_once():
    lines = NotTwice()
    shown = [lines.filter(record(line)) for line in ("no finder", "no finder", "ok", "no finder")]
    assert shown == [True, False, True, True]


def test_error_that_comes_twice_is_printed_twice():
    lines, error = NotTwice(), ValueError("of a camera")
    for _ in range(2):
        assert lines.filter(record("failed", (ValueError, error, None)))
