// @ts-check
// Starts the server that Next.js made, and adds what it leaves open: a line of JSON for each request, an id of each
// request, and an end without a failed request. Node tells of requests by itself, so nothing of Next.js is changed.
import { randomUUID } from "node:crypto";
import { subscribe } from "node:diagnostics_channel";
import { setTimeout as sleep } from "node:timers/promises";
import { format } from "node:util";

/**
 * @typedef {import("node:http").ServerResponse} ServerResponse
 * @typedef {{ request: import("node:http").IncomingMessage, response: ServerResponse, server: import("node:http").Server }} Exchange
 */

// As in api-gateway: a connection that waits idle for so long after the signal will hardly be used when it is closed.
const LAST_CALL_MS = 2000;
const SHUTDOWN_DEADLINE_MS = 15_000;
const POLL_MS = 50;

// From outside, and bound for logs.
const ACCEPTABLE_ID = /^[\w.:/+=-]{1,128}$/;
// What Next.js names by its content; there is a dozen of them to a page.
const UNLOGGED = /^\/(healthz$|_next\/static\/)/;

const production = process.env.NODE_ENV === "production";

/** @type {Map<import("node:http").Server, Set<ServerResponse>>} answers that are due, by server */
const due = new Map();
let draining = false;

/**
 * @param {"info" | "warn" | "error"} level
 * @param {string} message
 * @param {Record<string, unknown>} [fields]
 */
function log(level, message, fields = {}) {
  const stream = level === "error" ? process.stderr : process.stdout;
  const entry = { level, timestamp: new Date().toISOString(), service: "web", message, ...fields };
  stream.write(production ? `${JSON.stringify(entry)}\n` : `${message}\n`);
}

/** @param {Exchange} exchange */
function onRequest({ request, response, server }) {
  const started = performance.now();
  const given = request.headers["x-request-id"];
  const requestId = typeof given === "string" && ACCEPTABLE_ID.test(given) ? given : randomUUID();
  const method = request.method ?? "";
  // Without the query, which may hold what is nobody's business.
  const path = (request.url ?? "").replace(/[?#].*$/s, "");

  const answers = due.get(server) ?? new Set();
  due.set(server, answers.add(response));
  response.setHeader("X-Request-Id", requestId);
  if (draining) {
    response.setHeader("Connection", "close");
  }
  response.once("close", () => {
    answers.delete(response);
    if (!UNLOGGED.test(path) || response.statusCode >= 400) {
      const status = response.statusCode;
      const durationMs = Math.round(performance.now() - started);
      const aborted = response.writableFinished ? {} : { aborted: true };
      log("info", `${method} ${path} ${status}`, { method, path, status, durationMs, requestId, ...aborted });
    }
  });
}

/** For a while as before, but each connection ends with its answer; then no new ones, and the answers that are due. */
async function finish() {
  draining = true;
  for (const response of [...due.values()].flatMap((answers) => [...answers])) {
    if (!response.headersSent) {
      response.setHeader("Connection", "close");
    }
  }
  await sleep(LAST_CALL_MS);
  for (const server of due.keys()) {
    let open = true;
    server.close(() => (open = false));
    while (open) {
      // An answer that had begun before the signal leaves its connection open.
      server.closeIdleConnections();
      await sleep(POLL_MS);
    }
  }
}

/** @param {NodeJS.Signals} signal */
function onSignal(signal) {
  log("info", `${signal}: stopping.`);
  setTimeout(() => {
    log("error", `Not stopped after ${SHUTDOWN_DEADLINE_MS} ms.`);
    process.exit(1);
  }, SHUTDOWN_DEADLINE_MS).unref();
  void finish().then(() => process.exit(0));
}

subscribe("http.server.request.start", (exchange) => onRequest(/** @type {Exchange} */ (exchange)));

if (production) {
  // What Next.js and React have to say, each thing on a line of its own.
  for (const [name, level] of /** @type {const} */ ([["log", "info"], ["info", "info"], ["warn", "warn"], ["error", "error"]])) {
    console[name] = (...args) => log(level, format(...args).trim());
  }
}

// Next.js would close the connections at once and exit with 143.
process.env.NEXT_MANUAL_SIG_HANDLE = "true";
process.once("SIGTERM", onSignal);
process.once("SIGINT", onSignal);

// @ts-expect-error Made by the build.
await import("./server.js");
