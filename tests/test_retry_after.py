"""Valid and invalid values of Retry-After."""

import pytest

from pywats_green.retry_after import seconds_asked

NOW = 1_792_000_000.0  # Wed, 14 Oct 2026 17:46:40 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5),
        (" 7 ", 7),
        ("0.25", 0.25),
        ("0", 0),
        ("-3", 0),
        ("300", 300),
        ("301", 300),
        ("86400", 300),
        ("9" * 400, 300),
        ("Thu, 15 Oct 2026 17:46:40 GMT", 300),
        ("Wed, 14 Oct 2026 17:46:00 GMT", 0),
        ("Wed, 14 Oct 2026 17:47:00 GMT", 20),
        *((word, None) for word in ("nan", "NaN", "-nan", "inf", "-inf", "Infinity", "1e400")),
        *((word, None) for word in ("1_0", "0x10", "1e1", "\u0663", ".", "5, 5", "5 s")),
        ("Wed Oct 14 17:47:00 2026", 20),
        ("Wed, 14 Oct 2026 17:47:00 -0000", 20),
        ("Wed, 14 Oct 2026 19:47:00 +0200", 20),
        ("Thu, 01 Jan 1970 00:00:00 -0000", 0),
        ("Fri, 31 Dec 9999 23:59:59 -0000", 300),
        ("", None),
        ("soon", None),
        ("Wed, 99 Oct 2026 19:07:00 GMT", None),
    ],
)
def test_seconds_and_nonsense(value: str, seconds: float | None) -> None:
    assert seconds_asked(value, None, NOW) == seconds


def test_without_it() -> None:
    assert seconds_asked(None, None, NOW) is None


def test_a_date_counts_by_the_servers_clock_where_it_shows_it() -> None:
    until, date = "Sat, 01 Jan 2000 00:00:42 GMT", "Sat, 01 Jan 2000 00:00:12 GMT"
    assert seconds_asked(until, date, NOW) == 30


def test_a_date_counts_by_our_clock_else() -> None:
    assert seconds_asked("Sat, 01 Jan 2000 00:00:42 GMT", "yesterday", 946_684_800.0) == 42
