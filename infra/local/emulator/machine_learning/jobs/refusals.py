"""The refusals of jobs, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import GITHUB, RECORDED, SPEC, Proof, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(name="job name used", status=400, code="UserError", inner="JobPropertyImmutable", message=(
            "A job with this name already exists. If you are trying to create a new job, use a different name. If you are trying "
            "to update an existing job, the existing job's {} cannot be changed. Only description, tags, displayName, properties, "
            "and isArchived can be updated."
        ), proof=Proof.TEXT, source=f"{GITHUB}Azure/azure-sdk-for-python/pull/47389"),
    Refusal(name="job name invalid", status=400, code="UserError", inner="InvalidJobName", message="The job name '{}' is invalid.",
        source=SPEC),
    Refusal(name="job type unknown", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of jobType is not one of {}.", source=SPEC),
    Refusal(name="input of a job of an unknown type", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of jobInputType is not one of {}.", source=SPEC),
    Refusal(name="output of a job of an unknown type", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of jobOutputType is not one of {}.", source=SPEC),
    Refusal(name="identity of a job of an unknown type", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of identityType is not one of {}.", source=SPEC),
    Refusal(name="distribution of a sweep's trials unknown", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of distributionType is not one of {}.", source=SPEC),
    Refusal(name="webhook of a job's notifications of an unknown type", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of webhookType is not one of {}.", source=SPEC),
    Refusal(name="entry of a Spark job of an unknown type", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of sparkJobEntryType is not one of {}.", source=SPEC),
    Refusal(name="input of a pipeline's job of an unknown type", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of job_input_type is not one of {}.", source=SPEC),
    Refusal(name="job without command", status=400, code="UserError", inner="ValidationError",
        message="The field command is required for a command job.", source=SPEC),
    Refusal(name="compute of a job unknown", status=400, code="UserError", inner="ComputeNotFound",
        message="Compute '{}' was not found in workspace '{}'."),
    Refusal(name="environment of a job unknown", status=400, code="UserError", inner="EnvironmentNotFound",
        message="Environment '{}' was not found."),
    Refusal(name="code of a job unknown", status=400, code="UserError", inner="CodeNotFound", message="Code '{}' was not found."),
    Refusal(name="value for a folder of a component", status=400, code="UserError", inner="InvalidInputType",
        message="The input '{}' of the job {} is a {}; a value was given."),
    Refusal(name="deletion of a job that runs", status=409, code="UserError", inner="JobNotTerminal",
        message="The job {} is in status {}; cancel it first."),
    Refusal(name="job missing", status=404, code="UserError", inner="JobNotFound", message="Job {} was not found.",
        proof=Proof.CODE, source=RECORDED),
)  # fmt: skip
