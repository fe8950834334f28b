// Health: problems, queues, failing receivers, what Azure still allows, sign-in.

import { send } from "./api.js";
import { ago, badge, broken, count, el, foreign, part, place, section, table, ticked, trouble } from "./dom.js";

const PAUSE_S = 15;
const LITTLE = 0.2; // of an allowance: from here on the app polls more slowly

export const health = {
  title: "Health",
  build(root, context) {
    const points = part(attention);
    const cards = part((found) => el("div.cards", {}, cardsOf(found, context)));
    const queues = table("Queues; poison messages failed repeatedly", QUEUES, (each) => each.name, "The queues cannot be read.");
    const lost = table("Failing deliveries, newest first", lostColumns(context), (each) => `${each.about} ${each.target} ${each.eventId}`, "All notifications delivered. Callback-Url and STEWARD_NOTIFY name receivers.");
    const answer = el("div", { role: "alert" });
    const discard = (each) => context.sure(`Discard this message of ${each.place} for good?`, answer, `health/poison/${encodeURIComponent(each.id)}`, { method: "DELETE", done: "Discarded" });
    const poison = table("Messages and events that could not be processed", poisonColumns(discard), (each) => each.id, "No poison.");
    const held = section("Poison", "Messages and events that could not be processed.", answer, poison.node);
    held.hidden = true;
    const allowances = table("Remaining read quota of Azure Resource Manager", ALLOWANCES, (each) => `${each.subscription} ${each.allowance}`, "Not known yet: this process has sent no request to Azure.");
    root.append(points.node, cards.node, held,
      section("Queues", "Poison messages failed repeatedly.", queues.node),
      section("Deliveries", "Receivers being retried or given up.", lost.node),
      section("Throttling", "Remaining read quota of Azure Resource Manager, as seen by this process.", allowances.node));
    return {
      async refresh(signal) {
        const found = await send("health/details", { signal });
        context.attend(found.attention);
        if (!found.queues) {
          points.node.textContent = "Your key has a scope. The app's own state needs a key without one.";
          return 0;
        }
        points.update(found.attention);
        cards.update({ ...found, at: "" });
        queues.update(found.queues.error ? [] : found.queues);
        const any = kept(found.eventsPutAside) || kept(found.messagesPutAside) || (found.queues.error ? [] : found.queues).some((each) => each.poison);
        held.hidden = !any;
        poison.update(any ? (await send("health/poison", { signal })).value : []);
        lost.update(found.deliveries.newest ?? []);
        allowances.update(found.throttling.allowances ?? []);
        return PAUSE_S;
      },
    };
  },
};

const kept = (part) => part?.count ?? 0;

function attention(points) {
  if (!points.length) return el("p.fine", {}, badge("all well", "good"), " No action needed.");
  const rows = points.map((each) => el("li", {}, el("p", {}, el("code", {}, each.code), " ", foreign(each.message)), el("p.soft", {}, ticked(each.next))));
  return el("section.problem", {}, el("h2", {}, count(points.length, "problem")), el("ul", {}, rows));
}

function card(title, given, show) {
  return el("section.card", {}, el("h2", {}, title), given.error ? trouble(Object.assign(new Error(given.error.message), { code: given.error.code })) : show(given));
}

