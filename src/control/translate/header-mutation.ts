/** Headers to set, add and remove -> the mutation lists of a route. */
import { type HeaderOperations, type Headers, isAuthority } from '#model/header-operations.ts';
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
    requestHeadersToRemove: removals(headers?.request),
    responseHeadersToAdd: additions(headers?.response),
    responseHeadersToRemove: removals(headers?.response),
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

/** Setting the host is a rewrite of the authority, which no header mutation may do. What is added counts as set (Istio). */
export function authorityFrom(headers: Headers | undefined): string | undefined {
  const { set = {}, add = {} } = headers?.request ?? {};
  return [...Object.entries(set), ...Object.entries(add)].find(([name]) => isAuthority(name))?.[1];
}

function additions(operations: HeaderOperations | undefined): HeaderValueOption[] {
  const { set = {}, add = {} } = operations ?? {};
  return [
    ...Object.entries(set)
      .filter(([name]) => !isAuthority(name))
      .map(([key, value]) => mutation(key, value, AppendAction.OVERWRITE_IF_EXISTS_OR_ADD)),
    ...Object.entries(add)
      .filter(([name]) => !isAuthority(name))
      .map(([key, value]) => mutation(key, value, AppendAction.APPEND_IF_EXISTS_OR_ADD)),
  ];
}

/** Envoy refuses to remove the host (Istio leaves it out). */
function removals(operations: HeaderOperations | undefined): string[] {
  return (operations?.remove ?? []).filter((name) => !isAuthority(name));
}

function mutation(key: string, value: string, appendAction: AppendAction): HeaderValueOption {
  return { header: { key, value }, appendAction, ...(value === '' && { keepEmptyValue: true }) };
}
