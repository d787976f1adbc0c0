import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "build.ts",
    // Real processes, which have two seconds and more to end.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // One at a time: each has a load of requests of its own.
    fileParallelism: false,
  },
});
