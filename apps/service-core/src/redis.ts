import { Logger } from "@nestjs/common";
import { Redis } from "ioredis";
import type { Config } from "./config";

const RETRY_DELAY_MS = 1000;

/** For every connection of the service: it reconnects without end, and nothing waits long for a Redis that is away. */
export function connectionOptions(config: Config) {
  return {
    host: config.redisHost,
    port: config.redisPort,
    password: config.redisPassword,
    commandTimeout: 2000,
    maxRetriesPerRequest: 1,
    // A connection that no longer answers, as after the loss of a node, is dropped and opened anew.
    socketTimeout: 5000,
    // The last two are NestJS's own.
    retryAttempts: Number.MAX_SAFE_INTEGER,
    retryDelay: RETRY_DELAY_MS,
  };
}

export function createRedis(config: Config): Redis {
  const logger = new Logger("Redis");
  const redis = new Redis({
    ...connectionOptions(config),
    lazyConnect: true,
    retryStrategy: () => RETRY_DELAY_MS,
  });
  redis.on("error", (error) => logger.warn(`Redis at ${config.redisHost}:${config.redisPort}: ${error.message}`));
  redis.on("ready", () => logger.log(`Connected to Redis at ${config.redisHost}:${config.redisPort}.`));
  return redis;
}

export async function connected(redis: Redis): Promise<void> {
  const ready = new Promise<void>((resolve) => redis.once("ready", () => resolve()));
  // The first attempt may fail; the retry strategy goes on and ends in "ready".
  redis.connect().catch(() => undefined);
  await ready;
}
