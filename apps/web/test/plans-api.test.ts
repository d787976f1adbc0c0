import { afterEach, expect, test, vi } from "vitest";
import { createPlan, listPlans } from "../lib/plans-api";

const plan = { id: "1", title: "Swim", createdAt: "2026-01-02T03:04:05.000Z" };

function answer(body: unknown, status = 200) {
  const fetch = vi.fn(async (_url: string, _init: RequestInit) => new Response(JSON.stringify(body), { status }));
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

afterEach(() => {
  vi.unstubAllGlobals();
});

test("lists the plans", async () => {
  answer({ data: { plans: [plan] } });
  expect(await listPlans()).toEqual([plan]);
});

test("sends the title as a variable to the same origin", async () => {
  const fetch = answer({ data: { createPlan: plan } });
  expect(await createPlan('a "quoted" title')).toEqual(plan);
  const [url, init] = fetch.mock.calls[0] ?? [];
  expect(url).toBe("/graphql");
  expect(JSON.parse(String(init?.body))).toMatchObject({ variables: { title: 'a "quoted" title' } });
});

test("starts a session where the API asks for one, and goes on", async () => {
  const refusal = { errors: [{ message: "This needs a session.", extensions: { code: "UNAUTHENTICATED" } }], data: null };
  const answers = [refusal, { data: { startSession: { expiresAt: "" } } }, { data: { createPlan: plan } }];
  const fetch = vi.fn(async (_url: string, _init: RequestInit) => new Response(JSON.stringify(answers.shift())));
  vi.stubGlobal("fetch", fetch);
  expect(await createPlan("Swim")).toEqual(plan);
  const sent = fetch.mock.calls.map(([, init]) => [init.credentials, JSON.parse(String(init.body)).query.split(/[ (]/)[1]]);
  expect(sent).toEqual([
    ["include", "CreatePlan"],
    ["include", "StartSession"],
    ["include", "CreatePlan"],
  ]);
});

test("starts no second session where the first is not taken", async () => {
  const refusal = { errors: [{ message: "This needs a session.", extensions: { code: "UNAUTHENTICATED" } }], data: null };
  const answers = [refusal, { data: { startSession: { expiresAt: "" } } }, refusal];
  vi.stubGlobal("fetch", async () => new Response(JSON.stringify(answers.shift())));
  await expect(createPlan("Swim")).rejects.toThrow("This needs a session.");
  expect(answers).toEqual([]);
});

test("passes on what the API says", async () => {
  answer({ errors: [{ message: "The title is empty." }], data: null });
  await expect(createPlan(" ")).rejects.toThrow("The title is empty.");
});

test.each([
  ["an error page", () => new Response("<html>", { status: 502 }), "The server answered with status 502."],
  ["JSON without data", () => new Response("{}", { status: 413 }), "The server answered with status 413."],
])("explains %s", async (_case, response, message) => {
  vi.stubGlobal("fetch", async () => response());
  await expect(listPlans()).rejects.toThrow(message);
});

test("explains a server that cannot be reached", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("fetch failed")));
  await expect(listPlans()).rejects.toThrow("The server cannot be reached.");
});
