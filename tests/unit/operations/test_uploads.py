"""Files on their way into a workspace: where they go, how a transfer goes on where it broke off, what is never stored."""

from __future__ import annotations

import io
import threading
import tracemalloc
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.durable import storage
from shared.files import content, places, plans, transfers, upload_steps
from shared.files.plans import Goal, Plan, Task
from shared.rest import errors
from shared.rest.client import Response
from tests.fake_azure import ACCOUNT_KEY, WORKSPACE, Fault, lost, refusal

if TYPE_CHECKING:
    from shared.operations.models import Operation
    from tests.steward import Steward

STORE = "/azureml-blobstore-1/LocalUpload/"
BLOCK = 64 * 1024


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of several blocks stay small here."""
    monkeypatch.setattr(transfers, "BLOCK", BLOCK)


def _zip(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", "/")), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _task(purpose: Any = "model", *, folder: str | None = None, name: str = "m.bin", **more: Any) -> Task:
    pointer = more.pop("pointer", "/properties/modelUri")
    return Task(what="upload", purpose=purpose, blob="files", folder=folder, name=name, goals=(Goal(pointer=pointer),), **more)


def _put(steward: Steward, data: bytes, *tasks: Task, path: str = "models/m/versions/1", **more: Any) -> Operation:
    return steward.submit(
        "PUT", f"workspaces/w1/{path}", {"properties": {}}, plan=Plan(tasks=tasks), contents={"files": data}, **more
    )


def _lying(steward: Steward) -> dict[str, bytes]:
    """Return the files in the default datastore, by the path below their hash."""
    found = {name.partition(STORE)[2].partition("/")[2]: data for name, data in steward.azure.blobs.items() if STORE in name}
    return {name: data for name, data in found.items() if name != upload_steps.MARKER}


def test_a_file_of_many_blocks_arrives_byte_for_byte(steward: Steward) -> None:
    """Blocks of one size, then their list; the URI names datastore and path."""
    data = bytes(range(256)) * 1_000 + b"end"
    operation = _put(steward, data, _task())
    assert operation.status == "Succeeded"
    assert _lying(steward) == {"m.bin": data}
    uri = steward.azure.get(operation.target)["properties"]["modelUri"]  # type: ignore[index]
    scope = "azureml://subscriptions/11111111-2222-3333-4444-555555555555/resourcegroups/rg1/workspaces/w1/"
    assert uri.startswith(f"{scope}datastores/workspaceblobstore/paths/LocalUpload/")
    assert uri.endswith("/m.bin")


def test_no_key_and_no_signature_is_stored(steward: Steward) -> None:
    """Neither the datastore's key nor a SAS made with it."""
    _put(steward, b"x" * 3 * BLOCK, _task())
    steward.submit("POST", "workspaces/w1/jobs", {"properties": {"jobType": "Command"}}, files={"code": _zip(a=b"1")})
    stored = steward.everything_stored()
    assert ACCOUNT_KEY not in stored
    assert "sig=" not in stored
    assert "SAS-SECRET" not in stored


def test_a_slow_transfer_goes_on_from_the_queue_with_the_next_block(steward: Steward) -> None:
    """Blocks that arrived are not sent again; a step ends between two blocks when its time is up."""
    data = b"".join(bytes([n]) * BLOCK for n in range(40))

    def slow(name: str) -> None:
        if name.startswith("azure PUT") and "m.bin" in name:
            steward.clock.advance(20)

    steward.fuse.between = slow
    operation = _put(steward, data, _task())
    assert operation.phase == "preparing"
    steward.drive()
    assert steward.load(operation).status == "Succeeded"
    assert _lying(steward) == {"m.bin": data}
    blocks = [request for request in steward.azure.requests if "comp=block&" in request]
    assert len(blocks) == 40


def test_the_same_model_is_transferred_once(steward: Steward) -> None:
    """A second version of the same bytes finds them there."""
    _put(steward, b"weights", _task())
    before = len([each for each in steward.azure.effects if each.startswith("BLOB")])
    operation = _put(steward, b"weights", _task(), path="models/m/versions/2")
    assert operation.status == "Succeeded"
    assert len([each for each in steward.azure.effects if each.startswith("BLOB")]) == before


