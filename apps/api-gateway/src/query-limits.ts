import { GraphQLError, type ValidationRule } from "graphql";

/** Of one document; the introspection of a development tool needs about 400. */
export const MAX_TOKENS = 1000;
export const MAX_ROOT_FIELDS = 10;

/**
 * Each field of Query and Mutation asks service-core once, and aliases repeat it at will. Below them nothing leads from
 * one object to the next, so a depth needs no limit of its own.
 */
export const limitRootFields: ValidationRule = (context) => {
  const roots = [context.getSchema().getQueryType(), context.getSchema().getMutationType()];
  let count = 0;
  return {
    Field(node) {
      count += roots.includes(context.getParentType() as (typeof roots)[number]) ? 1 : 0;
      if (count === MAX_ROOT_FIELDS + 1) {
        const message = `The document asks for more than ${MAX_ROOT_FIELDS} fields of Query and Mutation. Ask in several requests.`;
        context.reportError(new GraphQLError(message, { nodes: [node] }));
      }
    },
  };
};
