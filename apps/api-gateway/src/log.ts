import { ConsoleLogger } from "@nestjs/common";
import { requestId } from "./request";

/** In production a JSON object a line, with the id of the request that it belongs to; in development for eyes. */
export class ServiceLogger extends ConsoleLogger {
  constructor(
    private readonly service: string,
    production: boolean,
  ) {
    super(service, { json: production, flattenParams: true, logLevels: ["log"] });
  }

  protected override getJsonLogObject(...args: Parameters<ConsoleLogger["getJsonLogObject"]>) {
    const { level, timestamp, pid: _pid, ...rest } = super.getJsonLogObject(...args);
    return {
      level: level === "log" ? "info" : level,
      timestamp: new Date(timestamp as number).toISOString(),
      service: this.service,
      requestId: requestId(),
      ...rest,
    } as unknown as ReturnType<ConsoleLogger["getJsonLogObject"]>;
  }
}
