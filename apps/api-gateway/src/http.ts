import type { NestExpressApplication } from "@nestjs/platform-express";
import type { Config } from "./config";

export const BODY_LIMIT = "100kb";

// Longer than the 90 s for which Traefik keeps an idle connection: the side that sends must be the one that closes it.
const KEEP_ALIVE_MS = 95_000;

/** What the HTTP server allows; for the server and for tests alike. */
export function configureHttp(app: NestExpressApplication, config: Config): void {
  app.getHttpServer().keepAliveTimeout = KEEP_ALIVE_MS;
  app.disable("x-powered-by");
  app.useBodyParser("json", { limit: BODY_LIMIT });
  if (config.corsOrigins.length > 0) {
    app.enableCors({ origin: config.corsOrigins, methods: ["GET", "POST"] });
  }
}
