import { expect, test } from "vitest";
import { readConfig } from "../src/config";
import { connectionOptions } from "../src/redis";

test("has defaults for everything", () => {
  expect(readConfig({})).toEqual({ redisHost: "localhost", redisPort: 6379, logLevel: "log", production: false });
});

test("reads what the ConfigMap sets", () => {
  const env = { REDIS_HOST: "redis", REDIS_PORT: "6380", LOG_LEVEL: "info", NODE_ENV: "production" };
  expect(readConfig(env)).toEqual({ redisHost: "redis", redisPort: 6380, logLevel: "log", production: true });
});

test.each([
  // Kubernetes sets this for a Service named redis where nothing else does.
  [{ REDIS_PORT: "tcp://10.0.0.1:6379" }, 'REDIS_PORT is "tcp://10.0.0.1:6379"'],
  [{ REDIS_PORT: "0" }, 'REDIS_PORT is "0"'],
  [{ REDIS_PORT: "65536" }, 'REDIS_PORT is "65536"'],
  [{ LOG_LEVEL: "loud" }, 'LOG_LEVEL is "loud"'],
])("names the variable that is wrong: %j", (env, message) => {
  expect(() => readConfig(env)).toThrow(message);
});

test("logs in to Redis with its password, of which an empty one is none", () => {
  expect(connectionOptions(readConfig({ REDIS_PASSWORD: "x" })).password).toBe("x");
  expect(connectionOptions(readConfig({ REDIS_PASSWORD: "" })).password).toBeUndefined();
});
