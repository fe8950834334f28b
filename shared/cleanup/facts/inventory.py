"""Azure's lists and single resources, as they are now: what everything else of the clean-up reads through.

Every list is read whole or not at all: an answer that cannot be taken for a page of a list is an error, never an empty
list, because what a half-read list lacks would look unused. Not here: which lists show what (survey, subjects, activity).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from shared.catalog import kinds
from shared.rest import errors, ids, permissions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shared.rest.addresses import Addresses
    from shared.rest.client import Response
    from shared.rest.clouds import Cloud

PAGE_LIMIT = 2_000  # pages of one list; more cannot be read within a run
HTTP_ABSENT = (404, 410)


class Reader(Protocol):
    """What reading needs of the client: the app's own, or the one that keeps to ARM's limits (pacing)."""

    @property
    def cloud(self) -> Cloud: ...  # noqa: D102
    def send(self, method: str, url: str, *, body: Any = None) -> Response: ...  # noqa: D102


class Estate(Protocol):
    """Where the app works (the settings)."""

    def everywhere(self, also: str = "") -> tuple[str, ...]:
        """Return all subscriptions from which something can refer to what is in one of them."""


class Azure(Protocol):
    """What reading needs of the composition root."""

    @property
    def client(self) -> Reader: ...  # noqa: D102
    @property
    def addresses(self) -> Addresses: ...  # noqa: D102
    @property
    def settings(self) -> Estate: ...  # noqa: D102


def workspaces(subscription: str, resource_group: str, azure: Azure) -> list[dict[str, Any]]:
    """Return the workspaces of a resource group, or of the whole subscription, each with its canonical id.

    Raises:
        StewardError: the list could not be read completely.
    """
    scope = ids.ResourceId(subscription=subscription, resource_group=resource_group, namespace=kinds.ML)
    return [{**body, "id": workspace_id(body).path} for body in listing(scope.child("workspaces"), azure)]


def all_workspaces(azure: Azure, also: str = "") -> list[dict[str, Any]]:
    """Return the workspaces of all subscriptions, each with its canonical id.

    Raises:
        StewardError: the list of a subscription could not be read completely, or ARM may leave some out of it.
    """
    found = []
    for subscription in azure.settings.everywhere(also):
        with seeing(subscription):
            check_all_seen(subscription, azure, "workspaces")
            found += workspaces(subscription, "", azure)
    return found


@contextmanager
def seeing(subscription: str) -> Iterator[None]:
    """Let a refusal say which subscription was not seen."""
    try:
        yield
    except errors.PermanentError as problem:
        message = f"Subscription {subscription} could not be read: {problem.error.code}: {problem.error.message}"
        raise errors.RejectedError(errors.AzureError(code="NotSeen", message=message), status=403) from None


def check_all_seen(subscription: str, azure: Azure, *families: str) -> None:
    """Make sure that ARM lists all workspaces or registries of a subscription to the app: it leaves out those that it may not read.

    Raises:
        RejectedError: `NotSeen`: some may be missing from every list.
    """
    actions = [f"{kinds.ML}/{family}/read" for family in families]
    permissions.check_seen(" and ".join(families), subscription, azure.client, *actions)


def workspace_id(body: Mapping[str, Any]) -> ids.ResourceId:
    """Return a workspace's id in the canonical spelling: Azure's own casing is not stable."""
    return replace(ids.parse(str(body.get("id"))), namespace=kinds.ML, types=("workspaces",))


def listing(collection: ids.ResourceId, azure: Azure, query: str = "") -> Iterator[dict[str, Any]]:
    """Yield each resource of an ARM collection.

    Raises:
        StewardError: a page could not be read; what was yielded so far is not the whole.
    """
    for item in items(list_url(collection, azure, query), azure):
        if not isinstance(item.get("name"), str):
            raise _unreadable(collection.path, "one of its resources has no name")
        yield item


def list_url(collection: ids.ResourceId, azure: Azure, query: str = "") -> str:
    """Return where ARM lists a collection of Azure ML."""
    return ids.url(azure.client.cloud.arm, collection.path, kinds.ML_VERSION, raw=query)


def read(resource: ids.ResourceId, azure: Azure, version: str = kinds.ML_VERSION) -> dict[str, Any] | None:
    """Return one resource as it is now, or None when it is gone.

    Raises:
        StewardError: it could not be read.
    """
    response = azure.client.send("GET", ids.url(azure.client.cloud.arm, resource.path, version))
    if response.status in HTTP_ABSENT:
        return None
    body = response.checked().body
    if not isinstance(body, dict):
        raise _unreadable(resource.path, "it is not a JSON object")
    return body


def items(url: str, azure: Azure, asked: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the items of a list, page by page: `nextLink` unchanged, or run history's `continuationToken`.

    Args:
        url: Of the first page.
        azure: Where to read.
        asked: The query of a list that is asked by POST; its next page is asked for in the body, too.

    Raises:
        StewardError: a page could not be read; what was yielded so far is not the whole.
    """
    for page in pages(url, azure, asked):
        yield from page


def pages(url: str, azure: Azure, asked: dict[str, Any] | None = None) -> Iterator[list[dict[str, Any]]]:
    """Yield the pages of a list, see `items`.

    Raises:
        StewardError: a page could not be read.
    """
    next_url, body = url, asked
    for _ in range(PAGE_LIMIT):
        page = _page(next_url, azure, body)
        yield page["value"]
        token = page.get("continuationToken")
        if page.get("nextLink") and asked is None:
            next_url = str(page["nextLink"])
        elif token and asked is not None:
            body = {**asked, "continuationToken": token}
        elif token:
            next_url = f"{url}&$continuationtoken={quote(str(token), safe='')}"
        else:
            return
    raise _unreadable(url.partition("?")[0], f"it has more than {PAGE_LIMIT} pages")


def first_page(url: str, azure: Azure, asked: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Return the items of a list's first page.

    Raises:
        StewardError: it could not be read.
    """
    found: list[dict[str, Any]] = _page(url, azure, asked)["value"]
    return found


def _page(url: str, azure: Azure, asked: dict[str, Any] | None) -> dict[str, Any]:
    answer = azure.client.send("GET", url) if asked is None else azure.client.send("POST", url, body=asked)
    page = answer.checked().body
    found = page.get("value") if isinstance(page, dict) else None
    if not isinstance(page, dict) or not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise _unreadable(url.partition("?")[0], "a page of it is not a list")
    return page


def _unreadable(what: str, why: str) -> errors.RejectedError:
    message = f"{what} could not be read completely: {why}."
    return errors.RejectedError(errors.AzureError(code="IncompleteList", message=message), status=502)
