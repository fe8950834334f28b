"""Every form of path that callers may use names the right kind and ARM id; everything else is refused with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.catalog import kinds, paths
from shared.rest import errors, ids
from tests import tables


@dataclass(frozen=True)
class Scope:
    """What the settings say."""

    subscription_id: str = "s0"
    resource_group: str = "g0"
    subscriptions: tuple[str, ...] = ()


HERE, NOWHERE = Scope(), Scope("", "")
ML = "/subscriptions/s0/resourceGroups/g0/providers/Microsoft.MachineLearningServices"
OTHER = "/subscriptions/s1/resourceGroups/g1/providers"

FORMS = [
    # path below /api/, plane:kind, ARM path
    ("subscriptions", "arm:Microsoft.Resources/subscriptions", "/subscriptions"),
    ("subscriptions/s1", "arm:Microsoft.Resources/subscriptions", "/subscriptions/s1"),
    ("resourceGroups", "arm:Microsoft.Resources/resourceGroups", "/subscriptions/s0/resourceGroups"),
    ("subscriptions/s1/resourceGroups", "arm:Microsoft.Resources/resourceGroups", "/subscriptions/s1/resourceGroups"),
    ("resourceGroups/g1", "arm:Microsoft.Resources/resourceGroups", "/subscriptions/s0/resourceGroups/g1"),
    ("subscriptions/s1/resourcegroups/g1", "arm:Microsoft.Resources/resourceGroups", "/subscriptions/s1/resourceGroups/g1"),
    ("providers", "arm:Microsoft.Resources/providers", "/subscriptions/s0/providers"),
    ("subscriptions/s1/providers/Microsoft.X", "arm:Microsoft.Resources/providers", "/subscriptions/s1/providers/Microsoft.X"),
    ("workspaces", "arm:ML/workspaces", f"{ML}/workspaces"),
    ("workspaces/w", "arm:ML/workspaces", f"{ML}/workspaces/w"),
    ("workspaces/w/computes/c", "arm:ML/workspaces/computes", f"{ML}/workspaces/w/computes/c"),
    ("WORKSPACES/w/Computes/c/", "arm:ML/workspaces/computes", f"{ML}/workspaces/w/computes/c"),
    ("workspaces/w/models/m/versions/3", "arm:ML/workspaces/models/versions",
     f"{ML}/workspaces/w/models/m/versions/3"),
    ("providers/Microsoft.MachineLearningServices/workspaces/w", "arm:ML/workspaces", f"{ML}/workspaces/w"),
    ("subscriptions/s1/providers/Microsoft.MachineLearningServices/workspaces", "arm:ML/workspaces",
     "/subscriptions/s1/providers/Microsoft.MachineLearningServices/workspaces"),
    ("subscriptions/s1/workspaces", "arm:ML/workspaces",
     "/subscriptions/s1/providers/Microsoft.MachineLearningServices/workspaces"),
    ("resourceGroups/g1/workspaces/w", "arm:ML/workspaces",
     "/subscriptions/s0/resourceGroups/g1/providers/Microsoft.MachineLearningServices/workspaces/w"),
    ("subscriptions/s1/resourceGroups/g1/workspaces/w/jobs", "arm:ML/workspaces/jobs",
     f"{OTHER}/Microsoft.MachineLearningServices/workspaces/w/jobs"),
    ("subscriptions/s1/resourceGroups/g1/providers/Microsoft.Storage/storageAccounts/a", "arm:Microsoft.Storage/storageAccounts",
     f"{OTHER}/Microsoft.Storage/storageAccounts/a"),
    ("providers/microsoft.keyvault/vaults/v", "arm:Microsoft.KeyVault/vaults",
     "/subscriptions/s0/resourceGroups/g0/providers/Microsoft.KeyVault/vaults/v"),
    ("workspaces/w/experiments/e/runs/r", "history:ML/workspaces/experiments/runs",
     f"{ML}/workspaces/w/experiments/e/runs/r"),
    ("history/v1.0" + OTHER + "/Microsoft.MachineLearningServices/workspaces/w/experiments", "history:ML/workspaces/experiments",
     f"{OTHER}/Microsoft.MachineLearningServices/workspaces/w/experiments"),
    ("subscriptions/s1/locations/westeurope/vmSizes", "arm:ML/locations/vmSizes",
     "/subscriptions/s1/providers/Microsoft.MachineLearningServices/locations/westeurope/vmSizes"),
    ("operations", "arm:ML/operations", "/providers/Microsoft.MachineLearningServices/operations"),
    ("registries/r/models/m", "arm:ML/registries/models", f"{ML}/registries/r/models/m"),
    ("modelmanagement/v1.0/workspaces/w/models/m:1", "modelmanagement:ML/workspaces/models",
     f"{ML}/workspaces/w/models/m:1"),
    ("workspaces/w/services/a", "modelmanagement:ML/workspaces/services", f"{ML}/workspaces/w/services/a"),
]  # fmt: skip


@tables.each(("path", "kind", "arm_path"), FORMS)
def test_every_form_of_path_names_its_kind_and_id(path, kind, arm_path):
    """With or without scope, with or without providers, any casing."""
    target = paths.resolve(path, HERE)
    assert f"{target.kind.plane}:{target.kind.full_type}" == kind.replace("ML/", "Microsoft.MachineLearningServices/")
    assert (target.id.path, target.path, target.action, target.view) == (arm_path, arm_path, None, None)


@pytest.mark.parametrize(
    ("path", "action", "plane", "sent"),
    [
        ("workspaces/w/computes/c/START", "start", "arm", f"{ML}/workspaces/w/computes/c/start"),
        ("workspaces/w/listkeys", "listKeys", "arm", f"{ML}/workspaces/w/listKeys"),
        ("workspaces/w/jobs/j/cancel", "cancel", "arm", f"{ML}/workspaces/w/jobs/j/cancel"),
        ("workspaces/w/experiments/e/startrun", "startrun", "execution", f"{ML}/workspaces/w/experiments/e/startrun"),
        ("execution/v1.0/workspaces/w/experiments/e/startrun", "startrun", "execution",
         f"{ML}/workspaces/w/experiments/e/startrun"),
        ("workspaces/w/onlineEndpoints/e/score", "score", "arm", f"{ML}/workspaces/w/onlineEndpoints/e/score"),
        ("workspaces/w/services/s/score", "score", "modelmanagement", f"{ML}/workspaces/w/services/s/score"),
        ("workspaces/w/codes/c/versions/1/startPendingUpload", "startPendingUpload", "arm",
         f"{ML}/workspaces/w/codes/c/versions/1/startPendingUpload"),
        ("providers/Microsoft.Storage/register", "register", "arm", "/subscriptions/s0/providers/Microsoft.Storage/register"),
    ],
)  # fmt: skip
def test_an_action_is_found_in_any_casing_and_sent_as_azure_spells_it(path, action, plane, sent):
    """The last segment of a POST; the table knows the spelling."""
    target = paths.resolve(path, HERE)
    assert target.action is not None
    assert (target.action.name, target.plane, target.path) == (action, plane, sent)


@pytest.mark.parametrize(
    ("plane", "path"),
    [
        ("", ""),
        ("", "/workspaces/w"),
        ("", "/resourceGroups/g/workspaces/w"),
        ("", "/providers/Microsoft.Storage/register"),
        ("history/v1.0/", "/workspaces/w/experiments"),
    ],
)
def test_a_path_names_listed_subscriptions_alone(plane, path):
    """In any casing, on any plane; one that was accepted before may name any."""
    wide, narrow = Scope(subscriptions=("s0", "S1")), Scope(subscriptions=("s0",))
    assert paths.resolve(f"{plane}Subscriptions/s1{path}", wide).id.subscription == "s1"
    with pytest.raises(errors.BadRequestError, match="STEWARD_SUBSCRIPTIONS does not list it") as raised:
        paths.resolve(f"{plane}Subscriptions/s1{path}", narrow)
    assert (raised.value.error.code, raised.value.status) == ("SubscriptionNotListed", 403)
    assert paths.resolve(f"{plane}subscriptions/s1{path}", paths.anywhere(narrow)).id.subscription == "s1"


@pytest.mark.parametrize("path", ["workspaces/w/jobs/j/logs", "workspaces/w/experiments/e/runs/r/metrics"])
def test_a_view_of_a_job_or_run_is_not_sent_to_azure_as_a_path(path):
    """Run history has logs and metrics elsewhere."""
    target = paths.resolve(path, HERE)
    assert target.view == path.rpartition("/")[2]
    assert target.view not in target.path


@tables.each("kind", kinds.KINDS)
def test_every_row_of_the_table_can_be_reached(kind):
    """Resource, collection and each action, by the id's own full path."""
    names = tuple(f"n{position}" for position in range(len(kind.types)))
    group = "subscriptions/s1/resourceGroups/g1/"
    front = {"group": group, "any": group, "subscription": "subscriptions/s1/", "tenant": ""}[kind.scope]
    scope = front if kind.below_scope and kind.verbs == {"LIST"} else f"{front}providers/{kind.namespace}/"
    scope = "" if kind.below_scope and kind.verbs != {"LIST"} else scope
    if kind.nameless or (kind.below_scope and kind.verbs == {"LIST"}):  # there is none of it by name
        assert paths.resolve(scope + kind.path, HERE).kind is kind
        if kind.nameless:
            with pytest.raises(errors.BadRequestError):
                paths.resolve(f"{scope}{kind.path}/n1", HERE)
        return
    plane = f"{kind.plane}/v1.0/" if kind.plane != "arm" else ""
    resource = plane + scope + "/".join(f"{segment}/{name}" for segment, name in zip(kind.types, names, strict=True))
    assert paths.resolve(resource, HERE).kind is kind
    assert paths.resolve(resource.rpartition("/")[0], HERE).id.is_collection or kind.namespace == kinds.RESOURCES
    for action in kind.actions:
        target = paths.resolve(f"{resource}/{action.name}", HERE)
        assert target.kind is kind
        assert (target.action or kind.action("")) == action


