import { type DynamicModule, Module } from "@nestjs/common";
import { HealthController } from "./health.controller";
import { PlansController } from "./plans/plans.controller";
import { PlansService } from "./plans/plans.service";
import { type PlansRedis, PlansStore, REDIS } from "./plans/plans.store";

@Module({})
export class AppModule {
  static with(redis: PlansRedis): DynamicModule {
    return {
      module: AppModule,
      controllers: [HealthController, PlansController],
      providers: [{ provide: REDIS, useValue: redis }, PlansStore, PlansService],
    };
  }
}