def test_half_a_folder_is_not_taken_for_the_whole(steward: Steward) -> None:
    """The mark that says complete is written last."""
    steward.azure.faults.append(Fault(method="PUT", match="/b.bin", response=refusal(403, "AuthorizationFailure", "no")))
    data = _zip(**{"a.bin": b"1", "b.bin": b"2"})
    failed = _put(steward, data, _task(folder="", name="d"))
    assert (failed.status, failed.http_status) == ("Failed", 403)
    assert steward.azure.get(failed.target) is None
    again = _put(steward, data, _task(folder="", name="d"), path="models/m/versions/2")
    assert again.status == "Succeeded"
    assert _lying(steward) == {"d/a.bin": b"1", "d/b.bin": b"2"}


def test_a_connection_that_breaks_leaves_nothing_half_registered(steward: Steward) -> None:
    """The transfer is repeated from the queue; the version is registered after it, once."""
    steward.azure.faults += [Fault(method="PUT", match="m.bin", problem=lost(arrived=True)) for _ in range(3)]
    operation = _put(steward, b"x" * 3 * BLOCK, _task())
    assert steward.azure.get(operation.target) is None
    steward.drive()
    assert steward.load(operation).status == "Succeeded"
    assert steward.azure.count("PUT workspaces/w1/models/m/versions/1$") == 1


def test_files_that_change_after_they_were_looked_at_end_the_operation(steward: Steward) -> None:
    """The caller of an upload can write to it for two hours: only what was judged is taken."""
    steward.blobs.put("uploads/u1/content", b"judged")
    found = steward.blobs.look("uploads/u1/content")
    assert found
    task = replace(_task(), blob="uploads/u1/content", size=found.size, etag=found.etag)
    steward.blobs.put("uploads/u1/content", b"other!")
    operation = steward.submit("PUT", "workspaces/w1/models/m/versions/1", {"properties": {}}, plan=Plan(tasks=(task,)))
    assert operation.error
    assert (operation.status, operation.http_status, operation.error.code) == ("Failed", 409, "UploadChanged")
    assert steward.azure.get(operation.target) is None


def test_large_code_goes_to_the_default_datastore(steward: Steward, monkeypatch: pytest.MonkeyPatch) -> None:
    """There a transfer can be taken up again; a pending upload's place is another one each time."""
    monkeypatch.setattr(upload_steps, "PENDING_LIMIT", 10)
    data = _zip(**{"a.py": b"print(1)" * 10})
    operation = steward.submit("POST", "workspaces/w1/jobs", {"properties": {"jobType": "Command"}}, files={"code": data})
    steward.drive()
    job = steward.azure.resources[steward.load(operation).target.lower()]
    code = steward.azure.get(job["properties"]["codeId"])
    assert code
    assert code["properties"]["codeUri"].startswith("https://st1.blob.core.windows.net/azureml-blobstore-1/LocalUpload/")
    assert _lying(steward) == {"code/a.py": b"print(1)" * 10}


def test_what_takes_too_long_to_be_read_twice_gets_a_name_of_its_own(steward: Steward) -> None:
    """It is not found again, but it gets there."""

    def slow(name: str) -> None:
        if name == "blobs.read":
            steward.clock.advance(300)

    steward.fuse.between = slow
    data = b"x" * (content.READ_AHEAD + 10)
    operation = _put(steward, data, _task())
    steward.drive(limit_s=90_000)
    assert steward.load(operation).status == "Succeeded"
    assert _lying(steward) == {"m.bin": data}


