"""What the host needs to know of each function, out of the bindings that the worker library found.

Pure reading and checking: nothing is started here.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.host import schedule, settings

log = logging.getLogger("Host.Startup")
TRIGGERS = ("httpTrigger", "queueTrigger", "timerTrigger", "eventGridTrigger")
OUTPUTS = ("http", "queue")


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function of the app.

    Attributes:
        name: Its name, unique in the app.
        id: What the worker library calls it.
        trigger: The trigger's binding, as function.json would hold it; ``%SETTING%`` replaced.
        outputs: The output bindings, likewise.
        disabled: Whether the setting ``AzureWebJobs.NAME.Disabled`` switches it off.
    """

    name: str
    id: str
    trigger: Mapping[str, Any]
    outputs: tuple[Mapping[str, Any], ...]
    disabled: bool = False

    @property
    def kind(self) -> str:
        """One of ``TRIGGERS``."""
        return str(self.trigger["type"])

    @property
    def parameter(self) -> str:
        """Name of the Python parameter that the trigger fills."""
        return str(self.trigger["name"])

    @property
    def route(self) -> str:
        """The route template of an HTTP function, without the prefix."""
        return str(self.trigger.get("route") or self.name).strip("/")

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods of an HTTP function in upper case; empty means all."""
        return tuple(str(method).upper() for method in self.trigger.get("methods") or ())

    @property
    def auth_level(self) -> str:
        """``anonymous``, ``function`` or ``admin``."""
        return str(self.trigger.get("authLevel") or "function").lower()


def read(described: Iterable[Mapping[str, Any]], app_settings: Mapping[str, str]) -> list[Function]:
    """The functions in the platform's order: by name.

    Args:
        described: What the worker told: ``name``, ``id``, ``bindings`` (JSON texts).
        app_settings: For ``%SETTING%`` and ``AzureWebJobs.NAME.Disabled``.

    Raises:
        SettingsError: A binding needs what this host does not have, or a setting that is missing.
    """
    functions = [_function(one, app_settings) for one in described]
    return sorted(functions, key=lambda function: (function.name.lower(), function.name))


def _function(described: Mapping[str, Any], app_settings: Mapping[str, str]) -> Function:
    name = str(described["name"])
    bindings = [_resolved(json.loads(text), app_settings, name) for text in described["bindings"]]
    triggers = [binding for binding in bindings if str(binding["type"]).lower().endswith("trigger")]
    others = tuple(binding for binding in bindings if binding not in triggers)
    if len(triggers) != 1 or triggers[0]["type"] not in TRIGGERS:
        kinds = ", ".join(str(binding["type"]) for binding in triggers) or "none"
        raise settings.SettingsError(f"function {name}: its trigger ({kinds}) is not one of {', '.join(TRIGGERS)}")
    for binding in others:
        if binding["type"] not in OUTPUTS:
            raise settings.SettingsError(f"function {name}: the local host has no binding {binding['type']!r}")
    if described.get("retry"):
        log.warning("function %s: its retry policy is not applied by the local host", name)
    if triggers[0]["type"] == "timerTrigger":
        schedule.check(str(triggers[0]["schedule"]), where=f"function {name}")
    disabled = app_settings.get(f"AzureWebJobs.{name}.Disabled", "").lower() in ("true", "1")
    return Function(name=name, id=str(described["id"]), trigger=triggers[0], outputs=others, disabled=disabled)


def _resolved(binding: dict[str, Any], app_settings: Mapping[str, str], name: str) -> dict[str, Any]:
    """``%SETTING%`` is replaced where the platform does it: queue names and schedules."""
    return {
        key: settings.resolve(value, app_settings, f"function {name}, {key}")
        if key in ("queueName", "schedule") and isinstance(value, str)
        else value
        for key, value in binding.items()
    }