@pytest.mark.parametrize(
    "path", ["workspaces", "workspaces/w", "resourceGroups", "resourceGroups/g", "providers", "subscriptions/s/workspaces/w"]
)
def test_a_scope_that_nobody_named_is_asked_for(path):
    """Neither the path nor the settings say where."""
    with pytest.raises(errors.BadRequestError) as refused:
        paths.resolve(path, NOWHERE)
    assert refused.value.error.code == "ScopeMissing"
    assert "STEWARD_" in refused.value.error.message


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("workspaces/w/nothings/n", "there are batchEndpoints, capabilityHosts, codes, components, computes,"),
        ("workspaces/w/compute", "below workspaces there is no 'compute'; did you mean 'computes'?"),
        ("workspaces/w/computes/c/strt", "did you mean 'start'?"),
        ("workspaces/w/jobs/j/logs/x", "nothing follows 'logs'."),
        ("registries/r/datareferences", "below registries/datareferences there are only versions."),
        ("nonsense", "registries, resourceGroups, subscriptions, workspaces."),
        ("history/v1.0/workspaces/w/run/r", "below workspaces there is no 'run'; there are experiments"),
        ("providers/Microsoft.Nothing/things/t", "Microsoft.MachineLearningServices"),
        ("workspaces/w/computes/c/explode", "workspaces/computes"),
        ("workspaces/w/clusters", "did you mean 'computes'?"),
        ("workspaces/w/compute-instances/c", "did you mean 'computes'?"),
        ("workspaces/w/endpoints/e", "did you mean 'onlineEndpoints' or 'batchEndpoints'?"),
        ("workspaces/w/pipelines", "did you mean 'jobs'?"),
        ("workspaces/w/datasets/d", "did you mean 'data'?"),
        ("workspaces/w/onlineEndpoints/e/invoke", "did you mean 'score'?"),
        ("workspaces/w/onlineEndpoints/e/predict", "did you mean 'score'?"),
        ("workspaces/w/batchEndpoints/e/score", "did you mean 'invoke'?"),
        ("workspaces/w/jobs/j/stop", "did you mean 'cancel'?"),
        ("workspaces/w/datastores/d/keys", "there is no 'keys'"),
        ("nothing", "workspaces"),
        ("subscriptions/s/resourceGroups/g/other", "workspaces"),
        ("history/v1.0/workspaces/w/computes/c", "there are experiments"),
    ],
)
def test_an_unknown_kind_is_a_404_that_names_the_known_ones(path, named):
    """The reader sees what there is."""
    with pytest.raises(errors.BadRequestError) as refused:
        paths.resolve(path, HERE)
    assert (refused.value.error.code, refused.value.status) == ("UnknownKind", 404)
    assert named in refused.value.error.message