def test_a_registration_waits_for_its_upload_and_the_request_for_both(steward: Steward) -> None:
    """An inline model of a deployment: its file, then its version, then the body that names the version."""
    upload = Task(
        what="upload",
        purpose="model",
        blob="files",
        folder="weights",
        name="weights",
        goals=(Goal(pointer="/properties/modelUri", task=1),),
    )
    register = Task(
        what="register",
        type="models",
        asset="inline",
        body={"properties": {"modelType": "custom_model", "modelUri": "./weights"}},
        goals=(Goal(pointer="/properties/jobs/0/model", pattern="azureml:{}"),),
    )
    body = {"properties": {"jobType": "Pipeline", "jobs": [{"model": "?"}]}}
    more: dict[str, Any] = {"plan": Plan(tasks=(upload, register)), "contents": {"files": _zip(weights__a=b"1", other=b"2")}}
    operation = steward.submit("POST", "workspaces/w1/jobs", body, **more)
    steward.drive()
    model = steward.azure.get(f"{WORKSPACE}/models/inline/versions/1")
    job = steward.azure.get(operation.target)
    assert model
    assert job
    assert model["properties"]["modelUri"].endswith("/weights")
    assert job["properties"]["jobs"] == [{"model": f"azureml:{model['id']}"}]
    assert _lying(steward) == {"weights/a": b"1"}


def test_a_label_that_is_not_there_ends_the_operation(steward: Steward) -> None:
    """Nothing is sent under a guess."""
    task = Task(
        what="label", type="environments", asset="none", version="latest", goals=(Goal(pointer="/properties/environmentId"),)
    )
    operation = steward.submit("POST", "workspaces/w1/jobs", {"properties": {"jobType": "Command"}}, plan=Plan(tasks=(task,)))
    assert operation.error
    assert (operation.status, operation.http_status, operation.error.code) == ("Failed", 404, "NotFound")


def test_a_datastore_without_a_key_is_opened_with_the_workspaces_own(steward: Steward) -> None:
    """Only where it is the workspace's own account; else the refusal names the datastore."""
    steward.azure.faults.append(
        Fault(method="POST", match="listSecrets", response=refusal(400, "NoCredentials", "no credentials"), times=2)
    )
    operation = _put(steward, b"x", _task())
    assert operation.error
    assert (operation.http_status, operation.error.code) == (409, "UploadPlaceUnusable")
    assert "workspaceblobstore" in operation.error.message
    workspace = steward.azure.resources[WORKSPACE.lower()]
    workspace["properties"]["storageAccount"] = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/st1"
    again = _put(steward, b"x", _task(), path="models/m/versions/2")
    assert again.status == "Succeeded"


@pytest.mark.parametrize("why", ["no key anywhere", "the account takes none"])
def test_where_no_key_opens_the_account_the_apps_identity_signs(steward: Steward, why: str) -> None:
    """Identity-based datastores, also outside of the workspace's own account, and `allowSharedKeyAccess` false."""
    steward.azure.delegates = True
    steward.azure.keyless = why == "the account takes none"
    if not steward.azure.keyless:
        refused = refusal(400, "NoCredentials", "no credentials")
        steward.azure.faults.append(Fault(method="POST", match="listSecrets", response=refused, times=9))
    assert _put(steward, b"x", _task()).status == "Succeeded"
    signed = [each for each in steward.azure.requests if each.startswith("PUT https://st1.blob.core.windows.net/")]
    assert signed
    proofs = [parse_qs(urlsplit(each).query) for each in signed]
    assert {(proof["skoid"][0], proof["sktid"][0], proof["sks"][0], proof["sr"][0], proof["sp"][0]) for proof in proofs} == {
        ("oid", "tid", "b", "c", "rcw")
    }
    assert "DELEGATION" not in steward.everything_stored()
    assert "skoid" not in steward.everything_stored()


def test_where_the_identity_may_not_sign_the_refusal_names_the_role(steward: Steward) -> None:
    """What is missing, where."""
    steward.azure.keyless = True
    operation = _put(steward, b"x", _task())
    assert operation.error
    assert (operation.http_status, operation.error.code) == (409, "UploadPlaceUnusable")
    for word in ("workspaceblobstore", "st1", "AuthorizationPermissionMismatch", "Storage Blob Data Contributor"):
        assert word in operation.error.message


def test_a_plan_is_read_back_as_it_was_stored() -> None:
    """Goals, bodies and progress included; one of a newer app is refused."""
    plan = Plan(
        tasks=(
            _task(folder="a", size=3, etag="e", digest="d", url="u", files=2, blocks=3),
            Task(what="register", type="models", asset="m", body={"a": [1]}, goals=(Goal(pointer="/a/b", pattern="x{}", task=1),)),
        ),
        done=1,
    )
    assert Plan.from_json(plan.to_json()) == plan
    with pytest.raises(ValueError, match="version 2"):
        Plan.from_json({**plan.to_json(), "version": 2})


