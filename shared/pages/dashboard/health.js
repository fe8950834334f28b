// Health: the app's queues, what is open longest, what Azure still allows, whether the app can sign in.

import { send } from "./api.js";
import { ago, badge, el, place, table, trouble } from "./dom.js";

const PAUSE_S = 15;
const OLD_S = 24 * 3600;
const LITTLE = 0.2; // of an allowance: from here on the app polls more slowly

export const health = {
  title: "Health",
  build(root, context) {
    const cards = el("div.cards");
    const queues = table("Queues; poison is what kept failing", QUEUES, (each) => each.name, "The queues cannot be read.");
    const allowances = table("What Azure Resource Manager still allows to read", ALLOWANCES, (each) => `${each.subscription} ${each.allowance}`, "Azure has told nothing about it yet.");
    root.append(cards, el("h2", {}, "Queues"), queues.node, el("h2", {}, "Throttling"), allowances.node);
    return {
      async refresh(signal) {
        const found = await send("health/details", { signal });
        cards.replaceChildren(...cardsOf(found, context));
        queues.update(found.queues.error ? [] : found.queues);
        allowances.update(found.throttling.allowances ?? []);
        return PAUSE_S;
      },
    };
  },
};

function card(title, part, show) {
  return el("section.card", {}, el("h2", {}, title), part.error ? trouble(Object.assign(new Error(part.error.message), { code: part.error.code })) : show(part));
}

function cardsOf(found, context) {
  const poison = (queues) => queues.reduce((sum, each) => sum + each.poison, 0);
  const waiting = (queues) => queues.reduce((sum, each) => sum + each.messages, 0);
  const oldest = (each) => [badge(each.ageS > OLD_S ? "old" : "fine", each.ageS > OLD_S ? "watch" : "good"), " ", el("a", { href: context.link("operation", each.name) }, place(each.target)), ", ", ago(each.startTime)];
  return [
    card("App", found, () => [el("p.big", {}, badge(found.status))]),
    card("Open operations", found.operations, (part) => [el("p.big", {}, String(part.open)), el("p", {}, part.oldest ? ["Oldest: ", oldest(part.oldest)] : "Nothing is under way.")]),
    card("Messages waiting", found.queues, (part) => [el("p.big", {}, String(waiting(part)))]),
    card("Poison", found.queues, (part) => [el("p.big", {}, String(poison(part))), el("p", {}, poison(part) ? badge("look into the log", "bad") : badge("none", "good"))]),
    card("Events put aside", found.eventsPutAside, (part) => [el("p.big", {}, String(part.count)), el("p.soft", {}, part.prefix)]),
    card("Refused by throttling", found.throttling, (part) => [el("p.big", {}, String(part.refused)), el("p.soft", {}, "since this worker process started")]),
    card("Sign-in to Azure", found.token, () => [el("p.big", {}, badge("works", "good"))]),
  ];
}

const QUEUES = [
  { title: "Queue", cell: (each) => each.name },
  { title: "Messages", cell: (each) => String(each.messages) },
  { title: "Poison", cell: (each) => (each.poison ? badge(String(each.poison), "bad") : "0") },
];

const ALLOWANCES = [
  { title: "Subscription", cell: (each) => each.subscription },
  { title: "Allowance", cell: (each) => each.allowance },
  { title: "Left", cell: (each) => [el("progress", { max: each.of, value: each.left, "aria-label": `left of ${each.allowance}` }), ` ${each.left} of ${each.of} `, each.left / each.of < LITTLE ? badge("little", "watch") : ""] },
];
