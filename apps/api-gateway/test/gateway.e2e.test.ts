import "reflect-metadata";
import { Logger } from "@nestjs/common";
import type { NestExpressApplication } from "@nestjs/platform-express";
import { Test } from "@nestjs/testing";
import { NEVER, type Observable, of, throwError } from "rxjs";
import request from "supertest";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { AppModule } from "../src/app.module";
import { readConfig } from "../src/config";
import { configureHttp } from "../src/http";
import { RPC_TIMEOUT_MS, SERVICE_CORE } from "../src/plans/plans.client";

const plan = { id: "5b5e8f5c-0c6a-4c39-8f3e-6f0f6f1d7d11", title: "Swim", createdAt: "2026-01-02T03:04:05.000Z" };
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const send = vi.fn<(pattern: string, message: { id?: string; title?: string }) => Observable<unknown>>();
let app: NestExpressApplication;

beforeAll(async () => {
  Logger.overrideLogger(false);
  const config = readConfig({ NODE_ENV: "production", CORS_ORIGIN: "http://localhost" });
  const module = await Test.createTestingModule({ imports: [AppModule.with(config)] })
    .overrideProvider(SERVICE_CORE)
    .useValue({ send, connect: async () => undefined, close: () => undefined })
    .overrideProvider(RPC_TIMEOUT_MS)
    .useValue(50)
    .compile();
  app = module.createNestApplication<NestExpressApplication>({ bodyParser: false });
  configureHttp(app, config);
  await app.init();
});
afterAll(() => app.close());
beforeEach(() => {
  send.mockReset();
});

function graphql(query: string, variables = {}) {
  return request(app.getHttpServer()).post("/graphql").send({ query, variables });
}

describe("health", () => {
  test("GET /health", async () => {
    const response = await request(app.getHttpServer()).get("/health");
    expect([response.status, response.body]).toEqual([200, { status: "ok" }]);
  });

  test("{ health }", async () => {
    const response = await graphql("{ health }");
    expect([response.status, response.body]).toEqual([200, { data: { health: "API Gateway is running" } }]);
  });
});

describe("plans", () => {
  test("lists what service-core answers", async () => {
    send.mockReturnValue(of([plan]));
    const response = await graphql("{ plans { id title createdAt } }");
    expect(response.body).toEqual({ data: { plans: [plan] } });
    expect(send).toHaveBeenCalledExactlyOnceWith("plans.list", {});
  });

  test("creates a plan under a new id each time", async () => {
    send.mockReturnValue(of(plan));
    const mutation = "mutation ($title: String!) { createPlan(title: $title) { id title createdAt } }";
    const response = await graphql(mutation, { title: "Swim" });
    await graphql(mutation, { title: "Swim" });
    expect(response.body).toEqual({ data: { createPlan: plan } });
    const ids = send.mock.calls.map(([pattern, message]) => {
      expect(pattern).toBe("plans.create");
      expect(message).toEqual({ id: expect.stringMatching(UUID), title: "Swim" });
      return message.id;
    });
    expect(new Set(ids).size).toBe(2);
  });

  test("passes on why service-core refuses a title", async () => {
    send.mockReturnValue(throwError(() => ({ code: "BAD_USER_INPUT", message: "The title is empty." })));
    const response = await graphql('mutation { createPlan(title: " ") { id } }');
    expect(response.body.errors).toMatchObject([
      { message: "The title is empty.", extensions: { code: "BAD_USER_INPUT" } },
    ]);
  });

  test.each([
    ["does not answer", () => NEVER],
    ["cannot be reached", () => throwError(() => new Error("connect ECONNREFUSED 10.0.0.1:6379"))],
    ["fails", () => throwError(() => ({ status: "error", message: "Internal server error" }))],
  ])("says only that service-core is away when it %s", async (_case, answer) => {
    send.mockImplementation(answer);
    const response = await graphql("{ plans { id } }");
    expect(response.body).toEqual({
      data: null,
      errors: [
        {
          message: "The plans service does not answer. Try again in a moment.",
          locations: [{ line: 1, column: 3 }],
          path: ["plans"],
          extensions: { code: "SERVICE_UNAVAILABLE" },
        },
      ],
    });
  });

  test("shows no stack trace of a broken request", async () => {
    const response = await request(app.getHttpServer())
      .post("/graphql")
      .set("Content-Type", "application/json")
      .send('{"query":');
    expect(response.status).toBe(400);
    expect(response.text).not.toMatch(/node_modules|\.ts:|stack/);
  });
});

describe("limits", () => {
  test("refuses a body above 100 kB and takes one below", async () => {
    expect((await graphql("{ health }", { padding: "x".repeat(102_400) })).status).toBe(413);
    expect((await graphql("{ health }", { padding: "x".repeat(100_000) })).status).toBe(200);
  });

  test("lets the configured origin in, and no other", async () => {
    const allowed = async (origin: string) =>
      (await graphql("{ health }").set("Origin", origin)).headers["access-control-allow-origin"];
    expect(await allowed("http://localhost")).toBe("http://localhost");
    expect(await allowed("https://elsewhere.example")).toBeUndefined();
  });

  test("keeps its schema to itself in production", async () => {
    const response = await graphql("{ __schema { types { name } } }");
    expect(response.status).toBe(400);
    expect(response.body.data).toBeUndefined();
  });
});
