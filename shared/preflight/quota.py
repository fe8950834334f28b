"""Checks that the VM size exists in the region, and that the quota is enough for the machines and Azure's reserve.

Not here: which kinds have a VM size, and where in their bodies (catalog.needs).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, kinds, needs
from shared.preflight.findings import Finding, rows_of
from shared.rest import ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.preflight.findings import Question

# A managed deployment needs quota for ceil(1.2 x instances): the rest is for upgrades. These sizes need no reserve ("Yes" in
# https://learn.microsoft.com/azure/machine-learning/reference-managed-online-endpoints-vm-sku-list, "Skip 20% Reservation").
RESERVE = 1.2
WITHOUT_RESERVE = frozenset({
    "standard_nc24ads_a100_v4", "standard_nc48ads_a100_v4", "standard_nc96ads_a100_v4", "standard_nc40ads_h100_v5",
    "standard_nc80adis_h100_v5", "standard_nd96amsr_a100_v4", "standard_nd96asr_v4", "standard_nd40rs_v2",
    "standard_nd96is_h100_v5", "standard_nd96isr_h100_v5",
})  # fmt: skip


def size_and_quota(question: Question) -> Iterator[Finding]:
    """Check that the VM size exists in the region, and that the free quota is enough for the minimum and the maximum of nodes."""
    size = next((text for path in needs.VM_SIZES if isinstance(text := bodies.dig(question.body, path), str) and text), "")
    if not size:
        yield from _no_size(question)
        return
    if not question.location:
        message = "The VM size cannot be checked without a valid region."
        yield Finding(check="sku", target=size, ok=None, code="Unknown", message=message)
        return
    base = ids.provider(question.target.id.subscription, kinds.ML, "locations", question.location)
    sizes = rows_of(question.read(ids.below(base, "vmSizes"), kinds.ML_VERSION).checked().body)
    row = next((each for each in sizes if str(each.get("name", "")).lower() == size.lower()), None)
    if row is None:
        message = f"The VM size does not exist in {question.location}; GET locations/{question.location}/vmSizes lists them."
        yield Finding(check="sku", target=size, ok=False, code="SizeNotAvailable", message=message)
        return
    yield Finding(check="sku", target=size, ok=True, code="Ok", message=f"{row.get('vCPUs')} vCPUs, {row.get('family')}.")
    usages = question.read(ids.below(base, "usages"), kinds.ML_VERSION).checked().body
    yield from _quota(question, row, rows_of(usages))


def _no_size(question: Question) -> Iterator[Finding]:
    """Yield that size and quota were not checked, for kinds that have them."""
    for kind, where, sized in needs.SIZED:
        if question.target.kind.full_type == kind and str(bodies.dig(question.body, where) or "").lower() in sized:
            for check in ("sku", "quota"):
                message = "The body has no VM size, so this was not checked."
                yield Finding(check=check, target=question.target.id.name, ok=None, code="Unknown", message=message)


def _quota(question: Question, size: dict[str, Any], usages: list[dict[str, Any]]) -> Iterator[Finding]:
    low = str(bodies.dig(question.body, "properties.properties.vmPriority") or "").lower() == "lowpriority"
    wanted = "lowpriority" if low else _squeezed(size.get("family"))
    family = next((each for each in usages if wanted in _squeezed(bodies.dig(each, "name.value"))), None)
    total = None if low else next((each for each in usages if "totalcores" in _squeezed(each.get("type"))), None)
    cores = size.get("vCPUs")
    for row in (family, total) if total else (family,):
        limit, used = (row or {}).get("limit"), (row or {}).get("currentValue")
        if not isinstance(limit, int) or not isinstance(used, int) or not isinstance(cores, int):
            message = "Azure lists no quota for the family of this VM size."
            yield Finding(check="quota", target=wanted, ok=None, code="Unknown", message=message)
            continue
        code, message = _room(question, str(size.get("name")), cores, limit, used)
        yield Finding(
            check="quota", target=str(bodies.dig(row, "name.localizedValue") or wanted), ok=code == "Ok", code=code, message=message
        )


def _room(question: Question, size: str, cores: int, limit: int, used: int) -> tuple[str, str]:
    """Check whether the free quota is enough for the body; the quota that the existing resource uses counts as free."""
    least, most = _instances(question, size, question.body)
    there = question.get(question.target.id, question.target.api_version)
    if there.ok and isinstance(there.body, dict) and bodies.dig(question.body, "sku.capacity"):
        used -= min(used, _instances(question, size, there.body)[0] * cores)
    left = limit - used
    reserve = " (1.2 x the instances: Azure reserves some for upgrades)" if _reserved(question, size) else ""
    if least * cores > left:
        return "QuotaExceeded", f"{least} x {cores} vCPUs are needed at once{reserve}; {left} of {limit} are free."
    if most * cores > left:
        return "MaxNodesExceedQuota", f"It can scale to {most} x {cores} vCPUs{reserve}; {left} of {limit} are free."
    return "Ok", f"{most} x {cores} vCPUs at most{reserve}; {left} of {limit} are free."


def _reserved(question: Question, size: str) -> bool:
    managed = str(bodies.dig(question.body, "properties.endpointComputeType") or "").lower() == "managed"
    return managed and size.lower() not in WITHOUT_RESERVE


def _instances(question: Question, size: str, body: dict[str, Any]) -> tuple[int, int]:
    """Return the minimum and the maximum number of machines that need quota."""
    least, most = _nodes(body)
    if not _reserved(question, size):
        return least, most
    return math.ceil(round(RESERVE * least, 6)), math.ceil(round(RESERVE * most, 6))


def _nodes(body: dict[str, Any]) -> tuple[int, int]:
    for least_path, most_path in needs.NODES:
        least, most = bodies.dig(body, least_path), bodies.dig(body, most_path)
        if isinstance(most, int):
            return (least if isinstance(least, int) else 0), most
    return 1, 1


def _squeezed(text: Any) -> str:
    return re.sub(r"[\s_-]", "", str(text or "")).lower()
