import { afterAll, beforeAll, expect, test } from "vitest";
import { StandInRedis } from "../redis";
import { Service, startCore, startGateway, startWeb } from "../services";
import { graphql, send } from "./load";

let redis: StandInRedis;
let core: Service;
let gateway: Service;
let web: Service;

beforeAll(async () => {
  redis = await new StandInRedis().start();
  [core, gateway, web] = await Promise.all([startCore(redis.port), startGateway(redis.port), startWeb()]);
});
afterAll(async () => {
  await Promise.all([core, gateway, web].map((service) => service.stop("SIGKILL")));
  await redis.stop();
});

function line(service: Service, requestId: string) {
  return service.log().find((entry) => entry.requestId === requestId);
}

test("one id leads through gateway and service-core, each line an object and none with a secret", async () => {
  const started = await graphql(gateway.url, "mutation { startSession { token } }");
  const { token } = JSON.parse(started.body).data.startSession;
  const headers = { Authorization: `Bearer ${token}`, "X-Request-Id": "trace-1" };
  const created = await graphql(gateway.url, 'mutation { createPlan(title: "secret title") { id } }', { headers });
  expect(JSON.parse(created.body).errors).toBeUndefined();
  await Promise.all([gateway.printed("trace-1"), core.printed("trace-1")]);

  const common = { level: "info", timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/), durationMs: expect.any(Number) };
  expect(line(gateway, "trace-1")).toMatchObject({ ...common, service: "api-gateway", method: "POST", path: "/graphql", status: 200 });
  expect(line(core, "trace-1")).toMatchObject({ ...common, service: "service-core", pattern: "plans.create", outcome: "ok" });
  const all = JSON.stringify([...gateway.log(), ...core.log()]);
  expect(all).not.toContain("secret title");
  expect(all).not.toContain(token);
  expect(all).not.toContain("0123456789abcdef");
});

test("a probe leaves no line", async () => {
  expect((await send(`${gateway.url}/health`)).status).toBe(200);
  expect((await send(`${web.url}/healthz`)).status).toBe(200);
  await send(`${web.url}/`, { headers: { "X-Request-Id": "after-the-probe" } });
  await web.printed("after-the-probe");
  const paths = [...gateway.log(), ...web.log()].map((entry) => entry.path);
  expect(paths).not.toContain("/health");
  expect(paths).not.toContain("/healthz");
  expect(core.log().map((entry) => entry.pattern)).not.toContain("health");
});

test("the page's server logs the same way", async () => {
  const page = await send(`${web.url}/nothing?token=in-the-query`, { headers: { "X-Request-Id": "trace-2" } });
  expect([page.status, page.headers["x-request-id"]]).toEqual([404, "trace-2"]);
  await web.printed("trace-2");
  expect(line(web, "trace-2")).toMatchObject({ level: "info", service: "web", method: "GET", path: "/nothing", status: 404 });
  expect(JSON.stringify(web.log())).not.toContain("in-the-query");
});

test("what is wrong with the configuration is a line too, and the end", async () => {
  const env = { REDIS_HOST: "127.0.0.1", JWT_SECRET: "hunter2" };
  const broken = new Service("api-gateway", env);
  expect(await broken.ended()).toBe(1);
  expect(broken.log()).toMatchObject([{ level: "fatal", message: expect.stringMatching(/^JWT_SECRET has 7 bytes: set it to/) }]);
  expect(JSON.stringify(broken.log())).not.toContain("hunter2");
});
