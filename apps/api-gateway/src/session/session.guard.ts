import { type CanActivate, type ExecutionContext, Injectable } from "@nestjs/common";
import { GqlExecutionContext } from "@nestjs/graphql";
import type { Request } from "express";
import { SessionService } from "./session.service";

export const SESSION_COOKIE = "luckyplans_session";

/** Lets a resolver run only for a caller with a session: a page has it in a cookie, an API client in a header. */
@Injectable()
export class SessionGuard implements CanActivate {
  constructor(private readonly sessions: SessionService) {}

  async canActivate(context: ExecutionContext): Promise<true> {
    const { req } = GqlExecutionContext.create(context).getContext<{ req: Request }>();
    await this.sessions.verify(readToken(req));
    return true;
  }
}

function readToken({ headers }: Request): string | undefined {
  // Who sends the header means it, whatever cookies come along.
  if (headers.authorization !== undefined) {
    return /^Bearer +(\S+)$/i.exec(headers.authorization)?.[1] ?? "malformed";
  }
  const cookies = headers.cookie?.split(/; */) ?? [];
  return cookies.find((cookie) => cookie.startsWith(`${SESSION_COOKIE}=`))?.slice(SESSION_COOKIE.length + 1);
}