@tables.each(
    "path",
    [
        "", "/", "workspaces//computes", "workspaces/../subscriptions", "workspaces/%2e%2e/x", "workspaces/./x", "workspaces/a%2fb",
        "workspaces/a%5cb", "workspaces/a\\b", "workspaces/w%00", "workspaces/w%0d%0aX", "workspaces/w%3fa=b", "workspaces/w%23",
        "workspaces/%ff%fe", "workspaces/%c0%af", "workspaces/\ud800", "workspaces/\u202ew", "workspaces/" + "a" * 300,
        "workspaces/w?x", "workspaces/w#x", "history", "history/v1.0", "execution", "modelmanagement/v1.0/",
    ],
)  # fmt: skip
def test_a_hostile_path_is_refused(path):
    """Dot segments, encoded separators, controls, broken UTF-8, nothing at all: 4xx, never a crash, never Azure."""
    with pytest.raises(errors.BadRequestError) as refused:
        paths.resolve(path, HERE)
    assert 400 <= refused.value.status < 500


WORDS = [
    "subscriptions",
    "resourceGroups",
    "providers",
    "workspaces",
    "history",
    "execution",
    "modelmanagement",
    "v1.0",
    "jobs",
    "models",
]
WORDS += [
    "register",
    "Microsoft.MachineLearningServices",
    "experiments",
    "startrun",
    "versions",
    "cancel",
    "logs",
    "locations",
    "operations",
]
SEGMENTS = st.sampled_from([*WORDS, "w", "..", "%2e", "%2F", "%ff", ""]) | st.text(max_size=6)


