"""The attributes of a family match its estimators."""

import typing

import pytest

from pose_ros.networks.one_shot import OneShot
from pose_ros.networks.registry import FAMILIES
from pose_ros.networks.top_down import TopDown


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_attributes_of_a_family_match_its_estimator(family):
    make = family.make
    made = make if isinstance(make, type) else typing.get_type_hints(make)["return"]
    assert family.finds_everybody == issubclass(made, OneShot)
    assert family.needs_people == issubclass(made, TopDown)
    assert family.takes_finder == ("search" in typing.get_type_hints(made))