@pytest.mark.parametrize(
    ("body", "pointer", "outcome"),
    [
        ({}, "/a/b", {"a": {"b": "v"}}),
        ({"a": [{"x": 1}]}, "/a/0/x", {"a": [{"x": "v"}]}),
        ({"a": None}, "/a/b", {"a": {"b": "v"}}),
        ({"a/b": {"~": 1}}, "/a~1b/~0", {"a/b": {"~": "v"}}),
        (None, "/a", {"a": "v"}),
    ],
)
def test_an_outcome_goes_where_its_pointer_says(body: Any, pointer: str, outcome: Any) -> None:
    """RFC 6901; objects on the way are made, the body given is left alone."""
    assert plans.put(body, pointer, "v") == outcome
    assert body is None or "v" not in str(body)


class Endless:
    """A blob of any size that is nowhere, and storage that counts what it is sent."""

    def __init__(self, size: int) -> None:
        self.found = storage.BlobInfo(size=size, etag="e")
        self.received = 0

    def read(self, name: str, offset: int, length: int, *, etag: str) -> bytes:
        """See `storage.Blobs.read`."""
        return bytes(length)

    def send_signed(self, method: str, url: str, *, content: bytes, headers: Any) -> Response:
        """See `client.Client.send_signed`."""
        self.received += len(content) if "blocklist" not in url else 0
        return Response(status=201, url=url)


def test_memory_does_not_grow_with_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block and what is read ahead of it, whatever the size: 400 MB pass through a few."""
    monkeypatch.setattr(transfers, "BLOCK", 8 * 1024 * 1024)
    endless: Any = Endless(400 * 1024 * 1024)
    place = places.Place(url="https://st1.blob.core.windows.net/c/f", proof="sig=x")
    tracemalloc.start()
    try:
        with content.members(content.in_blob(endless, "b", endless.found), folder=None, part="f") as members:
            done = transfers.transfer(members, place, transfers.Progress(block=transfers.BLOCK), endless, lambda: False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert done.done
    assert endless.received == endless.found.size
    assert peak < 48 * 1024 * 1024


class Together:
    """Storage that answers nobody before `least` requests are under way at once, or one is refused."""

    def __init__(self, least: int, *, refused: str = "nothing") -> None:
        self.meeting = threading.Barrier(least)
        self.refused = refused
        self.sent: list[str] = []

    def send_signed(self, _method: str, url: str, *, content: bytes, headers: Any) -> Response:
        """See `client.Client.send_signed`."""
        self.sent.append(f"{url} {len(content)}")
        if self.refused in url:
            return refusal(403, "AuthorizationFailure", "no")
        if "blocklist" not in url:
            self.meeting.wait(timeout=20)
        return Response(status=201, url=url)


def _files(count: int, size: int) -> list[content.Member]:
    return [content.Member(name=f"{number:03}", size=size, open=lambda: io.BytesIO(bytes(size))) for number in range(count)]


PLACE = places.Place(url="https://st1.blob.core.windows.net/c/f", proof="sig=x")


def test_small_files_are_put_several_at_once() -> None:
    """Each waits for storage's answer, and a folder has many: eight wait together."""
    together: Any = Together(transfers.PUTS_AT_ONCE)
    done = transfers.transfer(_files(80, 100), PLACE, transfers.Progress(block=transfers.BLOCK), together, lambda: False)
    assert done == transfers.Progress(block=transfers.BLOCK, files=80, done=True)
    assert len(set(together.sent)) == 80


