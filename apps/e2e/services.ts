import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

// Every script of this package runs in its folder.
export const APPS = path.resolve("..");
export const JWT_SECRET = "0123456789abcdef0123456789abcdef-for-tests";

const FILES = {
  "api-gateway": "api-gateway/dist/main.mjs",
  "service-core": "service-core/dist/main.mjs",
  web: "web/.next/standalone/apps/web/start.mjs",
};
export type Name = keyof typeof FILES;

const READY_MS = 20_000;

/** One built service in a process of its own, as its image runs it. */
export class Service {
  private readonly process: ChildProcess;
  private output = "";

  constructor(
    readonly name: Name,
    env: Record<string, string>,
    readonly port = Number(env.PORT ?? 0),
  ) {
    const { PATH = "", HOME = "" } = process.env;
    this.process = spawn(process.execPath, [path.join(APPS, FILES[name])], {
      env: { PATH, HOME, NODE_ENV: "production", HOSTNAME: "127.0.0.1", KEEP_ALIVE_TIMEOUT: "95000", ...env },
    });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What it printed, as the objects that it is made of; throws for a line that is none. */
  log(): Record<string, unknown>[] {
    return this.output
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  }

  async printed(text: string): Promise<this> {
    const deadline = Date.now() + READY_MS;
    while (!this.output.includes(text)) {
      if (Date.now() > deadline || this.process.exitCode !== null) {
        throw new Error(`${this.name} did not print "${text}" but:\n${this.output}`);
      }
      await sleep(20);
    }
    return this;
  }

  /** Resolves with the exit code, or with the signal that ended the process. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    const { exitCode, signalCode } = this.process;
    if (exitCode !== null || signalCode !== null) {
      return exitCode ?? signalCode;
    }
    const [code, signal] = await once(this.process, "exit");
    return code ?? signal;
  }

  stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | NodeJS.Signals | null> {
    this.process.kill(signal);
    return this.ended();
  }
}

export async function startGateway(redisPort: number, env: Record<string, string> = {}): Promise<Service> {
  const PORT = String(await freePort());
  const service = new Service("api-gateway", { PORT, REDIS_HOST: "127.0.0.1", REDIS_PORT: `${redisPort}`, JWT_SECRET, ...env });
  return service.printed("Listening on port");
}

export async function startCore(redisPort: number): Promise<Service> {
  return new Service("service-core", { REDIS_HOST: "127.0.0.1", REDIS_PORT: `${redisPort}` }).printed("Waiting for messages");
}

export async function startWeb(): Promise<Service> {
  return new Service("web", { PORT: String(await freePort()) }).printed("Ready in");
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
