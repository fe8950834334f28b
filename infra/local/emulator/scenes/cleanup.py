"""The scene "cleanup": a subscription with hundreds of resources, some stale, some that only look so; and which is which.

Every workspace has the same crowd: versions of models made ten days apart, computes of six sorts in turn, jobs that wait or
run for too long. The first two (and a registry) also have the traps: what an age alone would take and something refers to,
each named `trap-…` after what must keep it. Not here: how a resource looks (`population.py`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from infra.local.emulator import scene, traffic
from infra.local.emulator.arm.dependencies import state as dependencies_state
from infra.local.emulator.arm.locks import refusals as locks_refusals
from infra.local.emulator.arm.locks import resources as locks
from infra.local.emulator.machine_learning import scope
from infra.local.emulator.scenes import population

if TYPE_CHECKING:
    from infra.local.emulator.world import World

STEP_DAYS = 10.0  # between two versions of the crowd's models: the newest is a day old
OLD_DAYS = 90.0
NEWEST = 3  # of each model, kept whatever their age
CORES = 1_000_000  # what is seeded holds quota too


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of everything, in each workspace.

    Attributes:
        versions: of models, spread over `models` containers.
        endpoints: online, with one deployment each; every second is asked each day.
        traps: the special cases, in the first two workspaces.
    """

    workspaces: int = 4
    models: int = 4
    versions: int = 56
    computes: int = 6
    endpoints: int = 0
    traps: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One seeded resource: whether a policy for its kind may act on it, and why (not)."""

    id: str
    kind: str
    stale: bool
    why: str


@dataclass(frozen=True, slots=True)
class _Made:
    world: World
    facts: list[Fact] = field(default_factory=list)

    def note(self, arm_id: str, kind: str, why: str, *, stale: bool = False) -> str:
        self.facts.append(Fact(id=arm_id, kind=kind, stale=stale, why=why))
        return arm_id


def seed(world: World, sizes: Sizes) -> dict[str, Any]:
    """Put the scene into a world; the caller holds its lock.

    Returns:
        `workspaces` (ids), `stale` and `kept` (lists of facts). Stale is meant for: assets older than 90 days, beyond the
        newest 3, unreferenced; instances idle for 2 hours; idle nodes of a minimum; computes failed or unused for 30 days;
        endpoints and deployments without requests for 30 days, failed, empty; jobs queued over a day or running over a week.
    """
    world.vm_quota_cores = max(world.vm_quota_cores, CORES)
    made, homes = _Made(world), []
    for number in range(sizes.workspaces):
        homes.append(population.workspace(world, f"clean-{number:03}"))
        _models(made, homes[-1], sizes)
        for at in range(sizes.computes):
            _SORTS[at % len(_SORTS)](made, homes[-1], f"{at:02}")
        _jobs(made, homes[-1])
        _crowd_of_endpoints(made, homes[-1], f"{number:03}", sizes.endpoints)
    if sizes.traps and len(homes) > 1:
        _asset_traps(made, homes[0], homes[1])
        _endpoints(made, homes[0])
        _failed(made)
    by_state: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for fact in made.facts:
        by_state[fact.stale].append(asdict(fact))
    return {"workspaces": homes, "stale": by_state[True], "kept": by_state[False]}


# ── the crowd ────────────────────────────────────────────────────────────────────────────────────────────────────────
def _models(made: _Made, home: str, sizes: Sizes) -> None:
    for model in range(sizes.models):
        count = sizes.versions // sizes.models + (model < sizes.versions % sizes.models)
        for number in range(1, count + 1):
            _version(made, home, f"models/crowd-{model:03}", number, of=count)


def _version(made: _Made, home: str, asset: str, number: int, *, of: int, kept: str = "", **properties: Any) -> str:
    """One of `of` versions; without a reason to keep it, it is stale when it is old and not among the newest."""
    days = (of - number) * STEP_DAYS + 1
    arm_id = population.version(made.world, home, asset, str(number), days=days, **properties)
    stale = days > OLD_DAYS and number <= of - NEWEST and not kept
    why = kept or (f"{days:g} days old, version {number} of {of}" if stale else "young, or among the newest")
    return made.note(arm_id, _KINDS[asset.partition("/")[0]], why, stale=stale)


_KINDS = {
    "models": "modelVersion",
    "environments": "environmentVersion",
    "data": "dataVersion",
    "components": "componentVersion",
    "codes": "codeVersion",
}


def _idle(made: _Made, home: str, end: str) -> None:
    arm_id = population.instance(made.world, home, f"idle-{end}x", state="Running", operated=3)
    population.run(made.world, home, f"ended-{end}", status="Completed", days=2.5, target=f"idle-{end}x")
    made.note(arm_id, "computeInstance", "Running, started 3 days ago, its last job ended over 2 days ago", stale=True)


def _busy(made: _Made, home: str, end: str) -> None:
    arm_id = population.instance(made.world, home, f"busy-{end}x", state="Running", operated=3)
    population.run(made.world, home, f"running-{end}", status="Running", days=0.5, target=f"busy-{end}x")
    made.note(arm_id, "computeInstance", "a job runs on it")


def _stopped(made: _Made, home: str, end: str) -> None:
    arm_id = population.instance(made.world, home, f"off-{end}x", state="Stopped", operated=5, operation="Stop")
    made.note(arm_id, "computeInstance", "it is stopped")


def _warm(made: _Made, home: str, end: str) -> None:
    arm_id = population.cluster(made.world, home, f"warm-{end}x", low=1, idle=1)
    population.run(made.world, home, f"trained-{end}", status="Completed", days=5, target=f"warm-{end}x")
    made.note(arm_id, "computeCluster", "its minimum of 1 node idles for 5 days", stale=True)


def _cold(made: _Made, home: str, end: str) -> None:
    arm_id = population.cluster(made.world, home, f"cold-{end}x", low=0)
    population.run(made.world, home, f"fitted-{end}", status="Completed", days=5, target=f"cold-{end}x")
    made.note(arm_id, "computeCluster", "it has no nodes, and was used 5 days ago")


def _fresh(made: _Made, home: str, end: str) -> None:
    arm_id = population.instance(made.world, home, f"fresh-{end}x", state="Running", operated=0.01)
    made.note(arm_id, "computeInstance", "it was started minutes ago")


_SORTS = (_idle, _busy, _warm, _stopped, _cold, _fresh)


def _jobs(made: _Made, home: str) -> None:
    world = made.world
    made.note(population.run(world, home, "stuck", status="Queued", days=3), "job", "Queued for 3 days", stale=True)
    made.note(population.run(world, home, "waiting", status="Queued", days=0.05), "job", "Queued for an hour")
    made.note(population.run(world, home, "endless", status="Running", days=9), "job", "Running for 9 days", stale=True)
    made.note(population.run(world, home, "recent", status="Running", days=0.1), "job", "Running for hours")
    made.note(population.run(world, home, "done", status="Completed", days=30), "job", "it has ended")


def _crowd_of_endpoints(made: _Made, home: str, prefix: str, count: int) -> None:
    for at in range(count):
        name, asked = f"crowd-{prefix}-{at:03}", at % 2 == 0
        arm_id = population.endpoint(made.world, home, name, days=200, changed=60, traffic={"blue": 100})
        made.note(arm_id, "onlineEndpoint", "it was asked yesterday" if asked else "it never got a request", stale=not asked)
        blue = population.deployment(made.world, arm_id, "blue", days=200, changed=60)
        made.note(blue, "onlineDeployment", "it has all the traffic")
        if asked:
            traffic.count(made.world, arm_id, "blue", 200, at=population.ago(made.world, 1), times=9)


# ── what only looks stale ────────────────────────────────────────────────────────────────────────────────────────────
def _asset_traps(made: _Made, home: str, other: str) -> None:
    """The oldest of 15 versions of each is kept by what its name says; versions 2 to 6 are stale."""
    world, oldest = made.world, {}
    tags = {"steward-keep": "audit"}
    for name, why in _TRAPS.items():
        more = {"tags": tags} if name in ("models/trap", "models/trap-tagged") else {}
        oldest[name] = _version(made, home, name, 1, of=15, kept=why, **more)
        for number in range(2, 16):
            _version(made, home, name, number, of=15)
    world.resources.put(locks.build(f"{oldest['models/trap-locked']}/providers/{locks_refusals.TYPE}/keep", "CanNotDelete"))
    endpoint = population.endpoint(world, other, "refers", days=300, traffic={"blue": 100})
    placed: dict[str, dict[str, Any]] = {
        "blue": {"model": oldest["models/trap-deployed-elsewhere"]},
        "green": {
            "model": _uri(home, "MODELS/trap-deployed-uri/versions/1"),
            "environmentId": oldest["environments/trap-deployed"],
            "codeConfiguration": {"codeId": oldest["codes/trap-deployed"], "scoringScript": "score.py"},
        },
        "red": {"model": _registry(made)},
    }
    for name, refers in placed.items():
        made.note(
            population.deployment(world, endpoint, name, days=300, changed=1, **refers),
            "onlineDeployment",
            "it was changed yesterday",
        )
    traffic.count(world, endpoint, "blue", 200, at=population.ago(world, 1), times=40)
    made.note(endpoint, "onlineEndpoint", "it was asked yesterday")
    model = {"referenceType": "Id", "assetId": oldest["models/trap-batch"]}
    population.batch(world, home, "trap-batch", days=300, model=model)
    inputs = {
        "model": {"jobInputType": "custom_model", "uri": "azureml:trap-scheduled:1"},
        "rows": {"jobInputType": "uri_folder", "uri": oldest["data/trap-scheduled"]},
    }
    scheduled = population.command(inputs=inputs, environmentId="azureml:trap-scheduled:1")
    population.schedule(world, home, "nightly", scheduled, days=300)
    used = {"m": {"jobInputType": "custom_model", "uri": oldest["models/trap-running"]}}
    made.note(population.run(world, home, "uses", status="Running", days=1, inputs=used), "job", "Running for a day")
    _roundabout(made, home, other, oldest)
    steps = {"type": "pipeline", "jobs": {"one": {"component": oldest["components/trap-step"]}}}
    arm_id = population.version(world, home, "components/pipeline", "1", days=30, componentSpec=steps)
    made.note(arm_id, "componentVersion", "it is the newest")


def _roundabout(made: _Made, home: str, other: str, oldest: dict[str, str]) -> None:
    """References by way of something else: a job that ended long ago, a monitor, a pipeline, a registry's component."""
    world = made.world
    read = {"m": {"jobInputType": "custom_model", "uri": oldest["models/trap-repeated"].replace("/models/", "%2Fmodels%2F")}}
    made.note(population.run(world, home, "repeated", status="Completed", days=200, inputs=read), "job", "it has ended")
    repeated = {"actionType": "CreateJob", "jobDefinition": {"jobType": "Pipeline", "sourceJobId": "repeated"}}
    population.schedule(world, home, "again", repeated, days=200, enabled=False)
    population.schedule(world, home, "watch", population.monitor("azureml:Trap-Baseline:1"), days=200, enabled=False)
    pipeline: dict[str, Any] = {"componentId": {"assetId": oldest["components/trap-batch"], "referenceType": "Id"}}
    pipeline |= {"deploymentConfigurationType": "PipelineComponent"}
    population.batch(world, other, "roundabout", days=300, deploymentConfiguration=pipeline)
    shared = population.registry(world, "cleancomponents")
    step = {"type": "command", "environment": f"azureml:{oldest['environments/trap-registry'].upper()}"}
    population.version(world, shared, "components/step", "1", days=300, componentSpec=step)


