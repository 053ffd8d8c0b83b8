/** Changes of headers, compiled: those of one level. */
import type { HeaderMutation } from '#xds/gen/envoy/config/common/mutation_rules/v3/mutation_rules_pb.js';
import type { Mutations as MutationsMessage } from '#xds/gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js';
import type { Findings } from '../../findings.ts';
import { compileHeaderChange, type HeaderChange } from '../../route/header-change.ts';
import { type QueryMutations, readQueryMutations } from './query.ts';

export interface Mutations {
  readonly request: readonly HeaderChange[];
  readonly query: QueryMutations | undefined;
  readonly response: readonly HeaderChange[];
  readonly requestTrailers: readonly HeaderChange[];
  readonly responseTrailers: readonly HeaderChange[];
}

export function readMutations(
  message: MutationsMessage | undefined,
  at: string,
  findings: Findings,
): Mutations {
  message?.formatters.forEach((_, i) => {
    findings.error(`${at}.formatters[${i}]`, 'is not supported');
  });
  const read = (
    field:
      | 'request_mutations'
      | 'response_mutations'
      | 'request_trailers_mutations'
      | 'response_trailers_mutations',
    mutations: readonly HeaderMutation[],
  ): HeaderChange[] =>
    mutations.map((mutation, i) => compileHeaderChange(mutation, `${at}.${field}[${i}]`, findings));
  return {
    request: read('request_mutations', message?.requestMutations ?? []),
    query: readQueryMutations(
      message?.queryParameterMutations ?? [],
      `${at}.query_parameter_mutations`,
      findings,
    ),
    response: read('response_mutations', message?.responseMutations ?? []),
    requestTrailers: read('request_trailers_mutations', message?.requestTrailersMutations ?? []),
    responseTrailers: read('response_trailers_mutations', message?.responseTrailersMutations ?? []),
  };
}
