/** What a route of a VirtualService says to filters: faults and CORS. */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { CorsPolicy } from '#model/cors-policy.ts';
import { grpcStatusNames, type HttpFault } from '#model/http-fault.ts';
import type { HttpRoute } from '#model/http-route.ts';
import type { Labels } from '#model/metadata.ts';
import { faultScopeAnnotation } from '#model/virtual-service.ts';
import { grpcStatusOfHttp } from '#observe/grpc-status.ts';
import { FilterConfigSchema } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { CorsPolicySchema, CorsSchema } from '#xds/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import {
  type FaultAbortSchema,
  HTTPFaultSchema,
} from '#xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import type { HttpFilterSchema } from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { StringMatcherSchema } from '#xds/gen/envoy/type/matcher/v3/string_pb.js';
import { AttemptFaultSchema } from '#xds/gen/heddle/filters/http/attempt_fault/v1/attempt_fault_pb.js';
import { duration, type Init, millionths, pack } from './message.ts';
import type { ProxyNode } from './node.ts';
import { stringMatcher } from './route-match.ts';

type HttpFilterInit = Init<typeof HttpFilterSchema>;

export const faultName = 'envoy.filters.http.fault';
const attemptFaultName = 'heddle.filters.http.attempt_fault';
const corsName = 'envoy.filters.http.cors';
/** An empty prefix, which Envoy takes in no matcher. */
const every: Init<typeof StringMatcherSchema> = {
  matchPattern: { case: 'safeRegex', value: { regex: '.*' } },
};

/** Off wherever a route says nothing of them, so that requests there do not pay. */
export function routedFilters(client: ProxyNode['client']): HttpFilterInit[] {
  const fault: HttpFilterInit = {
    name: faultName,
    configType: { case: 'typedConfig', value: pack(HTTPFaultSchema, {}) },
  };
  // gRPC's clients know no filter that is off (gRFC A39), and no browsers.
  if (client === 'grpc') return [fault];
  const cors: HttpFilterInit = {
    name: corsName,
    configType: { case: 'typedConfig', value: pack(CorsSchema, {}) },
  };
  const attemptFault: HttpFilterInit = {
    name: attemptFaultName,
    configType: { case: 'typedConfig', value: pack(AttemptFaultSchema, {}) },
  };
  return [
    { ...fault, disabled: true },
    ...(client === 'heddle' ? [{ ...attemptFault, isOptional: true, disabled: true }] : []),
    { ...cors, disabled: true },
  ];
}

/** @param annotations of the VirtualService */
export function routeFilters(
  { fault, corsPolicy }: HttpRoute,
  annotations: Labels,
  client: ProxyNode['client'],
): { readonly typedPerFilterConfig?: Record<string, Any> } {
  const typedPerFilterConfig: Record<string, Any> = {};
  if (fault !== undefined) {
    // Elsewhere nothing stands below the retries that has faults.
    const isOfAttempts = client === 'heddle' && annotations[faultScopeAnnotation] === 'attempt';
    if (isOfAttempts) typedPerFilterConfig[attemptFaultName] = ofAttempts(translateFault(fault, client));
    else typedPerFilterConfig[faultName] = pack(HTTPFaultSchema, translateFault(fault, client));
  }
  if (corsPolicy !== undefined && client !== 'grpc')
    typedPerFilterConfig[corsName] = translateCors(corsPolicy);
  return Object.keys(typedPerFilterConfig).length === 0 ? {} : { typedPerFilterConfig };
}

/** Optional: a Heddle of an earlier release goes without. */
function ofAttempts(fault: Init<typeof HTTPFaultSchema>): Any {
  return pack(FilterConfigSchema, { isOptional: true, config: pack(AttemptFaultSchema, { fault }) });
}

function translateFault(
  { delay, abort }: HttpFault,
  client: ProxyNode['client'],
): Init<typeof HTTPFaultSchema> {
  return {
    ...(delay !== undefined && {
      delay: {
        faultDelaySecifier: { case: 'fixedDelay', value: duration(delay.fixedDelayMs) },
        percentage: millionths(delay.percent),
      },
    }),
    ...(abort !== undefined && {
      abort: {
        errorType: abortType(abort, client),
        percentage: millionths(abort.percent),
      },
    }),
  };
}

/** A status of HTTP is to gRPC's clients what a proxy would make of it for them. */
function abortType(
  { grpcStatus, httpStatus = 0 }: NonNullable<HttpFault['abort']>,
  client: ProxyNode['client'],
): NonNullable<Init<typeof FaultAbortSchema>['errorType']> {
  if (grpcStatus !== undefined) return { case: 'grpcStatus', value: grpcStatusNames.indexOf(grpcStatus) };
  if (client === 'grpc') return { case: 'grpcStatus', value: grpcStatusOfHttp(httpStatus) };
  return { case: 'httpStatus', value: httpStatus };
}

function translateCors(policy: CorsPolicy): Any {
  const { allowMethods, allowHeaders, exposeHeaders, maxAgeS, allowCredentials } = policy;
  return pack(CorsPolicySchema, {
    allowOriginStringMatch: policy.allowOrigins.map((origin) => stringMatcher(origin) ?? every),
    allowMethods: allowMethods.join(','),
    allowHeaders: allowHeaders.join(','),
    exposeHeaders: exposeHeaders.join(','),
    ...(maxAgeS !== undefined && { maxAge: String(maxAgeS) }),
    ...(allowCredentials !== undefined && { allowCredentials }),
    forwardNotMatchingPreflights: policy.unmatchedPreflights === 'FORWARD',
  });
}
