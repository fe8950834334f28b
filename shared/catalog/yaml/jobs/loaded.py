"""What a pipeline's file holds once it is read: components, nodes, and what the expressions in them refer to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A component defined in a file or inline.

    Attributes:
        kind: Its `type`.
        fields: As loaded.
        at: Where.
        source: `YAML.JOB` or `YAML.COMPONENT`, as Azure records it.
        spec: The `componentSpec`, references still to come.
        nodes: Of a pipeline component, as loaded.
    """

    kind: str
    fields: dict[str, Any]
    at: Cursor
    source: str
    spec: dict[str, Any]
    nodes: Mapping[str, Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What expressions in a pipeline's nodes refer to.

    Attributes:
        inputs: The pipeline's, as loaded.
        outputs: The pipeline's, as loaded.
        pipeline: Reads a pipeline component that a node brings along.
        nodes: Each node as loaded, with its kind and its component's outputs, in order.
    """

    inputs: dict[str, Any]
    outputs: dict[str, Any]
    pipeline: Callable[[Draft, Cursor], Component]
    nodes: dict[str, Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node as loaded.

    Attributes:
        kind: Its type.
        fields: As loaded.
        at: Where.
        component: The component it brings along, if it names one that is not registered yet.
        reference: The registered one it names instead.
    """

    kind: str
    fields: dict[str, Any]
    at: Cursor
    component: Component | None = None
    reference: Any = None

    def port(self, part: str, name: str) -> Cursor:
        """Return where one of its `inputs` or `outputs` stands."""
        return (self.at.get(part) or self.at).get(name) or self.at
