// Workspaces: their computes and what idles, their endpoints with deployments; what sleeps.

import { below, next, Problem, send } from "./api.js";
import { ago, badge, count, el, foreign, lasting, part, place, section, shares, table, trouble } from "./dom.js";
import { elsewhere } from "./operations.js";

const PAUSE_S = 45;
const PAGES = 20;
const AT_ONCE = 4; // workspaces that are read at the same time
const TAGS = 6;
const HOURS = 24;

async function every(path, signal) {
  const found = [];
  let from = path;
  for (let page = 0; page < PAGES && from; page += 1) {
    const answer = await send(from, { signal });
    found.push(...(answer.value ?? []));
    from = next(answer.nextLink);
  }
  return found;
}

export const workspaces = {
  title: "Workspaces",
  build(root, context) {
    const branches = new Map();
    const chosen = el("select", { change: () => { tree.replaceChildren(); branches.clear(); context.refresh(); } });
    const words = el("input", { type: "search", size: 24, placeholder: "name, group, region or tag", spellcheck: "false", input: () => narrow() });
    const only = el("input", { type: "checkbox", change: () => narrow() });
    const all = el("button", { type: "button", click: () => look() }, "Load all");
    const sum = el("p.soft");
    const tree = el("ul.tree");
    const none = el("p.empty.table", { hidden: true });
    const answer = el("div", { role: "alert" });
    const act = acting(answer, context);
    const sleeping = part((found) => found.length ? section("Asleep", `${count(found.reduce((total, each) => total + instances(each.deployments), 0), "instance")} not running.`, asleep(found, act)) : []);
    root.append(
      el("div.bar", {}, el("label", {}, "Subscription", chosen), el("label", {}, "Find", words), all, el("label.check", {}, only, "Only with findings")),
      sum, answer, tree, none, sleeping.node);

    function narrow() {
      const text = words.value.trim().toLowerCase();
      let shown = 0;
      for (const branch of branches.values()) {
        branch.node.hidden = !branch.words().includes(text) || (only.checked && branch.known() && !branch.idle().length);
        branch.only(only.checked);
        shown += branch.node.hidden ? 0 : 1;
      }
      none.hidden = Boolean(shown);
      none.textContent = branches.size ? "No matches." : "The app sees no workspaces in this subscription. PUT workspaces/NAME creates one.";
      const known = [...branches.values()].filter((each) => each.known());
      const idle = known.flatMap((each) => each.idle());
      const nodes = idle.reduce((total, each) => total + each.nodes, 0);
      const served = known.reduce((total, each) => total + each.instances(), 0);
      const always = served ? ` ${count(served, "instance")} of endpoints always on, ${count(served * HOURS, "node-hour")} a day.` : "";
      const price = idle.length ? `${count(idle.length, "compute")} with findings; ${count(nodes, "node")} may idle, ${count(nodes * HOURS, "node-hour")} a day.` : known.length ? "No paid idle compute." : "";
      sum.textContent = branches.size ? `${count(branches.size, "workspace")}, ${known.length} loaded. ${price}${always}` : "";
    }

    /** Read all that are shown, a few at a time. */
    async function look() {
      all.disabled = true;
      const waiting = [...branches.values()].filter((each) => !each.node.hidden);
      const worker = async () => {
        for (let branch = waiting.shift(); branch; branch = waiting.shift()) {
          await branch.load();
          narrow();
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
      all.disabled = false;
      context.say(sum.textContent);
    }

    return {
      async refresh(signal) {
        if (!chosen.options.length) {
          const found = await every("subscriptions", signal);
          const named = found.map((each) => el("option", { value: each.subscriptionId }, each.displayName ?? each.subscriptionId));
          chosen.replaceChildren(...(named.length > 1 ? [el("option", { value: "" }, "All")] : []), ...named);
        }
        const wide = [...chosen.options].map((each) => each.value).filter((each) => each && (!chosen.value || each === chosen.value));
        const here = (id) => wide.some((each) => id.toLowerCase().includes(`/subscriptions/${each.toLowerCase()}/`));
        sleeping.update((await every("parked", signal)).filter((each) => here(each.endpoint)));
        const found = (await Promise.all(wide.map((each) => every(`subscriptions/${encodeURIComponent(each)}/workspaces`, signal)))).flat();
        const wanted = new Set(found.map((each) => each.id));
        for (const [id, branch] of branches) if (!wanted.has(id)) { branch.node.remove(); branches.delete(id); }
        for (const workspace of found) {
          let branch = branches.get(workspace.id);
          if (!branch) {
            branch = branchOf(workspace.id, context, narrow, act);
            branches.set(workspace.id, branch);
            tree.append(branch.node);
            if (found.length === 1) branch.unfold();
          }
          branch.update(workspace);
        }
        narrow();
        await Promise.all([...branches.values()].filter((each) => each.isOpen()).map((each) => each.load(signal)));
        if (signal.aborted) return 0;
        narrow();
        context.say(`${found.length} workspaces`);
        return PAUSE_S;
      },
    };
  },
};

function branchOf(id, context, changed, act) {
  const head = el("span.branch");
  const told = el("span");
  const problem = el("div", { role: "alert" });
  const computes = table("Computes", computeColumns(context), (each) => each.id, "No computes.");
  const endpoints = table("Online endpoints", endpointColumns(act), (each) => each.id, "No online endpoints.");
  const links = elsewhere(id, context.links);
  const rest = el("div", { hidden: true }, links.length ? el("p.soft.links", {}, links) : "", computes.node, endpoints.node);
  const opened = async () => {
    if (!fold.open) return;
    if (machines) return show();
    await load();
    changed();
  };
  const fold = el("details", { toggle: opened }, el("summary", {}, head, told), problem, rest);
  let machines = null;
  let served = [];
  let narrowed = false;
  let words = "";

  async function load(signal) {
    try {
      const [found, live] = await Promise.all([every(`${below(id)}/computes`, signal), every(`${below(id)}/onlineEndpoints`, signal)]);
      machines = found.map((each) => ({ ...each, cost: cost(each) })).sort((one, other) => rank(one) - rank(other) || one.name.localeCompare(other.name, undefined, { numeric: true }));
      served = await Promise.all(live.map(async (each) => ({ ...each, deployments: since(each) ? [] : await deployed(each, signal) })));
      problem.replaceChildren();
      show();
    } catch (failure) {
      if (failure.name === "AbortError") return;
      if (!(failure instanceof Problem)) throw failure;
      problem.replaceChildren(trouble(failure));
    }
  }

  /** Say how many have findings; rows are made once it is open. */
  function show() {
    const idle = machines.filter((each) => each.cost.mood === "watch");
    told.replaceChildren(idle.length ? badge(`${idle.length} of ${count(machines.length, "compute")} with findings`, "watch") : el("span.soft", {}, machines.length ? `${count(machines.length, "compute")}, no paid idle compute` : "no computes"));
    if (!fold.open) return;
    computes.update(narrowed ? idle : machines, narrowed && machines.length ? "No paid idle compute." : undefined);
    endpoints.update(served);
    rest.hidden = false;
  }

  return {
    node: el("li", {}, fold),
    isOpen: () => fold.open,
    unfold() { fold.open = true; },
    known: () => machines !== null,
    words: () => words,
    instances: () => served.reduce((total, each) => total + instances(each.deployments), 0),
    idle: () => (machines ?? []).map((each) => each.cost).filter((each) => each.mood === "watch"),
    only(asked) {
      if (narrowed === asked) return;
      narrowed = asked;
      if (machines) show();
    },
    load,
    update(workspace) {
      const more = workspace.properties ?? {};
      const group = workspace.id.split("/")[4];
      const friendly = more.friendlyName && more.friendlyName !== workspace.name ? el("span", {}, "“", foreign(more.friendlyName), "”") : "";
      const tags = Object.entries(workspace.tags ?? {}).map(([name, value]) => `${name}: ${value}`);
      words = [workspace.name, more.friendlyName, group, workspace.location, ...tags].join("\n").toLowerCase();
      const shown = tags.slice(0, TAGS).map((each) => el("span.tag", { title: each }, foreign(each)));
      const others = tags.length > TAGS ? el("span.soft", {}, `and ${tags.length - TAGS} more tags`) : "";
      const parts = [el("strong", {}, workspace.name), friendly, badge(more.provisioningState ?? "unknown"), el("span.soft", {}, `${group}, ${workspace.location}`), shown, others];
      head.replaceChildren(...parts.flat().filter(Boolean));
    },
  };
}

const rank = (compute) => ["watch", "good", "plain"].indexOf(compute.cost.mood);

/** Deployments of an endpoint, as far as they can be read: a key may see endpoints alone. */
async function deployed(endpoint, signal) {
  try {
    const found = await every(`${below(endpoint.id)}/deployments`, signal);
    return found.map((each) => ({ name: each.name, instanceType: each.properties?.instanceType, instances: each.sku?.capacity ?? 0, state: each.properties?.provisioningState }));
  } catch (failure) {
    if (failure instanceof Problem) return [];
    throw failure;
  }
}

const instances = (deployments) => (deployments ?? []).reduce((total, each) => total + (each.instances ?? 0), 0);
const SLEEPS = "steward-parked"; // the tag of an endpoint that sleeps
/** Since when an endpoint sleeps, by its tag; '' when it is awake. */
const since = (endpoint) => /^since (\S+?Z)/.exec(endpoint.tags?.[SLEEPS] ?? "")?.[1] ?? (endpoint.tags?.[SLEEPS] ? "unknown" : "");

/** Park or wake an endpoint, after a question. */
function acting(answer, context) {
  return async (id, action) => {
    const what = action === "wake" ? "Its deployments are created again and cost from then on." : "Its deployments are deleted. The next call wakes it, which takes minutes.";
    const operation = await context.sure(`${action === "wake" ? "Wake" : "Park"} ${place(id)}? ${what}`, answer, `${below(id)}/${action}`, { method: "POST", headers: { Prefer: "respond-async" } });
    if (operation) context.go("operation", operation.name);
  };
}

const button = (id, action, act) => el("button.small", { type: "button", "data-hold": action, "aria-label": `${action === "wake" ? "Wake" : "Park"} ${place(id)}`, click: () => act(id, action) }, action === "wake" ? "Wake" : "Park");
const deployment = (each) => el("span.tag", {}, foreign(each.name), each.instanceType ? `: ${each.instances ?? "?"} × ${each.instanceType}` : "", each.state && each.state !== "Succeeded" ? ` (${each.state})` : "");

function endpointColumns(act) {
  const on = (each) => (instances(each.deployments) ? el("div.soft", {}, `${count(instances(each.deployments) * HOURS, "node-hour")} a day`) : "");
  return [
    { title: "Online endpoint", bare: true, cell: (each) => el("strong", {}, foreign(each.name)) },
    { title: "State", bare: true, tight: true, cell: (each) => (since(each) ? [badge("asleep", "plain"), since(each) === "unknown" ? "" : el("div.soft", {}, ago(since(each)))] : badge(each.properties?.provisioningState)) },
    { title: "Traffic", cell: (each) => (Object.keys(each.properties?.traffic ?? {}).length ? shares(each.properties.traffic) : el("span.soft", {}, "none")) },
    { title: "Deployments", cell: (each) => [each.deployments?.length ? each.deployments.map(deployment) : el("span.soft", {}, "none"), on(each)] },
    { title: "Act", bare: true, tight: true, cell: (each) => (since(each) || each.deployments?.length ? button(each.id, since(each) ? "wake" : "park", act) : "") },
  ];
}

function asleep(found, act) {
  const saved = (each) => (Date.now() - Date.parse(each.parkedAt)) / 3600_000 * instances(each.deployments);
  const grid = table("Endpoints that are asleep", [
    { title: "Endpoint", bare: true, cell: (each) => el("strong", {}, foreign(place(each.endpoint))) },
    { title: "Asleep", tight: true, cell: (each) => ago(each.parkedAt) },
    { title: "Wakes", cell: (each) => each.deployments.map(deployment) },
    { title: "Saved", tight: true, cell: (each) => count(Math.floor(saved(each)), "node-hour") },
    { title: "Act", bare: true, tight: true, cell: (each) => button(each.endpoint, "wake", act) },
  ], (each) => each.endpoint, "None.");
  grid.update(found);
  return grid.node;
}

function computeColumns(context) {
  const hours = (found) => (found.hours ? `, ${count(found.hours * found.nodes, "node-hour")} at most` : "");
  return [
    { title: "Compute", bare: true, cell: (each) => [el("strong", {}, foreign(each.name)), el("div.soft", {}, `${each.properties?.computeType ?? ""} ${each.properties?.properties?.vmSize ?? ""}`)] },
    { title: "State", bare: true, tight: true, cell: (each) => badge(each.cost.state, each.cost.stateMood) },
    { title: "Idleness", bare: true, cell: (each) => [badge(each.cost.word, each.cost.mood), el("div.soft", {}, foreign(each.cost.why), " ", ago(each.cost.since), hours(each.cost))] },
    { title: "Clean-up", bare: true, tight: true, cell: (each) => context.to("explain", each.id, "Why kept?", `Why is ${place(each.id)} kept?`) },
  ];
}

// What a compute costs while it idles, as far as its own resource shows; `explain` knows more.

const LONG_RUNNING_S = 2 * 3600;

/** State and findings: `nodes` cost something and may idle, for at most `hours`. */
function cost(compute) {
  const more = compute.properties ?? {};
  const inner = more.properties ?? {};
  const provisioning = more.provisioningState ?? "unknown";
  if (provisioning === "Failed") {
    const error = more.provisioningErrors?.[0]?.error ?? {};
    return told("Failed", "bad", "failed", "watch", [error.code, error.message].filter(Boolean).join(": "));
  }
  if (provisioning !== "Succeeded") return told(provisioning, "busy", "changing", "plain", "");
  switch (more.computeType) {
    case "ComputeInstance": return instance(inner);
    case "AmlCompute": return cluster(inner);
    default: return told(provisioning, "", "attached", "plain", "billed at its own resource");
  }
}

function instance(inner) {
  const state = inner.state ?? "unknown";
  const since = inner.lastOperation?.operationTime ?? "";
  if (state !== "Running") {
    const stopped = state === "Stopped";
    return told(state, stopped ? "plain" : "", stopped ? "off" : "changing", "plain", stopped ? "no compute cost, its disk remains; stopped" : "", since);
  }
  const shutdown = inner.idleTimeBeforeShutdown;
  if (shutdown) return told(state, "good", "shuts itself down", "good", `after ${lasting(shutdown)} of idleness; started`, since);
  const on = since ? (Date.now() - Date.parse(since)) / 1000 : 0;
  if (on > LONG_RUNNING_S) return told(state, "good", "may idle", "watch", "no idle shutdown; started", since, 1);
  return told(state, "good", "running", "plain", "no idle shutdown; started", since);
}

function cluster(inner) {
  const nodes = inner.currentNodeCount ?? 0;
  const idle = inner.nodeStateCounts?.idleNodeCount ?? 0;
  const least = inner.scaleSettings?.minNodeCount ?? 0;
  const state = inner.allocationState === "Resizing" ? "Resizing" : `${nodes} of ${inner.scaleSettings?.maxNodeCount ?? "?"} nodes`;
  const since = inner.allocationStateTransitionTime ?? "";
  if (idle && least) return told(state, "", `${idle} idle`, "watch", `kept by a minimum of ${least}; last change`, since, Math.min(idle, least));
  if (idle) return told(state, "", `${idle} idle`, "plain", `released after ${lasting(inner.scaleSettings?.nodeIdleTimeBeforeScaleDown) || "a while"}`);
  if (!nodes) return told(state, "plain", "off", "plain", "no nodes, no compute cost");
  return told(state, "good", "in use", "good", least ? `keeps at least ${least}` : "");
}

function told(state, stateMood, word, mood, why, since = "", nodes = 0) {
  const hours = nodes && since ? Math.floor((Date.now() - Date.parse(since)) / 3600_000) : 0;
  return { state, stateMood, word, mood, why, since, nodes, hours };
}
