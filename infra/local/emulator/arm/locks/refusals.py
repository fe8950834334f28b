"""The refusals of locks, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import GITHUB, LEARN, Proof, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(
        name="locked against deletion", status=409, code="ScopeLocked", raised_in="arm/locks/resources",
        message=(
            "The scope '{}' cannot perform delete operation because following scope(s) are locked: '{}'. Please remove the lock "
            "and try again."
        ),
        proof=Proof.TEXT, source=f"{GITHUB}Azure/azure-cli/issues/20232",
    ),
    Refusal(
        name="locked against writes", status=409, code="ScopeLocked", raised_in="arm/locks/resources",
        message=(
            "The scope '{}' cannot perform write operation because following scope(s) are locked: '{}'. Please remove the lock "
            "and try again."
        ),
        proof=Proof.CODE, source=f"{LEARN}azure-resource-manager/management/lock-resources",
    ),
    Refusal(
        name="lock level unknown", status=400, code="InvalidLockLevel", message="The lock level '{}' is none of {}.",
        raised_in="arm/locks/resources",
    ),
    Refusal(
        name="lock missing", status=404, code="LockNotFound", message="The lock '{}' could not be found.",
        raised_in="arm/locks/resources",
    ),
)  # fmt: skip
