import { Inject } from "@nestjs/common";
import { Context, Field, Mutation, ObjectType, Resolver } from "@nestjs/graphql";
import type { Request } from "express";
import { SESSION_COOKIE } from "./session.guard";
import { SESSION_SECONDS, SessionService } from "./session.service";

export const SECURE_COOKIES = Symbol("SECURE_COOKIES");

@ObjectType()
export class Session {
  @Field(() => String, { description: "ISO 8601, UTC" })
  expiresAt!: string;

  @Field(() => String, { description: 'For clients without cookies: send it as "Authorization: Bearer <token>".' })
  token!: string;
}

@Resolver(() => Session)
export class SessionResolver {
  constructor(
    private readonly sessions: SessionService,
    @Inject(SECURE_COOKIES) private readonly secureAlways: boolean,
  ) {}

  @Mutation(() => Session, { description: "An anonymous session, which every other mutation needs. Sets it as a cookie too." })
  async startSession(@Context("req") request: Request): Promise<Session> {
    const { token, expiresAt } = await this.sessions.start();
    request.res?.cookie(SESSION_COOKIE, token, {
      httpOnly: true,
      sameSite: "lax",
      secure: this.secureAlways || request.headers["x-forwarded-proto"] === "https",
      maxAge: SESSION_SECONDS * 1000,
      path: "/",
    });
    return { token, expiresAt: expiresAt.toISOString() };
  }
}
