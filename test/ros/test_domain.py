"""Parallel processes get ROS domains of their own."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from pose_ros.errors import OptionError
from pose_ros.ros import domain

CLAIM = "import os; os.getpid = lambda: 7\nfrom pose_ros.ros.domain import claim_domain\n"


def test_processes_that_run_at_once_claim_different_domains() -> None:
    # as if all had the same process id, modulo the number of domains
    program = f"{CLAIM}print(claim_domain(), claim_domain(), flush=True); input()"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    found = []
    try:
        for process in started:
            assert process.stdout
            first, second = process.stdout.readline().split()
            assert first == second
            found.append(int(first))
    finally:
        for process in started:
            process.communicate("\n", timeout=30)
    assert len(set(found)) == 3
    assert all(1 <= number <= domain.LAST_DOMAIN for number in found)
    # what has ended has given its domain back
    again = subprocess.run(
        [sys.executable, "-c", f"{CLAIM}print(claim_domain())"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert int(again.stdout) == min(found)


def test_domain_in_which_a_participant_listens_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(domain, "_claims", [])
    domain.claim_domain.cache_clear()
    free = domain.claim_domain()
    domain._claims.pop().close()
    domain.claim_domain.cache_clear()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(("", 7400 + 250 * free + 10))
        assert domain.claim_domain() != free
    monkeypatch.setattr(domain, "_in_use", lambda _domain: True)
    domain.claim_domain.cache_clear()
    with pytest.raises(OptionError, match="ROS_DOMAIN_ID"):
        domain.claim_domain()
    for claim in domain._claims:
        claim.close()
