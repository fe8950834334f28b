"""Refusals, read aloud: what is wrong with the request, in its sender's words; and no cache keeps any answer."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

import pytest
from urllib3 import encode_multipart_formdata

from shared.rest.client import Response
from tests.fake_azure import Fault

if TYPE_CHECKING:
    from tests.unit.http.conftest import Answer, App

JOB = json.dumps({"properties": {"jobType": "Command"}})


def _multipart(app: App, path: str, parts: dict[str, tuple[str, bytes]]) -> Answer:
    content, media = encode_multipart_formdata(dict(parts))
    return app.send("POST", path, content, content_type=media)


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("history/v9.9/workspaces/w1/experiments/e/runs", "history/v1.0"),
        ("history/v2/workspaces/w1/runs/r", "history/v1.0"),
        ("metric/v1.0/workspaces/w1/runs/r/full", "metric/v2.0"),
        ("modelmanagement/v1.0.1/workspaces/w1/models", "modelmanagement/v1.0"),
    ],
)
def test_an_unknown_version_of_the_data_plane_is_refused_with_the_known_ones(app: App, path: str, known: str) -> None:
    """What is sent to Azure is the version that the caller wrote, or nothing is sent."""
    answer = app.send("GET", path)
    assert (answer.status, answer.body["error"]["code"]) == (404, "UnknownVersion")
    assert f"'{'/'.join(path.split('/')[:2])}'" in answer.said
    assert known in answer.said
    assert app.steward.azure.requests == []


@pytest.mark.parametrize("path", ["history/v1.0/workspaces/w1/experiments", "History/V1.0/workspaces/w1/experiments"])
def test_a_known_version_passes_in_any_casing(app: App, path: str) -> None:
    """So does none at all."""
    for asked in (path, "history/workspaces/w1/experiments"):
        app.send("GET", asked)
        assert "/history/v1.0/subscriptions/" in app.steward.azure.requests[-1]


def test_no_cache_keeps_an_answer(app: App) -> None:
    """A v1 datastore's GET answers with its key, others with tokens and signed URLs; refusals are nobody else's either."""
    secret = {"name": "d", "azureStorageSection": {"credential": "KEY"}}
    app.steward.azure.faults.append(
        Fault(method="GET", match="datastores/d", response=Response(status=200, url="", body=secret, content=b"{}"))
    )
    answers = [
        app.send("GET", "datastore/v1.0/workspaces/w1/datastores/d"),
        app.send("POST", "workspaces/w1/listKeys"),
        app.send("POST", "uploads"),
        app.send("PUT", "workspaces/w2", '{"location": "westeurope"}'),
        app.send("GET", "nothing/of/that/kind"),
    ]
    assert answers[0].body == secret
    assert [answer.headers["cache-control"] for answer in answers] == ["no-store"] * len(answers)
    assert all(answer.headers["x-ms-request-id"] for answer in answers)


def test_a_multipart_without_a_boundary_is_told_so(app: App) -> None:
    """The usual mistake: the header set by hand."""
    for media in ("multipart/form-data", "multipart/form-data; charset=utf-8"):
        answer = app.send("POST", "workspaces/w1/jobs", b"--x\r\n\r\n--x--", content_type=media)
        assert (answer.status, answer.body["error"]["target"]) == (400, "Content-Type")
        assert "has no boundary" in answer.said


def test_a_multipart_with_another_boundary_is_told_so(app: App) -> None:
    """There are parts, but not where the header says."""
    answer = app.send("POST", "workspaces/w1/jobs", b"--y\r\n\r\n--y--", content_type="multipart/form-data; boundary=x")
    assert (answer.status, answer.body["error"]["code"]) == (400, "InvalidMultipart")
    assert "boundary" in answer.said


@pytest.mark.parametrize("name", ["/etc/passwd", "C:/x.py", "a/../x"])
def test_a_loose_file_that_leads_outside_is_named_as_it_came(app: App, name: str) -> None:
    """By its own name, quoted once: its sender knows of no zip."""
    answer = _multipart(app, "workspaces/w1/jobs", {"spec": ("", JOB.encode()), name: ("x", b"x")})
    assert (answer.status, answer.body["error"]["target"]) == (400, name)
    assert answer.said == f"The part {name!a} leads outside its folder."


def test_a_body_nested_too_deep_is_told_the_limit(app: App) -> None:
    """Not Python's own words for it."""
    for levels in (101, 200_000):
        answer = app.send("PUT", "workspaces/w2", '{"a":' * levels + "1" + "}" * levels)
        assert answer.said == "The body cannot be read: it is nested deeper than 100 levels."


@pytest.mark.parametrize("number", ["9" * 5_000, "-" + "9" * 5_000, "1e999"])
def test_a_number_that_is_too_large_is_told_so(app: App, number: str) -> None:
    """It parses nowhere else either."""
    assert (
        app.send("PUT", "workspaces/w2", f'{{"a": {number}}}').said
        == "The body cannot be read: it contains a number that is too large."
    )


