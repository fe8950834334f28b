"""What operations need of the composition root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from shared.durable import worker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.catalog.paths import Target
    from shared.durable.storage import Queue
    from shared.endpoints.score_gates import Gates
    from shared.endpoints.scoring import Scoring
    from shared.endpoints.snapshots import EndpointParkedError
    from shared.operations.ledger import Ledger
    from shared.operations.looks.shared_lists import Lists
    from shared.operations.models import Operation
    from shared.operations.settle import Step
    from shared.rest.addresses import Addresses
    from shared.rest.client import Client
    from shared.rest.errors import AzureError
    from shared.rest.streams import Source
    from shared.settings import Settings


class Services(worker.World, Protocol):
    """What shared.services has and operations use."""

    @property
    def client(self) -> Client: ...  # noqa: D102
    @property
    def addresses(self) -> Addresses: ...  # noqa: D102
    @property
    def ledger(self) -> Ledger: ...  # noqa: D102
    @property
    def lists(self) -> Lists: ...  # noqa: D102
    @property
    def queue(self) -> Queue: ...  # noqa: D102
    @property
    def notification_queue(self) -> Queue: ...  # noqa: D102
    @property
    def event_queue(self) -> Queue: ...  # noqa: D102
    @property
    def cleanup_queue(self) -> Queue: ...  # noqa: D102
    @property
    def settings(self) -> Settings: ...  # noqa: D102
    @property
    def scoring(self) -> Scoring: ...  # noqa: D102
    @property
    def score_gates(self) -> Gates: ...  # noqa: D102

    def wake(self, endpoint: Target, parked: EndpointParkedError) -> tuple[Operation, AzureError, float]:
        """Return the wake of a parked endpoint, what its callers hear, and in how many seconds it has ended, perhaps."""

    def prepare_upload(self, operation: Operation, fresh: Mapping[str, Source], *, end: datetime, last: bool) -> Step:
        """Bring to Azure what an operation's plan names, as far as that goes until `end`; `last`: no later step has more time."""
