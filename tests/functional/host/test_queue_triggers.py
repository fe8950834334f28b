"""Queue triggers on the local host settle messages as the platform's storage extension does."""

import base64
import itertools
import json
import os
import signal
import threading

import pytest
from azure.core.exceptions import ResourceNotFoundError

from infra.local.host.functions import Function
from infra.local.host.invocation import Result
from infra.local.host.queue_trigger import QueueTrigger, decode, delay_s
from infra.local.host.settings import QueueOptions


def left(host, suffix: str = "") -> int:
    """Messages in the queue, visible or not."""
    with host.queue(suffix) as queue:
        return queue.get_queue_properties().approximate_message_count


def worker(host) -> int:
    """Process id of the one worker."""
    return host.send("GET", "/admin/host/status", x_functions_key=host.keys["masterKey"]).json()["workers"][0]


def test_a_handled_message_is_deleted(hosts, eventually):
    """And the function saw its dequeue metadata."""
    host = hosts.start()
    host.put(n=1)
    seen = eventually(lambda: host.seen("work"), "the run")[0]
    assert seen["order"] == {"n": 1}
    assert seen["dequeue_count"] == 1
    assert seen["id"]
    assert seen["receipt"]
    assert seen["inserted"].endswith("+00:00")
    assert seen["inserted"] < seen["visible"] < seen["expires"]
    eventually(lambda: left(host) == 0, "the message is gone")


def test_a_failing_message_is_tried_again_and_then_goes_to_the_poison_queue(hosts, eventually):
    """MaxDequeueCount is 3 in the app's host.json."""
    host = hosts.start()
    host.put(fail=True)
    seen = eventually(lambda: host.seen("poisoned"), "the poison function")[0]
    assert [entry["dequeue_count"] for entry in host.seen("work")] == [1, 2, 3]
    assert json.loads(seen["body"]) == {"fail": True}
    eventually(lambda: left(host) == left(host, "-poison") == 0, "both queues are empty")


def test_a_message_that_is_not_base64_goes_to_the_poison_queue_without_a_run(hosts, eventually):
    """MessageEncoding is base64: plain text cannot be decoded, and is not decoded there either."""
    host = hosts.start(**{"AzureWebJobs.poisoned.Disabled": "true"})
    with host.queue() as queue:
        queue.send_message("{plain}")
    with host.queue("-poison") as poison:
        eventually(lambda: left(host) == 0, "the message has moved")
        assert [message.content for message in poison.receive_messages()] == ["{plain}"]
    assert host.seen("work") == []


def test_an_output_binding_reaches_the_queue_function(hosts, eventually):
    """It is looked for at once, not at the next poll."""
    host = hosts.start("--queue-poll-ms", "60000")
    assert host.send("POST", "/api/enqueue", b'{"by": "binding"}').status == 202
    assert eventually(lambda: host.seen("work"), "the run")[0]["order"] == {"by": "binding"}


def test_a_new_batch_is_fetched_once_few_enough_are_under_way(hosts, tmp_path, eventually):
    """BatchSize 4 and newBatchThreshold 2: four run; two must end before four more begin."""
    host = hosts.start(**{"AzureWebJobs.work.Disabled": "true"})
    for number in range(9):
        host.put(n=number, wait=str(tmp_path / f"{number}"))
    assert host.stop() == 0
    host = hosts.start(WORK_QUEUE=host.queue_name)

    def begun() -> list[int]:
        return [entry["order"]["n"] for entry in host.seen("work") if "ended" not in entry]

    def ended() -> int:
        return sum("ended" in entry for entry in host.seen("work"))

    eventually(lambda: len(begun()) == 4, "the first batch")
    (tmp_path / str(begun()[0])).touch()
    eventually(lambda: ended() == 1, "one has ended")
    assert len(begun()) == 4
    (tmp_path / str(begun()[1])).touch()
    eventually(lambda: len(begun()) == 8, "the second batch")
    for number in range(9):
        (tmp_path / str(number)).touch()
    eventually(lambda: left(host) == 0, "all are handled")


def test_the_message_of_a_killed_worker_is_not_lost_and_comes_back_late(hosts, tmp_path, eventually, alive):
    """Nothing deletes or releases it: it waits out its invisibility (ten minutes in Azure, two seconds here)."""
    host = hosts.start("--queue-invisible-s", "2")
    file = tmp_path / "go"
    host.put(wait=str(file))
    first = eventually(lambda: host.seen("work"), "the run")[0]
    os.kill(first["pid"], signal.SIGKILL)
    eventually(lambda: not alive(first["pid"]), "the worker is gone")
    assert left(host) == 1
    file.touch()
    again = eventually(lambda: [e for e in host.seen("work") if e["pid"] != first["pid"]], "the second run")[0]
    assert (again["id"], again["dequeue_count"]) == (first["id"], 2)
    eventually(lambda: left(host) == 0, "the message is handled")


