import "reflect-metadata";
import { Logger, type LoggerService } from "@nestjs/common";
import type { NestExpressApplication } from "@nestjs/platform-express";
import { Test } from "@nestjs/testing";
import { SignJWT, UnsecuredJWT } from "jose";
import { NEVER, type Observable, of, throwError } from "rxjs";
import request from "supertest";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { AppModule } from "../src/app.module";
import { readConfig } from "../src/config";
import { configureHttp } from "../src/http";
import { RPC_TIMEOUT_MS, SERVICE_CORE } from "../src/plans/plans.client";
import { MAX_ROOT_FIELDS } from "../src/query-limits";
import { SESSION_COOKIE } from "../src/session/session.guard";
import { SessionService } from "../src/session/session.service";

const plan = { id: "5b5e8f5c-0c6a-4c39-8f3e-6f0f6f1d7d11", title: "Swim", createdAt: "2026-01-02T03:04:05.000Z" };
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const JWT_SECRET = "0123456789abcdef0123456789abcdef";
const CREATE = 'mutation { createPlan(title: "Swim") { id title createdAt } }';

type Packet = { metadata?: unknown };

const send = vi.fn<(pattern: string, message: { id?: string; title?: string }) => Observable<unknown>>();
const ping = vi.fn<() => Promise<string>>();
const logged = vi.fn<(message: unknown, ...rest: unknown[]) => void>();
let dispatch: (packet: Packet) => void;
let app: NestExpressApplication;

async function start(env: NodeJS.ProcessEnv): Promise<NestExpressApplication> {
  const config = readConfig({ JWT_SECRET, CORS_ORIGIN: "http://localhost,https://app.luckyplans.xyz", ...env });
  const module = await Test.createTestingModule({ imports: [AppModule.with(config)] })
    .overrideProvider(SERVICE_CORE)
    .useValue({
      send,
      connect: async () => undefined,
      close: () => undefined,
      unwrap: () => [{ ping }, { ping }],
      setOnDispatchHook: (hook: typeof dispatch) => (dispatch = hook),
    })
    .overrideProvider(RPC_TIMEOUT_MS)
    .useValue(50)
    .compile();
  const started = module.createNestApplication<NestExpressApplication>({ bodyParser: false });
  Logger.overrideLogger({ log: logged, warn: logged, error: logged } satisfies LoggerService);
  configureHttp(started, config);
  return started.init();
}

beforeAll(async () => {
  app = await start({ NODE_ENV: "production" });
});
afterAll(() => app.close());
beforeEach(() => {
  send.mockReset();
  logged.mockReset();
  ping.mockReset().mockResolvedValue("PONG");
});

function graphql(query: string, variables = {}) {
  return request(app.getHttpServer()).post("/graphql").send({ query, variables });
}

async function newToken(): Promise<string> {
  return (await graphql("mutation { startSession { token } }")).body.data.startSession.token;
}

async function create(title: string) {
  const mutation = "mutation ($title: String!) { createPlan(title: $title) { id title createdAt } }";
  return graphql(mutation, { title }).set("Authorization", `Bearer ${await newToken()}`);
}

