"""Request bodies that several tests send."""

from infra.local.emulator import scene

PLACE = {"location": scene.LOCATION}
CLUSTER = {
    "location": scene.LOCATION,
    "properties": {
        "computeType": "AmlCompute",
        "properties": {
            "vmSize": "Standard_D1",
            "vmPriority": "Dedicated",
            "scaleSettings": {"maxNodeCount": 1, "minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT30M"},
        },
    },
    "userAccountCredentials": {"adminUserName": "admin", "adminUserPassword": "never-shown"},
}
INSTANCE = {
    "location": scene.LOCATION,
    "properties": {"computeType": "ComputeInstance", "properties": {"vmSize": "Standard_DS1_v2"}},
}
SCHEDULE = {
    "properties": {
        "isEnabled": False,
        "trigger": {"triggerType": "Cron", "expression": "0 0 * * *"},
        "action": {"actionType": "CreateJob", "jobDefinition": {}},
    }
}

# What a workspace stands on: each with all that Azure asks for.
ACCOUNT = {"location": scene.LOCATION, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
VAULT = {
    "location": scene.LOCATION,
    "properties": {"tenantId": scene.TENANT_ID, "sku": {"family": "A", "name": "standard"}, "accessPolicies": []},
}
COMPONENT = {"location": scene.LOCATION, "kind": "web", "properties": {"Application_Type": "web"}}
REGISTRY = {"location": scene.LOCATION, "sku": {"name": "Basic"}}
