import { Logger } from "@nestjs/common";
import type { NestExpressApplication } from "@nestjs/platform-express";
import type { NextFunction, Request, Response } from "express";
import type { Config } from "./config";
import { Drain } from "./drain";
import { withRequestId } from "./request";

export const BODY_LIMIT = "100kb";

// Longer than the 90 s for which Traefik keeps an idle connection: the side that sends must be the one that closes it.
const KEEP_ALIVE_MS = 95_000;
const PREFLIGHT_SECONDS = 600;

/** What the HTTP server allows, says and writes down; for the server and for tests alike. */
export function configureHttp(app: NestExpressApplication, config: Config): Drain {
  const drain = new Drain(app.getHttpServer());
  app.getHttpServer().keepAliveTimeout = KEEP_ALIVE_MS;
  app.disable("x-powered-by");
  app.use(answering(drain, new Logger("Request")));
  if (config.corsOrigins.length > 0) {
    app.enableCors({
      origin: config.corsOrigins,
      methods: ["GET", "POST"],
      // The session is in a cookie.
      credentials: true,
      exposedHeaders: ["X-Request-Id"],
      maxAge: PREFLIGHT_SECONDS,
    });
  }
  app.useBodyParser("json", { limit: BODY_LIMIT });
  return drain;
}

/** Gives each request an id, and each answered one a line: no query, no headers and no body, which may hold secrets. */
function answering(drain: Drain, logger: Logger) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const started = performance.now();
    const { method, path } = request;
    drain.track(response);
    withRequestId(request.headers["x-request-id"], (requestId) => {
      response.setHeader("X-Request-Id", requestId);
      response.once("close", () => {
        // Probes ask every few seconds.
        if (path === "/health") {
          return;
        }
        const status = response.statusCode;
        const durationMs = Math.round(performance.now() - started);
        const aborted = response.writableFinished ? {} : { aborted: true };
        logger.log(`${method} ${path} ${status}`, { method, path, status, durationMs, requestId, ...aborted });
      });
      next();
    });
  };
}
