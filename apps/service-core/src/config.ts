export interface Config {
  redisHost: string;
  redisPort: number;
  redisPassword?: string | undefined;
  logLevel: LogLevel;
  production: boolean;
}

const LOG_LEVELS = ["fatal", "error", "warn", "log", "debug", "verbose"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Its message says what to set; where it was thrown helps nobody. */
export class ConfigError extends Error {}

export function readConfig(env: NodeJS.ProcessEnv): Config {
  return {
    redisHost: env.REDIS_HOST || "localhost",
    redisPort: readPort(env, "REDIS_PORT", 6379),
    redisPassword: env.REDIS_PASSWORD || undefined,
    logLevel: readLogLevel(env),
    production: env.NODE_ENV === "production",
  };
}

function readPort(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name] || String(fallback);
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65535) {
    throw new ConfigError(`${name} is "${text}": set it to a port number from 1 to 65535.`);
  }
  return port;
}

function readLogLevel(env: NodeJS.ProcessEnv): LogLevel {
  const text = env.LOG_LEVEL || "log";
  // "info" is what most other loggers call it.
  const level = LOG_LEVELS.find((known) => known === (text === "info" ? "log" : text));
  if (!level) {
    throw new ConfigError(`LOG_LEVEL is "${text}": set it to info or one of ${LOG_LEVELS.join(", ")}.`);
  }
  return level;
}
