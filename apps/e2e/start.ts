import { spawn } from "node:child_process";
import { createServer, request } from "node:http";
import build from "./build";
import { freePort, type Service, startCore, startGateway, startWeb } from "./services";

/* The whole application on one port of this machine, without a cluster; see apps/README.md. */

const port = Number(process.env.PORT ?? 8080);

// The page of "next dev" may ask too.
const DEVELOPMENT = { NODE_ENV: "development", CORS_ORIGIN: "http://localhost:3000" };

async function main(): Promise<void> {
  console.log("Building the three services.");
  build();
  const redisPort = await freePort();
  const redis = spawn("redis-server", ["--port", String(redisPort), "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp"]);
  redis.on("error", (error) => {
    console.error(`redis-server does not start: ${error.message}. Install it, such as with "apt-get install redis-server".`);
    process.exit(1);
  });
  const [core, gateway, web] = await Promise.all([startCore(redisPort), startGateway(redisPort, DEVELOPMENT), startWeb()]);

  // What the Ingress does on a cluster.
  const server = createServer((incoming, outgoing) => {
    const { port: upstream } = incoming.url?.startsWith("/graphql") ? gateway : web;
    const { method, url, headers } = incoming;
    const forwarded = request({ host: "127.0.0.1", port: upstream, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    forwarded.on("error", () => outgoing.writeHead(502).end());
    incoming.pipe(forwarded);
  });
  server.listen(port, "127.0.0.1", () => console.log(`Open http://localhost:${port}`));

  const stop = async () => {
    server.close();
    await Promise.all([core, gateway, web].map((service: Service) => service.stop()));
    redis.kill();
    process.exit(0);
  };
  process.once("SIGINT", () => void stop());
  process.once("SIGTERM", () => void stop());
}

void main();
