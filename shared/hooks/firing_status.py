"""What becomes of a firing."""

from typing import Literal

Status = Literal["Running", "Succeeded", "Failed", "Refused", "Canceled"]
