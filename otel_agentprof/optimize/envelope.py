r"""What is around an entry outside this process: whether it is whole, and how long it holds.

    digest of the rest, 16 digits \n
    1796000000.0 3600.0 \n           when it was written, seconds since the epoch; how long it holds, or -
    the entry

Clocks of machines differ and are set back: an entry from the future holds for no longer than one from now
would, and one from far ahead is none.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from otel_agentprof.optimize.entry import CorruptEntryError

_DIGEST_SIZE: Final = 8
_SLACK_S: Final = 60.0  # by how much clocks of two machines may differ
_FOR_EVER: Final = "-"


def seal(entry: bytes, *, now: float, ttl_s: float | None) -> bytes:
    """Return an entry for a place that others share.

    Args:
        entry: What is kept.
        now: Seconds since the epoch.
        ttl_s: How long it holds; None for ever.
    """
    body = f"{now!r} {_FOR_EVER if ttl_s is None else repr(float(ttl_s))}\n".encode() + entry
    return _digest(body) + b"\n" + body


def unseal(data: bytes, *, now: float) -> bytes | None:
    """Return the entry; None for one whose time is over.

    Raises:
        CorruptEntryError: For what :func:`seal` did not write.
    """
    digest, _, body = data.partition(b"\n")
    if digest != _digest(body):
        raise CorruptEntryError("the entry is not what was written")
    times, _, entry = body.partition(b"\n")
    written, _, holds = times.decode().partition(" ")
    if holds != _FOR_EVER and not -_SLACK_S <= now - float(written) < float(holds):
        return None
    return entry


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=_DIGEST_SIZE).hexdigest().encode()
