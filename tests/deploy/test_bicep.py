"""The Bicep: it is read as Bicep, its modules fit together, and it knows the same names and settings as the app."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
from pycep import BicepParser

import functions
from functions import routes as http
from infra.bicep import evaluation, syntax, tree
from infra.bicep import functions as bicep_functions
from shared import services
from shared.durable import messages
from shared.route_table import ROUTES
from tests import tables
from tests.deploy.registered import scaling_alone
from tests.docs.app_settings import settings_read

ROOT = Path(__file__).parents[2]
AZURE = ROOT / "infra" / "azure"
FILES = sorted(path.relative_to(AZURE).as_posix() for path in AZURE.rglob("*.bicep"))
PARAMETER_FILES = sorted(path.name for path in AZURE.glob("*.bicepparam"))
# What the app reads and Bicep does not set: the platform does, or it is another way to the same thing.
SET_BY_AZURE = {"IDENTITY_ENDPOINT", "WEBSITE_AUTH_ENABLED", "WEBSITE_HOSTNAME"}
OTHER_WAYS = {
    "AzureWebJobsStorage",  # a connection string, with a key in it
    "AzureWebJobsStorage__accountName",  # the three service URIs say the same in every cloud
    "AZURE_TENANT_ID",  # a service principal instead of the managed identity
    "AZURE_CLIENT_SECRET",
    "AZURE_AUTHORITY_HOST",
}
# What Bicep sets for the platform's own use.
OF_THE_PLATFORM = {
    "AzureWebJobsStorage__credential",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
}

DEPLOY = "\n".join(path.read_text() for path in sorted((ROOT / "docs").glob("deploy*.md")))


def parameters_of(parsed: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Return the names of all parameters of a module, and of those that have no default."""
    declared = parsed.get("parameters", {})
    return set(declared), {name for name, each in declared.items() if each.get("default") is None}


