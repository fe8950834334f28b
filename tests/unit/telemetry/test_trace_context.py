"""W3C trace context: what is read, what is refused, what is handed on."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.telemetry import trace

ID, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_a_traceparent_is_read_and_written_as_it_came():
    """The recommendation's own example (§3.2.2.5)."""
    found = trace.parse(f"00-{ID}-{PARENT}-01")
    assert found == trace.Trace(id=ID, parent=PARENT, sampled=True)
    assert found.header == f"00-{ID}-{PARENT}-01"


def test_what_the_caller_does_not_record_stays_unrecorded():
    """The flag travels on."""
    found = trace.parse(f"00-{ID}-{PARENT}-00")
    assert found.child().header.endswith("-00")


def test_flags_that_version_00_does_not_know_are_not_handed_on():
    """§3.2.2.5: unset by whoever does not know them."""
    assert trace.parse(f"00-{ID}-{PARENT}-ff").header.endswith("-01")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"00-{ID}-{PARENT}",
        f"00-{ID}-{PARENT}-1",
        f"00-{ID}-{PARENT}-01-more",
        f"ff-{ID}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"00-{ID.upper()}-{PARENT}-01",
        f"00-{ID}-{PARENT}-01\r\nx-evil: 1",
        f"00-{ID[:-1]}٤-{PARENT}-01",
        f"01-{ID}-{PARENT}-01.more",
    ],
)
def test_what_is_no_traceparent_is_none(text):
    """Wrong lengths, zeros, capitals, a forbidden version, a header that was smuggled in."""
    assert trace.parse(text) is None


def test_a_later_version_is_read_as_far_as_it_is_known():
    """§4.1: a higher version with more behind it."""
    assert trace.parse(f"cc-{ID}-{PARENT}-01-what-the-future-holds").header == f"00-{ID}-{PARENT}-01"


@given(st.text(max_size=80))
def test_no_text_makes_reading_fail(text):
    """Whatever it is, it is read, or it is none, and what is read can be sent."""
    found = trace.parse(text)
    assert found is None or trace.parse(found.header) == found


def test_a_child_has_the_trace_and_a_span_of_its_own():
    """One trace, as many spans as requests."""
    first = trace.new()
    assert first.child().id == first.id
    assert len({first.parent, first.child().parent, first.child().parent}) == 3


def test_what_has_a_name_has_the_same_trace_each_time():
    """A firing's step that is taken again belongs to the same trace."""
    assert trace.derived("firing 1") == trace.derived("firing 1")
    assert trace.derived("firing 1").id != trace.derived("firing 2").id
    assert trace.parse(trace.derived("x").header)


def test_a_trace_is_bound_to_its_own_work_only():
    """Another thread's work is part of another trace, and what ends lets go."""
    seen = []
    with trace.bound(trace.parse(f"00-{ID}-{PARENT}-01"), operation="op-1"):
        other = threading.Thread(target=lambda: seen.append(trace.current()))
        other.start()
        other.join()
        with trace.bound(None):
            assert trace.current().id != ID
            assert trace.operation() == ""
        assert (trace.current().id, trace.operation()) == (ID, "op-1")
    assert (trace.current(), seen) == (None, [None])
