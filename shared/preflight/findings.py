"""The input and output of a preflight: one `Question` about a request, one `Finding` per row. Not here: the checks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, needs
from shared.rest import azure_versions, errors, ids
from shared.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.catalog.paths import Target
    from shared.rest.client import Client, Response

VALUES = "values"  # the check of a body's values
_SHORT = re.compile(r"azureml:([\w.-]+):([\w.-]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row of a preflight's answer.

    Attributes:
        check: The check: name, fields, parent, free, provider, region, sku, quota, reference, values, present, change,
            vault, permission, deny, lock.
        target: The name, field, resource or action it is about.
        ok: None if Azure did not say.
        code, message: `Ok`, `Unknown`, or the error that the request would get.
    """

    check: str
    target: str
    ok: bool | None
    code: str
    message: str

    @classmethod
    def of(cls, check: str, error: errors.AzureError, *, target: str = "") -> Finding:
        """Return a problem, from an error."""
        return cls(check=check, target=error.target or target, ok=False, code=error.code, message=error.message)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {"check": self.check, "ok": self.ok, "target": self.target, "code": self.code, "message": self.message}


def unknown(check: str, target: str, error: errors.AzureError) -> Finding:
    """Return the finding that Azure did not answer, with its error."""
    return Finding(
        check=check, target=target, ok=None, code="Unknown", message=f"Azure did not answer: {error.code}: {error.message}"
    )


def wrong(target: str, code: str, message: str) -> Finding:
    """Return the finding that a value is invalid."""
    return Finding(check=VALUES, target=target, ok=False, code=code, message=message)


def unseen(target: str, message: str) -> Finding:
    """Return the finding that a value was not checked, or that only Azure can check it."""
    return Finding(check=VALUES, target=target, ok=None, code="Unknown", message=message)


def rows_of(body: Any, name: str = "value") -> list[dict[str, Any]]:
    """Return the objects of a list in an answer; other items are skipped."""
    found = body.get(name) if isinstance(body, dict) else None
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The request to check. Its GETs are cached, because several checks read the same resource."""

    target: Target
    body: dict[str, Any]
    client: Client
    method: str = "PUT"
    query: str = ""
    force: bool = False  # `?force=true` of a DELETE
    settings: Settings = field(default_factory=Settings)  # the app's scope
    seen: dict[str, Response] = field(default_factory=dict)

    @property
    def wanted(self) -> str:
        """The action's name in lower case, or the verb."""
        return self.target.action.name.lower() if self.target.action else self.method

    def read(self, path: str, version: str, query: Mapping[str, str] | None = None) -> Response:
        """GET a path of ARM.

        Raises:
            TransientError: Azure did not answer.
        """
        url = ids.url(self.client.cloud.arm, path, version, query)
        known = self.seen.get(url)
        if known is None:
            known = self.seen[url] = self.client.send("GET", url)
        return known

    def get(self, resource: ids.ResourceId, version: str) -> Response:
        """GET a resource."""
        return self.read(resource.path, version)

    def asset(self, collection: str, text: str) -> ids.ResourceId | None:
        """Return the version that `azureml:NAME:VERSION` or an ARM id names; None for any other form."""
        if match := _SHORT.fullmatch(text):
            return self.target.id.ancestor(1).child(collection, match[1]).child("versions", match[2])
        try:
            return ids.parse(re.sub("^azureml:(?=/[^/])", "", text, flags=re.IGNORECASE))
        except errors.BadRequestError:
            return None

    def properties_of(self, collection: str, text: str) -> dict[str, Any] | None:
        """Return the properties of an asset's version; None if it does not exist or is not looked up.

        Raises:
            TransientError: Azure did not answer.
        """
        named = self.asset(collection, text)
        version = needs.REFERENCE_VERSIONS.get(named.full_type.lower(), "") if named else ""
        answer = self.get(named, version) if named and version else None
        found = bodies.dig(answer.body, "properties") if answer and answer.ok else None
        return found if isinstance(found, dict) else None

    def provider(self, namespace: str) -> Response:
        """GET a resource provider of the target's subscription."""
        return self.read(ids.provider(self.target.id.subscription, namespace), azure_versions.RESOURCES)

    def name_available(self, base: str, name: str, full_type: str, version: str) -> Response:
        """Check with a provider whether a name is used anywhere in Azure: a POST that changes nothing."""
        url = ids.url(self.client.cloud.arm, ids.below(base, "checkNameAvailability"), version)
        return self.client.send("POST", url, body={"name": name, "type": full_type})

    def exists(self, check: str, resource: ids.ResourceId, version: str) -> Finding:
        """Check whether a resource exists and is ready."""
        if not version:
            message = f"The app cannot check resources of the type {resource.full_type}."
            return Finding(check=check, target=resource.path, ok=None, code="Unknown", message=message)
        try:
            answer = self.get(resource, version)
        except errors.TransientError as problem:
            return unknown(check, resource.path, problem.error)
        if answer.status == 404:
            return Finding(check=check, target=resource.path, ok=False, code="ResourceNotFound", message="It does not exist.")
        if not answer.ok:
            return unknown(check, resource.path, answer.error())
        state = str(bodies.dig(answer.body, "properties.provisioningState") or "")
        if state.lower() in needs.BUSY:
            message = f"The resource is {state}: wait until it is ready before you refer to it."
            return Finding(check=check, target=resource.path, ok=False, code="ResourceNotReady", message=message)
        return Finding(check=check, target=resource.path, ok=True, code="Ok", message="The resource exists.")

    @property
    def location(self) -> str:
        """The region of the body, or else of its workspace; '' if neither has one."""
        given = bodies.dig(self.body, "location")
        if not given and len(self.target.id.names) > 1:
            parent = self.target.id.ancestor(1)
            given = bodies.dig(self.get(parent, needs.REFERENCE_VERSIONS.get(parent.full_type.lower(), "")).body, "location")
        return ids.location(given)
