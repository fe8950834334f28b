"""ARM resource ids: read leniently (Azure's own casing is not stable), written canonically, compared in lower case.

Not here: which types exist (catalog.kinds).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote

from shared.rest import errors


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
        """Tell whether the id ends in a type, as a list's does."""
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
        """The id as text, every name percent-encoded where it must be."""
        out = ""
        if self.subscription:
            out += f"/subscriptions/{quoted(self.subscription)}"
        if self.resource_group:
            out += f"/resourceGroups/{quoted(self.resource_group)}"
        if self.namespace:
            out += f"/providers/{self.namespace}"
        for position, kind in enumerate(self.types):
            out += f"/{kind}"
            if position < len(self.names):
                out += f"/{quoted(self.names[position])}"
        return out

    def ancestor(self, depth: int) -> ResourceId:
        """Return the id of the resource `depth` types deep: 1 is the workspace of a deployment."""
        return replace(self, types=self.types[:depth], names=self.names[:depth])

    def child(self, kind: str, name: str | None = None) -> ResourceId:
        """Return the id of a child, or with no `name` of the collection of children."""
        names = self.names if name is None else (*self.names, name)
        return replace(self, types=(*self.types, kind), names=names)


def parse(text: str) -> ResourceId:
    """Read an ARM id; a missing leading slash passes (the article's own bodies lack one), casing does not matter.

    Raises:
        BadRequestError: code `InvalidResourceId`, naming what was expected.
    """
    from urllib.parse import unquote

    segments = [unquote(segment) for segment in text.strip("/").split("/")]
    if len(segments) < 2 or segments[0].lower() != "subscriptions" or "" in segments:
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


def quoted(name: str) -> str:
    """Return one name as it stands in a path."""
    return quote(name, safe=":@!$&'()*+,;=~")


def _invalid(text: str) -> errors.BadRequestError:
    return errors.BadRequestError(
        "InvalidResourceId",
        f"'{text[:200]}' is not a resource id; expected "
        "/subscriptions/{s}/resourceGroups/{g}/providers/{namespace}/{type}/{name}.",
    )