describe("health", () => {
  async function health(): Promise<unknown> {
    // What was found a second ago is told again.
    vi.useFakeTimers({ toFake: ["setTimeout"] });
    const response = await request(app.getHttpServer()).get("/health");
    await vi.advanceTimersByTimeAsync(1500);
    vi.useRealTimers();
    return [response.status, response.body];
  }

  test("GET /health tells of Redis and service-core", async () => {
    send.mockReturnValue(of("ok"));
    expect(await health()).toEqual([200, { status: "ok", dependencies: { redis: "up", "service-core": "up" } }]);
    expect(send).toHaveBeenCalledExactlyOnceWith("health", {});
  });

  test("GET /health is 200 whoever is away", async () => {
    send.mockReturnValue(throwError(() => new Error("away")));
    expect(await health()).toEqual([200, { status: "degraded", dependencies: { redis: "up", "service-core": "down" } }]);
    ping.mockRejectedValue(new Error("connect ECONNREFUSED 10.0.0.1:6379"));
    expect(await health()).toEqual([200, { status: "degraded", dependencies: { redis: "down", "service-core": "down" } }]);
  });

  test("a flood of probes asks once", async () => {
    send.mockReturnValue(of("ok"));
    await Promise.all(Array.from({ length: 50 }, () => request(app.getHttpServer()).get("/health")));
    expect(send).toHaveBeenCalledOnce();
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
    expect((await create(" Swim ")).body).toEqual({ data: { createPlan: plan } });
    await create("Swim");
    const ids = send.mock.calls.map(([pattern, message]) => {
      expect(pattern).toBe("plans.create");
      expect(message).toEqual({ id: expect.stringMatching(UUID), title: "Swim" });
      return message.id;
    });
    expect(new Set(ids).size).toBe(2);
  });

  test("refuses a title at the edge", async () => {
    const { errors } = (await create("two\nlines")).body;
    expect(errors).toMatchObject([{ message: expect.stringContaining("one line"), extensions: { code: "BAD_USER_INPUT" } }]);
    expect(send).not.toHaveBeenCalled();
  });

  test("passes on why service-core refuses a title", async () => {
    send.mockReturnValue(throwError(() => ({ code: "BAD_USER_INPUT", message: "The title is taken." })));
    expect((await create("Swim")).body.errors).toMatchObject([
      { message: "The title is taken.", extensions: { code: "BAD_USER_INPUT" } },
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
});

describe("sessions", () => {
  const forged = (claims: Record<string, unknown>, key = JWT_SECRET, alg = "HS256") =>
    new SignJWT({ sub: "1", iss: "luckyplans", aud: "luckyplans", exp: 4102444800, ...claims })
      .setProtectedHeader({ alg })
      .sign(new TextEncoder().encode(key));

  beforeEach(() => {
    send.mockReturnValue(of(plan));
  });

  test("a mutation needs one, and says how to get it", async () => {
    const response = await graphql(CREATE);
    expect([response.status, response.body]).toEqual([
      200,
      {
        data: null,
        errors: [
          {
            message: "This needs a session. Start one with the mutation startSession.",
            locations: [{ line: 1, column: 12 }],
            path: ["createPlan"],
            extensions: { code: "UNAUTHENTICATED" },
          },
        ],
      },
    ]);
    expect(send).not.toHaveBeenCalled();
  });

  test("a browser gets it in a cookie that scripts and other sites cannot use", async () => {
    const started = await graphql("mutation { startSession { expiresAt } }");
    const [cookie = ""] = started.headers["set-cookie"] ?? [];
    expect(cookie).toMatch(/^luckyplans_session=[\w.-]+; Max-Age=43200; Path=\/; Expires=.+; HttpOnly; Secure; SameSite=Lax$/);
    const hours = (Date.parse(started.body.data.startSession.expiresAt) - Date.now()) / 3_600_000;
    expect(hours).toBeCloseTo(12, 1);
    const response = await graphql(CREATE).set("Cookie", `theme=dark; ${cookie.split(";")[0]}`);
    expect(response.body).toEqual({ data: { createPlan: plan } });
  });

  test("an API client sends it in a header, which counts more than a cookie", async () => {
    const token = await newToken();
    expect((await graphql(CREATE).set("Authorization", `Bearer ${token}`)).body.data).toEqual({ createPlan: plan });
    const both = await graphql(CREATE).set("Authorization", "Bearer x").set("Cookie", `${SESSION_COOKIE}=${token}`);
    expect(both.body.errors[0].extensions.code).toBe("UNAUTHENTICATED");
  });

  test.each([
    ["is over", () => forged({ exp: 1767225600 }), "The session is over."],
    ["was signed with another secret", () => forged({}, "another-secret-another-secret-32"), "The session is not valid."],
    ["has another algorithm", () => forged({}, JWT_SECRET, "HS512"), "The session is not valid."],
    ["has no signature", async () => new UnsecuredJWT({ sub: "1" }).encode(), "The session is not valid."],
    ["is for somebody else", () => forged({ aud: "another" }), "The session is not valid."],
    ["never ends", () => forged({ exp: undefined }), "The session is not valid."],
    ["is no token", async () => "x", "The session is not valid."],
  ])("refuses one that %s", async (_case, token, message) => {
    const response = await graphql(CREATE).set("Authorization", `Bearer ${await token()}`);
    expect(response.body.errors).toMatchObject([
      { message: `${message} Start one with the mutation startSession.`, extensions: { code: "UNAUTHENTICATED" } },
    ]);
    expect(send).not.toHaveBeenCalled();
  });

  test("refuses one of which a letter was changed", async () => {
    const [head, body, signature] = (await newToken()).split(".") as [string, string, string];
    const claims = JSON.parse(Buffer.from(body, "base64url").toString());
    const longer = Buffer.from(JSON.stringify({ ...claims, exp: claims.exp + 1 })).toString("base64url");
    for (const token of [[head, longer, signature], [head, body, `${signature.slice(0, -2)}AA`], [head, body, ""]]) {
      const response = await graphql(CREATE).set("Authorization", `Bearer ${token.join(".")}`);
      expect(response.body.errors?.[0].extensions.code).toBe("UNAUTHENTICATED");
    }
  });

  test("queries need none", async () => {
    send.mockReturnValue(of([]));
    expect((await graphql("{ health plans { id } }")).body).toEqual({ data: { health: "API Gateway is running", plans: [] } });
  });

  test("in development the cookie needs no HTTPS, but keeps to it where it is there", async () => {
    const development = await start({ NODE_ENV: "development" });
    const cookie = async (proto: string) => {
      const query = { query: "mutation { startSession { expiresAt } }" };
      const response = await request(development.getHttpServer()).post("/graphql").set("X-Forwarded-Proto", proto).send(query);
      return response.headers["set-cookie"]?.[0];
    };
    expect(await cookie("http")).not.toContain("Secure");
    expect(await cookie("https")).toContain("; Secure;");
    await development.close();
  });
});

describe("requests from other sites", () => {
  test.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])("a form cannot send %s", async (type) => {
    const cookie = `${SESSION_COOKIE}=${await newToken()}`;
    const response = await request(app.getHttpServer())
      .post("/graphql")
      .set({ "Content-Type": type, Cookie: cookie })
      .send(JSON.stringify({ query: CREATE }));
    expect(response.status).toBe(400);
    expect(send).not.toHaveBeenCalled();
  });

  test("a link cannot run a mutation", async () => {
    const cookie = `${SESSION_COOKIE}=${await newToken()}`;
    const get = () => request(app.getHttpServer()).get("/graphql").query({ query: CREATE }).set("Cookie", cookie);
    expect((await get()).status).toBe(400);
    expect((await get().set("Apollo-Require-Preflight", "1")).status).toBe(405);
    expect(send).not.toHaveBeenCalled();
  });

  test.each(["http://localhost", "https://app.luckyplans.xyz"])("lets %s in, with its cookies", async (origin) => {
    const { headers } = await graphql("{ health }").set("Origin", origin);
    expect(headers).toMatchObject({ "access-control-allow-origin": origin, "access-control-allow-credentials": "true" });
    expect(headers.vary).toContain("Origin");
  });

  test.each(["https://elsewhere.example", "http://localhost.elsewhere.example", "https://localhost", "null"])(
    "lets %s not in",
    async (origin) => {
      const preflight = await request(app.getHttpServer())
        .options("/graphql")
        .set({ Origin: origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type" });
      expect(preflight.headers["access-control-allow-origin"]).toBeUndefined();
      expect((await graphql("{ health }").set("Origin", origin)).headers["access-control-allow-origin"]).toBeUndefined();
    },
  );

  test("answers a preflight, and lets it be remembered", async () => {
    const response = await request(app.getHttpServer())
      .options("/graphql")
      .set({
        Origin: "http://localhost",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,authorization",
      });
    expect(response.status).toBe(204);
    expect(response.headers).toMatchObject({
      "access-control-allow-origin": "http://localhost",
      "access-control-allow-credentials": "true",
      "access-control-allow-methods": "GET,POST",
      "access-control-allow-headers": "content-type,authorization",
      "access-control-max-age": "600",
    });
  });
});

describe("errors", () => {
  test("a fault of ours is a sentence to the caller and all of it in the log", async () => {
    vi.spyOn(app.get(SessionService), "start").mockRejectedValueOnce(new Error("secret detail at /app/dist"));
    const response = await graphql("mutation { startSession { token } }");
    expect(response.body).toEqual({
      data: null,
      errors: [
        {
          message: "Something went wrong here. Try again in a moment.",
          locations: [{ line: 1, column: 12 }],
          path: ["startSession"],
          extensions: { code: "INTERNAL_SERVER_ERROR" },
        },
      ],
    });
    expect(logged).toHaveBeenCalledWith("secret detail at /app/dist", expect.stringContaining("at "), "ErrorFilter");
  });

  test("in development it is named, still without a stack trace", async () => {
    const development = await start({ NODE_ENV: "development" });
    vi.spyOn(development.get(SessionService), "start").mockRejectedValueOnce(new Error("detail"));
    const response = await request(development.getHttpServer()).post("/graphql").send({ query: "mutation { startSession { token } }" });
    expect(response.body.errors).toMatchObject([{ message: "detail", extensions: { code: "INTERNAL_SERVER_ERROR" } }]);
    expect(response.text).not.toMatch(/node_modules|\.ts:|stacktrace/);
    await development.close();
  });

  test.each([
    ["a broken body", '{"query":', 400, "BAD_REQUEST"],
    ["a batch", JSON.stringify([{ query: "{ health }" }, { query: "{ health }" }]), 400, "BAD_REQUEST"],
    ["a document that is none", JSON.stringify({ query: "{" }), 400, "GRAPHQL_PARSE_FAILED"],
    ["an unknown field", JSON.stringify({ query: "{ nothing }" }), 400, "GRAPHQL_VALIDATION_FAILED"],
    ["a body above the limit", JSON.stringify({ query: "{ health }", padding: "x".repeat(102_400) }), 413, "PAYLOAD_TOO_LARGE"],
  ])("%s is an error in GraphQL's form, without a stack trace", async (_case, body, status, code) => {
    const response = await request(app.getHttpServer()).post("/graphql").set("Content-Type", "application/json").send(body);
    expect([response.status, response.body.errors?.[0]?.extensions?.code]).toEqual([status, code]);
    expect(response.headers["content-type"]).toMatch(/json/);
    expect(response.text).not.toMatch(/node_modules|\.ts:|stack/);
  });

  test("an unknown path is one too", async () => {
    const response = await request(app.getHttpServer()).get("/nothing");
    expect([response.status, response.body]).toEqual([
      404,
      { errors: [{ message: "There is nothing at /nothing. The API is at /graphql.", extensions: { code: "NOT_FOUND" } }] },
    ]);
  });
});

describe("the log", () => {
  const line = () => logged.mock.calls.find(([, fields]) => typeof fields === "object")?.[1];
  const settled = () => vi.waitFor(() => expect(line()).toBeDefined());

  test("has a line for a request, without its query, body and headers", async () => {
    const token = await newToken();
    logged.mockReset();
    send.mockReturnValue(of(plan));
    await request(app.getHttpServer())
      .post("/graphql?token=in-the-query")
      .set({ Authorization: `Bearer ${token}`, Cookie: "a=in-a-cookie" })
      .send({ query: 'mutation { createPlan(title: "in-the-body") { id } }' });
    await settled();
    expect(line()).toEqual({
      method: "POST",
      path: "/graphql",
      status: 200,
      durationMs: expect.any(Number),
      requestId: expect.stringMatching(UUID),
    });
    expect(JSON.stringify(logged.mock.calls)).not.toMatch(new RegExp(`in-the-query|in-the-body|in-a-cookie|${token}`));
  });

  test("has none for a probe", async () => {
    send.mockReturnValue(of("ok"));
    await request(app.getHttpServer()).get("/health");
    await graphql("{ health }");
    await settled();
    expect(logged).toHaveBeenCalledOnce();
  });

  test("the id of a request comes from the caller, goes back to it, and on to service-core", async () => {
    const packet: Packet = {};
    send.mockImplementation(() => {
      dispatch(packet);
      return of([]);
    });
    const response = await graphql("{ plans { id } }").set("X-Request-Id", "trace-1");
    expect(response.headers["x-request-id"]).toBe("trace-1");
    expect(packet.metadata).toEqual({ requestId: "trace-1" });
    await settled();
    expect(line()).toMatchObject({ requestId: "trace-1" });
  });

  test.each(["two words", "x".repeat(129), '"}'])("an id that does not belong in a log is replaced: %s", async (id) => {
    const response = await graphql("{ health }").set("X-Request-Id", id);
    expect(response.headers["x-request-id"]).toMatch(UUID);
  });
});

describe("limits", () => {
  test("takes a body below 100 kB", async () => {
    expect((await graphql("{ health }", { padding: "x".repeat(100_000) })).status).toBe(200);
  });

  test("takes no document that asks for the same over and over", async () => {
    send.mockReturnValue(of([]));
    const fields = (count: number) => Array.from({ length: count }, (_, i) => `p${i}: plans { id }`).join(" ");
    expect((await graphql(`{ ${fields(MAX_ROOT_FIELDS)} }`)).body.errors).toBeUndefined();
    send.mockReset();
    const inFragments = `{ ...a ...b } fragment a on Query { ${fields(6)} } fragment b on Query { ${fields(11).slice(fields(6).length)} }`;
    for (const query of [`{ ${fields(MAX_ROOT_FIELDS + 1)} }`, inFragments]) {
      const response = await graphql(query);
      expect([response.status, response.body.errors?.[0].message]).toEqual([400, expect.stringContaining("more than 10 fields")]);
    }
    const tooLong = await graphql(`{ plans { ${"id ".repeat(1000)} } }`);
    expect([tooLong.status, tooLong.body.errors[0].message]).toEqual([400, expect.stringContaining("1000 tokens")]);
    expect(send).not.toHaveBeenCalled();
  });

  test("keeps its schema to itself in production", async () => {
    const response = await graphql("{ __schema { types { name } } }");
    expect(response.status).toBe(400);
    expect(response.body.data).toBeUndefined();
  });
});
