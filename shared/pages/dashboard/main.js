// The frame: who is in, which view is shown, and when it asks the app again. What a view shows is the view's own.

import { key, Problem, send } from "./api.js";
import { cleanUp, explain, report } from "./cleanup.js";
import { attempt, count, el, foreign, span, tick, trouble } from "./dom.js";
import { health } from "./health.js";
import { operation, operations } from "./operations.js";
import { approvals, events, firing, plans, recipe, rollout } from "./plans.js";
import { workspaces } from "./workspaces.js";

const VIEWS = { operations, workspaces, "clean-up": cleanUp, events, plans, approvals, health };
/** What opens over a view: each makes, for an id, `{title, node, refresh}`; see `route`. */
const DETAILS = { operation, report, explain, firing, recipe, rollout };
const LONGEST_PAUSE_S = 60;
const ATTEND_MS = 60_000; // between two looks at the problems, in every view
const $ = (id) => document.getElementById(id);

let signedIn = false;
let live = true;
let shown = ""; // the view's name
let view = null; // what is asked for the view's data: `refresh(signal)` returns seconds until the next time, 0 for never
let detail = null; // likewise of the dialog, while it is open; only one of both asks
let timer = 0;
let controller = null;
let failures = 0;
let attended = 0;

/** Say to screen readers what happened; focus stays. */
function say(words) {
  if ($("news").textContent !== words) $("news").textContent = words;
}

/** Ask for what is shown, and again when it says so: not while the page is hidden, not twice at once, slower while it fails. */
async function refresh() {
  clearTimeout(timer);
  controller?.abort();
  if (document.hidden || !signedIn) return;
  const asked = detail ?? view;
  const mine = (controller = new AbortController());
  const spot = $(detail ? "detail-problem" : "problem");
  let pauseS = 0;
  try {
    pauseS = await asked.refresh(mine.signal);
    if (mine.signal.aborted) return;
    failures = 0;
    spot.replaceChildren();
    $("updated").textContent = `Updated ${new Date().toLocaleTimeString()}`;
    look();
  } catch (failure) {
    if (mine.signal.aborted) return;
    if (failure.status === 401) return signIn(failure);
    failures += 1;
    const known = failure instanceof Problem;
    const again = known && (!failure.status || failure.status === 429 || failure.status >= 500);
    pauseS = again ? Math.min(LONGEST_PAUSE_S, Math.max(failure.retryAfterS, 2 ** failures)) : 0;
    spot.replaceChildren(trouble(known ? failure : new Problem("This page cannot show the app's answer.", { hint: String(failure) })));
    $("updated").textContent = pauseS ? `Retrying in ${span(pauseS)}` : "";
  }
  if (live && pauseS) timer = setTimeout(refresh, pauseS * 1000);
}

function attend(points) {
  attended = Date.now();
  $("to-health").replaceChildren(VIEWS.health.title, ...(points.length ? [el("span.dot", {}, String(points.length), el("span.unseen", {}, ` ${count(points.length, "problem").split(" ")[1]}`))] : []));
}

/** Ask for that now and then; errors are for the view itself to show. */
async function look() {
  if (Date.now() - attended < ATTEND_MS) return;
  attended = Date.now();
  try {
    attend((await send("health/details")).attention);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
  }
}

