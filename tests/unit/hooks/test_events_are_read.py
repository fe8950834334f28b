"""Deliveries in every schema that senders use become one shape, or are refused by name; packing loses none."""

import base64
import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.hooks import event_target, events
from shared.rest import errors
from tests import tables

TOPIC = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/ws1"
GRID = {
    "topic": TOPIC,
    "eventType": "Microsoft.MachineLearningServices.ModelRegistered",
    "subject": "models/sklearn_regression_model:3",
    "eventTime": "2026-11-02T04:05:06.1234567Z",
    "id": "7a1b",
    "data": {"ModelName": "sklearn_regression_model", "ModelVersion": 3, "ModelTags": {"stage": "production"}},
    "dataVersion": "",
    "metadataVersion": "1",
}
CLOUD = {
    "specversion": "1.0",
    "id": "c1",
    "source": TOPIC,
    "type": "Microsoft.MachineLearningServices.RunCompleted",
    "subject": "experiments/0f/runs/train_1",
    "time": "2026-11-02T04:05:06Z",
    "data": {"experimentName": "train", "runId": "train_1"},
}


def delivered(body, **headers):
    """Read one delivery."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return events.from_http(content, {name.replace("_", "-"): value for name, value in headers.items()})


def test_the_event_grid_schema_is_read():
    """A delivery is an array, as Event Grid always sends it."""
    (found,) = delivered([GRID], aeg_event_type="Notification").events
    assert (found.id, found.source, found.type, found.subject) == ("7a1b", TOPIC, GRID["eventType"], GRID["subject"])
    assert found.value("modelname") == "sklearn_regression_model"
    assert events.moment(found).year == 2026


@pytest.mark.parametrize("media", ["application/cloudevents+json; charset=utf-8", "application/json", ""])
def test_a_structured_cloud_event_is_read(media):
    """`specversion` tells it apart also where the content type does not."""
    (found,) = delivered(CLOUD, content_type=media).events
    assert (found.id, found.source, found.subject) == ("c1", TOPIC, CLOUD["subject"])


def test_a_batch_of_cloud_events_is_read_in_order():
    """application/cloudevents-batch+json is an array."""
    found = delivered([CLOUD, {**CLOUD, "id": "c2"}], content_type="application/cloudevents-batch+json").events
    assert [event.id for event in found] == ["c1", "c2"]


def test_a_batch_that_is_no_array_is_refused():
    """The content type promised one."""
    with pytest.raises(errors.BadRequestError, match="The body is not a JSON array"):
        delivered(CLOUD, content_type="application/cloudevents-batch+json")


def test_a_binary_cloud_event_is_read_from_headers():
    """Attributes are percent-encoded headers, the body is the data."""
    headers = {
        "ce_specversion": "1.0",
        "ce_id": "b%201",
        "ce_source": TOPIC,
        "ce_type": CLOUD["type"],
        "ce_subject": CLOUD["subject"],
    }
    (found,) = delivered({"runId": "train_1"}, content_type="application/json", **headers).events
    assert (found.id, found.text("RUNID")) == ("b 1", "train_1")


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ('"models/flat prices:3"', "models/flat prices:3"),
        ("models/flat%20prices:3", "models/flat prices:3"),
        ('"a \\"b\\" \\\\ c"', 'a "b" \\ c'),
        ('"%C3%A9"', "é"),
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("a%2520b", "a%20b"),
        ("100%", "100%"),
        ('""', ""),
    ],
)
def test_attributes_in_headers_are_decoded_as_the_binding_says(sent, read):
    """Quotation marks and backslashes first, then one round of per cent: rules see the same subject however it was sent."""
    headers = {"ce_specversion": "1.0", "ce_id": "b", "ce_source": "s", "ce_type": "t", "ce_subject": sent}
    (found,) = delivered({}, content_type="application/json", **headers).events
    assert found.subject == read


@tables.each("name", ["ce_id", "ce_source", "ce_type", "ce_subject", "ce_traceparent"])
@tables.each("sent", ["a%FFb", "%C3", "%ED%A0%80", "%C0%AF", '"open', '"a"b"'])
def test_attributes_in_headers_that_cannot_be_decoded_are_refused(name, sent):
    """Never a replacement character in their place."""
    headers = {"ce_specversion": "1.0", "ce_id": "b", "ce_source": "s", "ce_type": "t", name: sent}
    with pytest.raises(errors.BadRequestError) as refused:
        delivered({}, content_type="application/json", **headers)
    assert (refused.value.error.code, refused.value.error.target) == ("InvalidEvent", name.replace("_", "-"))


def test_binary_data_that_is_no_json_is_kept_as_text():
    """The content type says what it is."""
    headers = {"ce_specversion": "1.0", "ce_id": "b", "ce_source": "s", "ce_type": "t"}
    (found,) = delivered(b"hello", content_type="text/plain", **headers).events
    assert found.value("value") == "hello"


@pytest.mark.parametrize("media", ["application/json", "text/json", "text/json; charset=utf-8", "application/vnd.x+json", ""])
def test_binary_data_that_is_json_is_read(media):
    """CloudEvents, JSON format, section 3.1: a subtype of `json`, or one that ends in `+json`."""
    headers = {"ce_specversion": "1.0", "ce_id": "b", "ce_source": "s", "ce_type": "t"}
    (found,) = delivered(b'{"runId": "train_1"}', content_type=media, **headers).events
    assert found.text("runId") == "train_1"


@pytest.mark.parametrize("name", ["data", "data_base64"])
def test_a_header_is_no_data(name):
    """In binary mode the body is the data; a header of that name is no attribute."""
    headers = {"ce-specversion": "1.0", "ce-id": "b", "ce-source": "s", "ce-type": "t", f"ce-{name}": "YQ=="}
    with pytest.raises(errors.BadRequestError, match="the body of the request is the data"):
        events.from_http(b"", headers)


def test_data_that_is_null_is_no_data():
    """A null attribute is one that is not there."""
    bare = {name: value for name, value in CLOUD.items() if name != "data"}
    assert delivered({**bare, "data": {"a": 1}, "data_base64": None}).events[0].value("a") == 1
    assert delivered({**bare, "data": None, "data_base64": "eyJhIjogMX0="}).events[0].value("a") == 1


def test_the_schemas_may_mix_casings():
    """Microsoft's schema page and its samples disagree about them."""
    raw = {name.upper(): value for name, value in GRID.items()}
    assert delivered([raw]).events[0].subject == GRID["subject"]


