import "reflect-metadata";
import { ConsoleLogger, type INestApplicationContext, Logger } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import type { NestExpressApplication } from "@nestjs/platform-express";
import { AppModule } from "./app.module";
import { ConfigError, readConfig } from "./config";
import { configureHttp } from "./http";

// Less than the 30 s after which Kubernetes kills.
const SHUTDOWN_DEADLINE_MS = 15_000;

async function main(): Promise<void> {
  const config = readConfig(process.env);
  Logger.overrideLogger(new ConsoleLogger("api-gateway", { json: config.production, logLevels: [config.logLevel] }));
  const logger = new Logger("Main");
  const app = await NestFactory.create<NestExpressApplication>(AppModule.with(config), { bodyParser: false });
  configureHttp(app, config);
  stopOnSignal(logger, app);
  await app.listen(config.port, "0.0.0.0");
  logger.log(`Listening on port ${config.port}.`);
}

function stopOnSignal(logger: Logger, app: INestApplicationContext): void {
  const onSignal = (signal: NodeJS.Signals): void => {
    logger.log(`${signal}: stopping.`);
    setTimeout(() => {
      logger.error(`Not stopped after ${SHUTDOWN_DEADLINE_MS} ms.`);
      process.exit(1);
    }, SHUTDOWN_DEADLINE_MS).unref();
    app.close().then(
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
