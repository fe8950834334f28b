"""The refusals of schedules, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import LEARN, RECORDED, SPEC, Moment, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(name="schedule without trigger", status=400, code="UserError", inner="ValidationError",
        message="A schedule needs a trigger and an action.", source=SPEC),
    Refusal(name="cron expression of six fields", status=400, code="UserError", inner="InvalidTrigger",
        message="The cron expression {} is not MINUTES HOURS DAYS MONTHS DAYS-OF-WEEK.",
        source=f"{LEARN}machine-learning/how-to-schedule-pipeline-job"),
    Refusal(name="cron expression that NCrontab does not read", status=400, code="UserError", inner="InvalidTrigger",
        message="The cron expression {} is not understood: {}", source=SPEC),
    Refusal(name="time zone unknown", status=400, code="UserError", inner="InvalidTrigger",
        message="The time zone {} is not known.", source=SPEC),
    Refusal(name="frequency unknown", status=400, code="UserError", inner="InvalidTrigger",
        message="The frequency {} is not one of {}.", source=SPEC),
    Refusal(name="signal of a monitor unknown", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of signalType is not one of {}.", source=SPEC),
    Refusal(name="input of a scheduled job of an unknown type", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of jobInputType is not one of {}.", source=SPEC),
    Refusal(name="deletion of an enabled schedule", status=200, code="UserError", inner="ActiveSchedule", moment=Moment.OPERATION,
        message="The schedule {} is enabled. Disable it (isEnabled: false) before it is deleted.", source=RECORDED),
)  # fmt: skip
