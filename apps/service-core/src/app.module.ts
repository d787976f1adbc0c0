import { type DynamicModule, Module } from "@nestjs/common";
import { PlansController } from "./plans/plans.controller";
import { PlansService } from "./plans/plans.service";
import { type PlansRedis, PlansStore, REDIS } from "./plans/plans.store";

@Module({})
export class AppModule {
  static with(redis: PlansRedis): DynamicModule {
    return {
      module: AppModule,
      controllers: [PlansController],
      providers: [{ provide: REDIS, useValue: redis }, PlansStore, PlansService],
    };
  }
}
