/**
 * What clients of gRPC without a proxy leave undone, told field by field: of what is written for services with a port of
 * gRPC, as others are of no concern to them. What would weaken something if it were left out is closed instead
 * (`grpc-match.ts`, `service-cluster.ts`), and told as that.
 */
import type { Problem } from '#core/problem.ts';
import { formatPath, type Path } from '#model/decode/decoder.ts';
import type { DestinationRule } from '#model/destination-rule.ts';
import { coversHost } from '#model/host-name.ts';
import type { ResourceBase } from '#model/metadata.ts';
import { portProtocol } from '#model/port-protocol.ts';
import type { ResiliencePolicy } from '#model/resilience-policy.ts';
import { parseStickyWeights, stickyWeightsAnnotation } from '#model/sticky-weights.ts';
import type { TrafficPolicy } from '#model/traffic-policy.ts';
import { faultScopeAnnotation, type VirtualService } from '#model/virtual-service.ts';
import { type MeshService, serviceHost } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { policyLosses } from './grpc-policy-loss.ts';
import { type Lose, type Loss, routeLosses } from './grpc-route-loss.ts';
import type { Caller } from './http-route.ts';
import { fullHosts, isBound, meshPorts } from './virtual-host.ts';

type Written = Pick<ResourceBase<string, unknown>, 'kind' | 'metadata' | 'origin'>;

export function grpcLosses(caller: Caller, index: ResourceIndex): readonly Problem[] {
  const called = [...index.services.values()].filter(isOfGrpc);
  const hosts = called.map(serviceHost);
  const services = index.virtualServices.filter(
    (written) =>
      isBound(written, caller) &&
      fullHosts(written, index).some((pattern) => hosts.some((host) => coversHost(pattern, host))),
  );
  const rules = new Set(hosts.flatMap((host) => index.destinationRuleFor(host, caller) ?? []));
  const resilience = called.flatMap((service) =>
    meshPorts(service).flatMap(({ port }) => {
      const host = serviceHost(service);
      const subsets = index.destinationRuleFor(host, caller)?.spec.subsets ?? [];
      return [undefined, ...subsets.map(({ name }) => name)].flatMap(
        (subset) => index.resilienceFor(host, port, subset, caller) ?? [],
      );
    }),
  );
  const problems = [
    ...services.flatMap((written) => serviceRouteLosses(written, caller, index)),
    ...[...rules].flatMap((rule) => ruleLosses(rule, index)),
    ...[...new Set(resilience)].flatMap(resilienceLosses),
    ...called.flatMap(entryLosses),
  ];
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()];
}

function isOfGrpc(service: MeshService): boolean {
  return meshPorts(service).some((port) => portProtocol(port).protocol === 'GRPC');
}

function told({ kind, metadata, origin }: Written, losses: readonly Loss[]): Problem[] {
  return losses.map(({ path, message, fix }) => ({
    level: 'warning',
    resource: `${kind} ${metadata.namespace ?? ''}/${metadata.name}`,
    path: formatPath(path),
    at: origin.positionOf(path) ?? origin.start,
    message: `gRPC clients without a proxy ${message}`,
    ...(fix !== undefined && { fix }),
  }));
}

/** Puts what is lost below `at` into a list. */
function collector(at: Path): { readonly losses: Loss[]; readonly lose: Lose } {
  const losses: Loss[] = [];
  return {
    losses,
    lose: (path, message, fix) =>
      void losses.push({ path: [...at, ...path], message, ...(fix !== undefined && { fix }) }),
  };
}

function serviceRouteLosses(service: VirtualService, caller: Caller, index: ResourceIndex): Problem[] {
  const annotations = ofAnnotations(service);
  const routes = service.spec.http.flatMap((route, number) => {
    const { in: written, position } = route.written ?? { in: service, position: number };
    const { losses, lose } = collector(['spec', 'http', position]);
    routeLosses(route, written.metadata.namespace ?? '', caller, index, lose);
    return [...told(written, losses), ...ofAnnotations(written)];
  });
  return [...annotations, ...routes];
}

function ofAnnotations(written: Written): Problem[] {
  const { annotations } = written.metadata;
  const { losses, lose } = collector(['metadata', 'annotations']);
  const sticky = annotations[stickyWeightsAnnotation];
  if (sticky !== undefined && parseStickyWeights(sticky)?.by !== 'nothing')
    lose([stickyWeightsAnnotation], 'draw a destination for each call: users do not stay with one');
  if (annotations[faultScopeAnnotation] === 'attempt')
    lose([faultScopeAnnotation], 'have faults once for each call, and not for each of its tries');
  return told(written, losses);
}

/** Of joined rules each part is told of where it is written. */
function ruleLosses(rule: DestinationRule, index: ResourceIndex): Problem[] {
  const { trafficPolicy, subsets } = rule.spec;
  const all = index.destinationRules;
  const ofHost = all.find(({ spec }) => spec.trafficPolicy === trafficPolicy) ?? rule;
  return [
    ...(trafficPolicy === undefined ? [] : told(ofHost, lossesOf(trafficPolicy, ['spec', 'trafficPolicy']))),
    ...subsets.flatMap((subset) => {
      if (subset.trafficPolicy === undefined) return [];
      const written = all.find(({ spec }) => spec.subsets.includes(subset)) ?? rule;
      const position = Math.max(0, written.spec.subsets.indexOf(subset));
      return told(written, lossesOf(subset.trafficPolicy, ['spec', 'subsets', position, 'trafficPolicy']));
    }),
  ];
}

function lossesOf(policy: TrafficPolicy, at: Path): Loss[] {
  const { losses, lose } = collector(at);
  policyLosses(policy, lose);
  for (const [number, ofPort] of (policy.portLevelSettings ?? []).entries())
    policyLosses(ofPort, (path, message, fix) => lose(['portLevelSettings', number, ...path], message, fix));
  return losses;
}

function resilienceLosses(policy: ResiliencePolicy): Problem[] {
  const { losses, lose } = collector(['spec']);
  if (policy.spec.hedging !== undefined)
    lose(['hedging'], 'wait for each try to end before they begin another');
  if (policy.spec.healthCheck !== undefined)
    lose(['healthCheck'], 'check nobody: they leave out endpoints to which no connection can be made');
  return told(policy, losses);
}

/** Endpoints that they cannot be sent to. */
function entryLosses({ entry, metadata }: MeshService): Problem[] {
  if (entry === undefined) return [];
  const { losses, lose } = collector(['spec']);
  const { resolution, endpoints, origin, name } = entry;
  if (resolution === 'NONE' || resolution === 'DYNAMIC_DNS')
    lose(
      ['resolution'],
      'do not get there, as nobody says where it is: calls fail',
      'use DNS and name the host',
    );
  const isByName = resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN';
  if (isByName && endpoints.length > 1)
    lose(['endpoints'], 'look up one name and no more: calls fail', 'write a ServiceEntry for each');
  for (const [number, { address = '' }] of endpoints.entries())
    if (address.startsWith('unix:'))
      lose(['endpoints', number, 'address'], 'call no sockets of Unix: this one is none of their endpoints');
  return told({ kind: 'ServiceEntry', metadata: { ...metadata, name }, origin }, losses);
}
