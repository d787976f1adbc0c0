import { existsSync, mkdtempSync, rmSync, statSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Heartbeat } from "../src/heartbeat";

let folder: string;
let file: string;
let heartbeat: Heartbeat | undefined;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "heartbeat-"));
  file = path.join(folder, "heartbeat");
});
afterEach(() => {
  heartbeat?.stop();
  rmSync(folder, { recursive: true });
});

test("beats at once and again after every interval", async () => {
  heartbeat = new Heartbeat(async () => "PONG", vi.fn(), file, 20);
  await heartbeat.start();
  expect(existsSync(file)).toBe(true);
  utimesSync(file, 0, 0);
  await vi.waitFor(() => expect(statSync(file).mtimeMs).toBeGreaterThan(0));
});

test("leaves the file alone while the check fails, and goes on afterwards", async () => {
  let reachable = false;
  const onFailure = vi.fn();
  heartbeat = new Heartbeat(
    async () => {
      if (!reachable) {
        throw new Error("no Redis");
      }
    },
    onFailure,
    file,
    20,
  );
  await heartbeat.start();
  expect(existsSync(file)).toBe(false);
  expect(onFailure).toHaveBeenCalledWith(new Error("no Redis"));
  reachable = true;
  await vi.waitFor(() => expect(existsSync(file)).toBe(true));
});
