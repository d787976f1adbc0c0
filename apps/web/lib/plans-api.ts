export interface Plan {
  id: string;
  title: string;
  createdAt: string;
}

// Next.js writes the value into the bundle at build time; a server that runs cannot change it any more.
const GRAPHQL_URL = process.env.NEXT_PUBLIC_GRAPHQL_URL || "/graphql";
const TIMEOUT_MS = 10_000;

export async function listPlans(): Promise<Plan[]> {
  const data = await request<{ plans: Plan[] }>("query Plans { plans { id title createdAt } }");
  return data.plans;
}

export async function createPlan(title: string): Promise<Plan> {
  const data = await request<{ createPlan: Plan }>(
    "mutation CreatePlan($title: String!) { createPlan(title: $title) { id title createdAt } }",
    { title },
  );
  return data.createPlan;
}

/** Rejects with an Error whose message can be shown as it is. */
async function request<T>(query: string, variables: Record<string, unknown> = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(GRAPHQL_URL, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new Error("The server cannot be reached. Check your connection and try again.");
  }
  const body = (await response.json().catch(() => null)) as GraphQLResponse<T> | null;
  const message = body?.errors?.[0]?.message;
  if (message) {
    throw new Error(message);
  }
  if (!body?.data) {
    throw new Error(`The server answered with status ${response.status}. Try again in a moment.`);
  }
  return body.data;
}

interface GraphQLResponse<T> {
  data?: T | null;
  errors?: { message: string }[];
}
