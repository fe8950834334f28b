"""What a schedule does when its time comes: a job, an import of data, a monitor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog.yaml.jobs import imports, monitors, pipelines, schedules
from shared.text.yaml_values import anything, record

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor


def schedule_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a job schedule or a monitoring schedule, whichever the fields say."""
    if at.get("create_monitor") is not None:
        return monitors.monitor_body(draft, at)
    if at.get("import_data") is not None:
        return _import_body(at)
    shape = record({**schedules.SCHEDULE_FIELDS, "create_job": anything}, required=("name",), ignored=schedules.SHOWN)
    fields = shape(at)
    job = at.get("create_job")
    if job is None:
        raise at.refusal("The field 'create_job' (or 'create_monitor') is missing.")
    definition = pipelines.scheduled_job(draft, job)
    return {"properties": {**schedules.described(at, fields), "action": {"actionType": "CreateJob", "jobDefinition": definition}}}


def _import_body(at: Cursor) -> dict[str, Any]:
    fields = record({**schedules.SCHEDULE_FIELDS, "import_data": anything}, required=("name",), ignored=schedules.SHOWN)(at)
    where = at.child("import_data")
    if isinstance(where.value, str):
        where = where.open(where.value.removeprefix("file:"))
    action = {"actionType": "ImportData", "dataImportDefinition": imports.definition(where)}
    return {"properties": {**schedules.described(at, fields), "action": action}}
