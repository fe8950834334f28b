// Operations: how many over time, the newest first, one of them. Screen readers hear of each end once.

import { BASE, next, Problem, send } from "./api.js";
import { ago, armError, badge, broken, chart, copyable, count, el, facts, folded, foreign, line, part, place, table, ticked, took, trouble } from "./dom.js";

const BUSY_S = 3;
const QUIET_S = 15;
const LOAD_MS = 60_000; // between two counts
const PAGE = 50;
const MOST = 200; // of one request
const DAY = "P1D";
/** What can be chosen, and what is asked for it. */
const STATES = [
  ["", "any", {}],
  ["Running", "running", { outcome: "Running" }],
  ["old", "open for over an hour", { status: "Running", until: "PT1H" }],
  ["NotStarted", "not started", { outcome: "NotStarted" }],
  ["Succeeded", "succeeded", { outcome: "Succeeded" }],
  ["Failed", "failed", { outcome: "Failed" }],
  ["Refused", "refused at once", { outcome: "Refused" }],
  ["Canceled", "canceled", { outcome: "Canceled" }],
];
const TIMES = [["", "any time"], ["PT1H", "last hour"], [DAY, "last 24 hours"], ["P7D", "last 7 days"], ["P30D", "last 30 days"]];
const LOST = [["Failed", "bad"], ["Refused", "watch"]];
const STACKS = [["Succeeded", "good"], ["Running", "busy"], ["NotStarted", "busy"], ["Canceled", "plain"], ...LOST];

/** How far an operation is: a number where Azure gives one. */
export function progress(operation) {
  if (operation.endTime) return "";
  const percent = operation.percentComplete;
  const bar = el("progress", { "aria-label": "progress", max: 100, value: percent > 0 ? percent : null });
  return percent > 0 ? [bar, ` ${Math.round(percent)} %`] : bar;
}

/** What is asked of the target: the verb, and the action of a POST. */
export function verb(operation) {
  const request = String(operation.properties?.request ?? "");
  return request.startsWith("POST") ? `POST ${request.split("/").pop()}` : request.split(" ")[0];
}

export const operations = {
  title: "Operations",
  build(root, context) {
    const choice = (pairs) => el("select", { change: () => restart() }, pairs.map(([value, words]) => el("option", { value }, words)));
    const text = (size, placeholder) => el("input", { type: "search", size, placeholder, spellcheck: "false", change: () => restart() });
    const find = text(30, "name, caller, code, trace or id");
    const [status, since] = [choice(STATES), choice(TIMES)];
    const further = { kind: text(20, "workspaces/jobs"), caller: text(14, "key:ci"), below: text(30, "workspaces/ml-prod, or a full id") };
    const more = el("button", { type: "button", hidden: true, click: () => { wanted += PAGE; context.refresh(); } }, "Show older");
    const shown = el("span.soft");
    const first = ["No operations yet. Each change request becomes one; ", el("a", { href: "docs" }, "the API page"), " can send one."];
    const grid = table("Operations, newest first", columns(context), (each) => each.name, first);
    const load = part((found) => numbers(found, status, find, restart));
    root.append(
      el("div.bar", {}, el("label", {}, "Find", find), el("label", {}, "Status", status), el("label", {}, "Time", since),
        el("details.filters", {}, el("summary", {}, "More filters"), el("div.bar", {}, el("label", {}, "Kind", further.kind), el("label", {}, "By", further.caller), el("label", {}, "At or below", further.below)))),
      load.node, grid.node, el("div.bar", {}, more, shown));
    let wanted = PAGE;
    let known = null;
    let counted = 0;

    function restart() {
      wanted = PAGE;
      known = null;
      counted = 0;
      context.refresh();
    }

    /** What the filters ask for, but for the status. */
    function asked() {
      const fields = { find, ...further, since };
      return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value.trim()]).filter(([, value]) => value));
    }

    async function read(signal) {
      const [, , state] = STATES.find(([value]) => value === status.value);
      let path = `operations?${new URLSearchParams({ $top: String(Math.min(wanted, MOST)), ...asked(), ...state })}`;
      const found = [];
      while (path && found.length < wanted) {
        const answer = await send(path, { signal });
        found.push(...answer.value);
        path = next(answer.nextLink);
      }
      more.hidden = !path;
      return found;
    }

    return {
      async refresh(signal) {
        let found;
        try {
          found = await read(signal);
        } catch (failure) {
          if (failure.status >= 400 && failure.status < 500) grid.update([], "Nothing is shown: the filter was refused.");
          throw failure;
        }
        grid.update(found, status.value || Object.keys(asked()).length ? "No matches." : first);
        const open = found.filter((each) => !each.endTime).length;
        shown.textContent = found.length ? `${found.length} shown, ${open} of them running` : "";
        tell(found, known, context);
        known = new Map(found.map((each) => [each.name, each.status]));
        if (Date.now() - counted > LOAD_MS) {
          load.update(await send(`load?${new URLSearchParams({ ...asked(), since: since.value || DAY })}`, { signal }));
          counted = Date.now();
        }
        return open ? Math.max(BUSY_S, found.length / 40) : QUIET_S;
      },
    };
  },
};

