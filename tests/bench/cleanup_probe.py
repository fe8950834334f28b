"""The process that is measured: reads and judges a subscription as the clean-up does, one workspace after the other.

``python -m tests.bench.cleanup_probe SUBSCRIPTION KIND [listed|judged] [unpaced] [again]`` prints one JSON line. KIND is one of
the clean-up's, or `all`; `listed` only lists, `judged` leaves out who refers to what, `unpaced` does not wait for ARM's limits,
`again` reads the same as often as it is asked for. The environment says where Azure is, as the app is. Not here: what is
in the subscription, who else lists it (cleanup).
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from datetime import UTC, datetime

from shared.cleanup.facts import inventory, pacing, survey
from shared.cleanup.policy import policies
from shared.cleanup.verdict import judge
from shared.rest import addresses, client, clouds, tokens
from shared.settings import Settings

COLLECTIONS = {"modelVersion": "models", "computeInstance": "computes", "job": "jobs", "onlineEndpoint": "onlineEndpoints"}
ALL = "listViewType=All"


def listed(subscription: str, kind: str) -> dict[str, float]:
    """Only list, as a reader without questions does; returns resources and peak MB."""
    azure, count = _azure(), 0
    for body in inventory.workspaces(subscription, "", azure):
        place = inventory.workspace_id(body).child(COLLECTIONS[kind])
        for found in inventory.listing(place, azure, "" if kind in {"computeInstance", "onlineEndpoint"} else ALL):
            if kind == "modelVersion":
                versions = inventory.workspace_id(body).child("models", str(found["name"])).child("versions")
                count += sum(1 for _ in inventory.listing(versions, azure, ALL))
            else:
                count += kind != "computeInstance" or found["properties"]["computeType"] == "ComputeInstance"
    return {"resources": float(count), "peakMB": _peak_mb()}


def _azure(*, memo: bool = False) -> pacing.Paced:
    inner = client.Client(clouds.PUBLIC, tokens.Tokens(lambda: tokens.credential_from(os.environ, clouds.PUBLIC)))
    kept = pacing.Memo() if memo else None
    return pacing.Paced(inner=inner, places=addresses.Addresses(inner), buckets=pacing.Buckets(), settings=Settings(), memo=kept)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(subscription: str, kind: str, *, surveyed: bool, paced: bool, memo: bool) -> dict[str, float]:
    """Read everything once; returns resources, policies' verdicts, ARM calls, other calls, seconds, seconds waited, peak MB."""
    azure = _azure(memo=memo)
    if not paced:
        azure.sleep = lambda _seconds: None
        azure.patience_s = 1e9
    chosen = [each for each in policies.shipped() if kind in ("all", each.kind)]
    began, now = time.monotonic(), datetime.now(UTC)
    seen: dict[str, set[int]] = {}
    verdicts = 0
    bodies = inventory.workspaces(subscription, "", azure)
    surveys = [survey.registries(subscription, azure, now)] if surveyed else []
    surveys += [survey.of(inventory.workspace_id(body), azure, now) for body in bodies] if surveyed else []
    surveyed_s, surveyed_by = time.monotonic() - began, azure.count.arm
    merged = survey.merge(surveys)
    for body in bodies:
        for judged in judge.workspace(chosen, body, merged, {}, azure, now):
            verdicts += 1
            seen.setdefault(judged.subject.target, set()).add(hash(judged.subject.id.key))
    return {
        "resources": float(sum(map(len, seen.values()))),
        "verdicts": float(verdicts),
        "arm": float(azure.count.arm),
        "other": float(azure.count.other),
        "surveyArm": float(surveyed_by),
        "surveySeconds": round(surveyed_s, 2),
        "seconds": round(time.monotonic() - began, 2),
        "waited": round(azure.count.waited_s, 2),
        "throttled": float(azure.count.throttled),
        "peakMB": _peak_mb(),
    }


def main() -> None:
    """Measure one kind."""
    subscription, kind, *more = sys.argv[1:]
    if "listed" in more:
        found = listed(subscription, kind)
    else:
        found = measure(subscription, kind, surveyed="judged" not in more, paced="unpaced" not in more, memo="again" not in more)
    print(json.dumps(found), flush=True)  # noqa: T201 - this is the result


if __name__ == "__main__":
    main()
