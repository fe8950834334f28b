"""What becomes of a run of a recipe."""

from typing import Literal

Status = Literal["Running", "Succeeded", "Failed", "Canceled"]
