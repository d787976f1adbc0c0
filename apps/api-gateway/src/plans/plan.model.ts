import { Field, ID, ObjectType } from "@nestjs/graphql";

@ObjectType()
export class Plan {
  @Field(() => ID)
  id!: string;

  @Field(() => String)
  title!: string;

  @Field(() => String, { description: "ISO 8601, UTC" })
  createdAt!: string;
}
