"""What each sort of record may say of where it stands: routes name these at start, where no record is needed yet."""

from typing import Literal

OfOperation = Literal["NotStarted", "Running", "Succeeded", "Failed", "Canceled"]
OfFiring = Literal["Running", "Succeeded", "Failed", "Refused", "Canceled"]
OfRun = Literal["Running", "Succeeded", "Failed", "Canceled"]  # of a recipe
OfExpiry = Literal["Pending", "Acting", "Done", "Kept", "Gone", "Failed", "NotMade", "Replaced", "Canceled"]
OfApproval = Literal["Pending", "Approved", "Refused", "Expired"]