_TRAPS = {
    "models/trap-repeated": "a disabled schedule repeats a job, long ended, that read it",
    "models/trap": "the tag steward-keep on its first version; its name is how others begin",
    "environments/trap-registry": "a component of a registry runs in it",
    "components/trap-batch": "a deployment in another workspace runs it as its pipeline",
    "data/trap-baseline": "a disabled monitor compares with it",
    "models/trap-deployed-elsewhere": "a deployment in another workspace names its ARM id",
    "models/trap-deployed-uri": "a deployment in another workspace names it as azureml://, in another case",
    "models/trap-scheduled": "a schedule names it as azureml:NAME:VERSION",
    "models/trap-running": "a running job reads it",
    "models/trap-batch": "a batch deployment uses it",
    "models/trap-tagged": "its tag steward-keep",
    "models/trap-locked": "a lock",
    "environments/trap-deployed": "a deployment in another workspace runs in it",
    "environments/trap-scheduled": "a schedule names it",
    "codes/trap-deployed": "a deployment in another workspace runs it",
    "data/trap-scheduled": "a schedule reads it",
    "components/trap-step": "a pipeline component has it as a step",
}


def _uri(home: str, tail: str) -> str:
    return f"azureml://{home.strip('/').replace('resourceGroups', 'resourcegroups')}/{tail}"


