"""Reads of a subscription take their turn by one bucket, believe ARM's own count, and obey 429."""

from __future__ import annotations

import pytest

from shared.cleanup.facts import pacing
from shared.rest import client, clouds, errors
from shared.settings import Settings

URL = "https://management.azure.com/subscriptions/S/providers/x?api-version=1"


class Azure:
    """Answers what it is told to."""

    cloud = clouds.PUBLIC

    def __init__(self, *answers):
        self.answers = list(answers)
        self.sent = []

    def send(self, _method, url, **_options):
        """See Client.send."""
        self.sent.append(url)
        answer = self.answers.pop(0) if self.answers else client.Response(status=200, url=url)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Time:
    """A clock that sleeping moves."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        """Return the present."""
        return self.now

    def sleep(self, seconds):
        """Move on."""
        self.now += seconds


def paced(*answers, time=None, buckets=None):
    """Return a paced reader over those answers."""
    time = time or Time()
    inner = Azure(*answers)
    return pacing.Paced(inner=inner, places=None, buckets=buckets or pacing.Buckets(time), settings=Settings(), sleep=time.sleep)


def remaining(count):
    """Return an answer that tells what is left."""
    return client.Response(status=200, url=URL, headers={pacing.REMAINING: str(count)})


def throttled(delay_s):
    """Return a 429."""
    return errors.ThrottledError("slow down", delay_s=delay_s, maybe_arrived=False)


def test_a_burst_is_free_and_then_25_a_second_go():
    """225 at once, 25 of the bucket are left to everybody else; 1,000 more take 40 seconds."""
    time = Time()
    reader = paced(time=time)
    for _ in range(225):
        reader.send("GET", URL)
    assert time.now == 1000.0
    for _ in range(1000):
        reader.send("GET", URL)
    assert time.now - 1000.0 == pytest.approx(40, abs=0.1)
    assert reader.count.arm == 1225
    assert reader.count.waited_s == pytest.approx(40, abs=0.1)


def test_the_bucket_is_shared_by_all_readers_of_the_process_and_separate_for_each_subscription():
    """Two workspaces of one subscription, one of another."""
    time = Time()
    buckets = pacing.Buckets(time)
    first, second = (paced(time=time, buckets=buckets) for _ in range(2))
    for reader in (first, second) * 113:
        reader.send("GET", URL)
    assert time.now > 1000.0
    begun = time.now
    first.send("GET", URL.replace("/S/", "/T/"))
    assert time.now == begun


def test_arms_own_count_is_believed_where_it_is_lower():
    """Other instances read, too."""
    time = Time()
    reader = paced(remaining(20), remaining(249), time=time)
    reader.send("GET", URL)
    reader.send("GET", URL)
    assert time.now - 1000.0 == pytest.approx(0.24, abs=0.01)


def test_a_short_throttle_is_waited_for_and_sent_again():
    """Retry-After says how long."""
    time = Time()
    reader = paced(throttled(7), time=time)
    assert reader.send("GET", URL).ok
    assert time.now >= 1007
    assert reader.count.throttled == 1
    assert len(reader.inner.sent) == 2


def test_a_long_throttle_is_raised_and_holds_for_every_reader_of_the_subscription():
    """The queue brings the work back; meanwhile nobody asks."""
    time = Time()
    buckets = pacing.Buckets(time)
    with pytest.raises(errors.ThrottledError):
        paced(throttled(300), time=time, buckets=buckets).send("GET", URL)
    other = paced(time=time, buckets=buckets)
    with pytest.raises(errors.ThrottledError) as raised:
        other.send("GET", URL)
    assert (other.inner.sent, raised.value.delay_s) == ([], pytest.approx(300))


def test_a_throttle_again_and_again_is_raised():
    """Four times is enough."""
    reader = paced(*[throttled(1)] * 9)
    with pytest.raises(errors.ThrottledError):
        reader.send("GET", URL)
    assert len(reader.inner.sent) == 4


def test_other_servers_count_for_themselves():
    """Run history has no share in ARM's bucket; its throttle is waited for all the same."""
    time = Time()
    reader = paced(throttled(3), time=time)
    reader.send("POST", "https://westeurope.api.azureml.ms/history/v1.0/x", body={})
    assert (reader.count.arm, reader.count.other, time.now) == (0, 2, 1003.0)
    assert reader.count.to_json() == {"arm": 0, "other": 2, "throttled": 1, "waitedSeconds": 3.0}
