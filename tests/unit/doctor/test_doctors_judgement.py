"""What the doctor says of settings, permissions, clocks and receivers; no wire."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from infra.doctor import __main__ as command
from infra.doctor import configuration, findings, identity, records
from shared.rest import clouds, errors
from shared.rest.client import Response
from shared.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "STEWARD_SUBSCRIPTION_ID": "s",
    "STEWARD_RESOURCE_GROUP": "g",
}
NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
SUBSCRIPTION = "/subscriptions/s"
GROUP = f"{SUBSCRIPTION}/resourceGroups/g"


def levels(values: dict[str, str]) -> dict[str, findings.Finding]:
    """Return what is not in order, by what is said."""
    return {each.said: each for each in configuration.settings_of(values)[1] if each.level != "ok"}


def test_sound_settings_have_nothing_to_fix() -> None:
    """And are handed on."""
    settings, found = configuration.settings_of(GOOD)
    assert settings
    assert settings.subscription_id == "s"
    assert [each.level for each in found] == ["ok"]


def test_a_value_that_cannot_be_used_is_a_problem() -> None:
    """An optional one turns its feature off; without the cloud nothing can be looked at, and the app answers 503."""
    settings, found = configuration.settings_of({**GOOD, "STEWARD_RETENTION_DAYS": "many"})
    assert settings
    assert [each.level for each in found if "STEWARD_RETENTION_DAYS" in each.said] == ["problem"]
    settings, found = configuration.settings_of({**GOOD, "STEWARD_CLOUD": "none"})
    assert settings is None
    assert found[-1].level == "problem"


def test_a_misspelt_setting_is_named_with_the_one_that_was_meant() -> None:
    """The app reads it never and says nothing."""
    (found,) = levels({**GOOD, "STEWARD_RETENTION_DAY": "5"}).values()
    assert found.level == "problem"
    assert found.fix == "did you mean STEWARD_RETENTION_DAYS?"


@pytest.mark.parametrize(
    ("without", "level"),
    [("AzureWebJobsStorage", "problem"), ("STEWARD_SUBSCRIPTION_ID", "warning"), ("STEWARD_RESOURCE_GROUP", "warning")],
)
def test_what_is_missing_is_named(without: str, level: str) -> None:
    """Storage must be; defaults of paths may be left away on purpose."""
    (found,) = levels({name: value for name, value in GOOD.items() if name != without}).values()
    assert (found.level, bool(found.fix)) == (level, True)


def test_half_a_service_principal_and_half_a_storage_are_problems() -> None:
    """Both would be passed over for another way to sign in, silently."""
    values = {**GOOD, "AZURE_CLIENT_SECRET": "s3cret", "AZURE_CLIENT_ID": "c"}
    (found,) = levels(values).values()
    assert "s3cret" not in found.said
    by_uri = {**GOOD, "AzureWebJobsStorage": "", "AzureWebJobsStorage__queueServiceUri": "https://a.queue.core.windows.net"}
    (found,) = levels(by_uri).values()
    assert found.level == "problem"


def test_an_identity_for_storage_needs_the_platforms_word_for_it() -> None:
    """Without it the platform opens storage with another identity than the app does."""
    account = {
        f"AzureWebJobsStorage__{name}ServiceUri": f"https://a.{name}.core.windows.net" for name in ("blob", "queue", "table")
    }
    values = {**GOOD, "AzureWebJobsStorage": "", **account, "AzureWebJobsStorage__clientId": "c"}
    (found,) = levels(values).values()
    assert (found.level, found.fix) == ("problem", "set AzureWebJobsStorage__credential to managedidentity")
    assert levels({**values, "AzureWebJobsStorage__credential": "managedidentity"}) == {}


def test_a_key_vault_reference_is_not_taken_for_a_secret() -> None:
    """The platform resolves it; from outside only the reference is seen."""
    settings, found = configuration.settings_of({**GOOD, "STEWARD_WEBHOOK_SECRETS": "@Microsoft.KeyVault(SecretUri=https://v/s)"})
    assert settings
    assert {each.level for each in found} == {"ok"}


def test_threads_must_be_enough_for_host_jsons_queue_steps() -> None:
    """BatchSize + newBatchThreshold."""
    host = {"extensions": {"queues": {"batchSize": 16, "newBatchThreshold": 8}}}
    assert configuration.threads(Settings(threads=24), host).level == "ok"
    assert configuration.threads(Settings(threads=23), host).level == "problem"


def resolves_to(*addresses: str) -> Any:
    """Return a resolver that knows one answer; none without addresses."""

    def look_up(*_: Any, **__: Any) -> list[Any]:
        if not addresses:
            raise socket.gaierror
        return [(None, None, None, "", (address, 443)) for address in addresses]

    return look_up


@pytest.mark.parametrize(
    ("addresses", "level"),
    [(("93.184.215.14",), "ok"), (("10.0.0.5",), "problem"), (("93.184.215.14", "10.0.0.5"), "problem"), ((), "problem")],
)
def test_a_receivers_host_must_lead_to_public_addresses_only(addresses: tuple[str, ...], level: str) -> None:
    """As the app itself judges before it tells anybody."""
    settings = Settings(callback_hosts=("hooks.contoso.com",), webhook_secrets=(("", "whsec_x"),))
    (found,) = configuration.callbacks(settings, resolves_to(*addresses))
    assert found.level == level


@pytest.mark.parametrize(("address", "word"), [("127.0.0.1", "127.0.0.1:PORT"), ("10.0.0.5", "queue")])
def test_what_to_do_about_a_private_receiver_depends_on_where_it_is(address: str, word: str) -> None:
    """One of this machine is told by its address."""
    settings = Settings(callback_hosts=("receiver:9000",), webhook_secrets=(("", "whsec_x"),))
    (found,) = configuration.callbacks(settings, resolves_to(address))
    assert word in found.fix


def test_unsigned_webhooks_and_receivers_that_are_not_listed_are_named() -> None:
    """A local receiver needs neither."""
    settings = Settings(callback_hosts=("*.contoso.com",), notify=("https://elsewhere.example/x",))
    found = list(configuration.callbacks(settings, resolves_to()))
    assert [each.level for each in found] == ["problem", "warning"]
    local = list(configuration.callbacks(Settings(callback_hosts=("127.0.0.1:9000",)), resolves_to()))
    assert [each.level for each in local] == ["ok"]


@pytest.mark.parametrize(("seconds", "level"), [(0, "ok"), (45, "warning"), (-45, "warning"), (600, "problem"), (-600, "problem")])
def test_a_clock_that_is_off_is_named(seconds: int, level: str) -> None:
    """Either way; tokens and signed URLs have a beginning and an end."""
    (found,) = identity.skew("Sat, 21 Nov 2026 12:00:00 GMT", datetime.fromtimestamp(NOON.timestamp() + seconds, UTC))
    assert found.level == level
    assert list(identity.skew("", NOON)) == list(identity.skew("yesterday", NOON)) == []


class Arm:
    """A client whose answers are given by path; what is not given is refused."""

    cloud = clouds.PUBLIC

    def __init__(self, answers: dict[str, Any], signed_in: str | errors.StewardError = "no.jwt") -> None:
        self.answers = answers
        self.signed_in = signed_in
        self.asked: list[str] = []

    def token(self, scope: str) -> str:
        """Return the token for any scope, or fail."""
        self.asked.append(scope)
        if isinstance(self.signed_in, errors.StewardError):
            raise self.signed_in
        return self.signed_in

    def send(self, method: str, url: str) -> Response:
        """Answer a GET of ARM."""
        assert method == "GET"
        path = url.removeprefix(clouds.PUBLIC.arm).partition("?")[0]
        self.asked.append(path)
        headers = {"date": "Sat, 21 Nov 2026 12:00:01 GMT"}
        if path not in self.answers:
            body = {"error": {"code": "AuthorizationFailed", "message": "may not"}}
            return Response(status=403, url=url, headers=headers, body=body)
        return Response(status=200, url=url, headers=headers, body=self.answers[path])


def arm(actions: list[str], not_actions: list[str] | None = None, state: str = "Registered") -> Arm:
    """Return an ARM at which the caller may do these."""
    row = {"actions": actions, "notActions": not_actions or [], "dataActions": [], "notDataActions": []}
    return Arm(
        {
            "/subscriptions/s": {"subscriptionId": "s"},
            f"/subscriptions/s/providers/{identity.ML}": {"registrationState": state},
            **{f"{at}/providers/Microsoft.Authorization/permissions": {"value": [row]} for at in (SUBSCRIPTION, GROUP)},
        }
    )


def judged(client: Any, check: str) -> list[str]:
    """Return the levels of one check."""
    return [each.level for each in identity.look(client, ["s"], [SUBSCRIPTION, GROUP], lambda: NOON) if each.check == check]


def test_who_may_do_everything_may_do_enough() -> None:
    """An owner, a contributor."""
    assert judged(arm(["*"]), "permissions") == ["ok"] * 5
    contributor = ["Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"]
    assert judged(arm(["*"], contributor), "permissions") == ["ok"] * 5


def test_a_reader_lacks_what_the_app_is_for() -> None:
    """The app's first role is a problem, the others may be left away on purpose."""
    client: Any = arm(["*/read"])
    found = [each for each in identity.look(client, ["s"], [SUBSCRIPTION, GROUP], lambda: NOON) if each.check == "permissions"]
    assert [each.level for each in found] == ["ok", "ok", "warning", "problem", "warning"]
    assert found[3].said.startswith(f"{GROUP}: Microsoft.MachineLearningServices/workspaces/*")
    assert "roles/steward.json" in found[3].fix


