import { Catch } from "@nestjs/common";
import type { GqlExceptionFilter } from "@nestjs/graphql";
import { GraphQLError } from "graphql";

/** An error made for the caller is an answer; without this filter NestJS logs each one as an unhandled exception. */
@Catch(GraphQLError)
export class GraphQLErrorFilter implements GqlExceptionFilter<GraphQLError, GraphQLError> {
  catch(error: GraphQLError): GraphQLError {
    return error;
  }
}
