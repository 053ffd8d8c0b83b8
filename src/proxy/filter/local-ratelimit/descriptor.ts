/** What a limit knows requests by: entries that actions make of them (Envoy, `RateLimit`). */
import type { RateLimit, RateLimit_Action } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { byteString, type Findings } from '../../findings.ts';
import { compileHeaderMatch, compileQueryMatch, headerReader, queryValue } from '../../route/header-match.ts';
import type { Exchange } from '../contract.ts';

/** One descriptor as a text: its keys and values in order. */
export function textOf(entries: readonly (readonly [key: string, value: string])[]): string {
  return JSON.stringify(entries);
}

/** `''`: no entry, and yet the descriptor goes on; undefined: there is no descriptor. */
type Entry = readonly [key: string, value: string] | '' | undefined;
type Action = (exchange: Exchange) => Entry;

/** Makes the text of a descriptor; undefined where a request has none. */
export type DescriptorMaker = (exchange: Exchange) => string | undefined;

export function readMaker(limit: RateLimit, at: string, findings: Findings): DescriptorMaker {
  findings.refuse(`${at}.stage`, limit.stage !== undefined);
  findings.refuse(`${at}.disable_key`, limit.disableKey !== '');
  if (limit.actions.length === 0) findings.error(`${at}.actions`, 'is missing');
  const actions = limit.actions.map((action, i) => readAction(action, `${at}.actions[${i}]`, findings));
  return (exchange) => {
    const entries: (readonly [string, string])[] = [];
    for (const action of actions) {
      const entry = action(exchange);
      if (entry === undefined) return undefined;
      if (entry !== '') entries.push(entry);
    }
    return entries.length === 0 ? undefined : textOf(entries);
  };
}

function readAction({ actionSpecifier: of }: RateLimit_Action, at: string, findings: Findings): Action {
  const missing = (field: string, value: string): void => {
    if (value === '') findings.error(`${at}.${field}`, 'is missing');
  };
  switch (of.case) {
    case 'destinationCluster':
      return ({ cluster }) => cluster && ['destination_cluster', cluster.name];
    case 'remoteAddress':
      return ({ downstreamRemoteAddress: address }) =>
        address === '' ? undefined : ['remote_address', address.slice(0, address.lastIndexOf(':'))];
    case 'genericKey': {
      const { descriptorKey: key, descriptorValue: value, defaultValue } = of.value;
      missing('generic_key.descriptor_value', value);
      findings.refuse(`${at}.generic_key.default_value`, defaultValue !== '');
      const entry = [key === '' ? 'generic_key' : key, byteString(value)] as const;
      return () => entry;
    }
    case 'requestHeaders': {
      const { headerName, descriptorKey: key, skipIfAbsent } = of.value;
      missing('request_headers.header_name', headerName);
      missing('request_headers.descriptor_key', key);
      const read = headerReader(headerName.toLowerCase());
      const absent = skipIfAbsent ? '' : undefined;
      return (exchange) => {
        const value = read(exchange);
        return value === undefined ? absent : [key, value];
      };
    }
    case 'queryParameters': {
      const { queryParameterName: name, descriptorKey: key, skipIfAbsent } = of.value;
      missing('query_parameters.query_parameter_name', name);
      missing('query_parameters.descriptor_key', key);
      const absent = skipIfAbsent ? '' : undefined;
      return ({ path }) => {
        const value = queryValue(path, name);
        return value === undefined ? absent : [key, value];
      };
    }
    case 'headerValueMatch': {
      const { headers, expectMatch, descriptorKey, descriptorValue, defaultValue } = of.value;
      missing('header_value_match.descriptor_value', descriptorValue);
      findings.refuse(`${at}.header_value_match.default_value`, defaultValue !== '');
      const matchers = headers.map((matcher, i) =>
        compileHeaderMatch(matcher, `${at}.header_value_match.headers[${i}]`, findings),
      );
      const entry = [
        descriptorKey === '' ? 'header_match' : descriptorKey,
        byteString(descriptorValue),
      ] as const;
      return (exchange) =>
        matchers.every((matches) => matches(exchange)) === (expectMatch ?? true) ? entry : undefined;
    }
    case 'queryParameterValueMatch': {
      const { queryParameters, expectMatch, descriptorKey, descriptorValue, defaultValue } = of.value;
      missing('query_parameter_value_match.descriptor_value', descriptorValue);
      findings.refuse(`${at}.query_parameter_value_match.default_value`, defaultValue !== '');
      const matchers = queryParameters.map((matcher, i) =>
        compileQueryMatch(matcher, `${at}.query_parameter_value_match.query_parameters[${i}]`, findings),
      );
      const entry = [
        descriptorKey === '' ? 'query_match' : descriptorKey,
        byteString(descriptorValue),
      ] as const;
      return (exchange) =>
        matchers.every((matches) => matches(exchange)) === (expectMatch ?? true) ? entry : undefined;
    }
    default:
      findings.error(at, of.case === undefined ? 'says nothing' : 'is not supported: source_cluster');
      return () => undefined;
  }
}
