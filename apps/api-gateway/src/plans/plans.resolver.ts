import { Args, Mutation, Query, Resolver } from "@nestjs/graphql";
import { Plan } from "./plan.model";
import { PlansClient } from "./plans.client";

@Resolver(() => Plan)
export class PlansResolver {
  constructor(private readonly client: PlansClient) {}

  @Query(() => [Plan], { description: "The 100 newest plans, newest first" })
  plans(): Promise<Plan[]> {
    return this.client.list();
  }

  @Mutation(() => Plan)
  createPlan(@Args("title", { type: () => String }) title: string): Promise<Plan> {
    return this.client.create(title);
  }
}
