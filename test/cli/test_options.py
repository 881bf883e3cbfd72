"""Options of exports: from words to plain data."""

import argparse

import pytest

from pose_ros.cli.options import add_export_arguments, export_options
from pose_ros.errors import OptionError
from pose_ros.settings.outputs import ExportOptions


def parse(*words):
    parser = argparse.ArgumentParser()
    add_export_arguments(parser)
    return export_options(parser.parse_args(words))


def test_nothing_is_exported_unless_asked_for():
    assert parse() == ExportOptions()


def test_each_export_option_is_parsed():
    words = "--csv a.csv --coco-results r.json --bvh %s.bvh --person 3 --coco17 --coco-ids name"
    files = {"csv": "a.csv", "coco_results": "r.json", "bvh": "%s.bvh"}
    assert parse(*words.split()) == ExportOptions(files, person=3, coco17=True, coco_ids="name")


def test_empty_file_name_is_passed_on_and_refused_later():
    assert parse("--csv", "").files == {"csv": ""}


def test_negative_person_is_refused():
    with pytest.raises(OptionError, match="person"):
        parse("--person", "-1")
