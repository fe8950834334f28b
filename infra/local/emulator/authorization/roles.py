"""What a role is: patterns of actions that it allows and excludes. And Azure's built-in roles that are assigned here.

Source of the built-in ones: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles. Not here: who holds a role.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FIELDS = {"actions": "actions", "not_actions": "notActions", "data_actions": "dataActions", "not_data_actions": "notDataActions"}


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """`*` stands for any text, slashes too; nothing else is special, and case never counts."""
    return re.compile(".*".join(re.escape(part) for part in text.lower().split("*")))


def matches(patterns: Iterable[str], action: str) -> bool:
    """Whether one of the patterns names the action."""
    return any(_pattern(pattern).fullmatch(action.lower()) for pattern in patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Actions that are allowed, less those that are excluded; data actions likewise."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()
    not_data_actions: tuple[str, ...] = ()

    def covers(self, action: str, *, data: bool = False) -> bool:
        """Whether the action is among the allowed and not among the excluded."""
        named, excluded = (self.data_actions, self.not_data_actions) if data else (self.actions, self.not_actions)
        return matches(named, action) and not matches(excluded, action)

    def as_json(self) -> dict[str, list[str]]:
        """ARM's spelling."""
        return {written: list(getattr(self, name)) for name, written in _FIELDS.items()}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Permission:
        """Read ARM's spelling.

        Raises:
            ValueError: a member is not a list of strings.
        """
        found = {}
        for name, written in _FIELDS.items():
            listed = body.get(written) or []
            if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
                raise ValueError(f"{written} is not a list of strings")
            found[name] = tuple(listed)
        return cls(**found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role definition; `name` is its GUID, `title` what people call it."""

    name: str
    title: str
    permissions: tuple[Permission, ...]
    kind: str = "CustomRole"
    description: str = ""
    assignable_scopes: tuple[str, ...] = ("/",)

    def as_json(self, subscription: str) -> dict[str, Any]:
        """As ARM answers it, seen from a subscription."""
        return {
            "id": f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{self.name}",
            "name": self.name,
            "type": "Microsoft.Authorization/roleDefinitions",
            "properties": {
                "roleName": self.title,
                "type": self.kind,
                "description": self.description,
                "assignableScopes": list(self.assignable_scopes),
                "permissions": [one.as_json() for one in self.permissions],
            },
        }


OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
BLOB_DATA_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
QUEUE_DATA_CONTRIBUTOR = "974c5e8b-45b9-4653-ba55-5f855dd0fb88"
TABLE_DATA_CONTRIBUTOR = "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"
EVENT_DATA_SENDER = "d5a91429-5739-47e2-a06b-3470a27159e7"

_BLOBS = "Microsoft.Storage/storageAccounts/blobServices"
_QUEUES = "Microsoft.Storage/storageAccounts/queueServices/queues"
_TABLES = "Microsoft.Storage/storageAccounts/tableServices/tables"
_NOT_OF_CONTRIBUTORS = (
    "Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write", "Microsoft.Authorization/elevateAccess/Action",
    "Microsoft.Blueprint/blueprintAssignments/write", "Microsoft.Blueprint/blueprintAssignments/delete",
    "Microsoft.Compute/galleries/share/action", "Microsoft.Purview/consents/write", "Microsoft.Purview/consents/delete",
    "Microsoft.Resources/deploymentStacks/manageDenySetting/action",
)  # fmt: skip


_ML = "Microsoft.MachineLearningServices/workspaces"
_NOT_OF_SCIENTISTS = (
    f"{_ML}/delete", f"{_ML}/write", f"{_ML}/computes/*/write", f"{_ML}/computes/*/delete", f"{_ML}/computes/listKeys/action",
    f"{_ML}/listKeys/action", f"{_ML}/hubs/write", f"{_ML}/hubs/delete", f"{_ML}/featurestores/write",
    f"{_ML}/featurestores/delete",
)  # fmt: skip


def _all(prefix: str, *verbs: str) -> tuple[str, ...]:
    return tuple(f"{prefix}/{verb}" for verb in verbs)


def _built_in(name: str, title: str, *actions: str, data: tuple[str, ...] = (), less: tuple[str, ...] = ()) -> Role:
    permission = Permission(actions=actions, not_actions=less, data_actions=data)
    return Role(name=name, title=title, permissions=(permission,), kind="BuiltInRole")


BUILT_IN = (
    _built_in(OWNER, "Owner", "*"),
    _built_in("b24988ac-6180-42a0-ab88-20f7382dd24c", "Contributor", "*", less=_NOT_OF_CONTRIBUTORS),
    _built_in("acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", "*/read"),
    _built_in(  # feature stores give it to their materialization identity
        "f6c7c914-8db3-469d-8ca1-694a8f32e121",
        "AzureML Data Scientist",
        *_all(f"{_ML}/*", "read", "action", "delete", "write"),
        less=_NOT_OF_SCIENTISTS,
    ),
    _built_in(
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        "User Access Administrator",
        "*/read",
        "Microsoft.Authorization/*",
        "Microsoft.Support/*",
    ),
    _built_in(
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
        "Storage Blob Data Owner",
        f"{_BLOBS}/containers/*",
        f"{_BLOBS}/generateUserDelegationKey/action",
        data=(f"{_BLOBS}/containers/blobs/*",),
    ),
    _built_in(
        BLOB_DATA_CONTRIBUTOR,
        "Storage Blob Data Contributor",
        *_all(f"{_BLOBS}/containers", "delete", "read", "write"),
        f"{_BLOBS}/generateUserDelegationKey/action",
        data=_all(f"{_BLOBS}/containers/blobs", "delete", "read", "write", "move/action", "add/action"),
    ),
    _built_in(
        "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
        "Storage Blob Data Reader",
        f"{_BLOBS}/containers/read",
        f"{_BLOBS}/generateUserDelegationKey/action",
        data=(f"{_BLOBS}/containers/blobs/read",),
    ),
    _built_in(
        QUEUE_DATA_CONTRIBUTOR,
        "Storage Queue Data Contributor",
        *_all(_QUEUES, "delete", "read", "write"),
        data=_all(f"{_QUEUES}/messages", "delete", "read", "write", "process/action"),
    ),
    _built_in(
        "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a", "Storage Queue Data Message Sender", data=(f"{_QUEUES}/messages/add/action",)
    ),
    _built_in(
        TABLE_DATA_CONTRIBUTOR,
        "Storage Table Data Contributor",
        *_all(_TABLES, "read", "write", "delete"),
        data=_all(f"{_TABLES}/entities", "read", "write", "delete", "add/action", "update/action"),
    ),
    _built_in(EVENT_DATA_SENDER, "EventGrid Data Sender", data=("Microsoft.EventGrid/events/send/action",)),
    _built_in(
        "3913510d-42f4-4e42-8a64-420c390055eb",
        "Monitoring Metrics Publisher",
        "Microsoft.Insights/Register/Action",
        data=("Microsoft.Insights/Metrics/Write", "Microsoft.Insights/Telemetry/Write"),
    ),
    _built_in(
        "4633458b-17de-408a-b874-0445c86b69e6",
        "Key Vault Secrets User",
        data=("Microsoft.KeyVault/vaults/secrets/getSecret/action", "Microsoft.KeyVault/vaults/secrets/readMetadata/action"),
    ),
)
