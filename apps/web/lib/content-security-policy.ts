import { GRAPHQL_URL } from "./plans-api";

/** Only what comes from here, and scripts only with the nonce; React in development needs eval for its stack traces. */
export function contentSecurityPolicy(nonce: string, development: boolean, graphqlUrl = GRAPHQL_URL): string {
  const api = URL.canParse(graphqlUrl) ? ` ${new URL(graphqlUrl).origin}` : "";
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}' 'strict-dynamic'${development ? " 'unsafe-eval'" : ""}`,
    `style-src 'self'${development ? " 'unsafe-inline'" : ""}`,
    "img-src 'self'",
    "font-src 'self'",
    `connect-src 'self'${api}`,
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join("; ");
}
