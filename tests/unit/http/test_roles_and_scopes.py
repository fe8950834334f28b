"""Who may do what over HTTP: named keys, sign-ins, scopes; what is refused asks Azure nothing."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shared import services
from shared.api.access import key_book
from shared.rest import errors
from tests.fake_azure import SUBSCRIPTION
from tests.fakes import unavailable

if TYPE_CHECKING:
    from tests.unit.http.conftest import Answer, App

BODY = '{"location": "westeurope"}'
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg1"


def name_key(app: App, name: str, role: str, secret: str = "", **scope: list[str]) -> str:
    """Name a key as the bare host key, and return it."""
    secret = secret or f"secret-{name}"
    body = {"role": role, "hash": key_book.hashed(secret), "scope": scope}
    answer = app.send("PUT", f"keys/{name}", json.dumps(body))
    assert answer.status == 200, answer.content
    return secret


OBJECT = "11111111-2222-4333-8444-5555aaaa6666"


def principal(*roles: str, of: str = "", claim: str = "oid") -> dict[str, str]:
    """The headers of a sign-in with app roles, and an object id."""
    claims = [{"typ": "roles", "val": role} for role in roles]
    claims += [{"typ": claim, "val": of}] if of else []
    text = base64.b64encode(json.dumps({"auth_typ": "aad", "claims": claims}).encode()).decode()
    return {"x_ms_client_principal": text, "x_ms_client_principal_name": "ada@contoso.com"}


def settings(**changed: Any) -> None:
    """Change the app's settings."""
    vars(services.get())["settings"] = replace(services.get().settings, **changed)


def code(answer: Answer) -> str:
    """The code of a refusal."""
    return str(answer.body["error"]["code"])


@pytest.mark.parametrize(
    ("role", "method", "path", "needed"),
    [
        ("reader", "PUT", "workspaces/w1", "operator"),
        ("reader", "POST", "workspaces/w1/onlineEndpoints/e/score", "scorer"),
        ("scorer", "POST", "workspaces/w1/computes/c/start", "operator"),
        ("operator", "DELETE", f"{GROUP[1:]}", "admin"),
        ("operator", "POST", "providers/Microsoft.Storage/storageAccounts/acc/listKeys", "admin"),
        ("operator", "POST", "arm/workspaces/w1/listKeys", "admin"),
        ("operator", "GET", "datastore/workspaces/w1/datastores/d", "admin"),
        ("operator", "PUT", "providers/Microsoft.KeyVault/vaults/vault1", "admin"),
        ("operator", "PUT", "events/rules/x", "admin"),
        ("operator", "PUT", "cleanup/policies/x", "admin"),
        ("operator", "GET", "keys", "admin"),
        ("operator", "GET", "audit", "admin"),
        ("operator", "POST", "events", "events"),
        ("reader", "POST", "cleanup", "operator"),
        ("reader", "POST", "uploads", "operator"),
        ("events", "GET", "operations", "reader"),
        ("events", "GET", "workspaces/w1", "reader"),
        ("events", "POST", "events/test", "reader"),
    ],
)
def test_a_role_that_is_not_enough_is_403_and_says_what_is(app: App, role: str, method: str, path: str, needed: str) -> None:
    """Caller, role held, role needed, what to do; Azure is asked nothing."""
    key = name_key(app, "ci", role)
    before = len(app.steward.azure.requests)
    answer = app.send(method, path, BODY, x_functions_key=key)
    assert (answer.status, code(answer)) == (403, "RoleNeeded")
    assert answer.said.startswith(f"'key:ci' has the role {role}; ")
    assert f"needs {needed}. Use a key of that role" in answer.said
    assert len(app.steward.azure.requests) == before


def test_the_bare_host_key_is_admin_until_a_setting_refuses_it(app: App) -> None:
    """Nothing configured: as ever. Then only named keys pass, and what needs no key."""
    assert app.send("GET", "keys", x_functions_key="host").status == 200
    key = name_key(app, "boss", "admin")
    settings(unnamed_keys=False)
    answer = app.send("GET", "operations", x_functions_key="host")
    assert (answer.status, code(answer)) == (403, "KeyNotNamed")
    assert app.send("GET", "operations", x_functions_key=key).status == 200
    assert app.send("GET", f"operations?code={key}").status == 200
    assert app.send("GET", "docs").status == 200


