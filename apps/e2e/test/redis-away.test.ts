import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StandInRedis } from "../redis";
import { type Service, startCore, startGateway } from "../services";
import { type Answer, graphql, Load, send } from "./load";

let redis: StandInRedis;
let core: Service;
let gateway: Service;

beforeEach(async () => {
  redis = await new StandInRedis().start();
  core = await startCore(redis.port);
  gateway = await startGateway(redis.port);
});
afterEach(async () => {
  await Promise.all([core.stop("SIGKILL"), gateway.stop("SIGKILL")]);
  await redis.stop();
});

const LIST = "{ plans { id } }";

async function health(): Promise<unknown> {
  const answer = await send(`${gateway.url}/health`);
  return { code: answer.status, ...JSON.parse(answer.body) };
}

async function healthIs(expected: unknown): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const found = await health();
    if (JSON.stringify(found) === JSON.stringify(expected) || Date.now() > deadline) {
      return expect(found).toEqual(expected);
    }
    await sleep(200);
  }
}

test("health tells who is away, and stays 200", async () => {
  await healthIs({ code: 200, status: "ok", dependencies: { redis: "up", "service-core": "up" } });
  await core.stop();
  await healthIs({ code: 200, status: "degraded", dependencies: { redis: "up", "service-core": "down" } });
  await redis.stop();
  await healthIs({ code: 200, status: "degraded", dependencies: { redis: "down", "service-core": "down" } });
  await redis.start();
  core = await startCore(redis.port);
  await healthIs({ code: 200, status: "ok", dependencies: { redis: "up", "service-core": "up" } });
});

test("both outlive a Redis that is killed under load and away for long", async () => {
  redis.delayMs = 50;
  const load = new Load((agent) => graphql(gateway.url, LIST, { agent }), ({ status }: Answer) => status === 200);
  await sleep(500);
  await redis.stop();
  // Longer than the 20 attempts after which ioredis by itself gives up on a command.
  await sleep(25_000);
  await redis.start();
  await healthIs({ code: 200, status: "ok", dependencies: { redis: "up", "service-core": "up" } });
  await load.end();
  expect(load.failures).toEqual([]);
  const answer = await graphql(gateway.url, LIST);
  expect(JSON.parse(answer.body)).toEqual({ data: { plans: [] } });
});
