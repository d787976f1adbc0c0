import { randomUUID } from "node:crypto";
import { Inject, Injectable } from "@nestjs/common";
import { GraphQLError } from "graphql";
import { errors, jwtVerify, SignJWT } from "jose";

export const JWT_SECRET = Symbol("JWT_SECRET");

export const SESSION_SECONDS = 12 * 60 * 60;
const ALGORITHM = "HS256";
const ISSUER = "luckyplans";
const START_ONE = "Start one with the mutation startSession.";

/** Anonymous sessions. Each is a signed token and nothing else, so that every replica knows every session. */
@Injectable()
export class SessionService {
  private readonly key: Uint8Array;

  constructor(@Inject(JWT_SECRET) secret: string) {
    this.key = new TextEncoder().encode(secret);
  }

  async start(): Promise<{ token: string; expiresAt: Date }> {
    const issuedAt = Math.floor(Date.now() / 1000);
    const expiresAt = issuedAt + SESSION_SECONDS;
    const token = await new SignJWT()
      .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
      .setSubject(randomUUID())
      .setIssuer(ISSUER)
      .setAudience(ISSUER)
      .setIssuedAt(issuedAt)
      .setExpirationTime(expiresAt)
      .sign(this.key);
    return { token, expiresAt: new Date(expiresAt * 1000) };
  }

  /** Rejects with an answer for the caller unless the token is one of ours and not over. */
  async verify(token: string | undefined): Promise<void> {
    if (!token) {
      throw unauthenticated(`This needs a session. ${START_ONE}`);
    }
    try {
      await jwtVerify(token, this.key, {
        // Of the token's own word for it, nothing is believed.
        algorithms: [ALGORITHM],
        issuer: ISSUER,
        audience: ISSUER,
        requiredClaims: ["sub", "exp"],
      });
    } catch (error) {
      const reason = error instanceof errors.JWTExpired ? "The session is over." : "The session is not valid.";
      throw unauthenticated(`${reason} ${START_ONE}`);
    }
  }
}

function unauthenticated(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: "UNAUTHENTICATED" } });
}
