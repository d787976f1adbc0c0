import { Injectable } from "@nestjs/common";
import { RpcException } from "@nestjs/microservices";
import type { Plan } from "./plan";
import { PlansStore } from "./plans.store";
import { readTitle } from "./title";

export const LIST_LIMIT = 100;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

@Injectable()
export class PlansService {
  constructor(private readonly store: PlansStore) {}

  list(): Promise<Plan[]> {
    return this.store.newest(LIST_LIMIT);
  }

  create(request: unknown): Promise<Plan> {
    const { id, title } = (request ?? {}) as Record<string, unknown>;
    if (typeof id !== "string" || !UUID.test(id)) {
      throw badInput("The id of a plan must be a lower-case UUID.");
    }
    const read = readTitle(title);
    if ("problem" in read) {
      throw badInput(read.problem);
    }
    return this.store.insertOnce({ id, title: read.title, createdAt: new Date().toISOString() });
  }
}

function badInput(message: string): RpcException {
  return new RpcException({ code: "BAD_USER_INPUT", message });
}