function cardsOf(found, context) {
  const poison = (queues) => queues.reduce((sum, each) => sum + each.poison, 0);
  const waiting = (queues) => queues.reduce((sum, each) => sum + each.messages, 0);
  const oldest = (each) => ["Oldest: ", context.to("operation", each.name, foreign(place(each.target))), ", ", ago(each.startTime)];
  const big = (number) => el("p.big", {}, number.toLocaleString());
  const wrong = (number, word) => el("p", {}, number ? badge(word, "bad") : badge("none", "good"));
  const files = (given) => [big(given.mistakes), given.first ? el("p", {}, el("strong", {}, foreign(given.first.file)), given.first.line ? `, line ${given.first.line}: ` : ": ", foreign(given.first.message)) : el("p", {}, badge("none", "good"))];
  return [
    card("App", found, () => el("p.big", {}, badge(found.status))),
    card("Sign-in to Azure", found.token, () => el("p.big", {}, badge("works", "good"))),
    card("Open operations", found.operations, (given) => [big(given.open), given.oldest ? el("p", {}, oldest(given.oldest)) : el("p.soft", {}, "No open operations.")]),
    card("Failed in the last hour", found.operations, (given) => failures(given.lastHour ?? { outcomes: {}, codes: [] }, big)),
    card("Failed rule runs", found.firings ?? {}, (given) => [big(given.failedToday ?? 0), el("p.soft", {}, given.failedToday ? given.rules.join(", ") : "in the last day")]),
    card("Messages waiting", found.queues, (given) => [big(waiting(given)), el("p.soft", {}, "in all queues, delayed ones included")]),
    card("Poison", found.queues, (given) => [big(poison(given)), wrong(poison(given), "see below")]),
    card("Rejected events", found.eventsPutAside, (given) => [big(given.count), el("p.soft", {}, given.prefix)]),
    card("Deliveries", found.deliveries, (given) => [big(given.triedAgain + given.givenUp), el("p.soft", {}, `${given.triedAgain} being retried, ${given.givenUp} given up`)]),
    card("Mistakes in policies", found.policyFiles, files),
    card("Mistakes in rules", found.ruleFiles, files),
    card("Refused by throttling", found.throttling, (given) => [big(given.refused), el("p.soft", {}, "since this worker process started")]),
  ];
}

/** How many operations failed and why; what Azure refused at once is said apart. */
function failures(hour, big) {
  const { Failed: failed = 0, Refused: refused = 0 } = hour.outcomes;
  const why = hour.codes.slice(0, 3).map((each) => el("div.soft", {}, el("code", {}, broken(each.name)), ` ${each.count.toLocaleString()}`));
  return [big(failed), el("p.soft", {}, refused ? `and ${refused.toLocaleString()} refused at once` : "none refused at once"), why];
}

function poisonColumns(discard) {
  return [
    { title: "Message", bare: true, cell: (each) => [el("code", {}, foreign(each.text)), el("div.soft", {}, foreign(each.place))] },
    { title: "Reason", cell: (each) => foreign(each.reason) },
    { title: "Since", tight: true, cell: (each) => ago(each.at) },
    { title: "Discard", bare: true, tight: true, cell: (each) => el("button.small.danger", { type: "button", "data-hold": "discard", "aria-label": `Discard ${each.id}`, click: () => discard(each) }, "Discard") },
  ];
}

const QUEUES = [
  { title: "Queue", bare: true, cell: (each) => each.name },
  { title: "Messages", tight: true, cell: (each) => each.messages.toLocaleString() },
  { title: "Poison", tight: true, cell: (each) => (each.poison ? badge(String(each.poison), "bad") : "0") },
];

function lostColumns(context) {
  const kinds = [[/^\d{8}T\d{6}Z-/, "report"], [/^[0-9a-f]{40}$/, "firing"], [/-/, "operation"]];
  const about = (each) => {
    const kind = kinds.find(([pattern]) => pattern.test(each.about))?.[1] ?? "operation";
    return context.to(kind, each.about, `the ${kind}`);
  };
  const last = (each) => each.attempts.at(-1) ?? {};
  return [
    { title: "Receiver", bare: true, cell: (each) => [foreign(each.target), el("div.soft", {}, each.type)] },
    { title: "Status", bare: true, tight: true, cell: (each) => (each.status === "Pending" ? badge("retrying", "watch") : badge(each.status === "Gone" ? "receiver gone" : "given up", "bad")) },
    { title: "Last answer", cell: (each) => foreign(last(each).problem ?? last(each).status ?? "") },
    { title: "Attempts", tight: true, cell: (each) => [String(each.tried), each.nextAttempt ? [", next ", ago(each.nextAttempt)] : ""] },
    { title: "About", bare: true, tight: true, cell: about },
  ];
}

const ALLOWANCES = [
  { title: "Subscription", bare: true, cell: (each) => each.subscription },
  { title: "Allowance", bare: true, tight: true, cell: (each) => each.allowance },
  { title: "Left", tight: true, cell: (each) => [el("progress", { max: each.of, value: each.left, "aria-label": `left of ${each.allowance}` }), ` ${each.left.toLocaleString()} of ${each.of.toLocaleString()} `, each.left / each.of < LITTLE ? badge("low", "watch") : ""] },
];