def test_the_caller_of_a_killed_worker_gets_an_empty_500_and_the_next_one_an_answer(hosts, tmp_path, eventually):
    """H10: at once, not after a timeout; the host starts a new worker process."""
    host = hosts.start()
    answers = []
    caller = threading.Thread(target=lambda: answers.append(host.send("GET", f"/api/waits?file={tmp_path / 'x'}")))
    caller.start()
    eventually(lambda: host.seen("waits"), "the request is under way")
    before = worker(host)
    os.kill(before, signal.SIGKILL)
    caller.join()
    assert [(answer.status, answer.body) for answer in answers] == [(500, b"")]
    assert host.send("POST", "/api/echo", b"back").body == b"back"
    assert worker(host) != before


class FakeQueue:
    """A queue that writes down what is asked of it."""

    queue_name = "work"

    def __init__(self) -> None:
        self.calls = []

    def update_message(self, message, *, pop_receipt, visibility_timeout):
        """Every update gives a new receipt."""
        self.calls.append(("update", pop_receipt, visibility_timeout))
        return Message(pop_receipt=f"{pop_receipt}+")

    def delete_message(self, message, *, pop_receipt):
        """Needs the newest receipt."""
        self.calls.append(("delete", pop_receipt))


class Message:
    """A received message."""

    def __init__(self, **given) -> None:
        self.__dict__ |= {"id": "1", "content": "aGk=", "pop_receipt": "r", "dequeue_count": 1} | given
        self.inserted_on = self.expires_on = self.next_visible_on = None


class FakeRunner:
    """Runs nothing; lets ``while_running`` be called as often as asked."""

    def __init__(self, times: int = 0, error: str | None = None) -> None:
        self.times, self.error, self.every_s = times, error, None

    def run(self, function, inputs, *, every_s, while_running, **_rest):
        """As the real one is called."""
        self.every_s = every_s
        for _ in range(self.times):
            while_running()
        return Result(error=self.error)


def trigger(queue, runner, poison=None):
    """A trigger on fakes."""
    function = Function(name="f", id="f", trigger={"type": "queueTrigger", "name": "msg"}, outputs=())
    options = QueueOptions(visibility_timeout_s=30, max_dequeue_count=5)
    return QueueTrigger(function=function, queue=queue, poison=poison, options=options, runner=runner)


def test_a_message_stays_invisible_while_its_function_runs_long():
    """Renewed for ten minutes every five, each time with the newest receipt; so is the deletion."""
    queue, runner = FakeQueue(), FakeRunner(times=2)
    trigger(queue, runner).process(Message())
    assert runner.every_s == 300
    assert queue.calls == [("update", "r", 600), ("update", "r+", 600), ("delete", "r++")]


def test_visibility_timeout_is_the_delay_after_a_failure():
    """host.json's visibilityTimeout has nothing to do with how long a running message is hidden."""
    queue = FakeQueue()
    trigger(queue, FakeRunner(error="boom"), poison=FakeQueue()).process(Message())
    assert queue.calls == [("update", "r", 30)]


def test_a_failed_message_of_a_poison_queue_just_stays_invisible():
    """A poison queue has no second poison queue, and nothing may fail in a fast endless loop."""
    queue = FakeQueue()
    trigger(queue, FakeRunner(error="boom")).process(Message(dequeue_count=5))
    trigger(queue, FakeRunner()).process(Message(dequeue_count=6))
    assert queue.calls == []


def test_looks_into_an_empty_queue_become_rarer_up_to_the_limit():
    """From 100 ms, roughly doubling, never beyond maxPollingInterval."""
    delays = [delay_s(empty, 60.0) for empty in range(30)]
    assert delays[0] == 0.1
    assert all(later > earlier for earlier, later in itertools.pairwise(delays[:9]))
    assert max(delays) == delays[-1] == 60.0
    assert delay_s(0, 0.05) == 0.05


@pytest.mark.parametrize("body", [b"", b"plain", "käse".encode(), bytes(range(256))])
def test_base64_is_undone(body):
    """Line breaks inside do not matter, as in .NET."""
    assert decode(base64.encodebytes(body).decode(), base64_encoded=True) == body


def test_without_encoding_the_text_is_the_message():
    """That is ``messageEncoding`` none."""
    assert decode("aGk=", base64_encoded=False) == b"aGk="


def test_a_trigger_waits_for_a_queue_that_is_not_there(hosts, eventually):
    """The host makes no queue (seen under Microsoft's own), says nothing, and takes its messages once it is there."""
    hosts.makes_queue = False
    host = hosts.start()
    host.send("POST", "/api/echo", b"the host is up, and has looked")
    with host.queue() as queue:
        with pytest.raises(ResourceNotFoundError):
            queue.get_queue_properties()
        queue.create_queue()
    host.put(number=1)
    eventually(lambda: host.seen("work"), "the message")
    host.stop()
    assert "Host.Triggers.Queue" not in host.log()
