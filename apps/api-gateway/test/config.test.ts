import { expect, test } from "vitest";
import { readConfig } from "../src/config";

test("has defaults for everything", () => {
  expect(readConfig({})).toEqual({
    port: 3001,
    redisHost: "localhost",
    redisPort: 6379,
    corsOrigins: [],
    logLevel: "log",
    production: false,
  });
});

test("reads several origins", () => {
  const config = readConfig({ CORS_ORIGIN: "http://localhost, https://luckyplans.xyz" });
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
  expect(() => readConfig(env)).toThrow(message);
});
