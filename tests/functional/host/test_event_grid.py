"""The Event Grid webhook of the local host: handshakes, deliveries, keys."""

import json

import pytest

HOOK = "/runtime/webhooks/EventGrid?functionName=on_event"


def post(host, body, event_type="Notification", path=HOOK, **headers):
    """Deliver as Event Grid does, with the system key."""
    code = host.keys["systemKeys"]["eventgrid_extension"]
    return host.send("POST", f"{path}&code={code}", json.dumps(body).encode(), aeg_event_type=event_type, **headers)


def event(number: int, **data):
    """One event in the Event Grid schema."""
    return {
        "id": f"id-{number}",
        "topic": "/subscriptions/s",
        "subject": f"models/m:{number}",
        "eventType": "Microsoft.MachineLearningServices.ModelRegistered",
        "eventTime": "2026-01-01T00:00:00.1234567Z",
        "data": data,
        "dataVersion": "1",
    }


def cloud_event(number: int, **data):
    """One event in the CloudEvents schema."""
    return {
        "specversion": "1.0",
        "id": f"cloud-{number}",
        "source": "/subscriptions/s",
        "subject": f"models/m:{number}",
        "type": "Microsoft.MachineLearningServices.ModelRegistered",
        "time": "2026-01-01T00:00:00Z",
        "data": data,
    }


def test_the_validation_handshake_is_answered(host):
    """Event Grid sends a code and wants it back before it delivers anything."""
    answer = post(host, [event(0, validationCode="512d38b6")], "SubscriptionValidation")
    assert (answer.status, answer.json()) == (200, {"validationResponse": "512d38b6"})
    assert answer.header("content-type") == ["text/plain; charset=utf-8"]  # H11


def test_the_cloud_events_handshake_is_answered(host):
    """OPTIONS with WebHook-Request-Origin: the abuse protection of the CloudEvents webhook specification."""
    code = host.keys["systemKeys"]["eventgrid_extension"]
    answer = host.send("OPTIONS", f"{HOOK}&code={code}", webhook_request_origin="eventgrid.azure.net")
    assert answer.status == 200
    assert answer.header("webhook-allowed-origin") == ["eventgrid.azure.net"]
    assert answer.header("webhook-allowed-rate") == []  # H11


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ([event(1), event(2), event(3)], {"id-1", "id-2", "id-3"}),
        (cloud_event(4), {"cloud-4"}),
        ([cloud_event(5), cloud_event(6)], {"cloud-5", "cloud-6"}),
    ],
)
def test_each_event_of_a_delivery_is_one_run(host, body, ids):
    """Both schemas; 202 once all have ended."""
    assert post(host, body).status == 202
    assert ids <= {entry["id"] for entry in host.seen("on_event")}


def test_one_failing_event_fails_the_delivery(host):
    """H11: Event Grid would send all of it again; the answer names the function, and nothing of the exception."""
    answer = post(host, [event(7), event(8, fail=True)])
    assert (answer.status, answer.body) == (500, b"Exception while executing function: Functions.on_event")


def test_without_a_system_key_nothing_runs(host):
    """H10: a function key is known, but opens something else: 403."""
    function_key = host.keys["functionKeys"]["default"]
    for code, status in (("", 401), ("wrong", 401), (function_key, 403)):
        answer = host.send("POST", f"{HOOK}&code={code}", b"[]", aeg_event_type="Notification")
        assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize("name", ["nobody", "echo", ""])
def test_an_unknown_function_is_404(host, name):
    """So is one that is no Event Grid function."""
    assert post(host, [], path=f"/runtime/webhooks/EventGrid?functionName={name}").status == 404


@pytest.mark.parametrize("event_type", ["", "Something"])
def test_an_unknown_event_type_is_400(host, event_type):
    """H11: the header aeg-event-type decides; the answer has no body."""
    answer = post(host, [event(9)], event_type)
    assert (answer.status, answer.body) == (400, b"")


@pytest.mark.parametrize("body", ["text", 1, None, [{"data": {}}], []])
def test_a_handshake_without_a_code_is_500(host, body):
    """H11: the extension's exception."""
    assert post(host, body, "SubscriptionValidation").status == 500


@pytest.mark.parametrize("event_type", ["Notification", "SubscriptionValidation"])
def test_a_delivery_that_is_not_json_is_500(host, event_type):
    """H11: as above."""
    code = host.keys["systemKeys"]["eventgrid_extension"]
    assert host.send("POST", f"{HOOK}&code={code}", b"not json", aeg_event_type=event_type).status == 500
