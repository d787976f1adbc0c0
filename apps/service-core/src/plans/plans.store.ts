import { Inject, Injectable } from "@nestjs/common";
import type { Redis } from "ioredis";
import type { Plan } from "./plan";

export const REDIS = Symbol("REDIS");

/** The commands the store needs; a test can stand in for them. */
export type PlansRedis = Pick<Redis, "multi" | "zrange" | "hmget">;

export const PLANS_KEY = "luckyplans:plans";
export const ORDER_KEY = "luckyplans:plans:by-created-at";

/** Plans as JSON in a hash by id, and their order in a sorted set by creation time. */
@Injectable()
export class PlansStore {
  constructor(@Inject(REDIS) private readonly redis: PlansRedis) {}

  /**
   * Stores the plan unless its id is taken, and returns what is stored under the id.
   * Redis delivers a message to every replica, so each of them comes here with the same id: the first one wins and all
   * of them answer alike.
   */
  async insertOnce(plan: Plan): Promise<Plan> {
    const replies = await this.redis
      .multi()
      .hsetnx(PLANS_KEY, plan.id, JSON.stringify(plan))
      .zadd(ORDER_KEY, "NX", Date.parse(plan.createdAt), plan.id)
      .hget(PLANS_KEY, plan.id)
      .exec();
    for (const [error] of replies ?? []) {
      if (error) {
        throw error;
      }
    }
    const stored = replies?.[2]?.[1];
    if (typeof stored !== "string") {
      throw new Error(`Redis returned no plan under the id ${plan.id} right after storing it.`);
    }
    return JSON.parse(stored) as Plan;
  }

  async newest(limit: number): Promise<Plan[]> {
    const ids = await this.redis.zrange(ORDER_KEY, 0, `${limit - 1}`, "REV");
    if (ids.length === 0) {
      return [];
    }
    const stored = await this.redis.hmget(PLANS_KEY, ...ids);
    return stored.filter((json) => json !== null).map((json) => JSON.parse(json) as Plan);
  }
}
