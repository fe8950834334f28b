"""One table of NCRONTAB expressions with the verdicts of NCrontab, the platform's library: both readers here hold to it.

The local host takes what NCrontab takes and refuses what it refuses. The clean-up's schedules are stricter in one way: what
NCrontab takes but reads otherwise than it is written (or never fires) they refuse, with the reason.
Verdicts: CrontabFieldImpl and CrontabSchedule in atifaziz/NCrontab; local-azure.md L16.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from infra.local.host import schedule
from shared.cleanup.policy import ncrontab
from tests import tables

NOW = datetime(2026, 3, 2, 11, 40, 30, tzinfo=UTC)  # a Monday

TAKEN = {
    "0 0 3 * * *": "2026-03-03 03:00:00",
    "0 3 * * *": "2026-03-03 03:00:00",
    "*/10 * * * * *": "2026-03-02 11:40:40",
    "30 */20 * * * *": "2026-03-02 12:00:30",
    "0 5/20 * * * *": "2026-03-02 11:45:00",
    "0 0 6 * * 0": "2026-03-08 06:00:00",
    "0 0 6 * * SUN": "2026-03-08 06:00:00",
    "0 0 6 * * mon-wed,Saturday": "2026-03-03 06:00:00",
    "0 30 9-17/4 * * 1-5": "2026-03-02 13:30:00",
    "0 0 0 1 Jan *": "2027-01-01 00:00:00",
    "0 0 0 1 january *": "2027-01-01 00:00:00",
    "0 0 0 13 * Fri": "2026-03-13 00:00:00",
    "0 0 0 29 2 *": "2028-02-29 00:00:00",
    "0  0  3  *  *  *": "2026-03-03 03:00:00",
    "00 00 03 * * *": "2026-03-03 03:00:00",
    "0 0 3 * * */70": "2026-03-08 03:00:00",
}
READ_OTHERWISE = {
    "5-1 * * * * *": "2026-03-02 11:41:01",  # turned round
    "0 0 6 * * Sat-Mon": "2026-03-03 06:00:00",  # turned round, too: Monday to Saturday
    "*/0 * * * * *": "2026-03-02 11:40:31",  # a step below 1 is 1
    "*/-2 * * * * *": "2026-03-02 11:40:31",
    "0 0 6 * * M": "2026-03-09 06:00:00",  # the first name that begins so
    "0 0 0 1 Ju *": "2026-06-01 00:00:00",
    "0 0 0 30 2 *": "never",
    "0 0 0 31 4,6,9,11 *": "never",
}
REFUSED = (
    "",
    "* * * *",
    "* * * * * * *",
    "@daily",
    "every day",
    "60 * * * * *",
    "* 60 * * * *",
    "* * 24 * * *",
    "* * * 0 * *",
    "* * * 32 * *",
    "* * * * 0 *",
    "* * * * 13 *",
    "0 0 0 * * 7",
    "0 0 0 * * 5-7",
    "0 0 0 L * *",
    "0 0 0 LW * *",
    "0 0 0 15W * *",
    "0 0 0 * * 5L",
    "0 0 0 * * 5#2",
    "0 0 0 ? * *",
    "0 0 0 H * *",
    "* * * * * Monn",
    "* * * * * Montag",
    "Mon * * * * *",
    "1, * * * * *",
    ",1 * * * * *",
    "1,,2 * * * * *",
    "1-2-3 * * * * *",
    "1- * * * * *",
    "-1 * * * * *",
    "*-5 * * * * *",
    "*/ * * * * *",
    "/5 * * * * *",
    "1/2/3 * * * * *",
    "*/x * * * * *",
    "1.5 * * * * *",
    "² * * * * *",
    "\u0661 * * * * *",
    "0\t0\t3\t*\t*\t*",
)


@tables.each(("expression", "due"), [*TAKEN.items(), *READ_OTHERWISE.items()])
def test_the_local_host_fires_when_ncrontab_does(expression, due):
    """Also for what NCrontab reads in a way of its own."""
    found = schedule.next_due(expression, NOW)
    assert ("never" if found == schedule.NEVER else f"{found:%Y-%m-%d %H:%M:%S}") == due


@tables.each("expression", REFUSED)
def test_neither_reader_takes_what_ncrontab_refuses(expression):
    """On the platform a timer with such a schedule is in error."""
    with pytest.raises(ValueError, match=r"."):
        schedule.read(expression)
    with pytest.raises(ValueError, match=r"."):
        ncrontab.parse(expression)


@pytest.mark.parametrize("expression", TAKEN)
def test_the_clean_ups_schedules_are_due_at_the_same_moments(expression):
    """The moment that the host finds after now is the first that the clean-up finds after now."""
    due = schedule.next_due(expression, NOW)
    assert ncrontab.due(expression, NOW, due) == due
    assert ncrontab.following(expression, NOW) == due


@pytest.mark.parametrize("expression", READ_OTHERWISE)
def test_the_clean_ups_schedules_refuse_what_would_be_read_otherwise(expression):
    """A policy says what it means; the message names the field."""
    with pytest.raises(ValueError, match=r"its|never due"):
        ncrontab.parse(expression)
