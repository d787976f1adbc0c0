import { Controller } from "@nestjs/common";
import { MessagePattern, Payload } from "@nestjs/microservices";
import type { Plan } from "./plan";
import { PlansService } from "./plans.service";

@Controller()
export class PlansController {
  constructor(private readonly plans: PlansService) {}

  @MessagePattern("plans.list")
  list(): Promise<Plan[]> {
    return this.plans.list();
  }

  @MessagePattern("plans.create")
  create(@Payload() request: unknown): Promise<Plan> {
    return this.plans.create(request);
  }
}