@pytest.mark.parametrize("headers", [{}, {"aeg_event_type": "SubscriptionValidation"}])
def test_the_validation_event_gives_its_code(headers):
    """With the header and without (a relay may drop it)."""
    body = [{**GRID, "eventType": events.VALIDATION, "data": {"validationCode": "512d38b6", "validationUrl": "https://x"}}]
    assert delivered(body, **headers) == events.Delivery(validation_code="512d38b6")


@pytest.mark.parametrize(
    ("body", "target"),
    [
        (b"{", "body"),
        (b"[1]", "[0]"),
        (b'"x"', "body"),
        (b"NaN", "body"),
        (b"\xff\xfe", "body"),
        (b"[" * 5_000 + b"]" * 5_000, "body"),
        (b'{"specversion":"1.0","a":' * 100 + b"1" + b"}" * 100, "body"),
        ([{**GRID, "id": None}], "[0].id"),
        ([{**GRID, "id": ""}], "[0].id"),
        ([{**GRID, "id": 5}], "[0].id"),
        ([GRID, {**GRID, "eventType": ["x"]}], "[1].eventType"),
        ([{**GRID, "subject": "x" * 3_000}], "[0].subject"),
        ({**CLOUD, "specversion": "0.3"}, "body.specversion"),
        ({name: value for name, value in CLOUD.items() if name != "source"}, "body.source"),
        ({**CLOUD, "data_base64": {}}, "body.data_base64"),
        ({**{name: value for name, value in CLOUD.items() if name != "data"}, "data_base64": "no base64!"}, "body.data_base64"),
        ({**{name: value for name, value in CLOUD.items() if name != "data"}, "data_base64": "YQ"}, "body.data_base64"),
        ({**CLOUD, "data": {"a": 1}, "data_base64": "YQ=="}, "body.data_base64"),
        ([{**GRID, "eventType": events.VALIDATION, "data": {}}], "data.validationCode"),
    ],
)
def test_a_malformed_delivery_is_refused_by_the_field(body, target):
    """400 with the place: Event Grid does not repeat what it gets a 400 for."""
    with pytest.raises(errors.BadRequestError) as refused:
        delivered(body)
    assert (refused.value.error.code, refused.value.error.target) == ("InvalidEvent", target)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([{**GRID, "eventType": 5}], "[0].eventType is a JSON number; expected a text."),
        ([{**GRID, "id": " "}], "[0].id is empty; expected a text."),
        ([{"id": "1"}], "[0].eventType is missing; expected a text."),
        (b"\xff", "The body is not JSON: it is not UTF-8 (invalid start byte)."),
        (b'{"id": ' + b"9" * 5_000 + b"}", "The body is not JSON: it contains a number that is too large."),
        (b"[{]", "The body is not JSON: Expecting property name enclosed in double quotes at line 1, column 3."),
    ],
)
def test_a_refusal_says_what_was_given_and_what_was_expected(body, said):
    """In the sender's words, not in Python's."""
    with pytest.raises(errors.BadRequestError) as refused:
        delivered(body)
    assert refused.value.error.message == said


