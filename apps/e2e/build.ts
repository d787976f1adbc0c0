import { execSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { APPS } from "./services";

/** Builds the three services as their images do; what lies there from an earlier build may be old. */
export default function build(): void {
  for (const name of ["service-core", "api-gateway", "web"]) {
    const cwd = path.join(APPS, name);
    const { scripts } = JSON.parse(readFileSync(path.join(cwd, "package.json"), "utf8"));
    const PATH = `${path.join(cwd, "node_modules/.bin")}:${process.env.PATH}`;
    // NODE_ENV=test of vitest would make another page.
    execSync(scripts.build, { cwd, stdio: "pipe", env: { ...process.env, PATH, NODE_ENV: "production" } });
  }
}
