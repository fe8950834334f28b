"""The roles that callers have and that routes and kinds ask for."""

from typing import Literal

type Role = Literal["anyone", "events", "reader", "scorer", "operator", "admin"]
