export interface Config {
  port: number;
  redisHost: string;
  redisPort: number;
  redisPassword?: string | undefined;
  /** Origins of pages elsewhere that may call the API. Pages of the same origin need no entry. */
  corsOrigins: string[];
  /** Signs the sessions. */
  jwtSecret: string;
  logLevel: LogLevel;
  production: boolean;
}

const LOG_LEVELS = ["fatal", "error", "warn", "log", "debug", "verbose"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

// As long as the hash of HS256: a shorter key can be guessed from a token.
const JWT_SECRET_BYTES = 32;

/** Its message says what to set; where it was thrown helps nobody. */
export class ConfigError extends Error {}

export function readConfig(env: NodeJS.ProcessEnv): Config {
  return {
    port: readPort(env, "PORT", 3001),
    redisHost: env.REDIS_HOST || "localhost",
    redisPort: readPort(env, "REDIS_PORT", 6379),
    redisPassword: env.REDIS_PASSWORD || undefined,
    corsOrigins: readOrigins(env),
    jwtSecret: readJwtSecret(env),
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

function readOrigins(env: NodeJS.ProcessEnv): string[] {
  const origins = (env.CORS_ORIGIN ?? "")
    .split(",")
    .map((origin) => origin.trim())
    .filter((origin) => origin !== "");
  for (const origin of origins) {
    // A browser sends exactly this form, so anything else would never match.
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      throw new ConfigError(`CORS_ORIGIN is "${origin}": write origins like https://example.org, separated by commas.`);
    }
  }
  return origins;
}

/** Never in a message: what is printed here ends in a log. */
function readJwtSecret(env: NodeJS.ProcessEnv): string {
  const secret = env.JWT_SECRET ?? "";
  const bytes = Buffer.byteLength(secret);
  if (bytes < JWT_SECRET_BYTES) {
    const found = bytes === 0 ? "is not set" : `has ${bytes} bytes`;
    throw new ConfigError(
      `JWT_SECRET ${found}: set it to at least ${JWT_SECRET_BYTES} random bytes, such as "openssl rand -hex 32" prints.`,
    );
  }
  return secret;
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
