import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { type CallHandler, type ExecutionContext, Injectable, Logger, type NestInterceptor } from "@nestjs/common";
import type { RedisContext } from "@nestjs/microservices";
import { finalize, Observable, tap } from "rxjs";
import { HEALTH } from "./health.controller";

const requestIds = new AsyncLocalStorage<string | undefined>();
const POLL_MS = 20;

/** The id of the HTTP request at the gateway for which a message is handled; none outside of one. */
export function requestId(): string | undefined {
  return requestIds.getStore();
}

/** Every message passes here: it is counted, and gets a line in the log, without what it says. */
@Injectable()
export class Messages implements NestInterceptor {
  private readonly logger = new Logger("Message");
  private inFlight = 0;

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const message = context.switchToRpc().getContext<RedisContext>();
    const pattern = message.getChannel();
    const id = (message.getMetadata() as { requestId?: string } | undefined)?.requestId || undefined;
    const started = performance.now();
    let outcome = "ok";
    this.inFlight += 1;
    return new Observable((subscriber) =>
      requestIds.run(id, () =>
        next
          .handle()
          .pipe(
            tap({ error: (error: unknown) => (outcome = isRefusal(error) ? "refused" : "failed") }),
            finalize(() => {
              this.inFlight -= 1;
              if (pattern !== HEALTH) {
                const durationMs = Math.round(performance.now() - started);
                this.logger.log(`${pattern} ${outcome}`, { pattern, outcome, durationMs, requestId: id });
              }
            }),
          )
          .subscribe(subscriber),
      ),
    );
  }

  /** Resolves once every message that has come in is answered. */
  async answered(): Promise<void> {
    // What has just come in is counted a moment later, and an answer leaves a moment after it is counted out.
    do {
      await nextTurn();
      await sleep(POLL_MS);
    } while (this.inFlight > 0);
  }
}

function isRefusal(error: unknown): boolean {
  return (error as { error?: { code?: string } } | null)?.error?.code === "BAD_USER_INPUT";
}
