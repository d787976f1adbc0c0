import "reflect-metadata";
import { type INestApplicationContext, Logger } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import type { NestExpressApplication } from "@nestjs/platform-express";
import { AppModule } from "./app.module";
import { ConfigError, readConfig } from "./config";
import type { Drain } from "./drain";
import { configureHttp } from "./http";
import { ServiceLogger } from "./log";

// Less than the 30 s after which Kubernetes kills, of which 10 s are over before the signal comes.
const SHUTDOWN_DEADLINE_MS = 15_000;

async function main(): Promise<void> {
  // First, since what is wrong with the configuration is logged too.
  const serviceLogger = new ServiceLogger("api-gateway", process.env.NODE_ENV === "production");
  Logger.overrideLogger(serviceLogger);
  const logger = new Logger("Main");
  const config = readConfig(process.env);
  serviceLogger.setLogLevels([config.logLevel]);
  const app = await NestFactory.create<NestExpressApplication>(AppModule.with(config), { bodyParser: false });
  const drain = configureHttp(app, config);
  stopOnSignal(logger, app, drain);
  await app.listen(config.port, "0.0.0.0");
  logger.log(`Listening on port ${config.port}.`);
}

function stopOnSignal(logger: Logger, app: INestApplicationContext, drain: Drain): void {
  const stop = async (): Promise<void> => {
    // First the requests, then what they need.
    await drain.finish();
    await app.close();
  };
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
