// Microsoft's JavaScript clients through the app: only URL and key are not Azure's own.
// Writes a list of [call, what it gave, what was expected].
import { writeFileSync } from "node:fs";
import machineLearning from "@azure/arm-machinelearning";
import { ResourceManagementClient } from "@azure/arm-resources";
import { StorageManagementClient } from "@azure/arm-storage";

const { STEWARD, KEY, SUBSCRIPTION, GROUP, LOCATION, DEPENDENCIES, END, ANSWER } = process.env;
const credential = { getToken: async () => ({ token: "none", expiresOnTimestamp: Date.now() + 3_600_000 }) }; // the key counts
const withKey = {
  name: "functionKey",
  async sendRequest(request, next) {
    request.headers.set("x-functions-key", KEY);
    return next(request);
  },
};
const options = {
  endpoint: `${STEWARD}/arm`,
  allowInsecureConnection: true, // http on this machine
  additionalPolicies: [{ policy: withKey, position: "perRetry" }],
};

/** A client that sends the app's key, and no token of Azure's (its policy wants https, which there is not on this machine). */
function opened(client) {
  client.pipeline.removePolicy({ name: "bearerTokenAuthenticationPolicy" });
  return client;
}

const quick = { updateIntervalInMs: 100 };
const said = [];

async function all(pages) {
  const found = [];
  for await (const one of pages) found.push(one);
  return found;
}

const learning = opened(new machineLearning.AzureMachineLearningWorkspaces(credential, SUBSCRIPTION, options));
const name = `js${END}`;
const workspace = { location: LOCATION, identity: { type: "SystemAssigned" }, ...JSON.parse(DEPENDENCIES) };
const made = await learning.workspaces.beginCreateOrUpdateAndWait(GROUP, name, workspace, quick);
said.push(["workspaces.beginCreateOrUpdate", made.name, name]);
const read = await learning.workspaces.get(GROUP, name);
said.push(["workspaces.get", read.location, LOCATION]);
const cluster = {
  location: LOCATION,
  properties: {
    computeType: "AmlCompute",
    properties: { vmSize: "Standard_DS2_v2", scaleSettings: { minNodeCount: 0, maxNodeCount: 1 } },
  },
};
const compute = learning.computeOperations;
const cpu = await compute.beginCreateOrUpdateAndWait(GROUP, name, "cpu", cluster, quick);
said.push(["compute.beginCreateOrUpdate", cpu.properties.provisioningState, "Succeeded"]);
said.push(["compute.get", (await compute.get(GROUP, name, "cpu")).name, "cpu"]);
said.push(["compute.list", (await all(compute.list(GROUP, name))).map((one) => one.name), ["cpu"]]);
const environment = { properties: { image: "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04" } };
said.push(["environmentVersions.createOrUpdate", (await learning.environmentVersions.createOrUpdate(GROUP, name, "plain", "1", environment)).name, "1"]);
const job = {
  properties: {
    jobType: "Command",
    command: "echo hello",
    environmentId: `${read.id}/environments/plain/versions/1`,
    computeId: cpu.id,
    experimentName: "typed",
  },
};
const started = await learning.jobs.createOrUpdate(GROUP, name, "typed1", job);
said.push(["jobs.createOrUpdate", started.name, "typed1"]);
said.push(["jobs.get", (await learning.jobs.get(GROUP, name, "typed1")).properties.jobType, "Command"]);
said.push(["jobs.list", (await all(learning.jobs.list(GROUP, name))).map((one) => one.name), ["typed1"]]);
const endpoint = { location: LOCATION, identity: { type: "SystemAssigned" }, properties: { authMode: "Key" } };
const online = await learning.onlineEndpoints.beginCreateOrUpdateAndWait(GROUP, name, `ep-${END}`, endpoint, quick);
said.push(["onlineEndpoints.beginCreateOrUpdate", online.properties.provisioningState, "Succeeded"]);
const keys = await learning.onlineEndpoints.listKeys(GROUP, name, `ep-${END}`);
said.push(["onlineEndpoints.listKeys", Boolean(keys.primaryKey), true]);

const resources = opened(new ResourceManagementClient(credential, SUBSCRIPTION, options));
said.push(["resources.getById", (await resources.resources.getById(read.id, "2023-10-01")).name, name]);
said.push(["resources.checkExistenceById", (await resources.resources.checkExistenceById(read.id, "2023-10-01")).body, true]);
said.push(["resources.checkExistenceById none", (await resources.resources.checkExistenceById(`${read.id}-none`, "2023-10-01")).body, false]);
const listed = await all(resources.resources.listByResourceGroup(GROUP, { filter: `name eq '${name}'` }));
said.push(["resources.listByResourceGroup", listed.map((one) => one.type), ["Microsoft.MachineLearningServices/workspaces"]]);

const storage = opened(new StorageManagementClient(credential, SUBSCRIPTION, options));
const question = { name: `js${END}`, type: "Microsoft.Storage/storageAccounts" };
said.push(["storage.checkNameAvailability", (await storage.storageAccounts.checkNameAvailability(question)).nameAvailable, true]);

await learning.onlineEndpoints.beginDeleteAndWait(GROUP, name, `ep-${END}`, quick);
said.push(["onlineEndpoints.beginDelete", (await all(learning.onlineEndpoints.list(GROUP, name))).length, 0]);
await compute.beginDeleteAndWait(GROUP, name, "cpu", "Delete", quick);
said.push(["compute.beginDelete", (await all(compute.list(GROUP, name))).length, 0]);

writeFileSync(ANSWER, JSON.stringify({ said }));
