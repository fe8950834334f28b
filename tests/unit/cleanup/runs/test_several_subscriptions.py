"""All listed subscriptions are surveyed and judged; from one that is not seen anything may be in use, so it is kept."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from shared.cleanup.policy import model
from shared.cleanup.report import explaining, report_page, reports
from shared.cleanup.run import runs
from shared.cleanup.verdict import last_look
from shared.rest import client, errors, ids
from shared.settings import SUBSCRIPTIONS, Problem

HOME, OTHER, THIRD = (f"00000000-0000-0000-0000-00000000000{number}" for number in (1, 2, 3))
SUCCEEDED = {"provisioningState": "Succeeded", "discoveryUrl": "https://x.api.azureml.ms/discovery"}
PROVIDER = "/providers/Microsoft.MachineLearningServices"
LIST = ("GET", f"/subscriptions/{OTHER}{PROVIDER}/workspaces")
RIGHTS = ("GET", f"/subscriptions/{OTHER}/providers/Microsoft.Authorization/permissions")
LONG_AGO = {"createdAt": "2024-01-01T00:00:00Z", "lastModifiedAt": "2024-01-01T00:00:00Z"}
OLD = ["DELETE models/old/versions/1", "DELETE models/older/versions/1"]


def workspace(stage, subscription, name="far", group="rg"):
    """Add a workspace to a subscription; returns its path."""
    path = f"/subscriptions/{subscription}/resourceGroups/{group}{PROVIDER}/workspaces/{name}"
    stage.azure.resources[path] = {"id": path, "name": name, "systemData": LONG_AGO, "properties": dict(SUCCEEDED)}
    return path


def below(stage, workspace_path, path, **properties):
    """Add what lies in such a workspace, with what it is in."""
    parts = path.split("/")
    for end in range(2, len(parts) + 1, 2):
        whole = f"{workspace_path}/{'/'.join(parts[:end])}"
        own = {"provisioningState": "Succeeded", "isArchived": False, **(properties if end == len(parts) else {})}
        body = {"id": whole, "name": parts[end - 1], "systemData": LONG_AGO, "properties": own}
        stage.azure.resources.setdefault(whole, body)
    return f"{workspace_path}/{path}"


def refused(status, code):
    """Return a refusal that does not end."""
    return [client.Response(status=status, url="", body={"error": {"code": code, "message": "No."}})] * 999


@pytest.fixture
def wide(stage):
    """The stage with a workspace in a second subscription, whose deployment serves a model of the first."""
    stage.settings = replace(stage.settings, other_subscriptions=(OTHER,))
    far = workspace(stage, OTHER)
    ws = f"/subscriptions/{HOME}/resourceGroups/rg{PROVIDER}/workspaces/ws"
    below(stage, far, "onlineEndpoints/ep/deployments/blue", model=f"{ws}/models/old/versions/1")
    return stage


def outcomes(report):
    """Return what became of each resource that is not kept."""
    told = ((reports.place(line), reports.told(line)["outcome"]) for line in report.lines)
    return {f"{where[0]}/{where[1]}": outcome for where, outcome in told if outcome != "kept"}


def test_a_reference_from_another_subscription_keeps(wide, make_policy, gone):
    """The reason names who refers to it, and its report every subscription."""
    report = wide.run(make_policy())
    assert gone(wide) == OLD[1:]
    kept = next(line for line in report.lines if line.id.endswith("models/old/versions/1"))
    assert kept.reason.startswith("online deployment blue of endpoint ep in workspace far")
    shown = reports.view(report)["subscriptions"]
    assert [(each["id"], each["status"], each["looked"], each["outcomes"]) for each in shown] == [
        (HOME, "read", 8, {"deleted": 1}),
        (OTHER, "read", 0, {}),
    ]
    assert f"<li>{OTHER}: 0 resources checked" in report_page.page(report).decode()


@pytest.mark.parametrize(
    ("asked", "answers", "said"),
    [
        (LIST, refused(403, "AuthorizationFailed"), "AuthorizationFailed"),
        (LIST, refused(404, "SubscriptionNotFound"), "SubscriptionNotFound"),
        (LIST, refused(409, "ReadOnlyDisabledSubscription"), "ReadOnlyDisabledSubscription"),
        (LIST, refused(401, "InvalidAuthenticationTokenTenant"), "InvalidAuthenticationTokenTenant"),
        (LIST, [errors.AzureUnavailableError("503", delay_s=1.0, maybe_arrived=False)] * 999, "503"),
        (LIST, [client.Response(status=200, url="", body="<html/>")] * 999, "IncompleteList"),
        (RIGHTS, refused(403, "AuthorizationFailed"), "permissions"),
        (RIGHTS, [client.Response(status=200, url="", body={"value": []})] * 999, "it lacks"),
    ],
)
def test_nothing_goes_that_could_be_in_use_from_a_subscription_that_is_not_seen(wide, make_policy, gone, asked, answers, said):
    """The report says which one it was, in every form; what needs no references goes on."""
    wide.azure.answers[asked] = list(answers)
    idle = model.Policy(name="note", kind="modelVersion", action="notify", mode="enforce", stale_when={"olderThan": 1})
    report = wide.run(make_policy(), replace(idle, stale_when=make_policy().stale_when | {"unreferenced": True}))
    assert gone(wide) == []
    assert report.run.status == "Completed", report.run.notes
    old = [line for line in report.lines if line.id.endswith("older/versions/1")]
    assert old
    assert all("what refers to it is not known" in line.reason and OTHER in line.reason for line in old)
    seen, unseen = reports.view(report)["subscriptions"]
    assert (seen["status"], unseen["id"], unseen["status"]) == ("read", OTHER, "unreadable")
    assert said in unseen["reason"]
    assert any(OTHER in note and said in note for note in report.run.notes)
    assert said in report_page.page(report).decode()


def test_a_run_fails_when_no_subscription_can_be_listed(wide, make_policy):
    """As with one."""
    wide.azure.answers[LIST] = refused(403, "AuthorizationFailed")
    wide.azure.answers["GET", LIST[1].replace(OTHER, HOME)] = refused(403, "AuthorizationFailed")
    report = wide.run(make_policy())
    assert (report.run.status, report.lines) == ("Failed", ())


def test_what_is_approved_is_kept_when_a_subscription_is_not_seen_any_more(wide, make_policy, gone):
    """Who refers to it is read again before it goes."""
    dry = wide.run(make_policy(), mode="dryRun")
    assert outcomes(dry) == {"ws/models/older/versions/1": "would delete"}
    wide.azure.answers[LIST] = refused(403, "AuthorizationFailed")
    begun = runs.approve(dry.run.name, caller="a test", services=wide)
    wide.drive()
    assert gone(wide) == []
    assert "what refers to it is not known" in wide.report(begun.name).lines[0].reason


def test_other_subscriptions_are_judged_whole_and_a_policy_may_name_some(wide, make_policy):
    """The default resource group narrows the home alone."""
    far = workspace(wide, OTHER, "team", group="any")
    below(wide, far, "models/m/versions/1", tags={})
    below(wide, far, "models/m/versions/2", tags={})
    wide.azure.resources[f"{far}/models/m/versions/2"]["systemData"] = dict.fromkeys(LONG_AGO, "2025-01-01T00:00:00Z")
    outside = workspace(wide, HOME, "theirs", group="other")
    below(wide, outside, "models/m/versions/1", tags={})
    assert outcomes(wide.run(make_policy(), mode="dryRun")) == {
        "ws/models/older/versions/1": "would delete",
        "team/models/m/versions/1": "would delete",
    }
    narrow = wide.run(make_policy(where=model.Where(subscriptions=(OTHER,))), mode="dryRun")
    assert outcomes(narrow) == {"team/models/m/versions/1": "would delete"}
    heads, *lines = report_page.table(narrow)
    (row,) = [row for line in lines if (row := dict(zip(heads, line, strict=True)))["outcome"] != "kept"]
    assert (row["subscription"], row["workspace"]) == (OTHER, "team")
    report = wide.run(make_policy())
    assert [(each["id"], each["outcomes"]) for each in reports.view(report)["subscriptions"]] == [
        (HOME, {"deleted": 1}),
        (OTHER, {"deleted": 1}),
    ]


def test_an_account_that_a_workspace_elsewhere_names_is_not_left_over(wide):
    """And while one subscription is not seen, nothing is."""
    account = f"/subscriptions/{HOME}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/gonestorage0a1b2c3d4"
    wide.azure.resources[account] = {"id": account, "name": account.rpartition("/")[2], "systemData": LONG_AGO, "properties": {}}
    orphans = model.Policy(name="orphans", kind="leftover", action="notify", stale_when={"orphaned": True}, mode="enforce")
    found = [line.id for line in wide.run(orphans).lines]
    assert found == [account]
    far = next(path for path in wide.azure.resources if path.endswith("workspaces/far"))
    wide.azure.resources[far]["properties"]["storageAccount"] = account.upper()
    assert wide.run(orphans).lines == ()
    del wide.azure.resources[far]["properties"]["storageAccount"]
    wide.azure.answers[LIST] = refused(403, "AuthorizationFailed")
    report = wide.run(orphans)
    assert report.lines == ()
    assert any(OTHER in note for note in report.run.notes)


def test_one_resource_is_explained_by_what_refers_to_it_from_anywhere(wide, make_policy):
    """Read now, where no run has read it."""
    wide.blobs.put(
        "cleanup/policies/p.yaml",
        b"""policies:
  - name: models
    kind: modelVersion
    staleWhen: {unreferenced: true}
    action: archive
