"""What the host needs to know of each function, out of the bindings that the worker library found.

Pure reading and checking: nothing is started here. A function that cannot be set up is "in error", as on the platform:
the others run.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.local.host import schedule, settings, templates

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
        error: Why it cannot run; empty if it can.
    """

    name: str
    id: str
    trigger: Mapping[str, Any]
    outputs: tuple[Mapping[str, Any], ...]
    disabled: bool = False
    error: str = ""

    @property
    def runs(self) -> bool:
        """Whether its trigger may start it."""
        return not (self.disabled or self.error)

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
    """The functions in the platform's order: by name. Those that cannot be set up are in error, and the log says so.

    Args:
        described: What the worker found: ``name``, ``id``, ``bindings`` (JSON texts).
        app_settings: For ``%SETTING%``, connections and ``AzureWebJobs.NAME.Disabled``.
    """
    functions = [_function(one, app_settings) for one in described]
    for function in functions:
        if function.error:
            log.error("The '%s' function is in error: %s. The other functions run.", function.name, function.error)
    return sorted(functions, key=lambda function: (function.name.lower(), function.name))


def _function(described: Mapping[str, Any], app_settings: Mapping[str, str]) -> Function:
    name = str(described["name"])
    bindings = [json.loads(text) for text in described["bindings"]]
    triggers = [binding for binding in bindings if str(binding["type"]).lower().endswith("trigger")]
    if described.get("retry"):
        log.warning("function %s: its retry policy is not applied by the local host", name)
    function = Function(
        name=name,
        id=str(described["id"]),
        trigger=triggers[0] if triggers else {"type": "none", "name": ""},
        outputs=tuple(binding for binding in bindings if binding not in triggers),
        disabled=app_settings.get(f"AzureWebJobs.{name}.Disabled", "").lower() in ("true", "1"),
    )
    try:
        return _set_up(function, app_settings)
    except (settings.SettingsError, templates.RouteError, ValueError) as problem:
        return replace(function, error=str(problem))


def _set_up(function: Function, app_settings: Mapping[str, str]) -> Function:
    """The function with its settings resolved.

    Raises:
        SettingsError, RouteError, ValueError: It cannot run.
    """
    if function.kind not in TRIGGERS:
        raise settings.SettingsError(f"its trigger ({function.kind}) is not one of {', '.join(TRIGGERS)}")
    if missing := next((binding["type"] for binding in function.outputs if binding["type"] not in OUTPUTS), None):
        raise settings.SettingsError(f"the local host has no binding {missing!r}")
    function = replace(
        function,
        trigger=_resolved(function.trigger, app_settings),
        outputs=tuple(_resolved(binding, app_settings) for binding in function.outputs),
    )
    _CHECKS[function.kind](function, app_settings)
    return function


def _check_timer(function: Function, app_settings: Mapping[str, str]) -> None:
    expression = str(function.trigger["schedule"])
    try:
        schedule.read(expression)
    except ValueError as problem:
        raise settings.SettingsError(f"the schedule {expression!r} is not NCRONTAB: {problem}") from None
    settings.connection_string("AzureWebJobsStorage", app_settings, "timers")


_CHECKS: Mapping[str, Callable[[Function, Mapping[str, str]], object]] = {
    "httpTrigger": lambda function, _: templates.check(function.route),
    "queueTrigger": lambda function, given: settings.connection_string(str(function.trigger["connection"]), given, "its queue"),
    "timerTrigger": _check_timer,
    "eventGridTrigger": lambda _function, _settings: None,
}


def _resolved(binding: Mapping[str, Any], app_settings: Mapping[str, str]) -> dict[str, Any]:
    """``%SETTING%`` is replaced where the platform does it: queue names and schedules."""
    return {
        key: settings.resolve(value, app_settings, key) if key in ("queueName", "schedule") and isinstance(value, str) else value
        for key, value in binding.items()
    }