def test_an_action_that_one_role_lacks_is_named_with_its_scope() -> None:
    """Each action of the reader, at the subscription."""
    (permission,) = json.loads((identity.ROLES / "reader.json").read_text())["permissions"]
    for lacking in permission["actions"]:
        client: Any = arm([action for action in permission["actions"] if action != lacking])
        (found,) = (each for each in identity.look(client, ["s"], [SUBSCRIPTION], lambda: NOON) if each.level == "problem")
        assert found.said == f"{SUBSCRIPTION}: {lacking} not allowed"
        assert "roles/reader.json" in found.fix


def test_the_apps_own_role_is_enough_by_itself() -> None:
    """What Bicep gives is what the doctor wants."""
    actions = [
        action
        for name in ("steward", "reader")
        for action in json.loads((identity.ROLES / f"{name}.json").read_text())["permissions"][0]["actions"]
    ]
    assert judged(arm(actions), "permissions") == ["ok", "ok", "warning", "ok", "warning"]


def test_a_provider_that_is_not_registered_and_a_scope_that_refuses_are_named() -> None:
    """With the command that registers it; with the role to give."""
    assert judged(arm(["*"], state="NotRegistered"), "permissions")[0] == "warning"
    refusing = arm(["*"])
    del refusing.answers[f"{GROUP}/providers/Microsoft.Authorization/permissions"]
    assert judged(refusing, "permissions") == ["ok", "ok", "ok", "problem"]


