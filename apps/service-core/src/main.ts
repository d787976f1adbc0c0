import "reflect-metadata";
import { ConsoleLogger, Logger } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { type RedisOptions, Transport } from "@nestjs/microservices";
import type { Redis } from "ioredis";
import { AppModule } from "./app.module";
import { ConfigError, readConfig } from "./config";
import { Heartbeat } from "./heartbeat";
import { connected, connectionOptions, createRedis } from "./redis";

// Less than the 30 s after which Kubernetes kills.
const SHUTDOWN_DEADLINE_MS = 10_000;

async function main(): Promise<void> {
  const config = readConfig(process.env);
  Logger.overrideLogger(new ConsoleLogger("service-core", { json: config.production, logLevels: [config.logLevel] }));
  const logger = new Logger("Main");
  const redis = createRedis(config);
  let stop = async (): Promise<void> => redis.disconnect();
  stopOnSignal(logger, () => stop());

  // The transport gives up when its first connection fails, so Redis has to be there before it starts.
  await connected(redis);
  const service = await NestFactory.createMicroservice<RedisOptions>(AppModule.with(redis), {
    transport: Transport.REDIS,
    options: connectionOptions(config),
  });
  await service.listen();

  // Messages come in on one connection, answers leave on another: a service that lost either of them is not alive.
  const connections = [redis, ...service.unwrap<[Redis, Redis]>()];
  const heartbeat = new Heartbeat(
    () => Promise.all(connections.map((connection) => connection.ping())),
    (error) => logger.warn(`No heartbeat: ${error.message}`),
  );
  stop = async () => {
    heartbeat.stop();
    await service.close();
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
