import "reflect-metadata";
import { randomUUID } from "node:crypto";
import { RpcException } from "@nestjs/microservices";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LIST_LIMIT, PlansService } from "../src/plans/plans.service";
import { PlansStore } from "../src/plans/plans.store";
import { TITLE_MAX } from "../src/plans/title";
import { FakeRedis } from "./fake-redis";

let redis: FakeRedis;
let plans: PlansService;

beforeEach(() => {
  vi.useFakeTimers({ now: new Date("2026-01-02T03:04:05.678Z") });
  redis = new FakeRedis();
  plans = new PlansService(new PlansStore(redis.asRedis()));
});
afterEach(() => {
  vi.useRealTimers();
});

describe("create", () => {
  test("stores and returns the plan with a trimmed title", async () => {
    const id = randomUUID();
    const plan = await plans.create({ id, title: "  Learn to swim \n" });
    expect(plan).toEqual({ id, title: "Learn to swim", createdAt: "2026-01-02T03:04:05.678Z" });
    expect(await plans.list()).toEqual([plan]);
  });

  test("stores one plan when two replicas get the same message", async () => {
    const replica = new PlansService(new PlansStore(redis.asRedis()));
    const request = { id: randomUUID(), title: "Once" };
    const first = await plans.create(request);
    vi.advanceTimersByTime(50);
    expect(await replica.create(request)).toEqual(first);
    expect(await plans.list()).toEqual([first]);
  });

  test.each([
    ["no title", undefined, "The title is empty"],
    ["a title that is no text", 7, "The title is empty"],
    ["white space", " \t\n", "The title is empty"],
    ["one character too many", "x".repeat(TITLE_MAX + 1), `The title has ${TITLE_MAX + 1} characters`],
  ])("refuses %s", async (_case, title, message) => {
    const error = await rejection(() => plans.create({ id: randomUUID(), title }));
    expect(error.getError()).toEqual({ code: "BAD_USER_INPUT", message: expect.stringContaining(message) });
    expect(redis.plans.size).toBe(0);
  });

  test.each([
    ["one character", "x"],
    ["as many as allowed", "x".repeat(TITLE_MAX)],
    ["as many emoji as allowed", "🍀".repeat(TITLE_MAX)],
  ])("takes %s", async (_case, title) => {
    expect((await plans.create({ id: randomUUID(), title })).title).toBe(title);
  });

  test.each([[undefined], [{ title: "x" }], [{ id: "plans:1", title: "x" }], [{ id: 1, title: "x" }]])(
    "refuses a request without a proper id: %j",
    async (request) => {
      const error = await rejection(() => plans.create(request));
      expect(error.getError()).toMatchObject({ code: "BAD_USER_INPUT" });
    },
  );

  test("fails when Redis refuses a command of the transaction", async () => {
    redis.failure = new Error("OOM command not allowed");
    await expect(plans.create({ id: randomUUID(), title: "x" })).rejects.toThrow("OOM command not allowed");
  });
});

describe("list", () => {
  test("is empty at first", async () => {
    expect(await plans.list()).toEqual([]);
  });

  test("has the newest plans first and no more than its limit", async () => {
    for (let number = 1; number <= LIST_LIMIT + 1; number += 1) {
      await plans.create({ id: randomUUID(), title: `Plan ${number}` });
      vi.advanceTimersByTime(1);
    }
    const titles = (await plans.list()).map((plan) => plan.title);
    expect(titles).toHaveLength(LIST_LIMIT);
    expect(titles[0]).toBe(`Plan ${LIST_LIMIT + 1}`);
    expect(titles.at(-1)).toBe("Plan 2");
  });
});

async function rejection(call: () => Promise<unknown>): Promise<RpcException> {
  try {
    await call();
  } catch (error) {
    expect(error).toBeInstanceOf(RpcException);
    return error as RpcException;
  }
  throw new Error("The call was expected to fail.");
}
