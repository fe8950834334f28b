"""What ARM itself refuses before a provider sees the request: sizes, tags, reserved words, groups that go, policies.

Sources of every code and message: `refusals.py`, beside this folder.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import refusals

if TYPE_CHECKING:
    from infra.local.emulator.world import Policy, World

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_TAGS, MAX_TAG_NAME, MAX_TAG_VALUE = 50, 512, 256
MAX_STORAGE_TAG_NAME = 128
_TAG_CHARACTERS = re.compile(r"[<>%&\\?/\x00-\x1f\x7f]")
_CHANGES = frozenset({"PUT", "PATCH"})
# https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-reserved-resource-name
_RESERVED = frozenset({
    "ACCESS", "APP_CODE", "APP_THEMES", "APP_DATA", "APP_GLOBALRESOURCES", "APP_LOCALRESOURCES", "APP_WEBREFERENCES",
    "APP_BROWSERS", "AZURE", "BING", "BIZSPARK", "BIZTALK", "CORTANA", "DIRECTX", "DOTNET", "DYNAMICS", "EXCEL", "EXCHANGE",
    "FOREFRONT", "GROOVE", "HOLOLENS", "HYPERV", "KINECT", "LYNC", "MSDN", "O365", "OFFICE", "OFFICE365", "ONEDRIVE", "ONENOTE",
    "OUTLOOK", "POWERPOINT", "SHAREPOINT", "SKYPE", "VISIO", "VISUALSTUDIO", "WEB.CONFIG",
})  # fmt: skip
_NOWHERE, _NOT_FIRST = ("MICROSOFT", "WINDOWS"), ("LOGIN", "XBOX")
# Extensions and ARM's own types are not named by the people who make resources.
_NOT_NAMED = frozenset({"microsoft.authorization", "microsoft.eventgrid", "microsoft.resources"})


def check(world: World, request: web.Request, namespace: str, kinds: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Refuse what ARM refuses of a write.

    Raises:
        web.Refused: with ARM's answer.
    """
    if len(request.body) > MAX_BODY_BYTES:
        raise refusals.refuse(413, "RequestContentTooLarge", "The request content size exceeds the maximum size of 4 MB.")
    if request.method not in _CHANGES:
        return
    _check_group(world, request)
    if namespace.lower() not in _NOT_NAMED and len(kinds) == len(names) == 1:
        _check_reserved(world, request, names[0])
    body = _body(request)
    _check_tags(body.get("tags"), MAX_STORAGE_TAG_NAME if namespace.lower() == "microsoft.storage" else MAX_TAG_NAME)
    _check_policies(world, request, body)


def _check_group(world: World, request: web.Request) -> None:
    group = world.resources.get("/".join(request.path.split("/")[:5]))
    if group is not None and group.type == "microsoft.resources/resourcegroups" and group.state == "Deleting":
        text = f"The resource group '{group.name}' is in deprovisioning state and cannot perform this operation."
        raise refusals.refuse(409, "ResourceGroupBeingDeleted", text)


def _check_reserved(world: World, request: web.Request, name: str) -> None:
    upper = name.upper()
    reserved = upper in _RESERVED or any(word in upper for word in _NOWHERE) or upper.startswith(_NOT_FIRST)
    if reserved and world.resources.get(request.path) is None:
        text = f"The resource name '{name}' or a part of the name is a trademarked or reserved word."
        raise refusals.refuse(400, "ReservedResourceName", text)


def _check_tags(tags: Any, longest: int) -> None:
    if not isinstance(tags, dict):
        return
    if len(tags) > MAX_TAGS:
        text = f"Too many tags specified. Requested tag count - '{len(tags)}'. Maximum number of tags allowed - '{MAX_TAGS}'."
        raise refusals.refuse(400, "InvalidTags", text)
    if wrong := [name for name in tags if _TAG_CHARACTERS.search(name)]:
        text = f"The tag names '{','.join(wrong)}' have reserved characters '<,>,%,&,\\,?,/' or control characters."
        raise refusals.refuse(400, "InvalidTagNameCharacters", text)
    if wrong := [name for name in tags if len(name) > longest]:
        text = (
            f"Tag key too large. Following tag name '{','.join(wrong)}' exceeded the maximum length. Maximum allowed length for "
            f"tag name - '{longest}' characters."
        )
        raise refusals.refuse(400, "InvalidTagName", text)
    if wrong := [str(value) for value in tags.values() if len(str(value)) > MAX_TAG_VALUE]:
        text = (
            f"Tag value too large. Following tag value '{','.join(wrong)}' exceeded the maximum length. Maximum allowed length "
            f"for tag value - '{MAX_TAG_VALUE}' characters."
        )
        raise refusals.refuse(400, "InvalidTagValueLength", text)


def _check_policies(world: World, request: web.Request, body: dict[str, Any]) -> None:
    text = f"{request.path} {json.dumps(body)}" if world.policies else ""
    for policy in world.policies:
        if re.search(policy.match, text, re.IGNORECASE):
            raise _denied(request.path, policy)


def _denied(path: str, policy: Policy) -> web.Refused:
    scope = "/".join(path.split("/")[:3])
    assignment = {"name": policy.name, "id": f"{scope}/providers/Microsoft.Authorization/policyAssignments/{policy.name}"}
    definition = {"name": policy.name, "id": f"{scope}/providers/Microsoft.Authorization/policyDefinitions/{policy.name}"}
    name = path.rpartition("/")[2]
    named = json.dumps([{"policyAssignment": assignment, "policyDefinition": definition}], separators=(",", ":"))
    info = {
        "policyDefinitionId": definition["id"],
        "policyDefinitionName": policy.name,
        "policyDefinitionEffect": "deny",
        "policyAssignmentId": assignment["id"],
        "policyAssignmentName": policy.name,
        "policyAssignmentScope": scope,
        "policyAssignmentParameters": {},
    }
    error = {
        "code": "RequestDisallowedByPolicy",
        "target": name,
        "message": f"Resource '{name}' was disallowed by policy. Policy identifiers: '{named}'.",
        "additionalInfo": [{"type": "PolicyViolation", "info": info}],
    }
    return web.Refused(web.answer({"error": error}, status=403, headers={"x-ms-failure-cause": "gateway"}))


def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = request.json() if request.body else {}
    except ValueError:
        return {}  # the provider refuses it in its own words
    return body if isinstance(body, dict) else {}
