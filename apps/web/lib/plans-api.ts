export interface Plan {
  id: string;
  title: string;
  createdAt: string;
}

// Next.js writes the value into the bundle at build time; a server that runs cannot change it any more.
export const GRAPHQL_URL = process.env.NEXT_PUBLIC_GRAPHQL_URL || "/graphql";
const TIMEOUT_MS = 10_000;

export async function listPlans(): Promise<Plan[]> {
  const data = await request<{ plans: Plan[] }>("query Plans { plans { id title createdAt } }");
  return data.plans;
}

export async function createPlan(title: string): Promise<Plan> {
  const create = () =>
    request<{ createPlan: Plan }>(
      "mutation CreatePlan($title: String!) { createPlan(title: $title) { id title createdAt } }",
      { title },
    );
  try {
    return (await create()).createPlan;
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "UNAUTHENTICATED") {
      throw error;
    }
  }
  // There is no session yet, or no longer. A new one costs nothing; its cookie comes with the answer.
  await request("mutation StartSession { startSession { expiresAt } }");
  return (await create()).createPlan;
}

/** What the API answers instead of data; the message can be shown as it is. */
class ApiError extends Error {
  constructor(
    message: string,
    readonly code: string | undefined,
  ) {
    super(message);
  }
}

/** Rejects with an Error whose message can be shown as it is. */
async function request<T>(query: string, variables: Record<string, unknown> = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(GRAPHQL_URL, {
      method: "POST",
      // The session is in a cookie, also where the API has an address of its own.
      credentials: "include",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new Error("The server cannot be reached. Check your connection and try again.");
  }
  const body = (await response.json().catch(() => null)) as GraphQLResponse<T> | null;
  const error = body?.errors?.[0];
  if (error) {
    throw new ApiError(error.message, error.extensions?.code);
  }
  if (!body?.data) {
    throw new Error(`The server answered with status ${response.status}. Try again in a moment.`);
  }
  return body.data;
}

interface GraphQLResponse<T> {
  data?: T | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}
