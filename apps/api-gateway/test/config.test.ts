import { expect, test } from "vitest";
import { readConfig } from "../src/config";

const JWT_SECRET = "0123456789abcdef0123456789abcdef";

test("has defaults for everything but the secret", () => {
  expect(readConfig({ JWT_SECRET })).toEqual({
    port: 3001,
    redisHost: "localhost",
    redisPort: 6379,
    corsOrigins: [],
    jwtSecret: JWT_SECRET,
    logLevel: "log",
    production: false,
  });
});

test("reads several origins", () => {
  const config = readConfig({ JWT_SECRET, CORS_ORIGIN: "http://localhost, https://luckyplans.xyz" });
  expect(config.corsOrigins).toEqual(["http://localhost", "https://luckyplans.xyz"]);
});

test.each([
  [{ PORT: "http" }, 'PORT is "http"'],
  // Kubernetes sets this for a Service named redis where nothing else does.
  [{ REDIS_PORT: "tcp://10.0.0.1:6379" }, 'REDIS_PORT is "tcp://10.0.0.1:6379"'],
  [{ CORS_ORIGIN: "*" }, 'CORS_ORIGIN is "*"'],
  [{ CORS_ORIGIN: "https://luckyplans.xyz/" }, 'CORS_ORIGIN is "https://luckyplans.xyz/"'],
  [{ LOG_LEVEL: "loud" }, 'LOG_LEVEL is "loud"'],
])("names the variable that is wrong: %j", (env, message) => {
  expect(() => readConfig({ JWT_SECRET, ...env })).toThrow(message);
});

test.each([
  [undefined, "JWT_SECRET is not set"],
  ["", "JWT_SECRET is not set"],
  ["hunter2-hunter2-hunter2-hunter2", "JWT_SECRET has 31 bytes"],
])("demands a secret that cannot be guessed, and does not tell it: %j", (secret, message) => {
  const read = () => readConfig({ JWT_SECRET: secret });
  expect(read).toThrow(message);
  expect(read).toThrow("set it to at least 32 random bytes");
  expect(read).not.toThrow(/hunter2/);
});

test("reads the password of Redis, of which an empty one is none", () => {
  const env = { JWT_SECRET: "0123456789abcdef".repeat(2) };
  expect(readConfig({ ...env, REDIS_PASSWORD: "x" }).redisPassword).toBe("x");
  expect(readConfig({ ...env, REDIS_PASSWORD: "" }).redisPassword).toBeUndefined();
});
