import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { StandInRedis } from "../redis";
import { type Service, startCore, startGateway, startWeb } from "../services";
import { type Answer, graphql, Load, send, until } from "./load";

/* A rolling update, as the chart makes it: a second instance is there before the signal comes to the first. */

// For how long a proxy goes on sending to an instance after its signal; on a cluster, preStop keeps the signal back instead.
const LAG_MS = 1000;
const LIST = "{ plans { id title } }";

let redis: StandInRedis;
const running: Service[] = [];

async function started<T extends Service>(service: Promise<T>): Promise<T> {
  running.push(await service);
  return service;
}

beforeEach(async () => {
  redis = await new StandInRedis().start();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((service) => service.stop("SIGKILL")));
  await redis.stop();
});

function answered(answer: Answer): boolean {
  return answer.status === 200 && JSON.parse(answer.body).errors === undefined;
}

/** The first instance is stopped under load while a second takes over: not one request may fail. */
async function rollOut(instances: Service[], start: (choose: () => Service) => Load): Promise<void> {
  const [first] = instances as [Service];
  let turn = 0;
  const load = start(() => instances[turn++ % instances.length] as Service);
  await until(() => load.answered >= 30);
  const code = first.stop();
  await sleep(LAG_MS);
  instances.shift();
  expect(await code).toBe(0);
  const before = load.answered;
  await until(() => load.answered >= before + 30);
  await load.end();
  expect(load.failures).toEqual([]);
}

describe("api-gateway", () => {
  test("no request fails while one of two instances leaves", async () => {
    await started(startCore(redis.port));
    redis.delayMs = 30;
    const instances = await Promise.all([started(startGateway(redis.port)), started(startGateway(redis.port))]);
    await rollOut(instances, (choose) => new Load((agent) => graphql(choose().url, LIST, { agent }), answered));
  });

  test("answers what is on its way, and says on each connection that it is the last answer", async () => {
    // Nobody is there to answer the gateway, which takes it longer to find out than it goes on listening.
    const gateway = await started(startGateway(redis.port));
    const slow = graphql(gateway.url, LIST);
    await until(() => redis.seen.includes("PUBLISH"));
    const code = gateway.stop();
    await gateway.printed("SIGTERM: stopping.");
    const late = await send(`${gateway.url}/health`);
    expect([late.status, late.headers.connection]).toEqual([200, "close"]);
    const answer = await slow;
    expect([answer.status, answer.headers.connection]).toEqual([200, "close"]);
    expect(JSON.parse(answer.body).errors).toMatchObject([{ extensions: { code: "SERVICE_UNAVAILABLE" } }]);
    expect(await code).toBe(0);
  });

  test("ends without a single request too, and while Redis is away", async () => {
    await redis.stop();
    expect(await (await started(startGateway(redis.port))).stop()).toBe(0);
    await redis.start();
  });
});

describe("service-core", () => {
  test("no request fails while one of two instances leaves", async () => {
    const instances = await Promise.all([started(startCore(redis.port)), started(startCore(redis.port))]);
    const gateway = await started(startGateway(redis.port));
    redis.delayMs = 30;
    await rollOut(instances, () => new Load((agent) => graphql(gateway.url, LIST, { agent }), answered));
  });

  test("answers the message that it is at, and takes no other", async () => {
    const core = await started(startCore(redis.port));
    const gateway = await started(startGateway(redis.port));
    redis.delayMs = 1000;
    const slow = graphql(gateway.url, LIST);
    await until(() => redis.seen.includes("ZRANGE"));
    const code = core.stop();
    await until(() => redis.seen.includes("UNSUBSCRIBE"));
    const late = graphql(gateway.url, LIST);
    expect(answered(await slow)).toBe(true);
    expect(await code).toBe(0);
    expect(JSON.parse((await late).body).errors).toMatchObject([{ extensions: { code: "SERVICE_UNAVAILABLE" } }]);
  });

  test("ends while it waits for Redis", async () => {
    const core = await started(startCore(redis.port));
    await redis.stop();
    expect(await core.stop()).toBe(0);
    await redis.start();
  });
});

describe("web", () => {
  test("no request fails while one of two instances leaves", async () => {
    const instances = await Promise.all([started(startWeb()), started(startWeb())]);
    const page = (answer: Answer) => answer.status === 200 && answer.body.includes("<h1>luckyplans</h1>");
    await rollOut(instances, (choose) => new Load((agent) => send(choose().url, { agent }), page));
  });

  test("ends without a single request too", async () => {
    expect(await (await started(startWeb())).stop()).toBe(0);
  });
});