/** How many ended how, and why some failed: each a filter; both over time. */
function numbers(found, status, find, restart) {
  const total = Object.values(found.outcomes).reduce((sum, each) => sum + each, 0);
  if (!total) return [];
  const choose = (field, value) => () => { field.value = field.value === value ? "" : value; restart(); };
  const chips = STACKS.filter(([name]) => found.outcomes[name]).map(([name]) =>
    el("button.chip", { type: "button", "data-hold": name, title: `Only those that are ${name}`, click: choose(status, name) }, badge(name), ` ${found.outcomes[name].toLocaleString()}`));
  const codes = found.codes.map(({ name, count }) => el("button.chip", { type: "button", "data-hold": `code ${name}`, title: `Find ${name}`, click: choose(find, name) }, el("code", {}, foreign(name)), ` ${count.toLocaleString()}`));
  return el("section.load", { "aria-label": "Load and failures" },
    el("div.charts", {}, chart("Operations", found.value, STACKS, found.stepS), chart("Failed or refused", found.value, LOST, found.stepS)),
    el("p.chips", {}, chips, codes.length ? el("span.soft", {}, "because of") : "", codes));
}

function columns(context) {
  const said = (each) => each.properties ?? {};
  const name = (each) => context.to("operation", each.name, foreign(place(said(each).target)));
  const state = (each) => (each.endTime ? each.error?.code ?? "" : said(each).azureStatus ?? said(each).phase ?? "");
  return [
    { title: "Target", bare: true, cell: (each) => [name(each), " ", el("span.soft", {}, verb(each))] },
    { title: "Status", bare: true, cell: (each) => [badge(said(each).outcome ?? each.status), " ", el("span.soft", {}, broken(state(each)))] },
    { title: "Took", bare: true, tight: true, cell: (each) => (each.endTime ? took(each.startTime, each.endTime) : progress(each)) },
    { title: "Started", tight: true, cell: (each) => ago(each.startTime) },
    { title: "By", cell: (each) => by(said(each), context) },
  ];
}

/** Who asked: a link to a run of the clean-up and to a rollout. */
function by({ caller = "", target = "" }, context) {
  const [what, run] = caller.split(":");
  if (what === "cleanup" && run) return context.to("report", run, "clean-up");
  if (what === "rollout") return context.to(what, `${target.replace(/\/deployments\/.*/, "")}/${caller.replace(":", "/")}`, what);
  return foreign(what === "expiry" ? what : caller);
}

function tell(found, known, context) {
  if (!known) {
    const open = found.filter((each) => !each.endTime).length;
    return context.say(`${found.length} operations shown, ${open} running`);
  }
  const ended = found.filter((each) => each.endTime && known.has(each.name) && known.get(each.name) !== each.status);
  if (ended.length) context.say(ended.map((each) => `${place(each.properties?.target)}: ${each.status}`).join("; "));
}

export function operation(id, context) {
  const acts = el("div.bar", { hidden: true });
  const parts = [state, why, about, lines, told, ended].map((make) => part((found) => make(found, context)));
  const path = `operations/${encodeURIComponent(id)}`;
  const cancel = async (query) => {
    try {
      await send(`${path}/cancel${query}`, { method: "POST" });
      context.say("Cancellation accepted");
      acts.replaceChildren();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      const letGo = el("button.danger", { type: "button", click: () => cancel("?abandon=true") }, "Stop following it");
      const what = el("p", {}, "Azure continues; the app stops following it.");
      acts.replaceChildren(trouble(problem), ...(problem.code === "NotCancelable" ? [what, letGo] : []));
      acts.querySelector("button")?.focus();
    }
    context.refresh();
  };
  const offer = () => {
    acts.replaceChildren(el("button.danger", { type: "button", click: () => sure() }, "Cancel this operation"));
    return acts.firstChild;
  };
  const sure = () => {
    const yes = el("button.danger", { type: "button", click: () => cancel("") }, "Yes, cancel it");
    acts.replaceChildren(el("span", {}, "Cancel it?"), yes, el("button", { type: "button", click: () => offer().focus() }, "No, continue"));
    yes.focus();
  };
  offer();
  return {
    title: "Operation",
    node: el("div", {}, parts[0].node, acts, parts.slice(1).map((each) => each.node)),
    async refresh(signal) {
      const found = await send(path, { signal });
      for (const each of parts) each.update(found);
      acts.hidden = Boolean(found.endTime);
      return found.endTime ? 0 : BUSY_S;
    },
  };

  function state(found) {
    const more = found.properties ?? {};
    const where = found.endTime ? "" : more.azureStatus ? `${more.phase}; Azure says ${more.azureStatus}` : more.phase;
    return [
      el("p.lead", {}, el("strong", {}, foreign(place(more.target)))),
      el("p.state", {}, badge(more.outcome ?? found.status), el("span.soft", {}, verb(found)), progress(found), el("span.soft", {}, foreign(where))),
      more.outcome === "Refused" ? el("p.soft", {}, "Azure refused the request at once. Nothing was changed.") : "",
      more.explanation ? "" : armError(found.error),
    ];
  }
}

