import { randomUUID } from "node:crypto";
import { Inject, Injectable, Logger, type OnApplicationBootstrap } from "@nestjs/common";
import type { ClientProxy } from "@nestjs/microservices";
import { GraphQLError } from "graphql";
import { firstValueFrom, timeout } from "rxjs";
import { requestId } from "../request";
import type { Plan } from "./plan.model";

export const SERVICE_CORE = Symbol("SERVICE_CORE");
export const RPC_TIMEOUT_MS = Symbol("RPC_TIMEOUT_MS");

/** Asks service-core over Redis, and turns whatever goes wrong there into an error that a caller of the API may see. */
@Injectable()
export class PlansClient implements OnApplicationBootstrap {
  private readonly logger = new Logger(PlansClient.name);

  constructor(
    @Inject(SERVICE_CORE) private readonly serviceCore: ClientProxy,
    @Inject(RPC_TIMEOUT_MS) private readonly timeoutMs: number,
  ) {}

  onApplicationBootstrap(): void {
    // service-core logs under the same id.
    this.serviceCore.setOnDispatchHook((packet) => {
      packet.metadata = { requestId: requestId() ?? "" };
    });
    // Connects early so that the first request need not wait; where Redis is away, the client goes on trying by itself.
    this.serviceCore.connect().catch((error: unknown) => this.logger.warn(`Redis is not there yet: ${text(error)}`));
  }

  list(): Promise<Plan[]> {
    return this.call("plans.list", {});
  }

  create(title: string): Promise<Plan> {
    // The id comes from here because every replica of service-core gets the message: with one id they store one plan.
    return this.call("plans.create", { id: randomUUID(), title });
  }

  private async call<T>(pattern: string, request: object): Promise<T> {
    try {
      return await firstValueFrom(this.serviceCore.send<T>(pattern, request).pipe(timeout(this.timeoutMs)));
    } catch (error) {
      if (isBadInput(error)) {
        throw new GraphQLError(error.message, { extensions: { code: error.code } });
      }
      this.logger.error(`${pattern} failed: ${text(error)}`);
      throw new GraphQLError("The plans service does not answer. Try again in a moment.", {
        extensions: { code: "SERVICE_UNAVAILABLE" },
      });
    }
  }
}

function isBadInput(error: unknown): error is { code: string; message: string } {
  return (error as { code?: unknown } | null)?.code === "BAD_USER_INPUT";
}

function text(error: unknown): string {
  return (error as { message?: string } | null)?.message ?? String(error);
}
