// What goes on by itself: recipes' runs and expiries; and approvals, which wait for another caller than the one who asked.

import { send } from "./api.js";
import { ago, armError, attempt, badge, el, folded, foreign, part, place, section, table, took } from "./dom.js";

const PAUSE_S = 15;
const BUSY_S = 3;

export const plans = {
  title: "Plans",
  build(root, context) {
    const runs = table("Runs of recipes, newest first", runColumns(context), (each) => each.name, "No runs. POST recipes/NAME runs one.");
    const expiries = table("Expiries, the soonest first", expiryColumns(context), (each) => each.name, "No expiries. The header Expires-In on a create makes one.");
    root.append(section("Recipes", "Runs, newest first.", runs.node), section("Expiries", "What ends by itself, the soonest first.", expiries.node));
    return {
      async refresh(signal) {
        const [went, due] = await Promise.all(["recipes/runs", "expiries"].map((path) => send(path, { signal })));
        runs.update(went.value);
        expiries.update(due.value);
        return went.value.some((each) => !each.endTime) ? BUSY_S : PAUSE_S;
      },
    };
  },
};

const over = (step) => step.endTime || ["Succeeded", "Failed", "Skipped", "Canceled"].includes(step.status);

function runColumns(context) {
  const steps = (each) => each.properties?.steps ?? [];
  return [
    { title: "Recipe", bare: true, cell: (each) => [el("a", { href: context.link("recipe", each.name), "data-hold": "name" }, foreign(each.properties?.recipe ?? each.name)), el("div.soft", {}, "by ", foreign(each.properties?.caller))] },
    { title: "Status", bare: true, cell: (each) => [badge(each.status), " ", el("span.soft", {}, each.error?.code ?? "")] },
    { title: "Steps", tight: true, cell: (each) => `${steps(each).filter(over).length} of ${steps(each).length}` },
    { title: "Started", tight: true, cell: (each) => ago(each.startTime) },
  ];
}

function expiryColumns(context) {
  const link = (each) => (each.operation ? el("a", { href: context.link("operation", each.operation.split("/").pop()) }, "operation") : "");
  return [
    { title: "Resource", bare: true, cell: (each) => [el("strong", {}, foreign(place(each.target))), el("div.soft", {}, `${each.act} by `, foreign(each.caller))] },
    { title: "Status", bare: true, tight: true, cell: (each) => badge(each.status) },
    { title: "At", tight: true, cell: (each) => ago(each.at) },
    { title: "Because", cell: (each) => [foreign(each.reason ?? ""), " ", link(each)] },
  ];
}

/** One run of a recipe, step by step. */
export function recipe(id, context) {
  const step = (each) => el("li", {}, el("span", {}, badge(each.status)), el("div", {}, el("strong", {}, each.name), " ", el("code", {}, foreign(each.does)), each.operation ? [" ", el("a", { href: context.link("operation", each.operation.split("/").pop()), "data-hold": each.name }, "operation")] : "",
    el("div.soft", {}, foreign([each.waitsFor && `waits for ${each.waitsFor}`, each.reason, each.error?.message].filter(Boolean).join("; ")))));
  const shown = part((found) => [
    el("p.lead", {}, el("strong", {}, foreign(found.properties.recipe))),
    el("p.state", {}, badge(found.status), el("span.soft", {}, ago(found.startTime), found.endTime ? `, took ${took(found.startTime, found.endTime)}` : "")),
    armError(found.error), el("h3", {}, "Steps"), el("ol.line", {}, (found.properties.steps ?? []).map(step)), folded("Parameters", found.properties.parameters ?? {})]);
  return {
    title: "Recipe run",
    node: shown.node,
    async refresh(signal) {
      const found = await send(`recipes/runs/${encodeURIComponent(id)}`, { signal });
      shown.update(found);
      return found.endTime ? 0 : BUSY_S;
    },
  };
}

export const approvals = {
  title: "Approvals",
  build(root, context) {
    const answer = el("div", { role: "alert" });
    const decide = async (each, word) => {
      if (!confirm(`${word === "approve" ? "Carry out" : "Refuse"} ${each.request}, asked by ${each.caller}?`)) return;
      await attempt(answer, async () => {
        await send(`approvals/${each.name}/${word}`, { method: "POST" });
        context.say(`${each.request}: ${word}d`);
      });
      context.refresh();
    };
    const grid = table("Approvals, newest first", columns(decide), (each) => each.name, "No approvals. The setting STEWARD_APPROVALS says what needs one.");
    root.append(answer, grid.node);
    return {
      async refresh(signal) {
        grid.update((await send("approvals", { signal })).value);
        return PAUSE_S;
      },
    };
  },
};

function columns(decide) {
  const button = (each, word) => el("button", { type: "button", "data-hold": word, "aria-label": `${word} ${each.request}`, click: () => decide(each, word) }, word);
  const buttons = (each) => (each.status === "Pending" ? [button(each, "approve"), " ", button(each, "refuse")] : each.by ? ["by ", foreign(each.by)] : "");
  return [
    { title: "Request", bare: true, cell: (each) => [foreign(each.request), el("div.soft", {}, ago(each.createdAt), " by ", foreign(each.author ? `${each.caller} (${each.author})` : each.caller))] },
    { title: "Status", bare: true, tight: true, cell: (each) => badge(each.status) },
    { title: "Over", tight: true, cell: (each) => (each.status === "Pending" ? ago(each.expiresAt) : "") },
    { title: "Decide", bare: true, tight: true, cell: buttons },
  ];
}
