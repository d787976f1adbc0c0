import { ApolloDriver, type ApolloDriverConfig } from "@nestjs/apollo";
import { type DynamicModule, Module, type Type } from "@nestjs/common";
import { APP_FILTER } from "@nestjs/core";
import { GraphQLModule } from "@nestjs/graphql";
import { type ClientProxy, ClientsModule } from "@nestjs/microservices";
import type { Config } from "./config";
import { ErrorFilter } from "./error.filter";
import { HealthController } from "./health/health.controller";
import { HealthResolver } from "./health/health.resolver";
import { HealthService } from "./health/health.service";
import { PlansClient, RPC_TIMEOUT_MS, SERVICE_CORE } from "./plans/plans.client";
import { PlansResolver } from "./plans/plans.resolver";
import { limitRootFields, MAX_TOKENS } from "./query-limits";
import { clientOptions, RedisClient } from "./redis-client";
import { SECURE_COOKIES, SessionResolver } from "./session/session.resolver";
import { JWT_SECRET, SessionService } from "./session/session.service";

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
          // A page elsewhere cannot send JSON without asking first, and nothing else is taken.
          csrfPrevention: true,
          allowBatchedHttpRequests: false,
          parseOptions: { maxTokens: MAX_TOKENS },
          validationRules: [limitRootFields],
        }),
        ClientsModule.register([{ name: SERVICE_CORE, customClass: RedisClient as unknown as Type<ClientProxy>, options: clientOptions(config) }]),
      ],
      controllers: [HealthController],
      providers: [
        HealthResolver,
        HealthService,
        PlansResolver,
        PlansClient,
        { provide: RPC_TIMEOUT_MS, useValue: 5000 },
        SessionResolver,
        SessionService,
        { provide: JWT_SECRET, useValue: config.jwtSecret },
        { provide: SECURE_COOKIES, useValue: config.production },
        { provide: APP_FILTER, useValue: new ErrorFilter(config.production) },
      ],
    };
  }
}
