import { afterAll, beforeAll, expect, test } from "vitest";
import { type Service, startWeb } from "../services";
import { send } from "./load";

let web: Service;

beforeAll(async () => {
  web = await startWeb();
});
afterAll(() => web.stop("SIGKILL"));

test("every page has a policy with a nonce of its own, which all its scripts carry", async () => {
  const pages = await Promise.all(["/", "/", "/nothing"].map((path) => send(web.url + path)));
  const nonces = pages.map(({ headers, body }) => {
    const policy = String(headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe");
    const nonce = /'nonce-([^']+)'/.exec(policy)?.[1];
    const scripts = body.match(/<script[^>]*>/g) ?? [];
    expect(scripts.length).toBeGreaterThan(0);
    for (const script of scripts) {
      expect(script).toContain(`nonce="${nonce}"`);
    }
    return nonce;
  });
  expect(new Set(nonces).size).toBe(pages.length);
});

test("pages tell browsers what not to do, and nobody what made them", async () => {
  const { headers } = await send(web.url);
  expect(headers).toMatchObject({
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
  });
  expect(headers["x-powered-by"]).toBeUndefined();
});

test("the icon is there, also where browsers look for it unasked", async () => {
  for (const path of ["/icon.svg", "/favicon.ico"]) {
    const icon = await send(web.url + path);
    expect([icon.status, icon.headers["content-type"]]).toEqual([200, "image/svg+xml"]);
  }
});
