"""Checks X-Hubgate-Signature: that a webhook comes from your gateway, is as it was sent, and is not an old one sent again.

Python 3.9 or newer, no packages.
"""

from __future__ import annotations

import hmac
import re
import time
from typing import Iterable, NamedTuple

HEADER = "X-Hubgate-Signature"

#: How far the clock of the gateway and one's own may be apart, in seconds.
DEFAULT_TOLERANCE = 300.0

# A gateway has two keys at most, and its headers are short.
_MAX_HEADER, _MAX_SIGNATURES = 2048, 8
_TIME, _SUM = re.compile(r"-?[0-9]{1,18}"), re.compile(r"[0-9a-fA-F]{64}")


class Refused(Exception):
    """A request whose signature is not good. Its text is missing, malformed, mismatch or time."""


class Event(NamedTuple):
    """What a good signature says."""

    #: The same in each attempt to deliver the event: remember those that you have done.
    id: str
    #: When this attempt was sent, in seconds since 1970, on the gateway's clock.
    sent: int


def verify(
    header: str | None,
    keys: Iterable[str | bytes],
    method: str,
    path: str,
    body: bytes,
    tolerance: float = DEFAULT_TOLERANCE,
    now: float | None = None,
) -> Event:
    """Checks the value of the header against the request, and returns the event or raises Refused.

    The keys are the gateway's access keys as text; empty ones are left out. The path is that of the request with its query,
    as it came; if a proxy changes it, give that of the URL that the gateway has. Times are in seconds, now since 1970.
    """
    if not header:
        raise Refused("missing")
    if len(header.encode()) > _MAX_HEADER:
        raise Refused("malformed")
    fields = [field.partition("=") for field in header.split(",")]
    times, events, signatures = ([value for name, _, value in fields if name == wanted] for wanted in ("t", "id", "v1"))
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or len(events) != 1 or not events[0]:
        raise Refused("malformed")
    if not 1 <= len(signatures) <= _MAX_SIGNATURES or not all(_SUM.fullmatch(one) for one in signatures):
        raise Refused("malformed")
    head = f"v1\n{times[0]}\n{events[0]}\n{method}\n{path}\n".encode()
    good = False
    for key in filter(None, keys):
        want = hmac.digest(key if isinstance(key, bytes) else key.encode(), head + body, "sha256")
        # Every signature is compared with every key: how long that takes says nothing of them.
        for one in signatures:
            good |= hmac.compare_digest(want, bytes.fromhex(one))
    if not good:
        raise Refused("mismatch")
    sent = int(times[0])
    if abs((time.time() if now is None else now) - sent) > tolerance:
        raise Refused("time")
    return Event(events[0], sent)
