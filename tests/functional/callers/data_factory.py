"""Runs a pipeline definition as Data Factory does, for the activities that docs/data-factory.md shows."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.functional.callers import wire
from tests.functional.callers.expressions import evaluated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.functional.callers.wire import Wire


class ActivityError(Exception):
    """An activity failed, and the run with it; the message is what the run shows."""


@dataclass(kw_only=True)
class Run:
    """One run of a pipeline.

    Attributes:
        outputs: Of each activity.
    """

    definition: Mapping[str, Any]
    given: Mapping[str, str]
    wire: Wire
    name: str = field(default_factory=lambda: str(uuid.uuid4()))
    outputs: dict[str, Any] = field(default_factory=dict)

    def run(self) -> Run:
        """Take the activities in the order of what they depend on; return the run.

        Raises:
            ActivityError: one failed.
        """
        self._take(self.definition["properties"]["activities"])
        return self

    def _take(self, activities: Sequence[Mapping[str, Any]]) -> None:
        waiting, done = list(activities), set[str]()
        while waiting:
            ready = [one for one in waiting if {each["activity"] for each in one.get("dependsOn", ())} <= done]
            assert ready, f"nobody comes before {[one['name'] for one in waiting]}"
            for one in ready:
                waiting.remove(one)
                self._activity(one["name"], one["type"], one["typeProperties"])
                done.add(one["name"])

    def _activity(self, name: str, kind: str, given: Mapping[str, Any]) -> None:
        match kind:
            case "WebActivity":
                self._web(name, self._read(given))
            case "Until":
                end = time.monotonic() + wire.DEADLINE_S
                self._take(given["activities"])
                while not self._read(given["expression"]):
                    assert time.monotonic() < end, f"{name} does not end"
                    self._take(given["activities"])
            case other:
                raise AssertionError(other)

    def _web(self, name: str, given: Mapping[str, Any]) -> None:
        follow = not given.get("turnOffAsync", False)
        answer = self.wire.send(given["method"], given["url"], follow=follow, headers=given.get("headers"), json=given.get("body"))
        if not answer.ok:
            raise ActivityError(f"Error calling the endpoint '{name}'. Response status code: {answer.status_code}. {answer.text}")
        body = answer.json()
        assert isinstance(body, dict), "a web activity takes JSON objects only"
        self.outputs[name] = body

    def _read(self, value: Any) -> Any:
        declared = self.definition["properties"]["parameters"]
        parameters = {name: self.given.get(name, one.get("defaultValue")) for name, one in declared.items()}
        functions = {
            "pipeline": lambda: {"RunId": self.name, "parameters": parameters},
            "activity": lambda name: {"output": self.outputs[name]},
        }
        return evaluated(value, functions)
