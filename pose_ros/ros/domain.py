"""A ROS domain that no other process of this machine uses."""

from __future__ import annotations

import atexit
import contextlib
import errno
import functools
import os
import socket

from pose_ros.errors import OptionError

LAST_DOMAIN = 101
"""The ports of those above may be ones that Linux hands out to other programs."""

_PORT, _PORTS_A_DOMAIN, _UNICAST = 7400, 250, 10  # of DDS: OMG DDSI-RTPS, 9.6.1.1


@functools.cache
def claim_domain() -> int:
    """Return a domain for this process, 1 to 101, that is its own until it ends.

    A domain is taken where a participant listens, whoever started it, and where another process
    has claimed it with this function. Domain 0 is what everybody has who sets nothing.

    Raises:
        OptionError: All are taken.
    """
    for i in range(LAST_DOMAIN):
        domain = 1 + (os.getpid() + i) % LAST_DOMAIN
        if _claimed(domain) and not _in_use(domain):
            return domain
    raise OptionError(
        f"the ROS domains 1 to {LAST_DOMAIN} are all in use on this machine: set ROS_DOMAIN_ID"
    )


_claims: list[socket.socket] = []


def _claimed(domain: int) -> bool:
    """Take a name that the kernel gives to one process of this network namespace."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0pose_ros/domain/{domain}")
    except OSError as error:
        claim.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    _claims.append(claim)
    atexit.register(claim.close)
    return True


def _in_use(domain: int) -> bool:
    """Whether the first participant's port of a domain is taken."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.bind(("", _PORT + _PORTS_A_DOMAIN * domain + _UNICAST))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
