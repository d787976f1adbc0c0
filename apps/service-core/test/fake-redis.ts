import { PLANS_KEY, type PlansRedis } from "../src/plans/plans.store";

type Reply = [error: Error | null, result: unknown];

/** The few commands of the store on a Map; MULTI runs its commands at once, as Redis does. */
export class FakeRedis {
  readonly plans = new Map<string, string>();
  readonly order = new Map<string, number>();
  failure: Error | null = null;

  asRedis(): PlansRedis {
    return this as unknown as PlansRedis;
  }

  multi() {
    const queue: (() => unknown)[] = [];
    const chain = {
      hsetnx: (_key: string, id: string, json: string) => {
        queue.push(() => (this.plans.has(id) ? 0 : (this.plans.set(id, json), 1)));
        return chain;
      },
      zadd: (_key: string, _nx: "NX", score: number, id: string) => {
        queue.push(() => (this.order.has(id) ? 0 : (this.order.set(id, score), 1)));
        return chain;
      },
      hget: (_key: string, id: string) => {
        queue.push(() => this.plans.get(id) ?? null);
        return chain;
      },
      exec: async (): Promise<Reply[]> => queue.map((run) => (this.failure ? [this.failure, null] : [null, run()])),
    };
    return chain;
  }

  async zrange(_key: string, start: number, stop: string, _rev: "REV"): Promise<string[]> {
    const newestFirst = [...this.order].sort((a, b) => b[1] - a[1]).map(([id]) => id);
    return newestFirst.slice(start, Number(stop) + 1);
  }

  async hmget(key: string, ...ids: string[]): Promise<(string | null)[]> {
    return ids.map((id) => (key === PLANS_KEY ? (this.plans.get(id) ?? null) : null));
  }
}
