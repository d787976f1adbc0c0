import "reflect-metadata";
import { Logger } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { type RedisOptions, Transport } from "@nestjs/microservices";
import type { Redis } from "ioredis";
import { AppModule } from "./app.module";
import { ConfigError, readConfig } from "./config";
import { Heartbeat } from "./heartbeat";
import { ServiceLogger } from "./log";
import { Messages } from "./messages";
import { connected, connectionOptions, createRedis } from "./redis";

// Less than the 30 s after which Kubernetes kills.
const SHUTDOWN_DEADLINE_MS = 10_000;

async function main(): Promise<void> {
  // First, since what is wrong with the configuration is logged too.
  const serviceLogger = new ServiceLogger("service-core", process.env.NODE_ENV === "production");
  Logger.overrideLogger(serviceLogger);
  const logger = new Logger("Main");
  const config = readConfig(process.env);
  serviceLogger.setLogLevels([config.logLevel]);
  const redis = createRedis(config);
  let stop = async (): Promise<void> => redis.disconnect();
  stopOnSignal(logger, () => stop());

  // The transport gives up when its first connection fails, so Redis has to be there before it starts.
  await connected(redis);
  const service = await NestFactory.createMicroservice<RedisOptions>(AppModule.with(redis), {
    transport: Transport.REDIS,
    options: connectionOptions(config),
  });
  const messages = new Messages();
  service.useGlobalInterceptors(messages);
  await service.listen();

  // Messages come in on one connection, answers leave on another: a service that lost either of them is not alive.
  const [answers, requests] = service.unwrap<[Redis, Redis]>();
  const connections = [redis, answers, requests];
  const heartbeat = new Heartbeat(
    () => Promise.all(connections.map((connection) => connection.ping())),
    (error) => logger.warn(`No heartbeat: ${error.message}`),
  );
  stop = async () => {
    heartbeat.stop();
    // New messages are for the other replicas from here on; those that came in are answered. Without Redis there are none.
    await requests.unsubscribe().catch(() => undefined);
    await messages.answered();
    await service.close().catch(() => undefined);
    redis.disconnect();
  };
  await heartbeat.start();
  logger.log("Waiting for messages.");
}

function stopOnSignal(logger: Logger, stop: () => Promise<void>): void {
  const onSignal = (signal: NodeJS.Signals): void => {
    logger.log(`${signal}: stopping.`);
    setTimeout(() => {
      logger.error(`Not stopped after ${SHUTDOWN_DEADLINE_MS} ms.`);
      process.exit(1);
    }, SHUTDOWN_DEADLINE_MS).unref();
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error(error);
        process.exit(1);
      },
    );
  };
  process.once("SIGTERM", onSignal);
  process.once("SIGINT", onSignal);
}

main().catch((error: Error) => {
  new Logger("Main").fatal(error.message, error instanceof ConfigError ? undefined : error.stack);
  process.exit(1);
});
