"""VM sizes that a compute can have. The quota that they count against is in `state.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One VM size."""

    name: str
    family: str
    cores: int
    memory_gb: float
    gpus: int = 0
    disk_mb: int = 0


def _family(family: str, *rows: tuple[str, int, float, int]) -> tuple[Size, ...]:
    return tuple(
        Size(name=f"Standard_{name}", family=family, cores=cores, memory_gb=memory, disk_mb=disk)
        for name, cores, memory, disk in rows
    )


SIZES: tuple[Size, ...] = (
    *_family("Standard D Family", ("D1", 1, 3.5, 51200), ("D2", 2, 7, 102400), ("D3", 4, 14, 204800), ("D4", 8, 28, 409600)),
    *_family("Standard D Family", ("D11", 2, 14, 102400), ("D12", 4, 28, 204800), ("D13", 8, 56, 409600), ("D14", 16, 112, 819200)),
    *_family(
        "Standard Dv2 Family", ("D1_v2", 1, 3.5, 51200), ("D2_v2", 2, 7, 102400), ("D3_v2", 4, 14, 204800), ("D4_v2", 8, 28, 409600)
    ),
    *_family(
        "Standard DSv2 Family",
        ("DS1_v2", 1, 3.5, 7168),
        ("DS2_v2", 2, 7, 14336),
        ("DS3_v2", 4, 14, 28672),
        ("DS4_v2", 8, 28, 57344),
    ),
    *_family("Standard DSv2 Family", ("DS5_v2", 16, 56, 114688), ("DS11_v2", 2, 14, 28672), ("DS12_v2", 4, 28, 57344)),
    *_family("Standard Dv3 Family", ("D2_v3", 2, 8, 51200), ("D4_v3", 4, 16, 102400), ("D8_v3", 8, 32, 204800)),
    *_family("Standard DSv3 Family", ("D2s_v3", 2, 8, 16384), ("D4s_v3", 4, 16, 32768), ("D8s_v3", 8, 32, 65536)),
    *_family("Standard DASv4 Family", ("D2as_v4", 2, 8, 16384), ("D4as_v4", 4, 16, 32768)),
    *_family(
        "Standard FSv2 Family",
        ("F2s_v2", 2, 4, 16384),
        ("F4s_v2", 4, 8, 32768),
        ("F8s_v2", 8, 16, 65536),
        ("F16s_v2", 16, 32, 131072),
    ),
    *_family("Standard EDSv4 Family", ("E2ds_v4", 2, 16, 76800), ("E4ds_v4", 4, 32, 153600)),
    Size(name="Standard_NC6", family="Standard NC Family", cores=6, memory_gb=56, gpus=1, disk_mb=389120),
    Size(name="Standard_NC6s_v3", family="Standard NCSv3 Family", cores=6, memory_gb=112, gpus=1, disk_mb=344064),
    Size(name="Standard_NC24ads_A100_v4", family="Standard NCADSA100v4 Family", cores=24, memory_gb=220, gpus=1, disk_mb=65536),
)
FAMILIES = tuple(dict.fromkeys(size.family for size in SIZES))
_BY_NAME = {size.name.lower(): size for size in SIZES}


def find(name: str) -> Size | None:
    """The size of this name, in any case."""
    return _BY_NAME.get(name.lower())


def as_json(size: Size) -> dict[str, Any]:
    """As `vmSizes` lists it."""
    return {
        "name": size.name,
        "family": size.family.replace(" ", ""),
        "vCPUs": size.cores,
        "gpus": size.gpus,
        "osVhdSizeMB": 1047552,
        "maxResourceVolumeMB": size.disk_mb,
        "memoryGB": size.memory_gb,
        "lowPriorityCapable": True,
        "premiumIO": "S" in size.family,
        "supportedComputeTypes": ["AmlCompute", "ComputeInstance", *(["MIR"] if size.cores > 1 else [])],
    }
