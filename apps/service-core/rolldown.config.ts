import { builtinModules } from "node:module";
import { defineConfig } from "rolldown";

// NestJS imports what its optional features need behind a check at run time. This service has neither an HTTP port nor
// these transports, so the imports stay as they are, and nobody reaches them.
const unused = /^(@nats-io|@nestjs\/(platform-express|websockets)|amqp|class-(transformer|validator)|kafkajs|mqtt)/;

export default defineConfig({
  input: { main: "src/main.ts" },
  platform: "node",
  external: [unused, ...builtinModules],
  tsconfig: "tsconfig.json",
  output: {
    dir: "dist",
    format: "esm",
    cleanDir: true,
    entryFileNames: "[name].mjs",
    chunkFileNames: "[name].mjs",
    // Dependencies in a file of their own, with names that stay: an edit of the service changes main.mjs alone, and so
    // a small image layer.
    minifyInternalExports: false,
    codeSplitting: { groups: [{ name: "vendor", test: /node_modules/ }] },
  },
});