def _registry(made: _Made) -> str:
    """A registry whose oldest model is deployed in a workspace: that model's `azureml://` id."""
    home = population.registry(made.world, "cleanregistry")
    _version(made, home, "models/trap-shared", 1, of=15, kept="a deployment in a workspace names it as azureml://registries/…")
    for number in range(2, 16):
        _version(made, home, "models/trap-shared", number, of=15)
    return "azureml://registries/cleanregistry/models/trap-shared/versions/1"


# ── endpoints, computes and workspaces of every sort ─────────────────────────────────────────────────────────────────
def _endpoints(made: _Made, home: str) -> None:
    world = made.world
    quiet = population.endpoint(world, home, "quiet", days=200, changed=60, traffic={"blue": 100})
    made.note(quiet, "onlineEndpoint", "it got no request for 60 days", stale=True)
    made.note(population.deployment(world, quiet, "blue", days=200, changed=60), "onlineDeployment", "it has all the traffic")
    traffic.count(world, quiet, "blue", 200, at=population.ago(world, 60), times=7)
    used = population.endpoint(world, home, "used", days=200, changed=60, traffic={"blue": 100, "retired": 0, "shadow": 0})
    made.note(used, "onlineEndpoint", "it was asked yesterday")
    for name, asked, why in (
        ("blue", 1.0, "it has all the traffic"),
        ("shadow", 2.0, "0 % of the traffic, yet asked by name 2 days ago"),
        ("retired", 0.0, "0 % of the traffic and no request for 60 days"),
    ):
        arm_id = population.deployment(world, used, name, days=200, changed=60)
        made.note(arm_id, "onlineDeployment", why, stale=not asked)
        if asked:
            traffic.count(world, used, name, 200, at=population.ago(world, asked), times=3)
    broken = population.deployment(world, used, "broken", days=20, state="Failed")
    made.note(broken, "onlineDeployment", "it failed 20 days ago", stale=True)
    empty = population.endpoint(world, home, "empty", days=60)
    made.note(empty, "onlineEndpoint", "without deployments for 60 days", stale=True)
    made.note(population.endpoint(world, home, "new-empty", days=0.5), "onlineEndpoint", "made today")
    unfit = population.cluster(world, home, "unfit-x", low=0, state="Failed")
    made.note(unfit, "compute", "it failed", stale=True)
    unused = population.cluster(world, home, "unused-x", low=0, days=120, steady=100)
    population.run(world, home, "long-ago", status="Completed", days=100, target="unused-x")
    made.note(unused, "compute", "no job on it for 100 days", stale=True)


