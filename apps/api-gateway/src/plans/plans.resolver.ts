import { UseGuards } from "@nestjs/common";
import { Args, Mutation, Query, Resolver } from "@nestjs/graphql";
import { GraphQLError } from "graphql";
import { SessionGuard } from "../session/session.guard";
import { Plan } from "./plan.model";
import { PlansClient } from "./plans.client";
import { readTitle } from "./title";

@Resolver(() => Plan)
export class PlansResolver {
  constructor(private readonly client: PlansClient) {}

  @Query(() => [Plan], { description: "The 100 newest plans, newest first" })
  plans(): Promise<Plan[]> {
    return this.client.list();
  }

  @Mutation(() => Plan)
  @UseGuards(SessionGuard)
  createPlan(@Args("title", { type: () => String }) given: string): Promise<Plan> {
    const read = readTitle(given);
    if ("problem" in read) {
      throw new GraphQLError(read.problem, { extensions: { code: "BAD_USER_INPUT" } });
    }
    return this.client.create(read.title);
  }
}