/** Show what the address says: `#/view`, or `#/view/kind/id` with a dialog over it. */
function route() {
  if (!signedIn) return;
  const [name, kind, id] = location.hash.replace(/^#\//, "").split("/");
  const plain = (text) => text.toLowerCase().replace(/[^a-z]/g, "");
  const wanted = Object.keys(VIEWS).find((each) => plain(each) === plain(name)) ?? "operations";
  if (name && wanted !== "operations" && name !== wanted) return location.replace(location.hash.replace(name, wanted));
  failures = 0;
  if (wanted !== shown) open(wanted);
  const make = DETAILS[kind];
  if (make && id) openDetail(make(decodeURIComponent(id), context));
  else {
    detail = null; // the dialog's own event comes later
    $("detail").close();
  }
  refresh();
}

function open(name) {
  const moved = shown !== "";
  shown = name;
  $("problem").replaceChildren();
  const title = el("h1", { tabindex: "-1" }, VIEWS[name].title);
  const root = el("div");
  $("updated").textContent = "";
  $("view").replaceChildren(title, root);
  view = VIEWS[name].build(root, context);
  document.title = `${VIEWS[name].title} · azureml-steward`;
  for (const link of $("views").children) link.toggleAttribute("aria-current", false);
  $(`to-${name}`).setAttribute("aria-current", "page");
  if (moved && !$("detail").open) title.focus();
}

function openDetail(made) {
  detail = made;
  $("detail-title").textContent = made.title;
  $("detail-problem").replaceChildren();
  $("detail-body").replaceChildren(made.node);
  if (!$("detail").open) $("detail").showModal();
  $("detail-title").focus();
}

/** What a view may do outside of itself. */
const context = {
  links: {}, // where the portal and Studio are
  say,
  refresh,
  attend,
  /** A link to what opens over the view. */
  to: (kind, id, words, label) => el("a", { href: `#/${shown}/${kind}/${encodeURIComponent(id)}`, "data-hold": `${kind} ${id}`, "aria-label": label }, words),
  /** Ask the reader, then send what the app may refuse; its answer, undefined without one. */
  async sure(question, spot, path, { done, ...given }) {
    if (!confirm(question)) return undefined;
    const found = await attempt(spot, () => send(path, given));
    if (found !== undefined && done) say(done);
    refresh();
    return found;
  },
  go: (kind, id) => { location.hash = `/${shown}/${kind}/${encodeURIComponent(id)}`; },
};

function signIn(problem) {
  signedIn = false;
  clearTimeout(timer);
  key.forget();
  if ($("detail").open) $("detail").close();
  shown = "";
  $("views").hidden = $("tools").hidden = true;
  $("problem").replaceChildren();
  $("updated").textContent = $("who").textContent = "";
  document.title = "Sign in · azureml-steward";
  const field = el("input", { type: "password", name: "key", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "key-hint" });
  const wrong = el("div", { role: "alert" }, problem ? trouble(problem) : null);
  const enter = async (event) => {
    event.preventDefault();
    key.set(field.value.trim());
    await come(wrong, field);
  };
  const form = el("form", { submit: enter }, el("label", {}, "Function key", field), el("button.primary", { type: "submit" }, "Show"), wrong);
  const hint = "This page holds no data. The key stays in this tab, is sent to this app only, as a header, and is forgotten when the tab closes.";
  $("view").replaceChildren(el("section.sign-in", {}, el("h1", {}, "azureml-steward"), form, el("p.soft", { id: "key-hint" }, hint)));
  field.focus();
}

/** Try the key (or, without one, what a gateway in front adds to the request). */
async function come(wrong, field) {
  const given = key.get();
  try {
    const vitals = await send("health/details");
    signedIn = true;
    $("who").replaceChildren("as ", foreign(vitals.caller));
    context.links = vitals.links ?? {};
    attend(vitals.attention);
    $("views").hidden = $("tools").hidden = false;
    route();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    key.forget();
    if (!wrong) return signIn(problem.status === 401 && !given ? null : problem);
    wrong.replaceChildren(trouble(problem));
    field.select();
  }
}

for (const [name, each] of Object.entries(VIEWS)) $("views").append(el("a", { href: `#/${name}`, id: `to-${name}` }, each.title));
$("refresh").addEventListener("click", refresh);
$("leave").addEventListener("click", () => signIn(null));
$("live").addEventListener("click", () => {
  live = !live;
  $("live").setAttribute("aria-pressed", String(live));
  refresh();
});
$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("content").focus();
});
$("detail-close").addEventListener("click", () => $("detail").close());
$("detail").addEventListener("close", () => {
  detail = null;
  failures = 0;
  if (signedIn && location.hash.split("/").length > 2) location.hash = `/${shown}`;
});
addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  const field = $("view").querySelector('input[type="search"]');
  if (!field) return;
  event.preventDefault();
  field.focus();
});
addEventListener("hashchange", route);
addEventListener("online", refresh);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return refresh();
  clearTimeout(timer);
  controller?.abort();
});
setInterval(() => document.hidden || tick(), 1000);
come(null, null);