def test_two_keys_in_one_request_are_400(app: App) -> None:
    """It is not the app's to choose; the same key twice is one."""
    for path in ("operations?code=a&CODE=b", "operations?code=b"):
        answer = app.send("GET", path, x_functions_key="a")
        assert (answer.status, code(answer)) == (400, "AmbiguousKey")
    assert app.send("GET", "operations?code=a", x_functions_key="a").status == 200


def test_a_second_line_of_the_header_is_not_another_key(app: App) -> None:
    """The platform lets the first line in and hands both on, joined by a comma: together they are not the bare host key."""
    key = name_key(app, "ci", "reader")
    answer = app.send("GET", "keys", x_functions_key=f"{key},another")
    assert (answer.status, code(answer)) == (400, "AmbiguousKey")
    for header in (f"{key},{key}", f"{key},", f", {key}"):
        answer = app.send("GET", "keys", x_functions_key=header)
        assert (answer.status, code(answer)) == (403, "RoleNeeded"), header


def test_a_key_behind_a_number_sign_is_read(app: App) -> None:
    """The platform knows no fragments, and lets in the key that stands there: without it the caller would be the bare host key."""
    key = name_key(app, "ci", "reader")
    for path in (f"keys?#&code={key}", f"keys?a=b#c&code={key}"):
        answer = app.send("GET", path)
        assert (answer.status, code(answer)) == (403, "RoleNeeded"), path


def test_a_revoked_key_keeps_its_row_and_is_refused(app: App) -> None:
    """The platform may know it for longer: without the row it would be the host's own. It never comes back."""
    key = name_key(app, "old", "admin")
    assert app.send("DELETE", "keys/OLD").body["status"] == "Revoked"
    answer = app.send("GET", "operations", x_functions_key=key)
    assert (answer.status, code(answer)) == (403, "KeyRevoked")
    again = app.send("PUT", "keys/old", json.dumps({"role": "admin", "hash": key_book.hashed(key)}))
    assert (again.status, code(again)) == (409, "KeyInUse")
    new = name_key(app, "old", "reader", "another")
    assert app.send("GET", "operations", x_functions_key=new).status == 200
    assert app.send("GET", "operations", x_functions_key=key).status == 403
    assert app.send("DELETE", "keys/nobody").status == 404


def test_a_key_that_this_version_cannot_read_is_refused(app: App) -> None:
    """After a step back to an older release a newer row must not make its key the host's own."""
    key = name_key(app, "new", "reader")
    (at, row), *_ = [(at, row) for at, row in app.steward.access_rows.rows.items() if at[0] == key_book.PARTITION]
    newer = {**row.columns, "json0": row.columns["json0"].replace('"version": 1', '"version": 99')}
    app.steward.access_rows.rows[at] = replace(row, columns=newer)
    app.steward.clock.advance(60)
    assert app.send("GET", "operations", x_functions_key=key).status == 403


def test_renewing_a_key_leaves_no_moment_in_which_it_is_nobodys(app: App) -> None:
    """The new hash comes first; the old key has its name until the platform drops it."""
    old, new = name_key(app, "ci", "reader"), name_key(app, "ci", "reader", "new")
    for each in (old, new):
        assert app.send("PUT", "workspaces/w1", BODY, x_functions_key=each).status == 403
    taken = app.send("PUT", "keys/other", json.dumps({"role": "admin", "hash": key_book.hashed(old)}))
    assert (taken.status, code(taken)) == (409, "KeyInUse")


def test_other_processes_know_of_a_key_within_half_a_minute_without_a_read_for_each_request(app: App) -> None:
    """One read of the table in fifteen seconds, however many requests."""
    rows, clock = app.steward.access_rows, app.steward.clock
    book = key_book.Book(rows, clock)
    assert book.of("secret-late") is None
    name_key(app, "late", "reader")
    reads = 0
    original = rows.query

    def query(**asked: Any) -> Any:
        nonlocal reads
        reads += 1
        return original(**asked)

    rows.query = query  # type: ignore[method-assign]
    assert [book.of("secret-late") for _ in range(100)] == [None] * 100
    assert reads == 0
    clock.advance(15)
    assert {found.name for _ in range(100) if (found := book.of("secret-late"))} == {"late"}
    assert reads == 1


