"""What one row of the table of refusals holds: what Azure says, when, and who says so.

Each service has its own rows in its `refusals`, beside the code that raises them; `refusals.py` joins them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Moment(StrEnum):
    """When a caller learns of it."""

    REQUEST = "in the answer to the request"
    OPERATION = "in the poll: the request is accepted, the operation ends as Failed"
    RESOURCE = "in the resource: HTTP 200, the error stands in its body"


class Proof(StrEnum):
    """How sure the row is."""

    TEXT = "code and text"
    CODE = "the code; the exact text is unknown"
    BEHAVIOUR = "that it is refused; code and exact text are unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One row.

    Attributes:
        name: what was wrong.
        status: the HTTP status of the answer at `moment`.
        code: `error.code`, as it stands on top; empty for an answer without a body.
        inner: the useful code, however deep it stands; empty where `code` is it.
        message: the text, `{}` for what varies.
        moment: when a caller learns of it.
        proof: how much `source` proves.
        source: a page of Microsoft's, or a public issue in which Azure said so; `recorded` for recorded traffic of the
            official clients; empty without one.
    """

    name: str
    status: int
    code: str
    message: str
    inner: str = ""
    moment: Moment = Moment.REQUEST
    proof: Proof = Proof.BEHAVIOUR
    source: str = ""

    @property
    def pattern(self) -> re.Pattern[str]:
        """The message as a regular expression."""
        return re.compile(".+".join(re.escape(part) for part in self.message.split("{}")), re.DOTALL)


LEARN = "https://learn.microsoft.com/azure/"
ERRORS = f"{LEARN}azure-resource-manager/troubleshooting/common-deployment-errors"
NAMES = f"{LEARN}azure-resource-manager/management/resource-name-rules"
ACCOUNTS = f"{LEARN}azure-resource-manager/troubleshooting/error-storage-account-name"
LIMITS = f"{LEARN}machine-learning/how-to-manage-quotas"
TROUBLE = f"{LEARN}machine-learning/how-to-troubleshoot-online-endpoints"
GITHUB = "https://github.com/"
SPEC = f"{GITHUB}Azure/azure-rest-api-specs (machinelearningservices, stable/2024-10-01)"
RECORDED = "recorded"
