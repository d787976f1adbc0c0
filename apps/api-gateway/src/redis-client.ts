import { ClientRedis } from "@nestjs/microservices";
import type { Redis } from "ioredis";
import type { Config } from "./config";

/**
 * NestJS's client, which leaves it to chance what becomes of a command whose connection breaks: the promise that is
 * rejected then has nobody to look at it, and Node ends the process for that. Its requests have a time limit anyway.
 */
export class RedisClient extends ClientRedis {
  override async createClient(): Promise<Redis> {
    const client: Redis = await super.createClient();
    const send = client.sendCommand.bind(client);
    client.sendCommand = (command, stream) => {
      command.promise.catch(() => undefined);
      return send(command, stream);
    };
    return client;
  }

  /**
   * The channels on which answers come stay subscribed. NestJS would leave one with its last request, even where the
   * next had been told a moment ago that it is subscribed: its answer would be lost.
   */
  protected override unsubscribeFromChannel(): void {}
}

export function clientOptions(config: Config) {
  return {
    host: config.redisHost,
    port: config.redisPort,
    password: config.redisPassword,
    // A connection that no longer answers, as after the loss of a node, is dropped and opened anew.
    socketTimeout: 5000,
    // A request waits for the one attempt to connect that goes on, and no longer: sent later, it would make a plan of which
    // its author was told that it failed. So is what was on its way when the connection broke.
    connectTimeout: 3000,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // The last two are NestJS's own.
    retryAttempts: Number.MAX_SAFE_INTEGER,
    retryDelay: 1000,
  };
}