""",
    )
    resource = ids.parse(f"/subscriptions/{HOME}/resourceGroups/rg{PROVIDER}/workspaces/ws/models/old/versions/1")
    (found,) = [each for each in explaining.explain(resource, wide)["policies"] if each["policy"] == "models"]
    assert "in workspace far refers to it" in found["verdict"]
    wide.azure.answers[LIST] = refused(403, "AuthorizationFailed")
    other = replace(resource, names=("ws", "older", "1"))
    (found,) = [each for each in explaining.explain(other, wide)["policies"] if each["policy"] == "models"]
    assert "what refers to it is not known" in found["verdict"]


def test_no_run_begins_or_goes_on_while_the_list_cannot_be_used(wide, make_policy, gone):
    """Whatever it lacks could be in use from there."""
    whole = wide.settings
    broken = replace(whole, other_subscriptions=(), problems=(Problem(name=SUBSCRIPTIONS, message="It is no list"),))
    wide.settings = broken
    with pytest.raises(errors.BadRequestError, match="It is no list") as raised:
        wide.start(make_policy())
    assert raised.value.error.target == SUBSCRIPTIONS
    wide.settings = whole
    begun = wide.start(make_policy())
    wide.settings = broken
    wide.drive()
    assert (wide.report(begun.name).run.status, gone(wide)) == ("Failed", [])


@pytest.mark.parametrize("seed", range(12))
def test_in_any_estate_exactly_what_no_subscription_refers_to_goes(stage, make_policy, gone, seed):
    """References of random places to random models; sometimes one subscription is not seen."""
    dice = random.Random(seed)  # noqa: S311 - a test's dice
    stage.settings = replace(stage.settings, other_subscriptions=(OTHER, THIRD), resource_group="")
    places = [workspace(stage, dice.choice((HOME, OTHER, THIRD)), f"w{number}") for number in range(5)]
    stale = set()
    for place in places:
        for name in ("a", "b"):
            below(stage, place, f"models/{name}/versions/2", tags={})
            stage.azure.resources[f"{place}/models/{name}/versions/2"]["systemData"] = dict.fromkeys(
                LONG_AGO, "2025-01-01T00:00:00Z"
            )
            stale.add(below(stage, place, f"models/{name}/versions/1", tags={}))
    for number, named in enumerate(dice.sample(sorted(stale), 5)):
        below(stage, dice.choice(places), f"onlineEndpoints/ep/deployments/d{number}", model=named)
        stale.discard(named)
    blind = dice.random() < 0.3
    if blind:
        stage.azure.answers["GET", LIST[1].replace(OTHER, dice.choice((OTHER, THIRD)))] = refused(403, "AuthorizationFailed")
    stage.run(make_policy(limits=model.Limits(count=99)))
    wanted = [] if blind else sorted([*(f"DELETE {path}" for path in stale), *OLD])
    assert gone(stage) == wanted


def looked(stage, path, act="delete"):
    """Return what the last look before an expiry or an undo comes to."""
    asked = last_look.Asked(resource=ids.parse(path), act=act, other=lambda _body: "")
    found = last_look.look(asked, stage, last_look.Sights())
    return found.answer, found.reason


def test_the_last_look_reads_who_refers_to_something_from_every_subscription(wide):
    """A version, a workspace with what is in it, an account that a workspace stands on."""
    ws = f"/subscriptions/{HOME}/resourceGroups/rg{PROVIDER}/workspaces/ws"
    account = f"/subscriptions/{HOME}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/shared"
    wide.azure.resources[account] = {"id": account, "name": "shared", "systemData": LONG_AGO, "properties": {}}
    used = "online deployment blue of endpoint ep in workspace far refers to it"
    assert looked(wide, f"{ws}/models/old/versions/1") == ("keep", used)
    assert looked(wide, ws) == ("keep", used)
    assert looked(wide, f"{ws}/models/older/versions/1") == ("act", "")
    assert looked(wide, account) == ("act", "")
    far = next(path for path in wide.azure.resources if path.endswith("workspaces/far"))
    wide.azure.resources[far]["properties"]["storageAccount"] = account.upper()
    assert looked(wide, account) == ("keep", "workspace far uses it")


@pytest.mark.parametrize("path", ["workspaces/ws/models/older/versions/1", "workspaces/ws", "storage"])
def test_the_last_look_waits_while_a_subscription_is_not_seen(wide, path):
    """Whether it cannot be read, or the list of them cannot be used; what nobody elsewhere can refer to is no matter."""
    account = f"/subscriptions/{HOME}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/shared"
    wide.azure.resources[account] = {"id": account, "name": "shared", "systemData": LONG_AGO, "properties": {}}
    home = f"/subscriptions/{HOME}/resourceGroups/rg{PROVIDER}"
    for known in [each for each in wide.azure.resources if "/workspaces/far/" in each]:  # it refers to nothing
        del wide.azure.resources[known]
    place = account if path == "storage" else f"{home}/{path}"
    assert looked(wide, place) == ("act", "")
    wide.azure.answers[LIST] = refused(403, "AuthorizationFailed")
    answer, reason = looked(wide, place)
    assert (answer, OTHER in reason) == ("wait", True)
    assert looked(wide, f"{home}/workspaces/ws/onlineEndpoints/ep/deployments/blue") == ("act", "")
    del wide.azure.answers[LIST]
    wide.settings = replace(wide.settings, problems=(Problem(name=SUBSCRIPTIONS, message="It is no list"),))
    answer, reason = looked(wide, place)
    assert (answer, "It is no list" in reason) == ("wait", True)
