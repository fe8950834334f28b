"""What is wrong with a file of policies, each with its place. Not here: finding it (fields, policies)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = 50  # of one file


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake.

    Attributes:
        source: The file.
        line, column: Where in it, from 1.
        field: As a path: `policies[0].staleWhen.olderThan`.
        message: What is wrong and what was expected.
    """

    source: str
    line: int
    column: int
    field: str
    message: str

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{self.source}, line {self.line}, column {self.column}: {where}{self.message}"

    def to_json(self) -> dict[str, Any]:
        """Return it for an answer or a report."""
        return {"file": self.source, "line": self.line, "column": self.column, "field": self.field, "message": self.message}


class InvalidPolicyError(errors.BadRequestError):
    """A file of policies that is refused; `problems` are all its mistakes, in the order of their places."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        ordered = sorted(problems, key=lambda problem: (problem.source, problem.line, problem.column))
        first, others = str(ordered[0]), len(ordered) - 1
        more = f" (and {others} more problem{'' if others == 1 else 's'}, see details)" if others else ""
        super().__init__("InvalidPolicy", f"{first}{more}"[: errors.MESSAGE_LIMIT], target=ordered[0].field or "policies")
        details = [errors.AzureError(code="InvalidPolicy", message=str(one), target=one.field) for one in ordered[:SHOWN]]
        self.error = replace(self.error, details=tuple(details) if others else ())
        self.problems = tuple(ordered[:SHOWN])
