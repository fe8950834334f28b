"""ARM resource ids, and every URL of Azure's that this app builds: the one place where text becomes a piece of a URL.

Ids are read leniently (Azure's own casing is not stable), written canonically, compared in lower case. What callers, events and
Azure's answers name is one segment, checked and quoted once; nothing is decoded twice. A test finds URLs that are built
elsewhere. Not here: which types exist (catalog.kinds), which hosts may see a token (clouds).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME_LIMIT = 260
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\?#]")
_ESCAPE = re.compile(r"%(?:[01][0-9a-f]|2[ef35]|3f|5c|7f)", re.IGNORECASE)  # in a name: what a second decoding would make a path of
_NAMESPACE = re.compile(r"[A-Za-z0-9]+(?:\.[A-Za-z0-9]+)*")
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(?:-[a-z]{1,20})?")
_LOCATION = re.compile(r"[a-z0-9]{1,60}")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_SUFFIX = re.compile(r"(?:\.[a-z0-9-]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceId:
    """`/subscriptions/S[/resourceGroups/G][/providers/NS/type/name[/type/name…]]`.

    Attributes:
        types: Type segments, outermost first, e.g. `("workspaces", "computes")`.
        names: Their names; one fewer than `types` when the id is a collection's.
    """

    subscription: str = ""
    resource_group: str = ""
    namespace: str = ""
    types: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def is_collection(self) -> bool:
        """Return whether the id ends in a type, as a list's does."""
        return len(self.types) > len(self.names)

    @property
    def name(self) -> str:
        """The last name, e.g. the compute's."""
        return self.names[-1] if self.names else self.resource_group or self.subscription

    @property
    def full_type(self) -> str:
        """E.g. `Microsoft.MachineLearningServices/workspaces/computes`."""
        return "/".join((self.namespace, *self.types))

    @property
    def key(self) -> str:
        """The path in lower case: two spellings of one resource have one key."""
        return self.path.lower()

    @property
    def path(self) -> str:
        """The id as text, every name percent-encoded where it must be.

        Raises:
            BadRequestError: `InvalidPath`; a part of it is no name.
        """
        out = ""
        if self.subscription:
            out = below(out, "subscriptions", self.subscription)
        if self.resource_group:
            out = below(out, "resourceGroups", self.resource_group)
        if self.namespace:
            out = below(out, "providers", namespace(self.namespace))
        for position, kind in enumerate(self.types):
            out = below(out, kind, *self.names[position : position + 1])
        return out

    @property
    def words(self) -> str:
        """The resource as a message names it: `compute 'cpu' in workspace 'ml1'`."""
        named = [f"{_noun(kind)} '{name}'" for kind, name in zip(self.types, self.names, strict=False)]
        return " in ".join(reversed(named)) or f"resource group '{self.name}'"

    def ancestor(self, depth: int) -> ResourceId:
        """Return the id of the resource `depth` types deep: 1 is the workspace of a deployment."""
        return replace(self, types=self.types[:depth], names=self.names[:depth])

    def child(self, kind: str, name: str | None = None) -> ResourceId:
        """Return the id of a child, or with no `name` of the collection of children."""
        names = self.names if name is None else (*self.names, name)
        return replace(self, types=(*self.types, kind), names=names)


