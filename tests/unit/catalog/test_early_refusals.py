"""What a body is judged by before Azure is asked: rules from the table, one spelling of identities, secrets of patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.catalog import bodies, kinds
from shared.rest import errors

if TYPE_CHECKING:
    from shared.catalog.kinds import Kind

ID = "subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v"


def kind(path: str, plane: str = "arm") -> Kind:
    """Return a row."""
    return kinds.by_type()[plane, kinds.ML.lower(), path.lower()]


@pytest.mark.parametrize("row", [each for each in kinds.KINDS if each.choices], ids=lambda row: row.full_type)
def test_every_choice_is_taken_in_any_spelling(row: Kind) -> None:
    """Samples mix `UriFile` and `uri_file`; Azure takes both."""
    for path, allowed in row.choices:
        for value in allowed:
            for spelled in (value, value.lower(), value.replace("_", "").upper()):
                assert not [each for each in bodies.problems(row, at(path, spelled)) if each.error.code == "InvalidValue"]
        assert [each.error.target for each in bodies.problems(row, at(path, "nonsense")) if each.error.code == "InvalidValue"] == [
            path
        ]
        assert not [each for each in bodies.problems(row, at(path, "nonsense"), preview=True) if each.error.code == "InvalidValue"]


def at(path: str, value: Any) -> dict[str, Any]:
    """Return an object that holds `value` at a dotted path."""
    for name in reversed(path.split(".")):
        value = {name: value}
    out: dict[str, Any] = value
    return out


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("systemAssigned", "SystemAssigned"),
        ("SYSTEM_ASSIGNED", "SystemAssigned"),
        ("user assigned", "UserAssigned"),
        ("userAssigned, systemAssigned", "SystemAssigned,UserAssigned"),
        ("SystemAssigned, UserAssigned", "SystemAssigned,UserAssigned"),
        ("none", "None"),
    ],
)
def test_an_identity_is_spelled_as_azure_spells_it(given: str, sent: str) -> None:
    """The rest of the body is the caller's own."""
    body = {"identity": {"type": given, "userAssignedIdentities": {"x": {}}}, "tags": {"type": given}}
    mended = bodies.normalised(body)
    assert mended == {"identity": {"type": sent, "userAssignedIdentities": {"x": {}}}, "tags": {"type": given}}
    assert body["identity"]["type"] == given


@pytest.mark.parametrize(
    "body", [None, [], {}, {"identity": None}, {"identity": {"type": 7}}, {"identity": {"type": "Mine"}}, {"properties": 7}]
)
def test_what_is_no_slip_is_left_alone(body: Any) -> None:
    """It is refused elsewhere, or Azure's to judge."""
    assert bodies.normalised(body) is body


def test_an_id_that_is_a_property_gets_its_first_slash() -> None:
    """The article's `applicationInsights`; text that only mentions an id is text."""
    body = {"properties": {"keyVault": ID, "storage": f"/{ID}", "description": f"see {ID}", "count": 1}}
    assert bodies.normalised(body)["properties"] == {
        "keyVault": f"/{ID}",
        "storage": f"/{ID}",
        "description": f"see {ID}",
        "count": 1,
    }


@pytest.mark.parametrize(
    ("steps", "secret"),
    [
        ([{"op": "replace", "path": "/keys/primaryKey", "value": "k"}], True),
        ([{"op": "add", "path": "/keys", "value": {"primaryKey": "k"}}], True),
        ([{"op": "replace", "path": "/description", "value": "k"}], False),
        ([{"op": "remove", "path": "/keys/primaryKey"}], False),
        (["junk", 7, {}], False),
    ],
)
def test_a_json_patch_may_hold_a_secret(steps: list[Any], secret: bool) -> None:  # noqa: FBT001 - a table's column
    """Such a request is never stored."""
    assert bodies.has_secret(kind("workspaces/services", "modelmanagement"), steps) is secret


@pytest.mark.parametrize("content", [b"{}", b"7", b'[{"op": "add"}]', b"[7]", b"null", b"["])
def test_what_is_no_json_patch_is_refused(content: bytes) -> None:
    """With the form that was expected."""
    with pytest.raises(errors.BadRequestError, match="InvalidRequestContent"):
        bodies.parse_patch(content, "application/json-patch+json")


def test_a_json_patch_is_read() -> None:
    """A list of steps."""
    assert bodies.parse_patch(b'[{"op": "remove", "path": "/x"}]', "application/json-patch+json") == [
        {"op": "remove", "path": "/x"}
    ]


