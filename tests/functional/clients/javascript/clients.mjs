// Microsoft's JavaScript clients, unchanged: a cluster is made and deleted (its poller adds a parameter to the status URL),
// resources are read by their ids (with two slashes in front) and listed, a storage account is made.
import { writeFileSync } from "node:fs";
import machineLearning from "@azure/arm-machinelearning";
import { ResourceManagementClient } from "@azure/arm-resources";
import { StorageManagementClient } from "@azure/arm-storage";
import { ClientSecretCredential } from "@azure/identity";

const { AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, SUBSCRIPTION, GROUP, LOCATION, WORKSPACE, ANSWER } = process.env;
const credential = new ClientSecretCredential(AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET);
const end = WORKSPACE.slice(-6);
const said = {};
const quick = { updateIntervalInMs: 100 };

async function all(pages) {
  const found = [];
  for await (const one of pages) found.push(one);
  return found;
}

const learning = new machineLearning.AzureMachineLearningWorkspaces(credential, SUBSCRIPTION);
const workspace = await learning.workspaces.get(GROUP, WORKSPACE);
const cluster = {
  location: LOCATION,
  properties: {
    computeType: "AmlCompute",
    properties: { vmSize: "Standard_DS2_v2", scaleSettings: { minNodeCount: 0, maxNodeCount: 1 } },
  },
};
const name = "js-cluster";
const made = await learning.computeOperations.beginCreateOrUpdateAndWait(GROUP, WORKSPACE, name, cluster, quick);
await learning.computeOperations.beginDeleteAndWait(GROUP, WORKSPACE, name, "Delete", quick);
const left = await all(learning.computeOperations.list(GROUP, WORKSPACE));
said.learning = [workspace.name, made.name, left.map((one) => one.name).includes(name)];

const resources = new ResourceManagementClient(credential, SUBSCRIPTION);
const shown = await resources.resources.getById(workspace.id, "2023-10-01");
said.resources = {
  byId: shown.name,
  exists: [
    (await resources.resources.checkExistenceById(workspace.id, "2023-10-01")).body,
    (await resources.resources.checkExistenceById(`${workspace.id}-none`, "2023-10-01")).body,
  ],
  listed: (await all(resources.resources.listByResourceGroup(GROUP, { filter: `name eq '${WORKSPACE}'` }))).map((one) => one.type),
  groups: (await all(resources.resourceGroups.list())).map((one) => one.name).includes(GROUP),
};

const storage = new StorageManagementClient(credential, SUBSCRIPTION);
const account = `js${end}`;
const body = { location: LOCATION, sku: { name: "Standard_LRS" }, kind: "StorageV2" };
const question = { name: account, type: "Microsoft.Storage/storageAccounts" };
const free = await storage.storageAccounts.checkNameAvailability(question);
const stored = await storage.storageAccounts.create(GROUP, account, body, quick);
const keys = await storage.storageAccounts.listKeys(GROUP, account);
said.storage = [free.nameAvailable, stored.name, keys.keys.length];
await storage.storageAccounts.delete(GROUP, account);

writeFileSync(ANSWER, JSON.stringify(said));
