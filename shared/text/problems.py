"""What is wrong with a file of policies or rules, each with its place. Not here: finding it."""

from __future__ import annotations

from dataclasses import dataclass
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
        file = f"{self.source}, " if self.source else ""
        return f"{file}line {self.line}, column {self.column}: {where}{self.message}"

    def to_json(self) -> dict[str, Any]:
        """Return it for an answer or a report."""
        return {"file": self.source, "line": self.line, "column": self.column, "field": self.field, "message": self.message}


class InvalidFileError(errors.BadRequestError):
    """A file that is refused; `problems` are all its mistakes, in the order of their places.

    Args:
        code: `InvalidPolicy` or `InvalidRules`.
        problems: At least one.
    """

    def __init__(self, code: str, problems: Sequence[Problem]) -> None:
        ordered = sorted(problems, key=lambda problem: (problem.source, problem.line, problem.column))
        first, others = str(ordered[0]), len(ordered) - 1
        more = f" (and {others} more problem{'' if others == 1 else 's'}, see details)" if others else ""
        details = tuple(errors.AzureError(code=code, message=str(one), target=one.field) for one in ordered[:SHOWN])
        target = ordered[0].field or ordered[0].source
        super().__init__(code, f"{first}{more}"[: errors.MESSAGE_LIMIT], target=target, details=details if others else ())
        self.problems = tuple(ordered[:SHOWN])
