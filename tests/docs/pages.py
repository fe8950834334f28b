"""docs/kinds.md from the table, docs/functions.md from the blueprints. Not here: prose, that is written by hand."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import azure.functions as func

from functions import cleanup, hooks, poll, reconcile, routes
from shared.api.resources import resource_routes
from shared.catalog import kinds, proxy_routes
from shared.rest import addresses
from tests.docs import openapi_examples, policies

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.catalog.kinds import Action, Kind
    from shared.catalog.proxy_routes import Passage

DOCS = Path(__file__).parents[2] / "docs"
BLUEPRINTS = (routes, poll, reconcile, cleanup, hooks)
VERB_ORDER = ("GET", "LIST", "PUT", "PATCH", "DELETE")

KINDS_HEAD = """# Every kind

Generated from `shared/catalog/kinds.py` by `python -m tests.docs`; a test keeps both equal.

Paths are below `/api/`, after an optional scope: `subscriptions/{s}/resourceGroups/{g}/providers/{provider}/`. Without a scope the
subscription and resource group of the settings apply, without a provider Microsoft.MachineLearningServices. `LIST` is a GET of the
collection. Actions are POSTs on the resource. *At once*: Azure's answer is passed on and nothing is stored. *Preview*: offered only
when `STEWARD_PREVIEWS` is true. A request with one of the secret fields is sent at once or refused, and never stored.
"""

PASSAGES_HEAD = """# The v1 pass-through routes

Generated from `shared/catalog/proxy_routes.py` by `python -m tests.docs`; a test keeps both equal. [legacy-v1](legacy-v1.md)
shows how they are used. Paths are below `/api/{plane}/[{scope}/]workspaces/{w}/`. Query and body go to Azure and back
unchanged, and nothing is recorded. `{}` is one name, `{*}` one or more, `[E]` is optional, and `E` is an experiment
(`experiments/{name}` or `experimentids/{id}`).

| plane | path | verbs |
|---|---|---|"""

FUNCTIONS_HEAD = """# Every function

Generated from the blueprints in `functions/` and the table of routes (`shared/route_table.py`) by
`python -m tests.docs`; a test keeps both equal.

The platform needs one function per route, so resources have one function per verb and first path segment. Routes are
below `/api/`; `{*rest}` matches the rest of a path. Everything needs a function key except `health` and the pages.
"""


def kinds_page() -> str:
    """Return docs/kinds.md."""
    out = [KINDS_HEAD]
    for namespace in dict.fromkeys(kind.namespace for kind in kinds.KINDS):
        for plane in dict.fromkeys(kind.plane for kind in kinds.KINDS if kind.namespace == namespace):
            rows = [kind for kind in kinds.KINDS if (kind.namespace, kind.plane) == (namespace, plane)]
            where = "" if plane == "arm" else f", on the region's `{plane}` server"
            out += [
                f"## {namespace}{where}",
                "",
                "| kind | verbs | actions | api-version | needs | secret |",
                "|---|---|---|---|---|---|",
            ]
            out += [*map(_kind_row, rows), ""]
    out += ["## Refusals that the app retries", "", "| code | meaning | source |", "|---|---|---|"]
    out += [f"| `{quirk.code}` | {quirk.meaning} | {quirk.proof} |" for quirk in kinds.QUIRKS]
    return "\n".join(out) + "\n"


def passages_page() -> str:
    """Return docs/kinds-v1.md."""
    return "\n".join([PASSAGES_HEAD, *map(_passage_row, proxy_routes.PASSAGES)]) + "\n"


def functions_page() -> str:
    """Return docs/functions.md."""
    out = [FUNCTIONS_HEAD]
    for module in BLUEPRINTS:
        app = func.FunctionApp()
        app.register_functions(module.blueprint)
        name = module.__name__.rpartition(".")[2]
        out += [f"## {name}.py", "", str(module.__doc__).partition("\n")[0], "", "| function | trigger |", "|---|---|"]
        out += [
            f"| `{each.get_function_name()}` | {_trigger(each.get_trigger().get_dict_repr())} |" for each in app.get_functions()
        ]
        out += [""]
    literals = ", ".join(f"`{literal}`" for literal in resource_routes.LITERALS)
    out += textwrap.wrap(f"First path segments: {literals}.", width=130, break_on_hyphens=False)
    return "\n".join(out) + "\n"


PAGES: dict[Path, Callable[[], str]] = {
    DOCS / "kinds.md": kinds_page,
    DOCS / "kinds-v1.md": passages_page,
    DOCS / "functions.md": functions_page,
    DOCS / "policies.md": lambda: policies.page(DOCS / "policies.md"),
    DOCS / "policy-kinds.md": lambda: policies.page(DOCS / "policy-kinds.md"),
    openapi_examples.FILE: openapi_examples.text,
}


def _passage_row(row: Passage) -> str:
    verbs = " ".join(verb for verb in ("GET", "POST", *VERB_ORDER) if verb in row.verbs)
    plane = f"{row.plane}/{addresses.PLANE_VERSIONS[row.plane]}"
    return f"| `{plane}` | `{row.template}` | {' '.join(dict.fromkeys(verbs.split()))} |"


def _kind_row(kind: Kind) -> str:
    cells = (
        f"`{kind.path}`",
        ", ".join(verb + (" (admin)" if verb in kind.admin else "") for verb in VERB_ORDER if verb in kind.verbs),
        ", ".join([*map(_action, kind.actions), *(f"GET `{view}`" for view in kind.views)]),
        kind.api_version,
        ", ".join(f"`{path}`" for path in kind.required),
        ", ".join(f"`{path}`" for path in kind.secrets),
    )
    return "| " + " | ".join(cells) + " |"


def _action(action: Action) -> str:
    notes = [*(["at once"] if action.direct else []), *(["preview"] if action.preview else [])]
    notes += [action.role] if action.role != "operator" else []
    name = f"`{action.name}`" if action.name else "POST itself"
    return f"{name} ({', '.join(notes)})" if notes else name


def _trigger(trigger: dict[str, Any]) -> str:
    match trigger["type"]:
        case "httpTrigger":
            verbs = ", ".join(str(getattr(verb, "value", verb)) for verb in trigger["methods"])
            return f"{verbs} `{trigger['route']}`"
        case "queueTrigger":
            return f"queue `{trigger['queueName']}`"
        case "timerTrigger":
            return f"timer `{trigger['schedule']}`"
        case other:
            return str(other)
