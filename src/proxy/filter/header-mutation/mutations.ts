/** Changes of headers, compiled: those of one level. */
import { type HeaderList, removeHeader } from '#http/header-list.ts';
import type { HeaderMutation } from '#xds/gen/envoy/config/common/mutation_rules/v3/mutation_rules_pb.js';
import type { HeaderValueOption } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { Mutations as MutationsMessage } from '#xds/gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js';
import type { Findings } from '../../findings.ts';
import { textMatcher } from '../../route/header-match.ts';
import { applyAddition, compileOption, isName } from '../../route/header-mutation.ts';
import type { Exchange } from '../contract.ts';
import { type QueryMutations, readQueryMutations } from './query.ts';

type Change = (list: HeaderList, exchange: Exchange) => void;

export interface Mutations {
  readonly request: readonly Change[];
  readonly query: QueryMutations | undefined;
  readonly response: readonly Change[];
  readonly requestTrailers: readonly Change[];
  readonly responseTrailers: readonly Change[];
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
  ): Change[] => mutations.map((mutation, i) => readMutation(mutation, `${at}.${field}[${i}]`, findings));
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

const nothing: Change = () => {};

function readMutation({ action }: HeaderMutation, at: string, findings: Findings): Change {
  switch (action.case) {
    case 'remove': {
      const name = action.value.toLowerCase();
      if (!mayChange(name)) findings.error(`${at}.remove`, `"${name}" cannot be removed`);
      return (list) => removeHeader(list, name);
    }
    case 'append':
      return readAppend(action.value, `${at}.append`, findings);
    case 'removeOnMatch': {
      const { keyMatcher } = action.value;
      if (keyMatcher === undefined) {
        findings.error(`${at}.remove_on_match.key_matcher`, 'is missing');
        return nothing;
      }
      const matches = textMatcher(keyMatcher, `${at}.remove_on_match.key_matcher`, findings);
      return (list) => {
        for (let i = list.length - 2; i >= 0; i -= 2) if (matches(list[i]!)) list.splice(i, 2);
      };
    }
    default:
      findings.error(at, 'has none of remove, append and remove_on_match');
      return nothing;
  }
}

function readAppend(option: HeaderValueOption, at: string, findings: Findings): Change {
  const addition = compileOption(option, at, findings);
  const { name } = addition;
  if (!mayChange(name)) findings.error(`${at}.header.key`, `"${name}" cannot be changed`);
  return (list, exchange) => applyAddition(list, addition, exchange);
}

/** Fields that begin with a colon are no names. */
function mayChange(name: string): boolean {
  return isName(name) && name !== 'host';
}
