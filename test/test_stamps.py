"""Which stamp comes before which is decided in core/timeline.py, and nowhere else."""

import ast
import itertools

import pytest

# functions, by their names with their classes
ELSEWHERE = {
    # the age of remembered data in one stream without late images
    *("_way", "JointMemory.fill", "GestureRecognizer._forget", "_Body.update", "Tracker.missing"),
    *("_Body._update_posture", "walks", "WalkingSpeeds.update"),
    # a place or a pose between two stamps is interpolated
    *("_Link.at", "FrameTree.add", "FrameTree._check_parent"),
    *("EvenMotion._between", "EvenMotion.__init__", "CameraSamples.at"),
    # which messages of several topics belong together
    *("Lifter.lift", "_Images.take_result", "common_stamp"),
    *("DepthBuffer._wait_for_own.decided", "PoseInput._on_hands", "FusionNode._fuse"),
    # which images of several recordings belong together
    *("_instants", "_Stream.reach", "_offset.cost", "_Beside.depth"),
    # when a message was recorded
    *("McapFile._read_block", "_messages"),
    # stamps are made here: they have to rise
    *("rising", "VideoSource._stamp_of", "RateLimiter.keep", "CaptureThread._hand_on"),
    *("look_for_people", "look_for_board"),
}


def is_stamp(node):
    """Return whether an expression is a stamp by its name."""
    if isinstance(node, ast.Subscript):
        return is_stamp(node.value)
    name = getattr(node, "attr", getattr(node, "id", ""))
    return "stamp" in name.lower() and not name.isupper()


def compares_stamps(node):
    """Return whether a comparison sets a stamp against a variable, or two in a sum."""
    if not isinstance(node, ast.Compare) or any(
        isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for op in node.ops
    ):
        return False
    operands = [node.left, *node.comparators]
    for one, other in itertools.pairwise(operands):
        for a, b in ((one, other), (other, one)):
            if is_stamp(a) and ast.unparse(b) != "-math.inf" and not isinstance(b, ast.Constant):
                return True
    return any(
        isinstance(part, ast.BinOp) and is_stamp(part.left) and is_stamp(part.right)
        for operand in operands
        for part in ast.walk(operand)
    )


def found_in(source):
    """Return where a module compares stamps: names of functions with their classes."""
    found = set()

    def visit(node, name):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            name = f"{name}.{node.name}".lstrip(".")
        if compares_stamps(node):
            found.add(name)
        for child in ast.iter_child_nodes(node):
            visit(child, name)

    visit(ast.parse(source), "")
    return found


def test_no_part_compares_stamps_by_itself(checkout):
    package = checkout / "pose_ros"
    undecided = {}
    for path in sorted(package.rglob("*.py")):
        module = ".".join(path.relative_to(package).with_suffix("").parts)
        found = found_in(path.read_text(encoding="utf-8")) - ELSEWHERE
        if found and module != "core.timeline":
            undecided[module] = found
    assert undecided == {}, "let core/timeline.py decide, or say here why not"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(stamp, last):\n    return stamp < last", {"f"}),
        ("class A:\n    def f(self, stamp):\n        return self._stamp == stamp", {"A.f"}),
        ("def f(stamp, a):\n    return abs(stamp - a.stamps[-1]) > 1", {"f"}),
        ("def f(stamp, seen):\n    return stamp - seen > 1", set()),
        ("def f(stamp):\n    return stamp is None or stamp > 0", set()),
        ("def f(stamp):\n    return stamp > -math.inf", set()),
    ],
)
def test_a_comparison_of_stamps_is_found(source, expected):
    assert found_in(source) == expected