def test_a_yaml_that_is_too_long_is_told_the_limit_that_holds(app: App) -> None:
    """Characters, as its reader counts them; the same number whichever check finds it."""
    for text in ("# " + "x" * 600_000, "# " + "x" * 3_000_000, "# " + "ä" * 1_500_000):
        answer = app.send("POST", "translate?path=workspaces/w1/jobs", text.encode(), content_type="application/yaml")
        assert answer.status in (400, 413)
        assert "524288" in answer.said, answer.said


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
def test_a_compressed_body_is_refused_by_its_encoding(app: App, encoding: str) -> None:
    """Not as bytes that are no UTF-8; and nothing is ever unpacked."""
    answer = app.send("PUT", "workspaces/w2", b"\x1f\x8b\x08", content_encoding=encoding)
    assert (answer.status, answer.body["error"]["target"]) == (415, "Content-Encoding")
    assert f"'{encoding}'" in answer.said
    assert app.send("PUT", "workspaces/w2", b"{}", content_encoding="identity").status == 400


def test_more_parts_than_files_are_counted_before_they_are_read(app: App) -> None:
    """A million parts of a few bytes each would cost gigabytes."""
    content = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 300_000 + b"--x--"
    for media in ("multipart/form-data; boundary=x", 'multipart/form-data; boundary="x"; charset=utf-8'):
        answer = app.send("POST", "workspaces/w1/jobs", content, content_type=media)
        assert answer.said == "The body has 300000 parts; at most 10000 are allowed. Send the files as one zip."


@pytest.mark.parametrize(
    ("path", "parts", "said"),
    [
        (
            "workspaces/w1/experiments/e/startrun",
            {"runDefinitionFile": b"{", "projectZipFile": None},
            "The part 'runDefinitionFile' is not JSON: Expecting property name enclosed in double quotes at line 1, column 2.",
        ),
        (
            "workspaces/w1/experiments/e/startrun",
            {"runDefinitionFile": b" ", "projectZipFile": None},
            "The part 'runDefinitionFile' is empty; expected JSON.",
        ),
        ("workspaces/w1/jobs", {"spec": b"", "x.py": b""}, "The part 'spec' is empty; expected JSON."),
        ("workspaces/w1/jobs", {"spec": b"[]", "x.py": b""}, "The part 'spec' is a JSON array; expected an object."),
    ],
)
def test_a_part_that_is_no_json_is_named(app: App, path: str, parts: dict[str, bytes | None], said: str) -> None:
    """There is more than one; "the body" would be none of them."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("train.py", "print(1)")
    answer = _multipart(app, path, {name: ("f", archive.getvalue() if data is None else data) for name, data in parts.items()})
    assert (answer.status, answer.said) == (400, said)
    assert f"'{answer.body['error']['target']}'" in said


def test_a_field_in_another_casing_is_not_said_to_be_missing_only(app: App) -> None:
    """Its sender sees it in the body."""
    body = json.dumps({"Properties": {"ComputeType": "AmlCompute"}})
    answer = app.send("PUT", "workspaces/w1/computes/cpu", body)
    assert "in another casing or place: expected 'properties.computeType'" in answer.said
    missing = app.send("PUT", "workspaces/w1/computes/cpu", "{}").said
    assert "'properties.computeType' is required for Microsoft.MachineLearningServices/workspaces/computes: one of AKS, " in missing


@pytest.mark.parametrize(
    ("method", "path", "content", "media", "target"),
    [
        ("POST", "uploads", '{"name": 5}', "application/json", "name"),
        ("POST", "uploads", '{"name": ["a"]}', "application/json", "name"),
        ("POST", "translate?path=workspaces/w1/computes/c&set=size", "type: amlcompute", "application/yaml", "set"),
        ("PUT", "workspaces/w2?Set=a=b", "{}", "application/json", "set"),
    ],
)
def test_what_is_of_another_form_is_named_with_what_was_expected(
    app: App, method: str, path: str, content: str, media: str, target: str
) -> None:
    """Not made into something that nobody asked for."""
    answer = app.send(method, path, content, content_type=media)
    assert (answer.status, answer.body["error"]["target"]) == (400, target)
    assert f"'{target}'" in answer.said


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("history/v1.0/workspaces/w1/experiments/e/runs/r/detail", "the nearest of what there is below workspaces/{w}/: "),
        ("history/v1.0/workspaces/w1/experiments/e/runs/r/detail", "experiments/{e}/runs/{name}/details"),
        ("artifact/v2.0/workspaces/w1/zzz", "artifacts/content/{name}/{name}/{path}"),
    ],
)
def test_a_path_of_the_data_plane_that_names_nothing_is_told_the_nearest(app: App, path: str, said: str) -> None:
    """As people write paths, not as the table does."""
    answer = app.send("GET", path)
    assert (answer.status, answer.body["error"]["code"]) == (404, "UnknownKind")
    assert said in answer.said
