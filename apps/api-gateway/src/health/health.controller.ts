import { Controller, Get } from "@nestjs/common";
import { type Dependencies, HealthService } from "./health.service";

/**
 * For probes: the status is 200 as long as the process answers, whatever the state of the others, since a restart of
 * the gateway would mend none of them.
 */
@Controller("health")
export class HealthController {
  constructor(private readonly health: HealthService) {}

  @Get()
  async get(): Promise<{ status: "ok" | "degraded"; dependencies: Dependencies }> {
    const dependencies = await this.health.dependencies();
    const down = Object.values(dependencies).includes("down");
    return { status: down ? "degraded" : "ok", dependencies };
  }
}
