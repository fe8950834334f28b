"""Where Microsoft's description and what Azure really does differ: each with the proof."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A line of the check that is right as it is.

    Attributes:
        pattern: Regular expression, searched in the line (`METHOD …template @version: what`), or in the path.
        proof: What shows that Azure does so. Sections are those of docs/protocol.md.
    """

    pattern: str
    proof: str


_ML = r"…Microsoft\.MachineLearningServices/"
_WORKSPACE = (
    "(etag|properties.(creationTime|enableDataIsolation|sdkTelemetryAppInsightsKey|softDeleteEnabled|subscriptionState|"
    "subscriptionStatusChangeTimeStampUtc))"
)

DEVIATIONS: tuple[Proven, ...] = (
    Proven(pattern=rf"^PUT {_ML}registries/\{{\}} @\S+: status 202;", proof="§9: recorded at 2022-10-01-preview and 2024-04-01"),
    Proven(
        pattern=rf"^PUT {_ML}registries/\{{\}}/\w+/\{{\}}(/versions/\{{\}})? @\S+: status 202;",
        proof="§2: 202 with a Location on the region's front end, which ends with the asset's id",
    ),
    Proven(
        pattern=rf"^PATCH {_ML}workspaces/\{{\}}/computes/\{{\}} @\S+: status 202;", proof="§2: 202 with the resource, `Updating`"
    ),
    Proven(pattern=rf"^PUT {_ML}workspaces/\{{\}} @2019-11-01: 202 answer: .* got nothing", proof="§2: 43 times 202, each empty"),
    Proven(
        pattern=rf"^\w+ {_ML}workspaces(/\{{\}})? @\S+: 20\d answer(\.value\[\])?\.{_WORKSPACE}: no such member",
        proof="recorded answers of 2021-07-01 to 2024-04-01 hold them (tests/functional/emulator/test_recorded_acceptance.py)",
    ),
)
# Paths of which no description says anything.
BESIDES: tuple[Proven, ...] = (
    Proven(pattern=r"/locations/[^/]+/\w*[oO]peration\w*/", proof="§3: the status URLs that answers name"),
    Proven(pattern=r"^/discovery$", proof="§8: discovery of the regional hosts"),
    Proven(pattern=r"/operationStatuses/", proof="the status URLs of Microsoft.ContainerRegistry"),
    Proven(
        pattern=r"(?i)/providers/Microsoft\.(Authorization/(denyAssignments|permissions)|\w+/checkNameAvailability|KeyVault/locations/)",
        proof="learn.microsoft.com/rest/api: of other files than those that are distilled here",
    ),
)
