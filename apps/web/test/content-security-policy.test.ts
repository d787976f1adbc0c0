import { expect, test } from "vitest";
import { contentSecurityPolicy } from "../lib/content-security-policy";

test("lets the page ask its own origin", () => {
  const policy = contentSecurityPolicy("n", false, "/graphql");
  expect(policy).toContain("connect-src 'self';");
  expect(policy).toContain("script-src 'nonce-n' 'strict-dynamic';");
  expect(policy).not.toContain("unsafe");
});

test("lets it ask an API with an address of its own", () => {
  expect(contentSecurityPolicy("n", false, "https://api.example.org/graphql")).toContain("connect-src 'self' https://api.example.org;");
});
