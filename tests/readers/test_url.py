"""Addresses of traces: what they say, and one clear line for those that say nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from otel_agentprof.errors import UnreadableTraceError
from otel_agentprof.readers.url import is_address, parse, shown

ID = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("text", "origin", "base", "trace_id"),
    [
        (f"jaeger+http://localhost:16686/{ID}", "http://localhost:16686", "", ID),
        (f"JAEGER+HTTPS://Host/{ID.upper()}", "https://host", "", ID),
        (f"jaeger+http://host/a/b/{ID}/", "http://host", "/a/b", ID),
        ("jaeger+http://host/jaeger/00f067aa0ba902b7", "http://host", "/jaeger", "00f067aa0ba902b7"),
        ("jaeger+http://host/f067aa0ba902b7", "http://host", "", "f067aa0ba902b7"),
        (f"jaeger+http://host/ui/trace/{ID}", "http://host", "/ui", ID),
        (f"tempo+http://[::1]:3200/{ID}", "http://[::1]:3200", "", ID),
        (f"tempo+http://host/tempo/api/v2/traces/{ID}", "http://host", "/tempo", ID),
        ("jaeger+http://host?service=x", "http://host", "", None),
        ("jaeger+http://host/jaeger/?service=x", "http://host", "/jaeger", None),
        ("tempo+http://host/tempo?q={}", "http://host", "/tempo", None),
        ("phoenix+http://host?project=x", "http://host", "", None),
    ],
)
def test_an_address_says_where_and_what(text: str, origin: str, base: str, trace_id: str | None) -> None:
    address = parse(text)

    assert is_address(text)
    assert (address.origin, address.base, address.trace_id) == (origin, base, trace_id)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"http://host/{ID}", "does not say what kind of server it is; an address is jaeger+http://HOST"),
        (f"zipkin+http://host/{ID}", "does not say what kind of server it is"),
        (f"jaeger+http:///{ID}", "names no host"),
        (f"jaeger+http://host:port/{ID}", "port"),
        (f"jaeger+http://[::1/{ID}", "Invalid IPv6"),
        ("jaeger+http://host", "names no trace and no search"),
        ("jaeger+http://host?operation=x", "names no trace and no search"),
        ("jaeger+http://host/xyz", "'xyz' is no trace id of 16 or 32 hex digits"),
        (f"jaeger+http://host/{'0' * 32}", "is no trace id"),
        (f"jaeger+http://host/{ID}0", "is no trace id"),
        ("jaeger+http://host?q={}", "there is no parameter 'q'; there are service, operation"),
        ("jaeger+http://host?service=x&limt=5", "there is no parameter 'limt'"),
        ("tempo+http://host?q={}&limit=0", "limit=0 is no number of traces"),
        ("tempo+http://host?q={}&limit=²", "is no number of traces"),
        ("jaeger+http://host?service=x&lookback=1y", "'1y' is no duration such as 30m, 24h or 7d"),
        ("jaeger+http://host?service=x&min_duration=fast", "'fast' is no duration"),
        (f"jaeger+http://host?service=x&lookback={'9' * 30}d", "too large"),
        (
            "jaeger+http://host?service=x&start=yesterday",
            "'yesterday' is no time such as 2026-11-29T",
        ),
    ],
)
def test_an_address_that_says_nothing_is_told(text: str, message: str) -> None:
    with pytest.raises(UnreadableTraceError) as caught:
        parse(text)

    assert message in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "source", ["trace.jsonl", "-", "http", "ftp://host/x", "C:/x", b"jaeger+http://x", None]
)
def test_a_path_is_no_address(source: object) -> None:
    assert not is_address(source)


def test_the_window_of_a_search_is_as_asked() -> None:
    now = datetime(2026, 11, 29, 18, tzinfo=UTC)

    def window(query: str) -> tuple[datetime, datetime]:
        return parse(f"jaeger+http://host?service=x{query}").window(now)

    assert window("") == (now - timedelta(hours=24), now)
    assert window("&lookback=90s") == (now - timedelta(seconds=90), now)
    assert window("&start=1796000000") == (datetime.fromtimestamp(1_796_000_000, UTC), now)
    assert window("&end=2026-11-28T00:00:00&lookback=1h") == (
        datetime(2026, 11, 27, 23, tzinfo=UTC),
        datetime(2026, 11, 28, tzinfo=UTC),
    )
    assert window("&lookback=&limit=") == window("")


def test_what_is_shown_of_an_address_holds_no_password() -> None:
    assert shown("jaeger+http://me:secret@host/x") == "jaeger+http://host/x"
    assert shown("file@home") == "file@home"
