"""The interpreter of jmespath with a counter in it: what an expression does and makes is counted, and ends.

Imports jmespath, which is why no module imports this before there is an expression to answer. Not here: reading expressions (jmes).
"""

from __future__ import annotations

from typing import Any

from jmespath import functions, visitor

CHARACTERS = 16  # of text that count as one step: a processor copies them in the time of one
WRITERS = frozenset({"join", "reverse", "to_string"})  # functions that write all they are given


class TooLongError(ValueError):
    """An expression takes more steps than it may over what it is given."""


class Counting(visitor.TreeInterpreter):
    """Every visit is a step, every value that a list or object made by the expression holds, and each piece of a text."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = self.left = limit
        self.functions = functions.Functions()

    def take(self, steps: int) -> None:
        """Count steps.

        Raises:
            TooLongError: there are no more.
        """
        self.left -= steps
        if self.left < 0:
            message = f"it takes more than {self.limit} steps"
            raise TooLongError(message)

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """Count every visit: most of the time of a rule's condition is spent here."""
        self.left -= 1
        if self.left < 0:
            self.take(0)
        return METHODS[node["type"]](self, node, *args, **kwargs)

    def visit_multi_select_list(self, node: Any, value: Any) -> Any:
        """Count what the list holds."""
        return self.counted(super().visit_multi_select_list(node, value))

    def visit_multi_select_dict(self, node: Any, value: Any) -> Any:
        """Count what the object holds."""
        return self.counted(super().visit_multi_select_dict(node, value))

    def visit_flatten(self, node: Any, value: Any) -> Any:
        """Count the values before they are copied."""
        base = self.visit(node["children"][0], value)
        if isinstance(base, list):
            self.take(sum(len(element) for element in base if isinstance(element, list)))
        found: Any = {"type": "literal", "value": base, "children": []}
        return super().visit_flatten({"type": "flatten", "value": None, "children": [found]}, value)

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        """Count what a function would write before it does, and the text that it returns."""
        given = [self.visit(child, value) for child in node["children"]]
        if node["value"] in WRITERS:
            self.counted(given)
        if node["value"] == "join" and isinstance(given[0], str) and isinstance(given[1], list):
            self.take(len(given[1]) * (1 + len(given[0]) // CHARACTERS))
        found = self.functions.call_function(node["value"], given)
        return self.counted(found) if isinstance(found, str) else found

    def counted(self, made: Any) -> Any:
        """Count a value and every value within, as often as it stands there, texts and names by their length."""
        level = [made]
        while level:
            self.take(len(level))
            self.take(sum(len(each) for each in level if isinstance(each, str)) // CHARACTERS)
            self.take(sum(len(name) for each in level if isinstance(each, dict) for name in each) // CHARACTERS)
            level = [
                inner
                for each in level
                if isinstance(each, dict | list)
                for inner in (each.values() if isinstance(each, dict) else each)
            ]
        return made


METHODS = {name.removeprefix("visit_"): getattr(Counting, name) for name in dir(Counting) if name.startswith("visit_")}
