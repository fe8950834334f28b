"""When a timer is due: NCRONTAB, six fields beginning with seconds, in UTC.

Pure: a schedule and a moment in, the next moment out. The differences between NCRONTAB
(https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions) and ``cronsim`` are
evened out here: full English names, and day of month *and* day of week where cron says *or*.
"""

import re
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from infra.local.host import settings

_NAME = re.compile(r"\b([a-z]{3})[a-z]*\b", re.IGNORECASE)
_FIELDS = 6


def check(expression: str, *, where: str) -> None:
    """Make sure that a schedule can be read.

    Raises:
        SettingsError: It is not NCRONTAB, or never due.
    """
    try:
        next_due(expression, datetime.now(UTC))
    except (CronSimError, StopIteration) as problem:
        raise settings.SettingsError(f"{where}: the schedule {expression!r} is not NCRONTAB: {problem}") from None


def next_due(expression: str, after: datetime) -> datetime:
    """The first moment later than ``after`` (UTC) at which the schedule is due."""
    fields = _NAME.sub(r"\1", expression).split()
    if len(fields) == _FIELDS - 1:
        fields.insert(0, "0")
    if len(fields) != _FIELDS:
        raise CronSimError("it needs six fields: second minute hour day month day-of-week")
    if fields[3].startswith("*") or fields[5].startswith("*"):
        return next(CronSim(" ".join(fields), after))
    weekdays, moment = CronSim(" ".join(fields), after), after
    while True:
        due = next(CronSim(" ".join([*fields[:5], "*"]), moment))
        if weekdays.match_dow(due.date()):
            return due
        moment = due.replace(hour=23, minute=59, second=59)
