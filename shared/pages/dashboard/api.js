// The app's API as the page calls it: the key, and errors in words.

const STORED = "steward-key";

/** Where the API is: this page's address without its last part. */
export const BASE = location.pathname.replace(/\/dashboard\/?$/, "");

/** Something that went wrong, in words for people. */
export class Problem extends Error {
  constructor(message, { status = 0, code = "", hint = "", retryAfterS = 0 } = {}) {
    super(message);
    Object.assign(this, { status, code, hint, retryAfterS });
  }
}

/** The key lives in this tab alone and is sent as a header: never in an address, which logs and histories keep. */
export const key = {
  get: () => sessionStorage.getItem(STORED) ?? "",
  set: (value) => sessionStorage.setItem(STORED, value),
  forget: () => sessionStorage.removeItem(STORED),
};

const HINTS = {
  401: "The key was not accepted. A function key is under Functions, App keys in the portal.",
  403: "Your key, or the app's identity, lacks the permission.",
  404: "It does not exist (any more).",
  409: "Not possible in the current state.",
  429: "Azure throttles requests. This page waits and retries.",
  500: "The app failed. Its log has the reason.",
  502: "Azure, or the sign-in, refused the app's request.",
  503: "The app cannot reach its storage or Azure. This page retries.",
};

/**
 * Send one request and return its JSON (or its text), null when the answer has no body.
 * @throws {Problem} for every answer but 2xx, and when there is none.
 */
export async function send(path, { method = "GET", signal, headers = {}, body: sent, as = "json" } = {}) {
  const given = key.get();
  const options = { method, headers: { ...headers }, credentials: "same-origin", redirect: "error", cache: "no-store" };
  if (signal) options.signal = signal;
  if (sent) {
    options.body = JSON.stringify(sent);
    options.headers["Content-Type"] = "application/json";
  }
  if (given) options.headers["x-functions-key"] = given;
  let answer;
  let text;
  try {
    answer = await fetch(`${BASE}/${path}`, options);
    text = await answer.text();
  } catch (failure) {
    if (failure.name === "AbortError") throw failure;
    throw new Problem("The app does not answer.", { hint: "Is it running, and is this machine online? This page retries." });
  }
  const body = parsed(text);
  if (answer.ok) return as === "text" ? text : body;
  const error = body?.error ?? {};
  const hint = HINTS[answer.status] ?? (answer.status >= 500 ? HINTS[500] : "");
  throw new Problem(error.message || hint || `The app answered ${answer.status}.`, {
    status: answer.status,
    code: error.code ?? "",
    hint: error.message ? hint : "",
    retryAfterS: Number(answer.headers.get("Retry-After")) || 0,
  });
}

/** The path of a nextLink below the API; its host is not looked at, requests go to this origin alone. */
export function next(link) {
  if (!link) return "";
  const url = new URL(link, location.href);
  return `${url.pathname.slice(BASE.length + 1)}${url.search}`;
}

/** An ARM id as a path below the API. */
export const below = (id) => id.replace(/^\//, "").split("/").map(encodeURIComponent).join("/");

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}
