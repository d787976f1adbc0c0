import { Agent, type IncomingMessage, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

export interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  body: string;
}

export function send(url: string, options: { agent?: Agent; body?: unknown; headers?: Record<string, string> } = {}): Promise<Answer> {
  const { agent, body, headers } = options;
  return new Promise((resolve, reject) => {
    const json = body === undefined ? undefined : JSON.stringify(body);
    const method = json === undefined ? "GET" : "POST";
    const outgoing = request(url, { agent, method, headers: { ...(json && { "Content-Type": "application/json" }), ...headers } }, (incoming) => {
      let text = "";
      incoming
        .setEncoding("utf8")
        .on("data", (chunk: string) => (text += chunk))
        .on("end", () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text }))
        .on("error", reject);
    });
    outgoing.on("error", reject).end(json);
  });
}

export function graphql(url: string, query: string, options: Parameters<typeof send>[1] & { variables?: object } = {}): Promise<Answer> {
  return send(`${url}/graphql`, { ...options, body: { query, variables: options.variables } });
}

/** Waits for what is bound to come; the time limit of the test is its own. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) {
    await sleep(20);
  }
}

/** Asks over and over, on several connections that it keeps, as a proxy would, and counts. */
export class Load {
  answered = 0;
  readonly failures: string[] = [];
  private going = true;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 10 });
  private readonly workers: Promise<void>[];

  constructor(ask: (agent: Agent) => Promise<Answer>, wanted: (answer: Answer) => boolean, workers = 4) {
    this.workers = Array.from({ length: workers }, async () => {
      while (this.going) {
        try {
          const answer = await ask(this.agent);
          this.answered += 1;
          if (!wanted(answer)) {
            this.failures.push(`${answer.status} ${answer.body.slice(0, 200)}`);
          }
        } catch (error) {
          this.failures.push(String(error));
        }
      }
    });
  }

  async end(): Promise<this> {
    this.going = false;
    await Promise.all(this.workers);
    this.agent.destroy();
    return this;
  }
}