def test_more_than_a_megabyte_is_refused():
    """Event Grid's own limit of a delivery."""
    with pytest.raises(errors.BadRequestError) as refused:
        delivered([{**GRID, "data": {"x": "y" * events.DELIVERY_LIMIT}}])
    assert refused.value.status == 413


def test_a_storage_queue_holds_bare_events():
    """Event Grid puts one event of the subscription's schema into each message."""
    assert [event.id for event in events.from_message(json.dumps(GRID))] == ["7a1b"]
    assert [event.id for event in events.from_message(json.dumps(CLOUD))] == ["c1"]


def test_a_newer_message_is_refused():
    """A message in flight during a roll back is not half-read."""
    with pytest.raises(errors.BadRequestError, match="version 9"):
        events.from_message('{"version":9,"events":[]}')


texts = st.text(min_size=1, max_size=300).filter(str.strip)
some = st.builds(
    events.Event, id=texts, source=texts, type=texts, subject=texts, data=st.dictionaries(st.text(), st.text(max_size=4_000))
)


@settings(deadline=None)
@given(st.lists(some, max_size=60))
def test_packing_loses_nothing_and_fits(given_events):
    """As few messages as fit 48 KiB, in order; base64 of one fits Azure's 64 KiB."""
    messages = list(events.packed(given_events))
    assert [event for text in messages for event in events.from_message(text)] == given_events
    for text in messages:
        alone = len(json.loads(text)["events"]) == 1
        assert alone or len(base64.b64encode(text.encode())) <= 64 * 1024
    for first, second in itertools.pairwise(messages):
        assert len(first) + len(second) > events.MESSAGE_LIMIT - 200


WORKSPACE = f"{TOPIC}"


@pytest.mark.parametrize(
    ("type_", "subject", "data", "expected"),
    [
        ("ModelRegistered", "models/m:1", {}, ["models/m/versions/1"]),
        ("ModelRegistered", "models/m:1", {"modelName": "m", "ModelVersion": "1"}, ["models/m/versions/1"]),
        ("ModelDeployed", "endpoints/svc", {"ServiceName": "svc"}, ["onlineEndpoints/svc", "services/svc"]),
        ("RunCompleted", "experiments/0f/runs/r1", {"experimentName": "e"}, ["jobs/r1", "experiments/e/runs/r1"]),
        ("RunStatusChanged", "experiments/0f/runs/r1", {"RunId": "r1"}, ["jobs/r1"]),
        ("DatasetDriftDetected", "datadrift/0f/run/r9", {}, ["jobs/r9"]),
        ("DatasetDriftDetected", "datadrifts/0f/runs/r9", {}, ["jobs/r9"]),
        ("SomethingNew", "models/m:1", {}, []),
    ],
)
def test_what_an_event_of_azure_ml_is_about(type_, subject, data, expected):
    """Subjects and data as the schema page shows them, both spellings of the drift's subject included."""
    event = events.Event(id="1", source=TOPIC, type=f"Microsoft.MachineLearningServices.{type_}", subject=subject, data=data)
    assert [target.path for target in event_target.of(event)] == [f"{TOPIC}/{path}" for path in expected]


@pytest.mark.parametrize("type_", ["ResourceWriteSuccess", "ResourceWriteFailure", "ResourceDeleteSuccess", "ResourceActionCancel"])
def test_what_a_resource_event_is_about(type_):
    """The resource's own id, in `data.resourceUri` and as the subject; the source is only the subscription or group."""
    compute = f"{TOPIC}/computes/cpu"
    named = events.Event(
        id="1", source="/subscriptions/s", type=f"Microsoft.Resources.{type_}", subject="/x", data={"resourceUri": compute}
    )
    by_subject = events.Event(id="1", source="/subscriptions/s", type=f"Microsoft.Resources.{type_}", subject=compute)
    assert [target.path for target in (*event_target.of(named), *event_target.of(by_subject))] == [compute, compute]
    assert event_target.workspace_of(by_subject).path == TOPIC


@settings(deadline=None)
@given(
    st.text(max_size=200), st.text(max_size=200), st.dictionaries(st.sampled_from(["runId", "modelName", "resourceUri"]), st.text())
)
def test_hostile_names_never_raise(source, subject, data):
    """Whatever a sender writes, an event is about something or about nothing."""
    for type_ in ("Microsoft.MachineLearningServices.RunCompleted", "Microsoft.Resources.ResourceWriteSuccess"):
        assert isinstance(event_target.of(events.Event(id="1", source=source, type=type_, subject=subject, data=data)), tuple)
