"""Bodies that can be read once, read ahead of the user and left as they were: unread, failures included."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import wrapt

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE: Final = 64 * 1024


def peek(body: Any) -> bytes | None:
    """Return all that a botocore ``StreamingBody`` holds; it can be read as if nobody had.

    None for one that is not of that kind, that is read asynchronously, or that breaks off.
    """
    raw = getattr(body, "_raw_stream", None)
    if raw is None or not hasattr(body, "read") or hasattr(body, "__aiter__"):
        return None
    if type(raw) is not _Kept:
        # Beneath the body's own count of bytes: it compares them with the headers when the user reads.
        body._raw_stream = raw = _Kept(raw)  # noqa: SLF001 - has no public name
    return raw.kept()


class _Kept(wrapt.ObjectProxy):  # type: ignore[type-arg]  # generic for the checker only
    """A response whose body is in memory; what broke off breaks off at the same place again."""

    def __init__(self, raw: Any) -> None:
        super().__init__(raw)
        pieces: list[bytes] = []
        self._self_error: Exception | None = None
        try:
            while piece := raw.read(_PIECE):
                pieces.append(piece)
                if getattr(raw, "length_remaining", None) == 0:
                    break
        except Exception as error:  # noqa: BLE001 - of any kind; it is the user's to meet
            self._self_error = error
        self._self_body = BytesIO(b"".join(pieces))

    def kept(self) -> bytes | None:
        """Return the whole body; None where it broke off."""
        return None if self._self_error is not None else self._self_body.getvalue()

    def read(self, amount: int | None = None, *_: Any, **__: Any) -> bytes:
        """Read as from the response itself."""
        data = self._self_body.read(-1 if amount is None else amount)
        if self._self_error is not None and (amount is None or amount < 0 or (not data and amount)):
            raise self._self_error
        return data

    def readinto(self, buffer: Any) -> int:
        """Read as from the response itself."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readlines(self) -> list[bytes]:
        """Read as from the response itself."""
        return BytesIO(self.read()).readlines()

    def stream(self, amount: int = _PIECE, *_: Any, **__: Any) -> Iterator[bytes]:
        """Read as from the response itself."""
        while data := self.read(amount):
            yield data

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readlines())

    def tell(self) -> int:
        """Return how much was read."""
        return self._self_body.tell()

    def close(self) -> None:
        """Close the response; nothing is left to read then."""
        self._self_body, self._self_error = BytesIO(), None
        self.__wrapped__.close()
