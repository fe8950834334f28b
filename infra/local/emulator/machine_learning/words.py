"""What the parts of a body are: the words that Azure knows each by, from the discriminators of the specification.

Judged before anything else of a PUT or PATCH, as a body that cannot be read is: it is of no type that Azure has. Casing and
underscores are free, as recorded traffic shows (`UriFolder`). Sources: stable/2024-10-01 and 2025-12-01 of
github.com/Azure/azure-rest-api-specs; of previews `Ray`, the credentials, the monitors' signals of models that generate. Not here:
the kind of a resource itself, and what has a check of its own beside its code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator.arm import gateway
from infra.local.emulator.machine_learning import scope

if TYPE_CHECKING:
    from infra.local.emulator import web

type Members = dict[str, tuple[str, ...]]  # which words each member takes
_FILES = ("uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model")
_INPUTS: Members = {"jobInputType": ("literal", *_FILES)}
_WEBHOOKS: Members = {"webhookType": ("AzureDevOps",)}
_CUSTOM: Members = {"mode": ("Auto", "Custom")}
_WINDOWS: Members = {"inputDataType": ("Fixed", "Rolling", "Static", "Trailing")}
_JOB: dict[str, Members] = {
    "inputs.*": _INPUTS,
    "outputs.*": {"jobOutputType": _FILES},
    "identity": {"identityType": ("AMLToken", "Managed", "UserIdentity")},
    "entry": {"sparkJobEntryType": ("SparkJobPythonEntry", "SparkJobScalaEntry")},
    "trial.distribution": {"distributionType": ("PyTorch", "Mpi", "TensorFlow", "Ray")},
    "services.*.nodes": {"nodesValueType": ("All",)},
    "notificationSetting.webhooks.*": _WEBHOOKS,
    **{f"taskDetails.forecastingSettings.{name}": _CUSTOM for name in ("forecastHorizon", "seasonality", "targetLags")},
    "taskDetails.forecastingSettings.targetRollingWindowSize": _CUSTOM,
    "taskDetails.nCrossValidations": _CUSTOM,
    "taskDetails.sweepSettings.earlyTermination": {"policyType": ("Bandit", "MedianStopping", "TruncationSelection")},
    # of a pipeline's jobs, which are free form, only what is written as a job's own
    "jobs.*.inputs.*": {"job_input_type": ("literal", *_FILES)},
    "jobs.*.outputs.*": {"job_output_type": _FILES},
}
_MONITOR: dict[str, Members] = {
    "computeConfiguration": {"computeType": ("ServerlessSpark",)},
    "computeConfiguration.computeIdentity": {"computeIdentityType": ("AmlToken", "ManagedIdentity")},
    "signals.*": {
        "signalType": (
            "Custom", "DataDrift", "DataQuality", "FeatureAttributionDrift", "PredictionDrift", "ModelPerformance",
            "GenerationSafetyQuality", "GenerationTokenStatistics",
        ),
    },
    "signals.*.features": {"filterType": ("AllFeatures", "FeatureSubset", "TopNByAttribution")},
    "signals.*.metricThresholds.*": {"dataType": ("Categorical", "Numerical")},
    "signals.*.inputs.*": _INPUTS,
    **{f"signals.*.{name}": _WINDOWS for name in ("inputAssets.*", "productionData", "productionData.*", "referenceData")},
}  # fmt: skip
# Lower-cased type below the workspace → object of its `properties`, dotted, `*` for any of several → its member → the words.
WORDS: dict[str, dict[str, Members]] = {
    "jobs": _JOB,
    "schedules": {
        **{f"action.jobDefinition.{path}": words for path, words in _JOB.items()},
        **{f"action.monitorDefinition.{path}": words for path, words in _MONITOR.items()},
    },
    "onlineendpoints/deployments": {"scaleSettings": {"scaleType": ("Default", "TargetUtilization")}},
    "batchendpoints/deployments": {
        "deploymentConfiguration": {"deploymentConfigurationType": ("PipelineComponent",)},
        "model": {"referenceType": ("Id", "DataPath", "OutputPath")},
    },
    "datastores": {"artifact": {"artifactType": ("LakeHouse",)}},
    "featuresets/versions": {"materializationSettings.notification.webhooks.*": _WEBHOOKS},
}
_TIERS = ("Free", "Basic", "Standard", "Premium")  # SkuTier, which is closed; 2019 had an Enterprise
_TIERS_SINCE = "2023-04-01"


def check(request: web.Request) -> None:
    """Refuse a part that is of no type which Azure has.

    Raises:
        web.Refused: 400, naming the member and the words.
    """
    kind = scope.changed(request)
    if not kind:
        return
    body = gateway.body_object(request) if request.body else {}
    sku = body.get("sku")
    if isinstance(sku, dict) and sku.get("tier") is not None and request.query.get("api-version", "") >= _TIERS_SINCE:
        scope.one_of(str(sku["tier"]), _TIERS, "sku.tier")
    for path, members in WORDS.get(kind, {}).items():
        for _, part in scope.standing(body.get("properties"), path.split(".")):
            for name, words in members.items() if isinstance(part, dict) else ():
                if (given := part.get(name)) is not None:
                    scope.one_of(str(given), words, name)