@given(segments=st.lists(SEGMENTS, max_size=12), scope=st.sampled_from([HERE, NOWHERE]))
@settings(max_examples=800, deadline=None)
def test_any_path_is_a_target_or_a_bad_request(segments, scope):
    """Nothing but BadRequestError comes out, and what is accepted is a clean ARM path."""
    try:
        target = paths.resolve("/".join(segments), scope)
    except errors.BadRequestError as refused:
        if not 400 <= refused.status < 500:
            raise
        return
    assert target.path.startswith(("/subscriptions", "/providers/"))
    assert target.path.isascii()
    assert not {"..", ".", ""} & set(target.path.split("/")[1:])
    if target.id.namespace and target.id.subscription:
        assert ids.parse(target.id.path).key == target.id.key


@given(
    st.text(
        st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cf", "Cn", "Co", "Zs"], exclude_characters="/\\?#"),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=300, deadline=None)
def test_a_name_survives_the_way_from_url_to_arm(name):
    """Percent-encoded by the caller, decoded once, encoded once."""
    if name in (".", "..", "*"):  # refused: no resource is called so
        return
    target = paths.resolve(f"workspaces/{quote(name, safe='')}", HERE)
    assert target.id.name == name
    assert ids.parse(target.path).name == name


@pytest.mark.parametrize(
    ("raw", "forwarded"),
    [
        ("", ""),
        ("api-version=1&code=secret&clientId=x&wait=5&preflight=true", ""),
        ("$filter=a%20eq%20b&code=secret&$skipToken=NTA%3d", "$filter=a%20eq%20b&$skipToken=NTA%3d"),
        ("API-Version=1&c%6fde=secret&$top=1", "$top=1"),
        ("&&a&b=&", "a&b="),
    ],
)
def test_only_azures_part_of_the_query_is_forwarded_byte_for_byte(raw, forwarded):
    """Our own parameters, the function key first of all, never leave."""
    assert paths.forwarded_query(raw) == forwarded


def test_a_verb_that_azure_does_not_offer_is_a_405_that_names_the_others():
    """Jobs have no PATCH."""
    target = paths.resolve("workspaces/w/jobs/j", HERE)
    paths.check_verb(target, "PUT")
    with pytest.raises(errors.BadRequestError) as refused:
        paths.check_verb(target, "PATCH")
    assert refused.value.status == 405
    assert "POST cancel" in refused.value.error.message


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("workspaces", ["abc", "My_ws-1", "9ws", "a" * 33], ["ab", "a" * 34, "-ws", "w s", "ws.1", ""]),
        (
            "workspaces/computes",
            ["cpu", "cpu-cluster", "Gpu1", "a" * 24, "cpu-1x"],
            ["1cpu", "cpu-1", "a-", "cp", "a" * 25, "cpu_1"],
        ),
        ("workspaces/onlineEndpoints", ["abc", "my-endpoint-1", "A" * 32], ["1abc", "ab", "a", "abc-", "a_c", "a" * 33]),
        ("workspaces/onlineEndpoints/deployments", ["blue", "green-2"], ["b", "2blue", "blue-", "b_e"]),
        ("workspaces/jobs", ["job_1", "a", "7-x.y", "a" * 255], ["-a", "_a", "a b", "a/b", "a" * 256]),
        ("workspaces/datastores", ["workspaceblobstore", "my_1"], ["my-store", "a b", ""]),
        ("workspaces/models/versions", ["1", "2026-01-01", "v1.0"], ["", "-1", "a b"]),
    ],
)
def test_names_follow_azures_documented_rules(kind, good, bad):
    """Azure's own examples pass; what Azure refuses is refused before anything is sent."""
    row = kinds.by_type()["arm", kinds.ML.lower(), kind.lower()]
    parents = tuple("parent" for _ in row.types[1:])
    for name in good:
        paths.check_name(paths.Target(kind=row, id=ids.ResourceId(types=row.types, names=(*parents, name))))
    for name in bad:
        with pytest.raises(errors.BadRequestError, match="InvalidResourceName"):
            paths.check_name(paths.Target(kind=row, id=ids.ResourceId(types=row.types, names=(*parents, name))))