/** Where a resource is in the portal and, in a workspace, in Studio. */
export function elsewhere(id, links) {
  const [workspace] = /^\/subscriptions\/.*?\/workspaces\/[^/]+/i.exec(id) ?? [];
  if (!id.toLowerCase().startsWith("/subscriptions/")) return [];
  const job = /\/jobs\/([^/]+)$/i.exec(id)?.[1];
  const out = (href, words) => el("a", { href, target: "_blank", rel: "noreferrer" }, words);
  const studio = links.studio && workspace ? out(`${links.studio}/${job ? `runs/${encodeURIComponent(job)}` : ""}?wsid=${encodeURI(workspace)}`, "Studio") : "";
  return [links.portal ? out(`${links.portal}/#resource${encodeURI(id)}`, "Portal") : "", studio ? " " : "", studio];
}

/** The request, without its body, which is not kept. */
function curl(found) {
  const [method, path] = String(found.properties?.request ?? "").split(" ");
  const body = method === "PUT" || method === "PATCH" ? " -d @body.json" : "";
  return `curl -X ${method} "${location.origin}${BASE}${path}" -H "x-functions-key: $KEY"${body}`;
}

/** Why it failed, what to do, and the end of its log. */
function why(found) {
  const said = found.properties?.explanation;
  if (!said) return [];
  const page = String(said.page ?? "").startsWith("https://") ? el("a", { href: said.page, rel: "noreferrer" }, "More at Microsoft Learn") : "";
  const log = said.log ?? {};
  const text = el("pre", { tabindex: "0", "aria-label": "Log" }, (log.lines ?? []).join("\n"));
  const whole = el("button.small", { type: "button", "data-hold": "log", click: async () => {
    whole.disabled = true;
    try {
      text.textContent = await send(next(log.url), { as: "text" });
      whole.remove();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      whole.replaceWith(trouble(problem));
    }
  } }, "Show all of it");
  const shown = log.lines ? [el("p.soft", {}, "End of ", foreign(log.name), " ", log.url ? whole : ""), text] : el("p.soft", {}, foreign(log.problem));
  return [el("section.problem", {}, el("h3", {}, "Why"), el("p", {}, foreign(said.cause)), el("h3", {}, "Next step"), el("p", {}, ticked(said.next)), page), shown, found.error ? folded("Azure's answer", found.error) : ""];
}

function about(found, context) {
  const more = found.properties ?? {};
  const calls = Object.entries(more.azureCalls ?? {}).map(([what, number]) => count(number, what)).join(", ");
  return facts([
    ["Caller", by(more, context)],
    ["Started", ago(found.startTime)],
    ["Ended", found.endTime ? [ago(found.endTime), `, after ${took(found.startTime, found.endTime)}`] : ""],
    ["Requests to Azure", calls],
    ["Open in", elsewhere(more.target ?? "", context.links)],
  ]);
}

const REQUEST = /^(\d{3}) ([0-9a-f-]{20,})$/i; // how Azure answered, and what its support finds the request by

function lines(found) {
  const detail = (each) => {
    const [, status, id] = REQUEST.exec(each.detail ?? "") ?? [];
    return id ? [` ${status} `, el("span.soft", {}, "x-ms-request-id "), copyable(id, "ARM request id")] : each.detail ? [" ", foreign(each.detail)] : "";
  };
  return [el("h3", {}, "Time line"), line(found.startTime, found.properties?.timeline ?? [], detail)];
}

function told(found) {
  const entries = (found.properties?.deliveries ?? []).map((each) => {
    const last = each.attempts.at(-1);
    const why = each.status !== "Delivered" && last ? ` Last answer: ${last.problem ?? last.status}.` : "";
    return el("li", {}, badge(each.status), " ", foreign(each.target), " ", el("span.soft", {}, count(each.tried, "attempt"), each.nextAttempt ? [", next ", ago(each.nextAttempt)] : "", ".", foreign(why)));
  });
  return entries.length ? [el("h3", {}, "Notifications"), el("ul.list", {}, entries)] : [];
}

function ended(found) {
  const more = found.properties ?? {};
  const named = facts([
    ["Resource", copyable(more.target ?? "", "resource id")],
    ["Operation", copyable(found.name, "operation id")],
    ["Trace", more.traceId ? copyable(more.traceId, "trace id") : ""],
    ["As curl", String(more.request ?? "").includes(" /subscriptions/") ? copyable(curl(found), "as curl") : ""],
  ]);
  named.className = "ids";
  return [more.result ? folded("Result", more.result) : "", el("h3", {}, "Identifiers"), named];
}
