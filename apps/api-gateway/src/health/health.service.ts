import { Inject, Injectable } from "@nestjs/common";
import type { ClientProxy } from "@nestjs/microservices";
import type { Redis } from "ioredis";
import { firstValueFrom, timeout } from "rxjs";
import { SERVICE_CORE } from "../plans/plans.client";

export interface Dependencies {
  redis: State;
  "service-core": State;
}
type State = "up" | "down";

// Well below the 3 s that a probe waits.
const TIMEOUT_MS = 1000;
const FRESH_MS = 1000;

/** Whether what the gateway depends on answers; looked at once a second at most, however many ask. */
@Injectable()
export class HealthService {
  private latest: Promise<Dependencies> | undefined;

  constructor(@Inject(SERVICE_CORE) private readonly serviceCore: ClientProxy) {}

  dependencies(): Promise<Dependencies> {
    this.latest ??= this.look().finally(() => setTimeout(() => (this.latest = undefined), FRESH_MS).unref());
    return this.latest;
  }

  private async look(): Promise<Dependencies> {
    const [redis, serviceCore] = await Promise.all([
      // Both connections: requests leave on one, answers come in on the other.
      state(() => Promise.all(this.serviceCore.unwrap<[Redis, Redis]>().map((connection) => connection.ping()))),
      state(() => firstValueFrom(this.serviceCore.send("health", {}).pipe(timeout(TIMEOUT_MS)))),
    ]);
    return { redis, "service-core": serviceCore };
  }
}

async function state(check: () => Promise<unknown>): Promise<State> {
  const late = new Promise<State>((resolve) => setTimeout(resolve, TIMEOUT_MS, "down").unref());
  const answer = (async () => check())().then(
    (): State => "up",
    (): State => "down",
  );
  return Promise.race([answer, late]);
}
