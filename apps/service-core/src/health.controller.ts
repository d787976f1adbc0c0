import { Controller } from "@nestjs/common";
import { MessagePattern } from "@nestjs/microservices";

export const HEALTH = "health";

/** For the gateway's health: that an answer arrives is the answer. */
@Controller()
export class HealthController {
  @MessagePattern(HEALTH)
  health(): string {
    return "ok";
  }
}