def test_blocks_of_a_large_file_are_put_several_at_once_and_listed_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as memory allows; the file is there when all of its blocks are."""
    monkeypatch.setattr(transfers, "BLOCK", 100)
    monkeypatch.setattr(transfers, "BYTES_AT_ONCE", 300)
    together: Any = Together(3)
    transfers.transfer(_files(1, 1_200), PLACE, transfers.Progress(block=transfers.BLOCK), together, lambda: False)
    assert [each.count("comp=blocklist") for each in together.sent] == [0] * 12 + [1]


def test_a_file_that_storage_refuses_ends_the_transfer_and_leaves_nothing_under_way() -> None:
    """What was sent beside it has its answer; nothing follows."""
    together: Any = Together(1, refused="/005?")
    with pytest.raises(errors.RejectedError, match="AuthorizationFailure"):
        transfers.transfer(_files(500, 1), PLACE, transfers.Progress(block=transfers.BLOCK), together, lambda: False)
    before = len(together.sent)
    assert before < 500
    transfers.transfer(_files(1, 1), PLACE, transfers.Progress(block=transfers.BLOCK), together, lambda: False)
    assert len(together.sent) == before + 1


def test_what_a_transfer_says_has_arrived_when_its_time_is_over() -> None:
    """The next step goes on behind it."""
    together: Any = Together(1)
    looks = iter([False] * 6 + [True])
    at = transfers.transfer(_files(20, 1), PLACE, transfers.Progress(block=transfers.BLOCK), together, lambda: next(looks))
    assert (at, len(together.sent)) == (transfers.Progress(block=transfers.BLOCK, files=7), 7)
    assert transfers.transfer(_files(20, 1), PLACE, at, together, lambda: False).done
    assert len(together.sent) == 20


REGISTRY = WORKSPACE.replace("workspaces/w1", "registries/r1")


def test_an_asset_of_a_registry_has_a_place_of_its_own(steward: Steward) -> None:
    """A registry has no datastores: Azure names the place for each version, and the version points there."""
    request: dict[str, Any] = {"plan": Plan(tasks=(_task(),)), "contents": {"files": b"weights"}}
    operation = steward.submit("PUT", "registries/r1/models/m/versions/1", {"properties": {}}, **request)
    assert operation.status == "Succeeded"
    model = steward.azure.get(f"{REGISTRY}/models/m/versions/1")
    assert model
    assert model["properties"]["modelUri"].startswith("https://st1.blob.core.windows.net/")
    assert any("models/m/versions/1/startPendingUpload" in each for each in steward.azure.requests)


def test_code_of_a_registry_is_waited_for(steward: Steward) -> None:
    """Azure answers 202: the component is sent when its code is there, not before."""
    accepted = Response(status=202, url="", headers={})
    steward.azure.faults.append(Fault(method="PUT", match="/codes/", response=accepted, after=True))
    steward.azure.faults.append(Fault(method="GET", match="/codes/", response=refusal(404, "NotFound", "not yet"), times=2))
    operation = steward.submit(
        "PUT", "registries/r1/components/c/versions/1", {"properties": {"componentSpec": {}}}, files={"code": _zip(a=b"1")}
    )
    assert steward.azure.count("PUT .*components") == 0
    steward.drive()
    assert steward.load(operation).status == "Succeeded"
    component = steward.azure.get(f"{REGISTRY}/components/c/versions/1")
    assert component
    assert component["properties"]["componentSpec"]["code"].startswith(f"azureml:{REGISTRY}/codes/")


def test_code_that_a_registry_fails_to_make_ends_the_operation(steward: Steward) -> None:
    """The component is not sent."""
    accepted = Response(status=202, url="", headers={})
    steward.azure.faults.append(Fault(method="PUT", match="/codes/", response=accepted))
    failed = Response(status=200, url="", body={"properties": {"provisioningState": "Failed"}})
    steward.azure.faults.append(Fault(method="GET", match="/codes/", response=refusal(404, "NotFound", "not yet")))
    steward.azure.faults.append(Fault(method="GET", match="/codes/", response=failed))
    operation = steward.submit(
        "PUT", "registries/r1/components/c/versions/1", {"properties": {"componentSpec": {}}}, files={"code": _zip(a=b"1")}
    )
    steward.drive()
    ended = steward.load(operation)
    assert ended.error
    assert (ended.status, ended.error.code) == ("Failed", "RegistrationFailed")
    assert steward.azure.count("PUT .*components") == 0