@pytest.mark.parametrize(
    ("path", "properties", "ignored"),
    [
        ("workspaces/onlineEndpoints", {"traffic": {"blue": 100}}, "properties.traffic"),
        ("workspaces/onlineEndpoints", {"mirrorTraffic": {"green": 10}}, "properties.mirrorTraffic"),
        ("workspaces/onlineEndpoints/deployments", {"instanceType": "Standard_DS3_v2"}, "properties.instanceType"),
        ("workspaces/batchEndpoints", {"defaults": {"deploymentName": "d"}}, "properties.defaults"),
        ("workspaces/batchEndpoints/deployments", {"description": "d", "miniBatchSize": 3}, "properties.miniBatchSize"),
        ("registries", {"publicNetworkAccess": "Disabled"}, "properties.publicNetworkAccess"),
    ],
)
def test_a_patch_that_azure_would_ignore_is_refused_by_name(path: str, properties: dict[str, Any], ignored: str) -> None:
    """The body's schema has no properties there; Azure answers 200 and changes nothing."""
    with pytest.raises(errors.BadRequestError) as refused:
        bodies.check_patch(kind(path), {"tags": {}, "properties": properties})
    assert (refused.value.error.code, refused.value.error.target) == ("NotPatchable", ignored)
    assert "PUT the whole" in refused.value.error.message


@pytest.mark.parametrize(
    ("path", "body", "ignored"),
    [
        ("workspaces/computes", {"tags": {"owner": "ops"}}, "tags"),
        ("workspaces/computes", {"properties": {"properties": {"vmPriority": "LowPriority"}}}, "properties.properties.vmPriority"),
        ("workspaces/computes", {"properties": {"description": "d"}}, "properties.description"),
        ("workspaces", {"propertis": {"description": "x"}}, "propertis"),
        ("workspaces", {"properties": {"storageAccount": "/subscriptions/s"}}, "properties.storageAccount"),
        ("workspaces", {"properties": {"encryption": {"status": "Enabled"}}}, "properties.encryption.status"),
        ("workspaces/onlineEndpoints", {"tags": {}, "location": "westeurope"}, "location"),
    ],
)
def test_what_a_patch_does_not_carry_out_is_refused_at_every_level(path: str, body: dict[str, Any], ignored: str) -> None:
    """C4: Azure acknowledges these members and leaves them alone."""
    with pytest.raises(errors.BadRequestError) as refused:
        bodies.check_patch(kind(path), body)
    assert (refused.value.error.code, refused.value.error.target) == ("NotPatchable", ignored)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("workspaces/onlineEndpoints", {"tags": {"a": "b"}, "identity": {"type": "SystemAssigned"}}),
        ("workspaces/onlineEndpoints", {"properties": {}}),
        ("workspaces/batchEndpoints/deployments", {"properties": {"Description": "d"}}),
        ("workspaces", {"properties": {"friendlyName": "f"}}),
        ("workspaces/computes", {"properties": {"properties": {"scaleSettings": {"maxNodeCount": 2}}}}),
        ("workspaces/onlineEndpoints", []),
    ],
)
def test_a_patch_that_azure_can_judge_passes(path: str, body: Any) -> None:
    """What the schema of the PATCH body has passes, in any casing."""
    bodies.check_patch(kind(path), body)


@pytest.mark.parametrize(
    ("name", "body", "ignored"),
    [
        ("storageAccounts", {"propertis": {"accessTier": "Cool"}}, "propertis"),
        ("storageAccounts", {"location": "northeurope"}, "location"),
        ("vaults", {"tag": {"a": "b"}}, "tag"),
        ("components", {"properties": {"RetentionInDays": 30}}, "properties.RetentionInDays"),
        ("resourceGroups", {"location": "northeurope"}, "location"),
    ],
)
def test_a_neighbours_patch_that_arm_would_ignore_is_refused(name: str, body: dict[str, Any], ignored: str) -> None:
    """What the body of each PATCH has in ARM is a column of its row."""
    row = next(each for each in kinds.KINDS if each.path == name and each.namespace != kinds.ML)
    with pytest.raises(errors.BadRequestError) as refused:
        bodies.check_patch(row, body)
    assert (refused.value.error.code, refused.value.error.target) == ("NotPatchable", ignored)
    bodies.check_patch(row, {"tags": {"a": "b"}})