def test_each_listed_subscription_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that the app cannot read is a problem: nothing counts as unused while it is so."""
    home, other = (f"{number}" * 8 + "-0000-0000-0000-000000000000" for number in "12")
    row = {"value": [{"actions": ["*"]}]}
    known = {f"/subscriptions/{home}": {}, f"/subscriptions/{home}/providers/{identity.ML}": {"registrationState": "Registered"}}
    rights = {
        f"/subscriptions/{home}{below}/providers/Microsoft.Authorization/permissions": row for below in ("", "/resourceGroups/g")
    }
    client: Any = Arm({**known, **rights, f"/subscriptions/{home}/resourceGroups": {"value": []}})
    monkeypatch.setattr(client, "pages", lambda _url: iter(()), raising=False)
    monkeypatch.setattr(records.Impatient, "client", property(lambda _self: client))
    values = {"STEWARD_SUBSCRIPTIONS": f"{home},{other}", "STEWARD_RESOURCE_GROUP": "g", "AzureWebJobsStorage": ""}
    found = command.examine(values, [])
    (lacking,) = [each for each in found if each.level == "problem" and each.check == "permissions"]
    assert lacking.said.startswith(f"/subscriptions/{other}:")
    assert "reader.json" in lacking.fix


def test_nothing_is_asked_of_arm_without_a_token() -> None:
    """Two findings: one for each audience, each with what to do."""
    refused = errors.RejectedError(errors.AzureError(code="SignInFailed", message="AADSTS7000215"), status=502)
    client = Arm({}, refused)
    found = list(identity.look(client, ["s"], [GROUP], lambda: NOON))  # type: ignore[arg-type]
    assert [(each.check, each.level) for each in found] == [("identity", "problem")] * 2
    assert all("AZURE_CLIENT_SECRET" in each.fix for each in found)
    assert not [path for path in client.asked if path.startswith("/")]
    unreachable = errors.UnreachableError("no answer", delay_s=1, maybe_arrived=False)
    assert "network" in next(iter(identity.look(Arm({}, unreachable), ["s"], [], lambda: NOON))).fix  # type: ignore[arg-type]
    nobody = errors.RejectedError(errors.AzureError(code="SignInFailed", message="no credential is available"), status=502)
    assert "give the app an identity" in next(iter(identity.look(Arm({}, nobody), ["s"], [], lambda: NOON))).fix  # type: ignore[arg-type]


def test_whose_token_it_is_is_shown() -> None:
    """As far as it says; the token itself never."""
    token = "e30.eyJhcHBpZCI6ICJhcHAtMSIsICJvaWQiOiAib2JqLTEiLCAidGlkIjogInRlbi0xIn0.c2ln"
    first = next(iter(identity.look(Arm({}, token), [], [], lambda: NOON)))  # type: ignore[arg-type]
    assert "app-1 (object obj-1, tenant ten-1)" in first.said
    assert "c2ln" not in first.said


@pytest.mark.parametrize(
    "content",
    [
        {"IsEncrypted": False, "Values": {"A": "1"}},
        {"A": "1"},
        [{"name": "A", "value": "1", "slotSetting": False}],
    ],
)
def test_settings_files_of_three_kinds_are_read(content: Any, tmp_path: Path) -> None:
    """Core Tools', a plain one, the Azure CLI's."""
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(content))
    assert configuration.values_of(file) == {"A": "1"}


def test_a_settings_file_that_cannot_be_read_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that names it."""
    assert command.main(["--settings", str(tmp_path / "none.json")]) == 2
    file = tmp_path / "list.json"
    file.write_text("[1]")
    assert command.main(["--settings", str(file)]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert all(line.startswith("doctor: ") for line in told)


def test_findings_are_a_line_each_with_what_to_do_below() -> None:
    """And a last line that sums up; warnings alone are no failure."""
    found = [findings.ok("a", "good"), findings.warning("b", "odd", "look")]
    assert findings.as_text(found).splitlines()[1:] == [
        "warning  b            odd",
        f"{'':<22} → look",
        "0 problems, 1 warnings, 1 in order",
    ]
    assert findings.exit_code(found) == 0
    assert findings.exit_code([replace(found[0], level="problem")]) == 1
    assert json.loads(findings.as_json(found))[0]["check"] == "a"
