/** Headers to set, add and remove -> the mutation lists of a route. */
import type { HeaderOperations, Headers } from '#model/header-operations.ts';
import {
  HeaderValueOption_HeaderAppendAction as AppendAction,
  type HeaderValueOptionSchema,
} from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { Init } from './message.ts';

type HeaderValueOption = Init<typeof HeaderValueOptionSchema>;

/** Fields that a route and a weighted cluster have alike. */
export interface HeaderMutations {
  readonly requestHeadersToAdd: HeaderValueOption[];
  readonly requestHeadersToRemove: string[];
  readonly responseHeadersToAdd: HeaderValueOption[];
  readonly responseHeadersToRemove: string[];
}

export function translateHeaders(headers: Headers | undefined): HeaderMutations {
  return {
    requestHeadersToAdd: additions(headers?.request),
    requestHeadersToRemove: [...(headers?.request?.remove ?? [])],
    responseHeadersToAdd: additions(headers?.response),
    responseHeadersToRemove: [...(headers?.response?.remove ?? [])],
  };
}

/** Both, the inner after the outer. */
export function joinMutations(outer: HeaderMutations, inner: HeaderMutations): HeaderMutations {
  return {
    requestHeadersToAdd: [...outer.requestHeadersToAdd, ...inner.requestHeadersToAdd],
    requestHeadersToRemove: [...outer.requestHeadersToRemove, ...inner.requestHeadersToRemove],
    responseHeadersToAdd: [...outer.responseHeadersToAdd, ...inner.responseHeadersToAdd],
    responseHeadersToRemove: [...outer.responseHeadersToRemove, ...inner.responseHeadersToRemove],
  };
}

/** Setting the host is a rewrite of the authority, which no header mutation may do. */
export function authorityFrom(headers: Headers | undefined): string | undefined {
  return Object.entries(headers?.request?.set ?? {}).find(([name]) => isAuthority(name))?.[1];
}

function additions(operations: HeaderOperations | undefined): HeaderValueOption[] {
  const { set = {}, add = {} } = operations ?? {};
  return [
    ...Object.entries(set)
      .filter(([name]) => !isAuthority(name))
      .map(([key, value]) => mutation(key, value, AppendAction.OVERWRITE_IF_EXISTS_OR_ADD)),
    ...Object.entries(add).map(([key, value]) => mutation(key, value, AppendAction.APPEND_IF_EXISTS_OR_ADD)),
  ];
}

function mutation(key: string, value: string, appendAction: AppendAction): HeaderValueOption {
  return { header: { key, value }, appendAction, ...(value === '' && { keepEmptyValue: true }) };
}

function isAuthority(name: string): boolean {
  return name === ':authority' || name.toLowerCase() === 'host';
}
