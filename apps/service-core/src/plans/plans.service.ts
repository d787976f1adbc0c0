import { Injectable } from "@nestjs/common";
import { RpcException } from "@nestjs/microservices";
import type { Plan } from "./plan";
import { PlansStore } from "./plans.store";

export const TITLE_MAX = 120;
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
    return this.store.insertOnce({ id, title: readTitle(title), createdAt: new Date().toISOString() });
  }
}

function readTitle(value: unknown): string {
  const title = typeof value === "string" ? value.trim() : "";
  // Counted in code points: to its author an emoji is one character.
  const length = [...title].length;
  if (length === 0) {
    throw badInput("The title is empty: give the plan a title.");
  }
  if (length > TITLE_MAX) {
    throw badInput(`The title has ${length} characters: shorten it to ${TITLE_MAX}.`);
  }
  return title;
}

function badInput(message: string): RpcException {
  return new RpcException({ code: "BAD_USER_INPUT", message });
}
