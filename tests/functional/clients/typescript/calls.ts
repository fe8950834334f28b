// Five calls of a TypeScript client that openapi-generator made; writes a list of [call, what it gave, what was expected].
import { CleanUpApi, Configuration, MicrosoftStorageApi, OperationsApi } from "./client";

declare const process: { env: Record<string, string> };
declare const require: (name: string) => { writeFileSync(path: string, text: string): void };

async function main(): Promise<void> {
  const { STEWARD, KEY, LOCATION, END, ANSWER } = process.env;
  const settings = new Configuration({ basePath: STEWARD, apiKey: (name: string) => (name === "x-functions-key" ? KEY : "") });
  const account = `gen${END}`;
  const said: [string, unknown, unknown][] = [];
  const storage = new MicrosoftStorageApi(settings);
  const body = { location: LOCATION, sku: { name: "Standard_LRS" }, kind: "StorageV2", properties: {} };
  const named = { storageAccountName: account, prefer: "wait=60" };
  const made = await storage.storageStorageAccountsPutRaw({ ...named, storageStorageAccountsBody: body });
  said.push(["put", made.raw.status, 200]);
  said.push(["get", (await storage.storageStorageAccountsGet({ storageAccountName: account })).name, account]);
  const listed = await storage.storageStorageAccountsList();
  said.push(["list", listed.value.some((each) => each.name === account), true]);
  const newest = (await new OperationsApi(settings).operationsList({ $top: 1 })).value[0];
  said.push(["operations", newest.status, "Succeeded"]);
  const policy = "policies: [{name: old, kind: job, staleWhen: {olderThan: P90D}, action: tag, tag: {name: a}}]";
  const checked = await new CleanUpApi(settings).cleanupPoliciesCheck({ body: policy, name: "p.yaml" });
  said.push(["check a file of policies", checked.value.map((each) => (each as { name: string }).name), ["old"]]);
  said.push(["delete", (await storage.storageStorageAccountsDeleteRaw(named)).raw.status, 204]);
  require("node:fs").writeFileSync(ANSWER, JSON.stringify({ said }));
}

void main();
