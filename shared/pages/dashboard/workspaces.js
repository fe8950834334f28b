// The tree of workspaces: their computes with state and what idles at a price, their endpoints.

import { below, next, Problem, send } from "./api.js";
import { ago, badge, el, place, table, trouble } from "./dom.js";
import { cost } from "./cost.js";

const PAUSE_S = 45;
const PAGES = 20;

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
    const chosen = el("select", { change: () => { tree.replaceChildren(); branches.clear(); context.refresh(); } });
    const tree = el("ul.tree");
    const none = el("p.empty", { hidden: true }, "There are no workspaces in this subscription that the app may see.");
    const branches = new Map();
    root.append(el("div.bar", {}, el("label", {}, "Subscription", chosen)), tree, none);

    return {
      async refresh(signal) {
        if (!chosen.options.length) {
          const found = await every("subscriptions", signal);
          chosen.replaceChildren(...found.map((each) => el("option", { value: each.subscriptionId }, each.displayName ?? each.subscriptionId)));
        }
        const found = chosen.value ? await every(`subscriptions/${encodeURIComponent(chosen.value)}/workspaces`, signal) : [];
        none.hidden = Boolean(found.length);
        const wanted = new Set(found.map((each) => each.id));
        for (const [id, branch] of branches) if (!wanted.has(id)) { branch.node.remove(); branches.delete(id); }
        for (const workspace of found) {
          let branch = branches.get(workspace.id);
          if (!branch) {
            branch = branchOf(workspace.id, context);
            branches.set(workspace.id, branch);
            tree.append(branch.node);
          }
          branch.update(workspace);
        }
        const open = [...branches.values()].filter((each) => each.isOpen());
        await Promise.all(open.map((each) => each.load(signal)));
        if (signal.aborted) return 0;
        context.say(`${found.length} workspaces`);
        return PAUSE_S;
      },
    };
  },
};

function branchOf(id, context) {
  const head = el("summary");
  const told = el("p.soft");
  const problem = el("div", { role: "alert" });
  const computes = table("Computes", computeColumns(context), (each) => each.id, "No computes.");
  const endpoints = table("Online endpoints", ENDPOINTS, (each) => each.id, "No online endpoints.");
  const rest = el("div", { hidden: true }, computes.node, endpoints.node);
  const fold = el("details", { toggle: () => { if (fold.open && rest.hidden) load(); } }, head, told, problem, rest);

  async function load(signal) {
    try {
      const [machines, served] = await Promise.all([every(`${below(id)}/computes`, signal), every(`${below(id)}/onlineEndpoints`, signal)]);
      computes.update(machines);
      endpoints.update(served);
      problem.replaceChildren();
      const idle = machines.filter((each) => cost(each).mood === "watch").length;
      told.textContent = idle ? `${idle} of ${machines.length} computes cost something while they idle, or may.` : `${machines.length} computes, none idles at a price.`;
      rest.hidden = false;
    } catch (failure) {
      if (failure.name === "AbortError") return;
      if (!(failure instanceof Problem)) throw failure;
      problem.replaceChildren(trouble(failure));
    }
  }

  return {
    node: el("li", {}, fold),
    isOpen: () => fold.open,
    load,
    update(workspace) {
      const more = workspace.properties ?? {};
      const group = workspace.id.split("/")[4];
      const friendly = more.friendlyName && more.friendlyName !== workspace.name ? `“${more.friendlyName}” ` : "";
      const tags = Object.entries(workspace.tags ?? {}).map(([name, value]) => el("span.tag", {}, `${name}: ${value}`));
      head.replaceChildren(el("strong", {}, workspace.name), ` ${friendly}`, badge(more.provisioningState ?? "unknown"), " ", el("span.soft", {}, `${group}, ${workspace.location} `), ...tags);
    },
  };
}

const ENDPOINTS = [
  { title: "Endpoint", cell: (each) => each.name },
  { title: "State", cell: (each) => badge(each.properties?.provisioningState) },
  { title: "Traffic", cell: (each) => Object.entries(each.properties?.traffic ?? {}).map(([name, share]) => el("span.tag", {}, `${name}: ${share} %`)) },
];

function computeColumns(context) {
  return [
    { title: "Compute", cell: (each) => [el("strong", {}, each.name), el("div.soft", {}, `${each.properties?.computeType ?? ""} ${each.properties?.properties?.vmSize ?? ""}`)] },
    { title: "State", cell: (each) => badge(cost(each).state, cost(each).stateMood) },
    { title: "Idleness", cell: (each) => [badge(cost(each).word, cost(each).mood), el("div.soft", {}, cost(each).why, " ", ago(cost(each).since))] },
    { title: "Clean-up", cell: (each) => el("a", { href: context.link("explain", each.id), "data-hold": "explain", "aria-label": `Why ${place(each.id)} stays or goes` }, "stays or goes?") },
  ];
}