def modules_of(parsed: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return path and parameters of every module that a file uses."""
    found = []
    for module in parsed.get("modules", {}).values():
        config = module["config"]
        while "params" not in config:
            config = config["config"]
        found.append((module["detail"]["path"], config["params"]))
    return found


def resources_of(parsed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what each resource is: its type, api-version and configuration."""
    return parsed.get("resources", {})


def array(text: str, name: str) -> list[str]:
    """Return a variable of Bicep that is an array of strings."""
    body = re.search(rf"^var {name} = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert body, name
    return re.findall(r"^\s*'([^']+)'", body.group(1), re.MULTILINE)


def test_every_module_is_read_as_bicep(bicep: dict[str, dict[str, Any]]) -> None:
    """And there is a main one, of the subscription."""
    assert sorted(bicep) == FILES
    assert bicep["main.bicep"]["globals"]["scope"]["value"] == "subscription"


@pytest.mark.parametrize("file", FILES)
def test_a_module_is_given_exactly_the_parameters_that_it_has(bicep: dict[str, dict[str, Any]], file: str) -> None:
    """A name that was changed in one of the two is an error only at deployment."""
    for path, given in modules_of(bicep[file]):
        target = (Path(file).parent / path).as_posix()
        every, needed = parameters_of(bicep[target])
        assert needed <= set(given) <= every, f"{file} → {target}"


def test_every_module_is_used(bicep: dict[str, dict[str, Any]]) -> None:
    """None is left over."""
    used = {(Path(file).parent / path).as_posix() for file, parsed in bicep.items() for path, _ in modules_of(parsed)}
    assert used == set(bicep) - {"main.bicep", "types.bicep"}


def test_types_are_imported_where_they_are_used_and_nowhere_else() -> None:
    """And none of types.bicep is left over; an object or array without a type takes any key until Azure refuses it."""
    types = {each.name for each in syntax.read(AZURE / "types.bicep")}
    everywhere = set()
    for file in FILES:
        declarations = syntax.read(AZURE / file)
        imported = {name for each in declarations if each.keyword == "import" for name in each.value}
        used = {each.kind.removesuffix("[]") for each in declarations if each.keyword in {"param", "output"}}
        assert not used & {"object", "array"}, file
        assert imported == used & types, file
        everywhere |= imported
    assert everywhere == types


def test_every_output_that_is_used_is_there(bicep: dict[str, dict[str, Any]]) -> None:
    """`module.outputs.name` of main."""
    text = (AZURE / "main.bicep").read_text()
    modules = {name: module["detail"]["path"] for name, module in bicep["main.bicep"]["modules"].items()}
    used = re.findall(r"\b(\w+)!?\.outputs\.(\w+)", text)
    assert used
    for module, output in used:
        assert output in bicep[modules[module]].get("outputs", {}), f"{module}.{output}"


@pytest.mark.parametrize("file", FILES)
def test_every_parameter_and_variable_is_used(bicep: dict[str, dict[str, Any]], file: str) -> None:
    """Beyond its declaration, by name."""
    text = re.sub(r"(?<!:)//.*", "", (AZURE / file).read_text())
    for name in [*bicep[file].get("parameters", {}), *bicep[file].get("variables", {})]:
        uses = len(re.findall(rf"\b{name}\b", text)) - len(re.findall(rf"^(?:param|var) {name}\b", text, re.MULTILINE))
        assert uses >= 1, f"{file}: {name}"


@tables.each("file", [*FILES, *PARAMETER_FILES])
def test_every_name_that_is_used_is_declared(file: str) -> None:
    """Also on the branches that no deployment of test_what_is_deployed.py takes."""
    declarations = syntax.read(AZURE / file)
    nodes = [node for each in declarations for node in tree.below((each.value, tuple(each.decorators.values())))]
    declared = {each.name for each in declarations if each.keyword != "output"}
    declared |= {name for node in nodes if isinstance(node, tree.Loop) for name in node.names}
    assert {node.name for node in nodes if isinstance(node, tree.Name)} <= declared
    called = {node.name for node in nodes if isinstance(node, tree.Call)}
    assert called <= {*bicep_functions.FUNCTIONS, *evaluation.OF_A_DEPLOYMENT}


def test_every_parameter_of_main_says_what_it_is_for(bicep: dict[str, dict[str, Any]]) -> None:
    """It is what an operator reads."""
    for name, each in bicep["main.bicep"]["parameters"].items():
        assert "description" in {decorator["type"] for decorator in each["decorators"]}, name


@pytest.mark.parametrize("file", PARAMETER_FILES)
def test_a_parameter_file_names_parameters_that_there_are(bicep: dict[str, dict[str, Any]], file: str) -> None:
    """And all that have no default; its values are Bicep, too."""
    text = (AZURE / file).read_text()
    assert re.search(r"^using './main.bicep'$", text, re.MULTILINE)
    given = set(re.findall(r"^param (\w+) =", text, re.MULTILINE))
    every, needed = parameters_of(bicep["main.bicep"])
    assert needed <= given <= every
    BicepParser().parse(
        text=re.sub(r"^param (\w+) =", r"var p\1 =", re.sub(r"^using .*$", "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    )


def test_queues_tables_and_container_are_those_of_the_app() -> None:
    """With a poison queue beside each queue."""
    text = (AZURE / "modules" / "storage.bicep").read_text()
    named = {messages.QUEUE, messages.NOTIFICATION_QUEUE, messages.EVENT_QUEUE, messages.CLEANUP_QUEUE}
    assert set(array(text, "queues")) == named | {f"{name}-poison" for name in named}
    tables = {value for name, value in vars(services).items() if name.endswith("_TABLE")}
    assert set(array(text, "tables")) == tables
    assert f"var container = '{services.CONTAINER}'" in text
    assert f"var eventQueue = '{messages.EVENT_QUEUE}'" in text


def set_by_bicep() -> set[str]:
    """Return the app settings that function-app.bicep sets."""
    text = (AZURE / "modules" / "function-app.bicep").read_text()
    found: set[str] = set()
    for name in ("settings", "secrets"):
        body = re.search(rf"^var {name} = .*?\{{\n(.*?)^\}}", text, re.MULTILINE | re.DOTALL)
        assert body
        found |= set(re.findall(r"^\s+(\w+): ", body.group(1), re.MULTILINE))
    return found


def test_settings_of_bicep_are_read_by_the_app_or_the_platform() -> None:
    """A setting that nobody reads is one that was renamed."""
    assert set_by_bicep() <= set(settings_read()) | OF_THE_PLATFORM


def test_settings_that_the_app_reads_can_be_set_by_bicep() -> None:
    """Either Bicep computes them, or they are STEWARD_… and go through `stewardSettings`."""
    read = set(settings_read())
    assert {name for name in read if not name.startswith("STEWARD_")} == (
        {name for name in set_by_bicep() if not name.startswith("STEWARD_")} - OF_THE_PLATFORM
    ) | ((SET_BY_AZURE | OTHER_WAYS) & read)


def test_settings_of_bicep_are_explained() -> None:
    """In docs/settings.md, the platform's own in docs/deploy.md."""
    settings = (ROOT / "docs" / "settings.md").read_text()
    deploy = DEPLOY
    for name in set_by_bicep():
        assert f"`{name}`" in (deploy if name in OF_THE_PLATFORM else settings), name


@pytest.mark.parametrize("file", [*PARAMETER_FILES])
def test_parameter_files_set_only_settings_that_are_read(file: str) -> None:
    """`stewardSettings` takes anything; what nobody reads would do nothing, silently."""
    block = re.search(r"^param stewardSettings = \{(.*?)^\}", (AZURE / file).read_text(), re.MULTILINE | re.DOTALL)
    names = set(re.findall(r"^\s+(\w+):", block.group(1), re.MULTILINE)) if block else set()
    assert names <= set(settings_read())


def test_every_parameter_of_main_is_in_the_docs(bicep: dict[str, dict[str, Any]]) -> None:
    """docs/deploy.md has the table, and no parameter that is gone."""
    text = DEPLOY
    parameters = set(bicep["main.bicep"]["parameters"])
    assert {name for name in parameters if f"`{name}`" not in text} == set()
    rows = set(re.findall(r"^\| `(\w+)`", text.partition("## Parameters")[2].partition("\n## ")[0], re.MULTILINE))
    assert {name for name in rows if not name.isupper() and not name.startswith("STEWARD_")} <= parameters


def test_storage_knows_no_keys_and_nobody_publishes_with_a_password(bicep: dict[str, dict[str, Any]]) -> None:
    """Identity alone opens things."""
    account = resources_of(bicep["modules/storage.bicep"])["account"]["config"]["properties"]
    assert account["allowSharedKeyAccess"] is False
    assert account["allowBlobPublicAccess"] is False
    assert account["minimumTlsVersion"] == "TLS1_2"
    text = "".join((AZURE / file).read_text() for file in FILES)
    assert not re.search(r"listKeys\(|AccountKey=|listSecrets\(|@secure", text)
    assert resources_of(bicep["modules/function-app.bicep"])["app"]["config"]["properties"]["httpsOnly"] is True


def test_the_app_is_python_of_this_projects_version_on_flex_consumption(bicep: dict[str, dict[str, Any]]) -> None:
    """.python-version, the package and the platform agree."""
    resources = resources_of(bicep["modules/function-app.bicep"])
    runtime = resources["app"]["config"]["properties"]["functionAppConfig"]["runtime"]
    assert runtime == {"name": "python", "version": (ROOT / ".python-version").read_text().strip()}
    assert resources["plan"]["config"]["sku"]["tier"] == "FlexConsumption"


def test_the_threads_are_enough_for_the_queue_steps_of_host_json() -> None:
    """As many as batchSize and newBatchThreshold together may be under way (docs/settings.md)."""
    queues = json.loads((ROOT / "host.json").read_text())["extensions"]["queues"]
    text = (AZURE / "modules" / "function-app.bicep").read_text()
    threads = re.search(r"PYTHON_THREADPOOL_THREAD_COUNT: '(\d+)'", text)
    assert threads
    assert int(threads.group(1)) >= queues["batchSize"] + queues["newBatchThreshold"]


def test_always_ready_functions_are_there() -> None:
    """A function that was renamed would not be kept warm."""
    sources = "".join(path.read_text() for path in (ROOT / "functions").glob("*.py"))
    functions = {*re.findall(r'function_name\("(\w+)"\)', sources), *http.FUNCTIONS}
    assert set(re.findall(r"function:(\w+)", (AZURE / "modules" / "function-app.bicep").read_text())) <= functions


def test_no_execution_is_counted_by_requests() -> None:
    """On a cold instance an execution may have no row there; only an answer's status is looked for in `requests`."""
    queries = "".join(path.read_text() for path in (*(AZURE / "modules").glob("*.bicep"), *(AZURE / "queries").glob("*.kql")))
    asked = re.findall(r"\brequests \| where ([^|]+)", queries)
    assert asked == ["toint(resultCode) >= 500 "]


def test_what_alerts_and_queries_look_for_is_neither_below_the_level_nor_sampled_away() -> None:
    """Lines of functions from Information on; `Host.Results` fills `requests`, with successful calls only from Information on."""
    logging = json.loads((ROOT / "host.json").read_text())["logging"]
    for category in ("Function", "Host.Results"):
        assert logging["logLevel"].get(category, logging["logLevel"]["default"]) == "Information"
    assert {"Request", "Trace"} <= set(logging["applicationInsights"]["samplingSettings"]["excludedTypes"].split(";"))


def test_the_compilers_rules_are_errors_but_for_those_that_change_by_themselves() -> None:
    """A version grows old without a change of ours, and a rule takes a name of a loop for no id; neither may stop a deployment."""
    rules = json.loads((AZURE / "bicepconfig.json").read_text())["analyzers"]["core"]["rules"]
    assert {name for name, rule in rules.items() if rule["level"] != "error"} == {
        "use-recent-api-versions",
        "use-resource-id-functions",
    }
    assert len(rules) > 25
    check = (ROOT / ".github" / "workflows" / "check.yml").read_text()
    assert {"az bicep lint", "az bicep build", "az bicep format"} <= set(re.findall(r"az bicep \w+", check))


def test_what_is_watched_for_is_written() -> None:
    """Each log line that watch.bicep, or a query it takes, looks for has a place in the sources that writes it."""
    text = (AZURE / "modules" / "watch.bicep").read_text()
    for file in re.findall(r"loadTextContent\('\.\./(queries/[\w-]+\.kql)'\)", text):
        text += (AZURE / file).read_text()
    sources = "".join(path.read_text() for path in (ROOT / "shared").rglob("*.py"))
    lines = set(re.findall(r'\{"what": "([\w.]+)"', text))
    assert lines == {"azure.refused", "azure.throttled"}
    for line in lines:
        assert f'"{line}"' in sources
    (plain,) = re.findall(r'startswith "([^"]+)"', text)
    assert f'"{plain}' in sources


def test_events_come_by_the_topics_own_identity_and_never_expire_on_the_queue(bicep: dict[str, dict[str, Any]]) -> None:
    """No key, and an app that was down for a week finds its events."""
    delivery = resources_of(bicep["modules/event-topic.bicep"])["delivery"]["config"]["properties"]
    assert delivery["deliveryWithResourceIdentity"]["identity"]["type"] == "SystemAssigned"
    for name in ("event-topic", "group-events"):
        assert "queueMessageTimeToLiveInSeconds: -1" in (AZURE / "modules" / f"{name}.bicep").read_text()
    text = (AZURE / "modules" / "event-topic.bicep").read_text()
    assert set(re.findall(r"MachineLearningServices\.(\w+)'", text)) >= {"RunStatusChanged", "ModelRegistered"}


def test_the_event_subscription_of_the_docs_is_that_of_the_module(bicep: dict[str, dict[str, Any]]) -> None:
    """But for what it filters and where it keeps what it cannot deliver."""
    body = re.search(r"az rest .*? --body '(.*?)'\n```", DEPLOY, re.DOTALL)
    assert body
    shown = json.loads(body.group(1).replace("'\"$ACCOUNT\"'", "ID"))["properties"]
    real = resources_of(bicep["modules/event-topic.bicep"])["delivery"]["config"]["properties"]
    assert shown["eventDeliverySchema"] == real["eventDeliverySchema"]
    assert shown["deliveryWithResourceIdentity"]["identity"] == real["deliveryWithResourceIdentity"]["identity"]
    told, made = (each["deliveryWithResourceIdentity"]["destination"] for each in (shown, real))
    assert told["endpointType"] == made["endpointType"]
    assert set(told["properties"]) == set(made["properties"])
    assert told["properties"]["queueName"] == messages.EVENT_QUEUE


def routes(blueprint: func.Blueprint) -> dict[str, str]:
    """Return path and level of every HTTP function of a blueprint."""
    app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
    app.register_functions(blueprint)
    triggers = [each.get_trigger().get_dict_repr() for each in app.get_functions()]
    return {f"/api/{each['route']}": str(each["authLevel"].name) for each in triggers if each["type"] == "httpTrigger"}


def excluded() -> set[str]:
    """Return the paths that ask for no token where callers sign in."""
    text = (AZURE / "modules" / "function-app.bicep").read_text()
    listed = re.search(r"excludedPaths: \[\n(.*?)\]", text, re.DOTALL)
    assert listed
    return set(re.findall(r"'([^']+)'", listed[1]))


def test_what_asks_for_no_key_asks_for_no_token_and_nothing_else_is_open() -> None:
    """The pages must load in a browser that has none yet; events come from senders that have keys."""
    levels = routes(http.blueprint)
    anonymous = {path for path, level in levels.items() if level == "ANONYMOUS"}
    assert anonymous >= {"/api/health", "/api/docs", "/api/dashboard"}
    senders = {"/api/events", "/runtime/webhooks/EventGrid", "/runtime/webhooks/eventgrid"}
    assert {re.sub(r"\{.*\}$", "*", path) for path in anonymous} == excluded() - senders
    assert levels["/api/events"] == "FUNCTION"
    unsigned = {re.sub(r"\{.*\}$", "*", f"/api/{row.template}") for row in ROUTES if not row.signs_in}
    assert unsigned == {path for path in excluded() if path.startswith("/api/")}, "where the sign-in's headers are not believed"


def test_nobody_else_is_anonymous() -> None:
    """Of all modules of functions/, only that one has functions that ask for no key."""
    modules = [importlib.import_module(f"functions.{each.name}") for each in pkgutil.iter_modules(functions.__path__)]
    blueprints = {module.__name__: module.blueprint for module in modules if hasattr(module, "blueprint")}
    assert len(blueprints) >= 5
    assert {name for name, each in blueprints.items() if "ANONYMOUS" in routes(each).values()} == {"functions.routes"}


def test_every_ready_query_is_offered() -> None:
    """Each file of infra/azure/queries, once; files that other files are read from are there."""
    named = re.findall(r"loadTextContent\('\.\./queries/([\w-]+\.kql)'\)", (AZURE / "modules" / "queries.bicep").read_text())
    assert sorted(named) == sorted(path.name for path in (AZURE / "queries").glob("*.kql"))
    for file in FILES:
        for loaded in re.findall(r"load\w+Content\('([^']+)'\)", (AZURE / file).read_text()):
            assert (AZURE / file).parent.joinpath(loaded).exists()


@pytest.mark.parametrize("file", FILES)
def test_role_assignments_say_whose_kind_they_are_for(file: str) -> None:
    """Without principalType a new identity that has not spread yet is refused."""
    text = (AZURE / file).read_text()
    assert text.count("Microsoft.Authorization/roleAssignments@") == text.count("principalType: 'ServicePrincipal'")


def test_the_docs_name_every_alert_and_count_those_on_logs() -> None:
    """Those of both modules; each is charged for."""
    text = DEPLOY
    named = {
        name
        for module in ("alerts", "watch")
        for name in re.findall(r"^ {4}name: '([\w-]+)'$", (AZURE / "modules" / f"{module}.bicep").read_text(), re.MULTILINE)
    }
    rows = set(re.findall(r"^\| ([\w-]+) \|", text.partition("## Alerts")[2].partition("\n## ")[0], re.MULTILINE)) - {"alert"}
    assert rows == named | {"dead-letters", "way-out", "health"}
    words = ("six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    assert f"| {words[len(named) - 6]} alert rules on logs |" in text


def test_the_docs_count_what_scales_by_itself() -> None:
    """Flex Consumption scales all HTTP functions together and each other one alone: zones are charged by that number."""
    alone = len(scaling_alone())
    text = DEPLOY
    assert alone == 12
    assert f"each of the other twelve functions is one, so {2 * (alone + 1)} instances" in text
    assert f"each of {alone + 1} groups" in (AZURE / "main.bicep").read_text()
    assert f"Below {alone + 1}, the number of groups" in text