def test_a_new_key_has_its_name_from_its_first_request_on(app: App) -> None:
    """It is named before the platform knows it: a process that read the names before that reads them again, once for each key."""
    rows, clock = app.steward.access_rows, app.steward.clock
    book = key_book.Book(rows, clock)
    assert book.of("the host's own") is None
    name_key(app, "new", "reader")
    at = "0f0e7a52-6c5c-4c0b-9f0a-3c1d2b5a7e11"
    assert app.send("PUT", "keys/ann", json.dumps({"role": "reader", "principal": at})).status == 200
    clock.advance(1)
    assert [found.name for found in (book.of("secret-new"), book.signed_in(at)) if found] == ["new", "ann"]
    rows.query = None  # type: ignore[assignment]
    clock.advance(1)
    assert book.of("the host's own") is None


def test_while_the_names_cannot_be_read_a_key_that_was_never_seen_is_not_taken_for_one_without(app: App) -> None:
    """Those that were are served on, for ten minutes."""
    rows, clock = app.steward.access_rows, app.steward.clock
    book = key_book.Book(rows, clock)
    assert book.of("the host's own") is None

    def query(**_asked: Any) -> Any:
        raise unavailable()

    rows.query = query  # type: ignore[method-assign]
    clock.advance(20)
    assert book.of("the host's own") is None
    with pytest.raises(errors.TransientError):
        book.of("another")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("workspaces/work1", 200),
        ("workspaces/work2", 403),
        (f"{GROUP[1:]}/providers/Microsoft.MachineLearningServices/workspaces/work1", 200),
        ("arm/workspaces/work1", 200),
        ("workspaces/work1x", 403),
        ("subscriptions/other/resourceGroups/rg1/workspaces/work1", 403),
        (f"{GROUP[1:]}", 403),
        ("workspaces/work2/jobs/j/logs", 403),
        ("history/workspaces/work2/experiments/e/runs/r", 403),
        ("keys", 403),
        ("events/firings", 403),
        ("cleanup/explain?resource=workspaces/work2/computes/c", 403),
        (f"operations?below={GROUP}", 200),
    ],
)
def test_a_scope_opens_its_places_alone(app: App, path: str, status: int) -> None:
    """One workspace, in every spelling of its path; refused before a token is asked for."""
    assert app.send("PUT", "workspaces/work1", BODY).status in (200, 201, 202)
    app.steward.drive()
    key = name_key(app, "one", "admin", below=["workspaces/work1"])
    before = len(app.steward.azure.requests)
    answer = app.send("GET", path, x_functions_key=key)
    assert answer.status == status, answer.content
    if status == 403:
        assert "Use a key" in answer.said or "STEWARD_SUBSCRIPTIONS" in answer.said
        assert len(app.steward.azure.requests) == before


def test_operations_of_others_places_are_not_seen(app: App) -> None:
    """Nor read, waited for, or canceled; lists leave them out, and show who asked by name."""
    own, other = (name_key(app, name, "operator", below=[f"workspaces/{name}"]) for name in ("work1", "work2"))
    header = {"prefer": "respond-async"}
    assert app.send("PUT", "workspaces/work2", BODY, x_functions_key=own, **header).status == 403
    made = app.send("PUT", "workspaces/work1", BODY, x_functions_key=own, **header)
    assert made.body["properties"]["caller"] == "key:work1"
    at = f"operations/{made.body['name']}"
    assert app.send("GET", at, x_functions_key=own).status == 200
    for method, path in (("GET", at), ("GET", f"{at}/result"), ("POST", f"{at}/cancel")):
        assert app.send(method, path, x_functions_key=other).status == 403
    seen = {
        key: [each["name"] for each in app.send("GET", "operations", x_functions_key=key).body["value"]] for key in (own, other)
    }
    assert seen == {own: [made.body["name"]], other: []}
    assert len(app.send("GET", "operations?caller=key:work1").body["value"]) == 1
    assert app.send("GET", "operations?caller=key:work2").body["value"] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"location": "westeurope", "properties": {"publicNetworkAccess": "Enabled"}}', "'properties.publicNetworkAccess'"),
        ('{"location": "westeurope", "Properties": {"PUBLICNETWORKACCESS": "Enabled"}}', "'properties.publicNetworkAccess'"),
        (
            '{"location": "westeurope", "properties": {"storageAccount": "\\/subscriptions\\/other\\/resourceGroups\\/g\\/x"}}',
            "not within its scope",
        ),
    ],
)
@pytest.mark.parametrize("query", ["", "?preflight=true"])
def test_what_a_body_sets_or_names_needs_rights_too(app: App, content: str, said: str, query: str) -> None:
    """Network and access settings are an admin's; ids beyond the scope are refused; also before Azure is only asked."""
    key = name_key(app, "ci", "operator", below=[GROUP])
    answer = app.send("PUT", f"workspaces/work1{query}", content, x_functions_key=key)
    assert (answer.status, said in answer.said) == (403, True), answer.content
    assert app.send("PUT", "workspaces/work1", BODY, x_functions_key=key).status in (200, 201, 202)


