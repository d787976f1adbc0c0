import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

type Reply = string | number | null | Error | Reply[];

/**
 * Stands in for Redis, over a real connection: the commands that the services send, on Maps. Unlike the real one it is
 * there on every machine, and can be told to be slow. That the services work with the real one is for the scenarios on
 * a cluster to show.
 */
export class StandInRedis {
  /** How long each command on data takes. */
  delayMs = 0;
  port = 0;
  /** The names of all commands so far, in the order in which they came. */
  readonly seen: string[] = [];

  private server: Server | undefined;
  private readonly sockets = new Map<Socket, Set<string>>();
  private readonly hashes = new Map<string, Map<string, string>>();
  private readonly scores = new Map<string, Map<string, number>>();

  async start(): Promise<this> {
    this.server = createServer((socket) => this.serve(socket)).listen(this.port, "127.0.0.1");
    await once(this.server, "listening");
    this.port = (this.server.address() as { port: number }).port;
    return this;
  }

  /** As when its pod is killed: every connection breaks, and nobody listens. */
  async stop(): Promise<void> {
    const server = this.server;
    const closed = new Promise((resolve) => server?.close(resolve));
    for (const socket of this.sockets.keys()) {
      socket.destroy();
    }
    await closed;
  }

  private serve(socket: Socket): void {
    this.sockets.set(socket, new Set());
    socket.on("close", () => this.sockets.delete(socket)).on("error", () => undefined);
    let queued: string[][] | undefined;
    let input = "";
    let order = Promise.resolve();
    socket.setEncoding("latin1").on("data", (text: string) => {
      input += text;
      for (;;) {
        const [command, rest] = parse(input);
        if (!command) {
          return;
        }
        input = rest;
        this.seen.push(command[0]?.toUpperCase() ?? "");
        const due = Date.now() + this.delayMs;
        // Each connection gets its replies in the order of its commands.
        order = order.then(async () => {
          const name = command[0]?.toUpperCase();
          if (name === "MULTI") {
            queued = [];
            return write(socket, "OK");
          }
          if (queued && name !== "EXEC") {
            queued.push(command);
            return write(socket, "QUEUED");
          }
          if (name === "EXEC" || name === "ZRANGE") {
            await sleep(due - Date.now());
          }
          const commands = queued ?? [command];
          queued = undefined;
          const replies = commands.map((each) => this.execute(socket, each));
          if (name === "SUBSCRIBE" || name === "UNSUBSCRIBE") {
            return (replies[0] as Reply[]).forEach((reply) => write(socket, reply));
          }
          write(socket, name === "EXEC" ? replies : (replies[0] as Reply));
          if (name === "QUIT") {
            socket.end();
          }
        });
      }
    });
  }

  private execute(socket: Socket, [name = "", ...rest]: string[]): Reply {
    const channels = this.sockets.get(socket) ?? new Set();
    const [key = "", field = "", value = ""] = rest;
    const hash = () => this.hashes.get(key) ?? this.hashes.set(key, new Map()).get(key)!;
    const scored = () => this.scores.get(key) ?? this.scores.set(key, new Map()).get(key)!;
    switch (name.toUpperCase()) {
      case "INFO":
        return "redis_version:7.4.0\r\nloading:0\r\n";
      case "PING":
        return channels.size > 0 ? ["pong", ""] : "PONG";
      case "CLIENT":
      case "QUIT":
      case "SELECT":
        return "OK";
      case "SUBSCRIBE":
        return rest.map((channel) => ["subscribe", channel, channels.add(channel).size]);
      case "UNSUBSCRIBE": {
        const gone = rest.length > 0 ? rest : [...channels];
        return gone.map((channel) => (channels.delete(channel), ["unsubscribe", channel, channels.size]));
      }
      case "PUBLISH": {
        const receivers = [...this.sockets].filter(([, subscribed]) => subscribed.has(key));
        receivers.forEach(([receiver]) => write(receiver, ["message", key, field]));
        return receivers.length;
      }
      case "HSETNX":
        return hash().has(field) ? 0 : (hash().set(field, value), 1);
      case "HGET":
        return hash().get(field) ?? null;
      case "HMGET":
        return rest.slice(1).map((each) => hash().get(each) ?? null);
      case "ZADD": {
        const [, , score, member = ""] = rest;
        return scored().has(member) ? 0 : (scored().set(member, Number(score)), 1);
      }
      case "ZRANGE": {
        const newestFirst = [...scored()].sort((a, b) => b[1] - a[1]).map(([member]) => member);
        return newestFirst.slice(Number(field), Number(value) + 1);
      }
      default:
        return new Error(`ERR unknown command '${name}'`);
    }
  }
}

/** The first command of the input, if all of it is there, and what follows it. */
function parse(input: string): [command: string[] | undefined, rest: string] {
  const head = /^\*(\d+)\r\n/.exec(input);
  if (!head) {
    return [undefined, input];
  }
  const command: string[] = [];
  let at = head[0].length;
  for (let left = Number(head[1]); left > 0; left -= 1) {
    const length = /^\$(\d+)\r\n/.exec(input.slice(at));
    const begin = at + (length?.[0].length ?? 0);
    const end = begin + Number(length?.[1]);
    if (!length || input.length < end + 2) {
      return [undefined, input];
    }
    command.push(Buffer.from(input.slice(begin, end), "latin1").toString("utf8"));
    at = end + 2;
  }
  return [command, input.slice(at)];
}

function write(socket: Socket, reply: Reply): void {
  if (socket.writable) {
    socket.write(encode(reply));
  }
}

function encode(reply: Reply): string {
  if (Array.isArray(reply)) {
    return `*${reply.length}\r\n${reply.map(encode).join("")}`;
  }
  if (reply instanceof Error) {
    return `-${reply.message}\r\n`;
  }
  if (typeof reply === "number") {
    return `:${reply}\r\n`;
  }
  return reply === null ? "$-1\r\n" : `$${Buffer.byteLength(reply)}\r\n${reply}\r\n`;
}
