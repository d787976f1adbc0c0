import { writeFile } from "node:fs/promises";

export const HEARTBEAT_FILE = "/tmp/heartbeat";
export const HEARTBEAT_INTERVAL_MS = 5000;

/** Touches a file after every successful check; the file's age is what a probe looks at. */
export class Heartbeat {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly check: () => Promise<unknown>,
    private readonly onFailure: (error: Error) => void,
    private readonly file = HEARTBEAT_FILE,
    private readonly intervalMs = HEARTBEAT_INTERVAL_MS,
  ) {}

  async start(): Promise<void> {
    this.timer = setInterval(() => void this.beat(), this.intervalMs);
    await this.beat();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private async beat(): Promise<void> {
    try {
      await this.check();
      await writeFile(this.file, `${new Date().toISOString()}\n`);
    } catch (error) {
      this.onFailure(error as Error);
    }
  }
}