def _noun(kind: str) -> str:
    """Return the type segment of a resource as a noun: `onlineEndpoints` is an online endpoint."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower()
    return re.sub(r"(ie)?s$", lambda found: "y" if found[1] else "", plain)


@lru_cache(maxsize=4096)
def parse(text: str) -> ResourceId:
    """Read an ARM id; a missing leading slash passes (the article's own bodies lack one), casing does not matter.

    Raises:
        BadRequestError: code `InvalidResourceId`, naming what was expected.
    """
    segments = [unquote(segment) for segment in text.strip("/").split("/")]
    if len(segments) < 2 or segments[0].lower() != "subscriptions" or any(map(unnameable, segments)):
        raise _invalid(text)
    found = ResourceId(subscription=segments[1])
    rest = segments[2:]
    if rest and rest[0].lower() == "resourcegroups":
        if len(rest) < 2:
            raise _invalid(text)
        found, rest = replace(found, resource_group=rest[1]), rest[2:]
    if not rest:
        return found
    if rest[0].lower() != "providers" or len(rest) < 3:
        raise _invalid(text)
    return replace(found, namespace=rest[1], types=tuple(rest[2::2]), names=tuple(rest[3::2]))


@lru_cache(maxsize=4096)
def segment(name: str) -> str:
    """Return one name as it stands in a path.

    Raises:
        BadRequestError: `InvalidPath`; it is no name.
    """
    if reason := unnameable(name):
        raise errors.BadRequestError("InvalidPath", f"{name[:80]!a} cannot stand in a path: {reason}.", target="path")
    return quote(name, safe=":@!$&'()*+,;=~")


_ELSEWHERE = "it leads elsewhere"
_NO_NAMES = {"": "it is empty", ".": _ELSEWHERE, "..": _ELSEWHERE, "*": "it stands for several, and a path names one"}


def unnameable(name: str) -> str:
    """Return why a text can be no name in a path; '' for one that can."""
    if name in _NO_NAMES:
        return _NO_NAMES[name]
    if len(name) > NAME_LIMIT:
        return f"it has {len(name)} characters; at most {NAME_LIMIT} are allowed"
    if _UNSAFE.search(name) or not name.isprintable():
        return "it holds a character that no name has"
    if found := _ESCAPE.search(name):
        return f"it holds '{found[0]}', which no name has: encode a name once"
    return ""


def below(base: str, *names: str) -> str:
    """Return a path, or a URL without a query, with one segment more for each name.

    Raises:
        BadRequestError: `InvalidPath`; one of them is no name.
    """
    return "/".join((base, *map(segment, names)))


def group(subscription: str, resource_group: str = "") -> str:
    """Return the path of a resource group, or without one of the subscription."""
    return ResourceId(subscription=subscription, resource_group=resource_group).path


def provider(subscription: str, named: str, *names: str) -> str:
    """Return the path of a resource provider in a subscription, or of what is below it."""
    return below(ResourceId(subscription=subscription, namespace=named).path, *names)


def namespace(text: str) -> str:
    """Return the namespace of a resource provider.

    Raises:
        BadRequestError: `InvalidPath`; it is not an id.
    """
    if not _NAMESPACE.fullmatch(text):
        raise errors.BadRequestError("InvalidPath", f"{text[:80]!a} is not a resource provider.", target="path")
    return text


def location(text: object) -> str:
    """Return a region as it stands in a path: `West Europe` is `westeurope`; '' for what can be none."""
    squeezed = str(text or "").replace(" ", "").lower()
    return squeezed if _LOCATION.fullmatch(squeezed) else ""


def url(server: str, path: str, version: str = "", query: Mapping[str, str] | None = None, *, raw: str = "") -> str:
    """Return the URL of a path on one of Azure's servers.

    Args:
        server: Scheme and host, and what its service stands below.
        path: Built of segments.
        version: Its api-version; '' where `raw` has it.
        query: Further parameters, which are quoted here; empty ones are left out.
        raw: Parameters as they were sent, byte for byte.

    Raises:
        BadRequestError: `InvalidPath`, `InvalidParameter`; a part of it is not valid.
    """
    parts = urlsplit(server)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise errors.BadRequestError("InvalidPath", f"{server[:100]!a} is not one of Azure's servers.", target="path", status=502)
    if not path.startswith("/"):
        raise errors.BadRequestError("InvalidPath", f"{path[:100]!a} is not a path.", target="path")
    for each in path[1:].split("/"):
        segment(unquote(each))
    if version and not _VERSION.fullmatch(version):
        message = f"'api-version' is '{version[:50]}'; expected a date such as 2025-12-01."
        raise errors.BadRequestError("InvalidParameter", message, target="api-version")
    asked = [f"api-version={version}"] if version else []
    asked += [raw] if raw else []
    asked += [f"{name}={quote(value, safe='')}" for name, value in (query or {}).items() if value]
    return server.rstrip("/") + path + (f"?{'&'.join(asked)}" if asked else "")


def blobs(account: str, suffix: str, container: str = "") -> str:
    """Return the URL of a container of a storage account, or of the account itself.

    Raises:
        BadRequestError: `InvalidPath`; one of them is no such name.
    """
    if not _ACCOUNT.fullmatch(account) or not _SUFFIX.fullmatch(suffix):
        raise errors.BadRequestError("InvalidPath", f"{account[:80]!a} is not a storage account.", target="path", status=502)
    return f"https://{account}.blob{suffix}/{segment(container) if container else ''}"


def signed(base: str, proof: str) -> str:
    """Return a URL with the query that opens it."""
    return f"{base}?{proof}"


def blob(base: str, path: str) -> str:
    """Return the URL of a blob or folder below another; a blob's name may hold any character.

    Raises:
        BadRequestError: `InvalidPath`; it leads elsewhere.
    """
    if any(each in (".", "..") for each in path.split("/")):
        raise errors.BadRequestError("InvalidPath", f"{path[:80]!a} cannot stand in a path: it leads elsewhere.", target="path")
    return f"{base}/{quote(path)}"


def _invalid(text: str) -> errors.BadRequestError:
    return errors.BadRequestError(
        "InvalidResourceId",
        f"'{text[:200]}' is not a resource id; expected "
        "/subscriptions/{s}/resourceGroups/{g}/providers/{namespace}/{type}/{name}.",
    )
