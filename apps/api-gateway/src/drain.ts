import type { Server, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

// A connection that waits idle for so long after the signal will hardly be used in the moment in which it is closed.
const LAST_CALL_MS = 2000;
const POLL_MS = 50;

/**
 * Ends an HTTP server without a failed request: for a while it goes on as before, but closes each connection with the
 * answer it gives, so that no client sends the next request into a closed one; then it takes no new connection and
 * waits for the answers that are still due.
 */
export class Drain {
  private readonly due = new Set<ServerResponse>();
  private draining = false;

  constructor(private readonly server: Server) {}

  track(response: ServerResponse): void {
    this.due.add(response);
    response.once("close", () => this.due.delete(response));
    if (this.draining) {
      response.setHeader("Connection", "close");
    }
  }

  async finish(lastCallMs = LAST_CALL_MS): Promise<void> {
    this.draining = true;
    for (const response of this.due) {
      if (!response.headersSent) {
        response.setHeader("Connection", "close");
      }
    }
    await sleep(lastCallMs);
    let open = true;
    this.server.close(() => (open = false));
    while (open) {
      // An answer that had begun before the signal leaves its connection open.
      this.server.closeIdleConnections();
      await sleep(POLL_MS);
    }
  }
}
