"""The user's own prices: `cleanup/prices.csv` (`vmSize,price` an hour, one a line; a line `currency,EUR` names the currency).

Without the file, node-hours are all that is known. Not here: what is multiplied by a price (cost_report, savings).
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, field
from typing import Any

from shared.rest import errors

PRICES = "cleanup/prices.csv"
MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """A price table: VM size in lower case → price of one node-hour; what could not be read of it."""

    by_size: dict[str, float] = field(default_factory=dict)
    currency: str = ""
    problems: tuple[str, ...] = ()

    def view(self) -> dict[str, Any]:
        """Return it as callers read it."""
        return {"currency": self.currency, "prices": self.by_size, "problems": list(self.problems)}


def checked(content: bytes) -> Prices:
    """Read a table that is to be stored.

    Raises:
        BadRequestError: `InvalidPrices`: it has a mistake, or no price at all.
    """
    found = read(content[:MOST_BYTES])
    wrong = f"It has {len(content)} bytes; expected at most {MOST_BYTES}." if len(content) > MOST_BYTES else ""
    wrong = wrong or " ".join(found.problems)
    if wrong or not found.by_size:
        message = wrong or "It has no price: expected lines such as Standard_DS3_v2,0.27 and a line such as currency,EUR."
        raise errors.BadRequestError("InvalidPrices", message, target="body")
    return found


def read(content: bytes | None) -> Prices:
    """Read the price table; a line that cannot be read is named among the problems and has no effect."""
    found, currency, problems = dict[str, float](), "", list[str]()
    text = (content or b"").decode("utf-8-sig", errors="replace")
    try:
        rows = list(csv.reader(io.StringIO(text)))
    except csv.Error as problem:  # a field without an end
        return Prices(problems=(f"{PRICES}: {problem}.",))
    for number, row in enumerate(rows, start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#") or cells[0].lower() == "vmsize":
            continue
        if cells[0].lower() == "currency" and len(cells) > 1:
            currency = cells[1][:10]
            continue
        try:
            price = float(cells[1])
        except (IndexError, ValueError):
            price = math.nan
        if math.isfinite(price) and price >= 0:
            found[cells[0].lower()] = price
        else:
            problems.append(f"{PRICES}, line {number}: expected a VM size and its price an hour.")
    return Prices(by_size=found, currency=currency, problems=tuple(problems[:5]))
