/**
 * What clients of gRPC without a proxy leave undone, told field by field: of the VirtualServices and DestinationRules of
 * services with a port of gRPC, as others are of no concern to them.
 */
import type { Problem } from '#core/problem.ts';
import type { DestinationRule } from '#model/destination-rule.ts';
import type { Headers } from '#model/header-operations.ts';
import type { HttpMatch } from '#model/http-match.ts';
import type { ResourceBase } from '#model/metadata.ts';
import { portProtocol } from '#model/port-protocol.ts';
import type { HttpRoute } from '#model/virtual-service.ts';
import { type MeshService, serviceHost } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { type Caller, gatewayNames } from './http-route.ts';
import { fullHosts, meshPorts } from './virtual-host.ts';

type Loss = readonly [path: string, message: string, fix?: string | undefined];

export function grpcLosses(caller: Caller, index: ResourceIndex): readonly Problem[] {
  const called = [...index.services.values()].filter(isOfGrpc);
  const hosts = new Set(called.map(serviceHost));
  const services = index.virtualServices.filter(
    (written) =>
      gatewayNames(written.spec.gateways, written.metadata.namespace ?? '').some((name) =>
        caller.gateways.has(name),
      ) && fullHosts(written, index).some((host) => hosts.has(host)),
  );
  const rules = called.flatMap((service) => {
    const rule = index.destinationRuleFor(serviceHost(service), caller.namespace);
    return rule === undefined ? [] : [rule];
  });
  return [
    ...services.flatMap((written) => told(written, written.spec.http.flatMap(routeLosses))),
    ...[...new Set(rules)].flatMap((rule) => told(rule, ruleLosses(rule))),
    ...called.flatMap((service) =>
      told({ kind: 'ServiceEntry', metadata: service.metadata }, serviceLosses(service)),
    ),
  ];
}

function isOfGrpc(service: MeshService): boolean {
  return meshPorts(service).some((port) => portProtocol(port).protocol.startsWith('GRPC'));
}

function told(
  { kind, metadata }: Pick<ResourceBase<string, unknown>, 'kind' | 'metadata'>,
  losses: readonly Loss[],
): Problem[] {
  const resource = `${kind} ${metadata.namespace}/${metadata.name}`;
  return losses.map(([path, message, fix]) => ({
    level: 'warning',
    resource,
    path,
    message: `${message} for gRPC clients without a proxy`,
    ...(fix !== undefined && { fix }),
  }));
}

function routeLosses(route: HttpRoute, position: number): Loss[] {
  const at = `spec.http[${position}]`;
  const { redirect, rewrite, mirrors, retries, route: destinations } = route;
  const losses: Loss[] = [];
  const lose = (field: string, message: string, fix?: string): void =>
    void losses.push([`${at}.${field}`, message, fix]);
  if (redirect !== undefined)
    lose('redirect', 'is no call: those that match fail with UNKNOWN', 'use a route');
  if (rewrite !== undefined) lose('rewrite', 'is not done: a call keeps its method and its authority');
  if (mirrors.length > 0) lose('mirrors', 'are not sent');
  if (retries?.perTryTimeoutMs !== undefined)
    lose('retries.perTryTimeout', 'does not end a try', 'use timeout');
  if (hasOperations(route.headers)) lose('headers', 'are left as they are');
  for (const [number, { headers }] of destinations.entries())
    if (hasOperations(headers)) lose(`route[${number}].headers`, 'are left as they are');
  for (const [number, match] of route.match.entries()) {
    const { queryParams, headers, withoutHeaders } = match;
    if (Object.keys(queryParams).length > 0)
      lose(`match[${number}].queryParams`, 'never match: calls of gRPC have no query');
    const binary = Object.keys({ ...headers, ...withoutHeaders }).filter((name) => name.endsWith('-bin'));
    for (const name of binary) lose(`match[${number}].headers[${JSON.stringify(name)}]`, 'is not looked at');
    if (neverMatches(match)) lose(`match[${number}].method`, 'never matches: all calls of gRPC are POST');
  }
  return losses;
}

function hasOperations(headers: Headers | undefined): boolean {
  return headers?.request !== undefined || headers?.response !== undefined;
}

function neverMatches({ method }: HttpMatch): boolean {
  return method?.exact !== undefined && method.exact !== 'POST';
}

function ruleLosses({ spec }: DestinationRule): Loss[] {
  const policies = [
    ['spec.trafficPolicy', spec.trafficPolicy] as const,
    ...spec.subsets.map(
      ({ trafficPolicy }, number) => [`spec.subsets[${number}].trafficPolicy`, trafficPolicy] as const,
    ),
  ];
  return policies.flatMap(([at, policy]): Loss[] => {
    const losses: Loss[] = [];
    if (policy?.connectionPool?.tcp !== undefined)
      losses.push([`${at}.connectionPool.tcp`, 'sets nothing but the time to connect']);
    return losses;
  });
}

function serviceLosses({ entry }: MeshService): Loss[] {
  if (entry?.resolution === 'DYNAMIC_DNS')
    return [['spec.resolution', 'is not done: there is no way to this host', 'use DNS and name the host']];
  return [];
}
