import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";

const requestIds = new AsyncLocalStorage<string>();

// From outside, and bound for logs.
const ACCEPTABLE = /^[\w.:/+=-]{1,128}$/;

/** Runs the handler of a request with an id: the caller's if it is a sane one. */
export function withRequestId<T>(given: string | string[] | undefined, handler: (id: string) => T): T {
  const id = typeof given === "string" && ACCEPTABLE.test(given) ? given : randomUUID();
  return requestIds.run(id, () => handler(id));
}

/** The id of the request that is being answered; none outside of one. */
export function requestId(): string | undefined {
  return requestIds.getStore();
}