def test_kinds_of_a_scope(app: App) -> None:
    """Only these, each by its own name."""
    key = name_key(app, "jobs", "operator", kinds=["workspaces/jobs", "history"])
    assert app.send("GET", "workspaces/w1", x_functions_key=key).status == 403
    assert app.send("PUT", "workspaces/w1/computes/cc", "{}", x_functions_key=key).status == 403
    assert app.send("GET", "workspaces/w1/jobs/j", x_functions_key=key).status != 403
    assert app.send("POST", "cleanup", x_functions_key=key).status == 403


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"role": "king"}, "role"), ({}, "role"), ({"role": "reader"}, "hash"), ({"role": "reader", "hash": "x"}, "hash"),
        ({"role": "reader", "scope": {"below": "x"}}, "scope"), ({"role": "reader", "scope": ["x"]}, "scope"),
        ({"role": "reader", "scope": {"kinds": ["workspaces/job"]}}, "scope.kinds"), ({"role": "reader", "key": "k"}, "key"),
        ({"role": "reader", "scope": {"below": ["workspaces"]}}, "scope.below"), ({"role": "reader", "scope": {"up": []}}, "up"),
        ({"role": "reader", "principal": "ada"}, "principal"), ({"role": "reader", "principal": 7}, "principal"),
        ({"role": "reader", "principal": OBJECT, "hash": "0" * 64}, "principal"),
    ],
)  # fmt: skip
def test_a_key_that_is_not_well_described_is_400(app: App, body: dict[str, Any], wrong: str) -> None:
    """The field at fault is named."""
    answer = app.send("PUT", "keys/ci", json.dumps(body))
    assert (answer.status, answer.body["error"]["target"]) == (400, wrong), answer.content


@pytest.mark.parametrize(
    ("roles", "status"), [(("Steward.Reader",), 403), (("steward.admin", "Steward.Reader"), 200), (("Other",), 200), ((), 200)]
)
def test_app_roles_of_a_sign_in_count_where_the_platform_vouches_for_them(app: App, roles: tuple[str, ...], status: int) -> None:
    """The highest counts; without a role of ours the key does. Without the platform's sign-in the headers are anybody's."""
    headers = principal(*roles)
    assert app.send("GET", "keys", **headers).status == 200
    settings(signed_in=True)
    answer = app.send("GET", "keys", **headers)
    assert answer.status == status
    if status == 403:
        assert answer.said.startswith("'ada@contoso.com' has the role reader;")
    settings(unnamed_keys=False)
    assert app.send("GET", "keys", **headers).status == (200 if "steward.admin" in roles else 403)


def test_a_forged_principal_opens_nothing_where_sign_in_is_left_out(app: App) -> None:
    """The platform lets what is sent to /api/events pass as it came: its headers are the sender's own there."""
    settings(signed_in=True, unnamed_keys=False)
    event = json.dumps({"id": "1", "eventType": "x", "subject": "s", "eventTime": "2026-01-01T00:00:00Z", "data": {}})
    answer = app.send("POST", "events", event, **principal("Steward.Admin"))
    assert (answer.status, code(answer)) == (403, "KeyNotNamed")
    settings(unnamed_keys=True)
    key = name_key(app, "grid", "events")
    settings(unnamed_keys=False)
    assert app.send("OPTIONS", "events", x_functions_key=key, webhook_request_origin="eventgrid.azure.net").status == 200