@pytest.mark.parametrize(
    ("namespace", "path", "good", "bad"),
    [
        ("Microsoft.Storage", "storageAccounts", ["abc", "store123"], ["ab", "Store", "a-b", "a" * 25]),
        ("Microsoft.KeyVault", "vaults", ["my-vault", "kv1"], ["1kv", "my--vault", "kv-", "a" * 25]),
        ("Microsoft.ContainerRegistry", "registries", ["myRegistry1"], ["abcd", "my-reg", "a" * 51]),
        ("Microsoft.Insights", "components", ["my insights (1)", "a"], ["ends.", "", "a" * 261]),
        ("Microsoft.Resources", "resourceGroups", ["rg-1", "My.Group_(x)"], ["ends.", "", "a" * 91, "a b"]),
    ],
)
def test_names_of_what_a_workspace_stands_on_follow_azures_rules(namespace, path, good, bad):
    """Azure's "Naming rules and restrictions" page."""
    row = kinds.by_type()["arm", namespace.lower(), path.lower()]

    def target(name):
        group = path == "resourceGroups"
        return paths.Target(
            kind=row, id=ids.ResourceId(resource_group=name) if group else ids.ResourceId(types=row.types, names=(name,))
        )

    for name in good:
        paths.check_name(target(name))
    for name in bad:
        with pytest.raises(errors.BadRequestError, match="InvalidResourceName"):
            paths.check_name(target(name))


@pytest.mark.parametrize("path", ["workspaces/" * 5_000, "workspaces/" + "a" * 9_000, "a/" * 101])
def test_a_path_of_any_length_is_refused_before_it_is_compared(path: str) -> None:
    """Comparing it with all that there is takes the square of its segments."""
    with pytest.raises(errors.BadRequestError, match="at most 8192 and 100 are allowed") as refused:
        paths.resolve(path, HERE)
    assert refused.value.error.code == "InvalidPath"
