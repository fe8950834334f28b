"""docs/article*.md have every call of Microsoft's how-to beside one of ours, and no call that the how-to has not.

A shell reads the pages, as their readers do; its curl only notes what it was given. Whether the calls work is for the test that
executes every page.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = {name: Path(__file__).parents[3] / "docs" / name for name in ("article.md", "article-workspaces.md", "article-runs.md")}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}
VARIABLES = {"STEWARD": "http://app/api", "KEY": "key", "SUBSCRIPTION": "SUB", "RESOURCE_GROUP": "GROUP"}
REGIONAL = "https://westeurope.api.azureml.ms"
ARM = "https://management.azure.com"
WORKSPACES = "/subscriptions/SUB/resourceGroups/GROUP/providers/Microsoft.MachineLearningServices/workspaces"
MINE = f"{WORKSPACES}/my-workspace"
# Notes its arguments; answers with whatever the page's commands look for in an answer.
CURL = f"""
curl() {{
  printf '%s\\0' "$@" > "$(mktemp -p "$CALLS" "$SECTION.XXXXXX")"
  case " $* " in *" -i "*) echo 'Location: {ARM}/followed'; return ;; esac
  echo '{{"access_token": "token", "api": "{REGIONAL}", "properties": {{"discoveryUrl": "https://westeurope.experiments.azureml.net/discovery",'
  echo '"provisioningState": "Succeeded"}}, "status": "Completed", "runId": "run1", "state": "Registered",'
  echo '"scoringUri": "http://scoring/score", "primaryKey": "k"}}' | tr -d '\\n'
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of the article.

    Attributes:
        article: The article's section.
        section: Ours.
        sent: Method and URL, as the article has them with the page's names.
        ours: What stands beside it; empty where nothing is needed.
    """

    article: str
    section: str
    sent: str
    ours: str


PUTS = "Create and modify resources using PUT and POST requests"
DRILL = "Drill down into workspaces and their resources"
# By hand from the how-to, section by section: the edition of 2020 and what that of 2023 adds.
CALLS = (
    Call(
        article="Retrieve a service principal authentication token",
        section="Retrieve a token",
        sent="POST https://login.microsoftonline.com/11111111-1111-1111-1111-111111111111/oauth2/token",
        ours="",
    ),
    Call(
        article="Get a list of resource groups associated with your subscription",
        section="List resource groups",
        sent=f"GET {ARM}/subscriptions/SUB/resourceGroups?api-version=2019-11-01",
        ours="GET /resourceGroups",
    ),
    Call(
        article="Get a list of resource groups associated with your subscription (without an api-version)",
        section="List resource groups",
        sent=f"GET {ARM}/subscriptions/SUB/resourceGroups",
        ours="GET /resourceGroups",
    ),
    Call(
        article=DRILL,
        section="Drill down into workspaces",
        sent=f"GET {ARM}{WORKSPACES}/?api-version=2019-11-01",
        ours="GET /workspaces?api-version=2019-11-01",
    ),
    Call(
        article=f"{DRILL} (discoveryUrl)",
        section="Drill down into workspaces",
        sent="GET https://westeurope.experiments.azureml.net/discovery",
        ours="GET /workspaces/my-workspace/discovery",
    ),
    Call(
        article=f"{DRILL} (experiments)",
        section="List experiments and models",
        sent=f"GET {REGIONAL}/history/v1.0{MINE}/experiments?api-version=2019-11-01",
        ours="GET /history/v1.0/workspaces/my-workspace/experiments",
    ),
    Call(
        article=f"{DRILL} (registered models)",
        section="List experiments and models",
        sent=f"GET {REGIONAL}/modelmanagement/v1.0{MINE}/models?api-version=2019-11-01",
        ours="GET /modelmanagement/v1.0/workspaces/my-workspace/models",
    ),
    Call(
        article=PUTS,
        section="Computes",
        sent=f"GET {ARM}{MINE}/computes?api-version=2019-11-01",
        ours="GET /workspaces/my-workspace/computes?api-version=2019-11-01",
    ),
    Call(
        article=f"{PUTS} (a compute)",
        section="Computes",
        sent=f"PUT {ARM}{MINE}/computes/cpu-compute?api-version=2019-11-01",
        ours="PUT /workspaces/my-workspace/computes/our-compute?api-version=2019-11-01",
    ),
    Call(
        article=f"{PUTS} (poll to confirm)",
        section="Computes",
        sent=f"GET {ARM}{MINE}/computes/cpu-compute?api-version=2019-11-01",
        ours="",
    ),
    Call(
        article="Create an experimental run",
        section="Create an experimental run",
        sent=f"POST {REGIONAL}/execution/v1.0{MINE}/experiments/my-first-experiment/startrun?api-version=2019-11-01",
        ours="POST /workspaces/my-workspace/experiments/my-first-experiment/startrun?runId=ours_1",
    ),
    Call(
        article="Create an experimental run (monitor it)",
        section="Create an experimental run",
        sent=f"GET {REGIONAL}/history/v1.0{MINE}/experiments/my-first-experiment/runs/run1?api-version=2019-11-01",
        ours="GET /history/v1.0/workspaces/my-workspace/experiments/my-first-experiment/runs/ours_1",
    ),
    Call(
        article="Delete resources you no longer need",
        section="Delete a model",
        sent=f"DELETE {REGIONAL}/modelmanagement/v1.0{MINE}/models/hello:1?api-version=2019-11-01",
        ours="DELETE /modelmanagement/v1.0/workspaces/my-workspace/models/hello:2",
    ),
    Call(
        article="Use REST to score a deployed model",
        section="Score a deployed model",
        sent="POST http://scoring/score",
        ours="POST /workspaces/my-workspace/services/twice/score",
    ),
    Call(
        article="Create a workspace using REST",
        section="Create a workspace",
        sent=f"PUT {ARM}{MINE}?api-version=2019-11-01",
        ours="PUT /workspaces/my-workspace?api-version=2019-11-01",
    ),
    Call(
        article="Create a workspace using REST (GET the Location)",
        section="Create a workspace",
        sent=f"GET {ARM}/followed",
        ours="",
    ),
    Call(
        article="Create a workspace using a user-assigned managed identity",
        section="Create a workspace with your own identity",
        sent=f"PUT {ARM}{WORKSPACES}/my-identified?api-version=2023-10-01",
        ours="PUT /workspaces/our-identified?api-version=2023-10-01",
    ),
    Call(
        article="Create a workspace using customer-managed encryption keys",
        section="Create a workspace with your own key",
        sent=f"PUT {ARM}{WORKSPACES}/my-keyed?api-version=2023-10-01",
        ours="PUT /workspaces/our-keyed?api-version=2023-10-01",
    ),
    Call(
        article="Troubleshooting: resource provider errors",
        section="Troubleshooting",
        sent=f"POST {ARM}/subscriptions/SUB/providers/Microsoft.Notebooks/register?api-version=2021-04-01",
        ours="POST /providers/Microsoft.ContainerService/register",
    ),
)
# What the article tells to have, or to look up in the studio, without a call for it.
TAKEN_FOR_GRANTED = (
    "/Microsoft.ManagedIdentity/userAssignedIdentities/ml-identity?",
    "/Microsoft.KeyVault/vaults/steward-kv?",
    f"GET {ARM}{MINE}?api-version=2019-11-01",
    "/services/twice?",
    "/services/twice/listkeys?",
)
WARNINGS = (
    ("Troubleshooting: moving the workspace", "POST /resourceGroups/GROUP/moveResources", "# 409 MoveNotSupported"),
    (
        "Troubleshooting: deleting the Azure Container Registry",
        "DELETE /providers/Microsoft.ContainerRegistry/registries/stewardacr",
        "# 409 ResourceInUse",
    ),
)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Section → `METHOD URL` of each of its calls, in no order; the app's own without its address."""
    work, notes = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("calls")
    sections = [part for text in TEXTS.values() for part in re.split(r"^## ", text, flags=re.MULTILINE)]
    script = [CURL]
    for number, text in enumerate(sections):
        script.append(f"SECTION={number:02}")
        script += re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    environment = {**VARIABLES, "CALLS": str(notes), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    subprocess.run(["bash", "-c", "\n".join(script)], cwd=work, env=environment, check=True, capture_output=True, timeout=60)
    found: dict[str, list[str]] = {text.splitlines()[0]: [] for text in sections}
    names = list(found)
    for path in notes.iterdir():
        found[names[int(path.name[:2])]].append(_read(path.read_text().split("\0")[:-1]))
    return found


def _read(arguments: list[str]) -> str:
    """Return `METHOD URL` of a curl command."""
    method, url, sends = "", "", False
    rest = iter(arguments)
    for argument in rest:
        if argument == "-X":
            method = next(rest)
        elif argument in ("-H", "-o", "-w"):
            next(rest)
        elif argument in ("-d", "-F", "--data-binary"):
            sends = bool(next(rest)) or True
        elif argument.startswith("http"):
            url = argument
    return f"{method or ('POST' if sends else 'GET')} {url.removeprefix(VARIABLES['STEWARD'])}"


def _azures(calls: dict[str, list[str]]) -> Iterator[str]:
    yield from (each for found in calls.values() for each in found if " http" in each)


@pytest.mark.parametrize("call", CALLS, ids=[call.article for call in CALLS])
def test_a_call_of_the_article_stands_beside_ours(call: Call, calls: dict[str, list[str]]) -> None:
    """In one section: the article's with the article's own api-version, and what the app has instead."""
    assert call.sent in calls[call.section]
    if call.ours:
        assert call.ours in calls[call.section]


@pytest.mark.parametrize(("article", "ours", "refused"), WARNINGS, ids=[article for article, _, _ in WARNINGS])
def test_what_the_article_warns_of_is_refused(article: str, ours: str, refused: str, calls: dict[str, list[str]]) -> None:
    """The page sends it to the app, and says with what it is refused."""
    assert ours in calls["Troubleshooting"], article
    assert refused in TEXTS["article-runs.md"]


def test_the_page_calls_azure_only_as_the_article_does(calls: dict[str, list[str]]) -> None:
    """Whatever else it sends there is something that the article takes for granted."""
    sent = {call.sent for call in CALLS}
    more = [each for each in _azures(calls) if each not in sent and not any(part in each for part in TAKEN_FOR_GRANTED)]
    assert more == []


def test_the_first_table_names_each_section(calls: dict[str, list[str]]) -> None:
    """A reader who looks for a call finds its section there, on whichever page it is."""
    table = TEXTS["article.md"].partition("\n## ")[0]
    for name, text in TEXTS.items():
        for section in re.findall(r"^## (.*)$", text, re.MULTILINE):
            assert section in calls
            assert f"({'' if name == 'article.md' else name}#{section.lower().replace(' ', '-')})" in table
