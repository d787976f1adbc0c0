import { Controller, Get } from "@nestjs/common";

/** For probes: answers as long as the process does, whatever Redis is doing. */
@Controller("health")
export class HealthController {
  @Get()
  health(): { status: string } {
    return { status: "ok" };
  }
}