def test_a_named_key_limits_a_sign_in(app: App) -> None:
    """Both must allow it; the name is the person's."""
    settings(signed_in=True)
    key = name_key(app, "half", "admin", below=["workspaces/work1"])
    answer = app.send("PUT", "workspaces/work2", BODY, x_functions_key=key, **principal("Steward.Operator"))
    assert (answer.status, code(answer)) == (403, "OutOfScope")
    assert app.send("POST", "workspaces/work1/listKeys", x_functions_key=key, **principal("Steward.Operator")).status == 403


@pytest.mark.parametrize("claim", ["oid", "http://schemas.microsoft.com/identity/claims/objectidentifier"])
@pytest.mark.parametrize("roles", [("Steward.Admin",), ()])
def test_a_sign_in_has_what_is_kept_of_its_object_id(app: App, roles: tuple[str, ...], claim: str) -> None:
    """With an app role both must allow it, without one the kept role counts; judged before Azure is asked."""
    settings(signed_in=True)
    body = {"role": "operator", "principal": OBJECT.upper(), "scope": {"below": ["workspaces/work1"]}}
    kept = app.send("PUT", "keys/trainer", json.dumps(body)).body
    assert (kept["status"], kept["principal"], kept["role"]) == ("Active", OBJECT, "operator")
    settings(unnamed_keys=False)
    headers = principal(*roles, of=OBJECT, claim=claim)
    assert app.send("PUT", "workspaces/work1", BODY, **headers).status in (200, 201, 202)
    before = len(app.steward.azure.requests)
    for method, path, said in (
        ("PUT", "workspaces/work2", "OutOfScope"),
        ("GET", "resourceGroups/rg2", "OutOfScope"),
        ("GET", "keys", "RoleNeeded"),
        ("POST", "workspaces/work1/listKeys", "RoleNeeded"),
    ):
        answer = app.send(method, path, BODY if method == "PUT" else b"", **headers)
        assert (answer.status, code(answer)) == (403, said), path
        assert answer.said.startswith("'ada@contoso.com' has the role operator")
    assert len(app.steward.azure.requests) == before
    other = app.send("GET", "workspaces/work2", **principal(*roles, of=OBJECT.replace("1", "2"), claim=claim))
    assert other.status != 403 if roles else code(other) == "KeyNotNamed"


def test_a_revoked_sign_in_is_refused_until_it_is_let_in_again(app: App) -> None:
    """Whatever its app roles are; the name stays the sign-in's, and the sign-in has one name."""
    settings(signed_in=True)
    body = json.dumps({"role": "admin", "principal": OBJECT})
    assert app.send("PUT", "keys/ada", body).status == 200
    assert app.send("DELETE", "keys/ada").body["status"] == "Revoked"
    answer = app.send("GET", "operations", **principal("Steward.Admin", of=OBJECT))
    assert (answer.status, code(answer)) == (403, "KeyRevoked")
    assert "The sign-in 'ada' was revoked." in answer.said
    for path, changed in (
        ("keys/other", body),
        ("keys/ada", body.replace("1111", "9999")),
        ("keys/ada", '{"role": "admin", "hash": "' + "0" * 64 + '"}'),
    ):
        again = app.send("PUT", path, changed)
        assert (again.status, code(again)) == (409, "KeyInUse"), again.content
    assert app.send("PUT", "keys/ada", body).body["status"] == "Active"
    assert app.send("GET", "operations", **principal("Steward.Admin", of=OBJECT)).status == 200
    name_key(app, "ci", "reader")
    assert code(app.send("PUT", "keys/ci", body.replace("1111", "8888"))) == "KeyInUse"


def test_what_is_kept_of_a_sign_in_is_no_key(app: App) -> None:
    """A key whose text is what the row is found by is another thing; and headers count where the platform signs in."""
    app.send("PUT", "keys/ada", json.dumps({"role": "reader", "principal": OBJECT}))
    assert app.send("GET", "keys", x_functions_key=key_book.PRINCIPAL + OBJECT).status == 200
    assert app.send("GET", "keys", **principal(of=OBJECT)).status == 200
    settings(signed_in=True)
    assert app.send("GET", "keys", **principal(of=OBJECT)).status == 403
