import { ApolloDriver, type ApolloDriverConfig } from "@nestjs/apollo";
import { type DynamicModule, Module } from "@nestjs/common";
import { APP_FILTER } from "@nestjs/core";
import { GraphQLModule } from "@nestjs/graphql";
import { ClientsModule, Transport } from "@nestjs/microservices";
import type { Config } from "./config";
import { GraphQLErrorFilter } from "./graphql-error.filter";
import { HealthController } from "./health/health.controller";
import { HealthResolver } from "./health/health.resolver";
import { PlansClient, RPC_TIMEOUT_MS, SERVICE_CORE } from "./plans/plans.client";
import { PlansResolver } from "./plans/plans.resolver";

@Module({})
export class AppModule {
  static with(config: Config): DynamicModule {
    return {
      module: AppModule,
      imports: [
        GraphQLModule.forRoot<ApolloDriverConfig>({
          driver: ApolloDriver,
          // In memory: the file system of the container is read-only.
          autoSchemaFile: true,
          introspection: !config.production,
          graphiql: false,
          includeStacktraceInErrorResponses: false,
        }),
        ClientsModule.register([
          {
            name: SERVICE_CORE,
            transport: Transport.REDIS,
            options: {
              host: config.redisHost,
              port: config.redisPort,
              // A connection that no longer answers, as after the loss of a node, is dropped and opened anew.
              socketTimeout: 5000,
              retryAttempts: Number.MAX_SAFE_INTEGER,
              retryDelay: 1000,
            },
          },
        ]),
      ],
      controllers: [HealthController],
      providers: [
        HealthResolver,
        PlansResolver,
        PlansClient,
        { provide: RPC_TIMEOUT_MS, useValue: 5000 },
        { provide: APP_FILTER, useClass: GraphQLErrorFilter },
      ],
    };
  }
}
