import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from "@nestjs/common";
import type { Response } from "express";
import { GraphQLError } from "graphql";
import { BODY_LIMIT } from "./http";

const NEUTRAL = "Something went wrong here. Try again in a moment.";

/**
 * What a caller gets to see of an error, always in GraphQL's form. An error made for the caller is an answer. Any other
 * is a fault of ours: the log has all of it, the caller in production a sentence.
 */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger(ErrorFilter.name);

  constructor(private readonly production: boolean) {}

  catch(error: unknown, host: ArgumentsHost): GraphQLError | void {
    if (host.getType<"graphql" | "http">() === "graphql") {
      return error instanceof GraphQLError ? error : this.unexpected(error);
    }
    const response = host.switchToHttp().getResponse<Response>();
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const status = error instanceof HttpException ? error.getStatus() : 500;
    const answer = status < 500 ? refusal(status, response) : this.unexpected(error);
    response.status(status).json({ errors: [answer] });
  }

  private unexpected(error: unknown): GraphQLError {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    this.logger.error(message, stack);
    return new GraphQLError(this.production ? NEUTRAL : message, { extensions: { code: "INTERNAL_SERVER_ERROR" } });
  }
}

function refusal(status: number, { req }: Response): GraphQLError {
  const [code, message] = {
    404: ["NOT_FOUND", `There is nothing at ${req.path}. The API is at /graphql.`],
    413: ["PAYLOAD_TOO_LARGE", `The request is larger than ${BODY_LIMIT}. Send less at once.`],
  }[status] ?? ["BAD_REQUEST", "The request cannot be read. Send JSON in UTF-8, such as {\"query\":\"{ health }\"}."];
  return new GraphQLError(message as string, { extensions: { code } });
}
