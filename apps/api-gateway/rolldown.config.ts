import { builtinModules } from "node:module";
import { defineConfig } from "rolldown";

// NestJS imports what its optional features need behind a check at run time. This gateway uses none of these, so the
// imports stay as they are, and nobody reaches them.
const unused = [
  /^@apollo\/(gateway|subgraph)/,
  /^@as-integrations\/fastify/,
  /^(@nats-io|@nestjs\/websockets|amqp|kafkajs|mqtt)/,
  /^(class-(transformer|validator)|ts-morph)/,
];

export default defineConfig({
  input: { main: "src/main.ts" },
  platform: "node",
  external: [...unused, ...builtinModules],
  tsconfig: "tsconfig.json",
  output: {
    dir: "dist",
    format: "esm",
    cleanDir: true,
    entryFileNames: "[name].mjs",
    chunkFileNames: "[name].mjs",
    // Dependencies in a file of their own, with names that stay: an edit of the gateway changes main.mjs alone, and so
    // a small image layer.
    minifyInternalExports: false,
    codeSplitting: { groups: [{ name: "vendor", test: /node_modules/ }] },
  },
});