_SOLD: dict[str, dict[str, Any]] = {
    dependencies_state.STORAGE.type: {"sku": {"name": "Standard_LRS", "tier": "Standard"}, "kind": "StorageV2"},
    dependencies_state.VAULT.type: {"properties": {"sku": {"family": "A", "name": "standard"}}},
}


def _failed(made: _Made) -> None:
    """A workspace that failed, what was made for it, and what another left when it was deleted."""
    world, left = made.world, {}
    for name in ("failedlab", "gonelab"):
        gone = f"{scene.GROUP_ID}/providers/{scope.NAMESPACE}/workspaces/{name}"
        tags = {"azureml-workspace": gone}
        for kind, short in ((dependencies_state.STORAGE, f"{name}storage01"), (dependencies_state.VAULT, f"{name}keyvault01")):
            arm_id = f"{scene.GROUP_ID}/providers/{kind.type}/{short}"
            body = {"location": scene.LOCATION, "tags": tags, **_SOLD[kind.type]}
            left[name, kind.type] = dependencies_state.build(world, kind, arm_id, body).id
            made.note(arm_id, "leftover", f"{name} {'failed' if name == 'failedlab' else 'is gone'}; report only")
    own = {
        "storageAccount": left["failedlab", dependencies_state.STORAGE.type],
        "keyVault": left["failedlab", dependencies_state.VAULT.type],
    }
    failed = population.workspace(world, "failedlab", days=20, state="Failed", **own)
    made.note(failed, "workspace", "it failed 20 days ago", stale=True)
