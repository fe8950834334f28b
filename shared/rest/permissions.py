"""What ARM says that the app's identity may do at a scope: role assignments there and above, wildcards and all.

ARM shortens a list of the subscription to what the caller may read, and does not say so: who concludes something from what such a
list lacks asks here first. Not here: deny assignments, and what a preflight says of them.
"""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any, Protocol

from shared.rest import azure_versions, errors, ids

if TYPE_CHECKING:
    from shared.rest.client import Response
    from shared.rest.clouds import Cloud

PROVIDER = ("providers", "Microsoft.Authorization", "permissions")


class Reader(Protocol):
    """What asking needs of a client."""

    @property
    def cloud(self) -> Cloud: ...  # noqa: D102
    def send(self, method: str, url: str) -> Response: ...  # noqa: D102


def granted(rows: list[dict[str, Any]], action: str, allowed: str = "actions", excluded: str = "notActions") -> bool:
    """Return whether one of ARM's rows of permissions allows an action and does not take it out again."""
    return any(_covers(row.get(allowed), action) and not _covers(row.get(excluded), action) for row in rows)


def _covers(patterns: Any, action: str) -> bool:
    listed = patterns if isinstance(patterns, list) else []
    return any(fnmatch.fnmatchcase(action.lower(), str(pattern).lower().replace("[", "[[]")) for pattern in listed)


def unseen(subscription: str, client: Reader, *actions: str) -> str:
    """Return why lists of a subscription may be partial: which of these actions its identity lacks there; '' when it has all.

    Raises:
        TransientError: ARM did not answer.
    """
    scope = ids.group(subscription)
    answer = client.send("GET", ids.url(client.cloud.arm, ids.below(scope, *PROVIDER), azure_versions.AUTHORIZATION))
    rows = answer.body.get("value") if answer.ok and isinstance(answer.body, dict) else None
    if not isinstance(rows, list):
        return f"its permissions at {scope} could not be read: {answer.error().code}"
    known = [row for row in rows if isinstance(row, dict)]
    lacking = [action for action in actions if not granted(known, action)]
    return f"it lacks {' and '.join(lacking)} at {scope}" if lacking else ""


def check_seen(what: str, subscription: str, client: Reader, *actions: str) -> None:
    """Refuse to take a list of the subscription for the whole when the app's identity may not read all of it.

    Args:
        what: The resources, as a noun in the plural.
        subscription: Its id.
        client: Asks ARM.
        actions: What reading all of them takes.

    Raises:
        RejectedError: `NotSeen`, naming the action and the scope that lack.
        TransientError: ARM did not answer.
    """
    if why := unseen(subscription, client, *actions):
        message = (
            f"Not all {what} of the subscription can be seen by the app's identity: {why}. Give it the role reader.json there."
        )
        raise errors.RejectedError(errors.AzureError(code="NotSeen", message=message), status=403)
