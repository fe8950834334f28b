"""A preflight of a DELETE names the deployments that use the version; Azure's own answer is not known, so it is no `false`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.catalog import paths
from shared.preflight import uses
from shared.preflight.findings import Finding, Question
from shared.rest import clouds, errors
from shared.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

SCOPE = Settings(subscription_id="s", resource_group="g")
W1 = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w1"
DEPLOYED = {
    "onlineEndpoints/line": {
        "model": f"{W1}/models/net/versions/3",
        "environmentId": f"{W1.upper()}/environments/conda/versions/1",
        "codeConfiguration": {"codeId": f"{W1}/codes/score/versions/2"},
    },
    "batchEndpoints/nightly": {"model": {"referenceType": "Id", "assetId": f"{W1}/models/net/versions/3"}},
}


class Azure:
    """Two endpoints with a deployment each."""

    cloud = clouds.PUBLIC

    def pages(self, url: str) -> Iterator[Any]:
        """The endpoints of a family, or the deployments of one."""
        path = url.partition("?")[0]
        for endpoint, properties in DEPLOYED.items():
            family, name = endpoint.split("/")
            if path.endswith(f"/{family}"):
                yield {"name": name}
            elif path.endswith(f"/{endpoint}/deployments"):
                yield {"name": "blue", "properties": properties}


class Silent(Azure):
    """Not reachable."""

    def pages(self, url: str) -> Iterator[Any]:
        """No answer."""
        raise errors.UnreachableError(url, delay_s=1, maybe_arrived=False)


class Crowded(Azure):
    """More endpoints of a family than are read; the last one has the deployment."""

    def pages(self, url: str) -> Iterator[Any]:
        """As Azure lists them."""
        if url.partition("?")[0].endswith("/onlineEndpoints"):
            yield from ({"name": f"e{number}"} for number in range(50))
        yield from super().pages(url)


def found(path: str, client: Any, method: str = "DELETE") -> list[Finding]:
    """What is said of one version."""
    target = paths.resolve(f"workspaces/w1/{path}", SCOPE)
    return list(uses.check(Question(target=target, body={}, client=client, method=method)))


@pytest.mark.parametrize(
    ("path", "users"),
    [
        ("models/net/versions/3", ["onlineEndpoints/line/deployments/blue", "batchEndpoints/nightly/deployments/blue"]),
        ("models/net", ["onlineEndpoints/line/deployments/blue", "batchEndpoints/nightly/deployments/blue"]),
        ("environments/conda/versions/1", ["onlineEndpoints/line/deployments/blue"]),
        ("codes/score/versions/2", ["onlineEndpoints/line/deployments/blue"]),
    ],
)
def test_the_deployments_that_use_it_are_named(path: str, users: list[str]) -> None:
    """Whatever the casing of the id; a container counts for all its versions."""
    (row,) = found(path, Azure())
    assert (row.ok, row.code) == (None, "InUse")
    assert f"named by {', '.join(users)}." in row.message


@pytest.mark.parametrize("path", ["models/net/versions/33", "models/ne", "data/net/versions/3", "computes/cpu"])
def test_what_no_deployment_uses_is_passed(path: str) -> None:
    """Version 33 is not version 3."""
    assert not found(path, Azure())


def test_deployments_that_cannot_be_read_are_unknown() -> None:
    """Never an ok."""
    (row,) = found("models/net/versions/3", Silent())
    assert (row.ok, row.code) == (None, "Unknown")


def test_more_endpoints_than_are_read_are_unknown() -> None:
    """Never an ok either; a deployment that was found is said before that."""
    (row,) = found("codes/score/versions/2", Crowded())
    assert (row.ok, row.code) == (None, "Unknown")
    assert "more than 50 onlineEndpoints" in row.message
    (row,) = found("models/net/versions/3", Crowded())
    assert row.code == "InUse"


def test_only_a_delete_is_asked_so() -> None:
    """A new version is not used yet."""
    assert not found("models/net/versions/3", Azure(), "PUT")
