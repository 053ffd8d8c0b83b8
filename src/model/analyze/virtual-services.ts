/** VirtualServices: destinations, subsets and gateways that do not exist, routes that nothing reaches. */
import { didYouMean } from '#core/did-you-mean.ts';
import type { Problem } from '#core/problem.ts';
import type { Path } from '../decode/decoder.ts';
import type { Destination } from '../destination.ts';
import type { HttpRoute } from '../http-route.ts';
import { keyOf } from '../kinds.ts';
import { portProtocol } from '../port-protocol.ts';
import type { VirtualService } from '../virtual-service.ts';
import type { Code } from './codes.ts';
import { finding } from './finding.ts';
import type { Surroundings } from './surroundings.ts';

export function analyzeVirtualServices(surroundings: Surroundings): readonly Problem[] {
  return [
    ...surroundings.virtualServices.flatMap((virtualService) => [
      ...gatewayFindings(virtualService, surroundings),
      ...destinationFindings(virtualService, surroundings),
      ...unreachableFindings(virtualService),
      ...opaqueFindings(virtualService, surroundings),
    ]),
    ...conflictFindings(surroundings),
  ];
}

/** Several that take every request for a host in the mesh: of the later ones nothing but their conditions is followed. */
function conflictFindings(surroundings: Surroundings): Problem[] {
  const taken = new Map<string, VirtualService>();
  const inOrder = surroundings.virtualServices
    .filter(({ spec }) => spec.gateways.includes('mesh') && spec.http.some(isUnconditional))
    .toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  return inOrder.flatMap((virtualService) =>
    virtualService.spec.hosts.flatMap((host, index) => {
      const full = surroundings.fullName(host, virtualService.metadata.namespace ?? '');
      const first = taken.get(full);
      if (first === undefined) taken.set(full, virtualService);
      if (first === undefined || first === virtualService) return [];
      const message = `requests for "${host}" that no route asks for go where ${keyOf(first)} says, which takes them all`;
      const fix = 'leave a route without match to one of them';
      return [finding('IST0109', 'warning', virtualService, ['spec', 'hosts', index], message, fix)];
    }),
  );
}

function gatewayFindings(virtualService: VirtualService, { gateways }: Surroundings): Problem[] {
  if (gateways.size === 0) return [];
  const namespace = virtualService.metadata.namespace ?? '';
  const check = (name: string, path: Path): Problem[] => {
    const full = name.includes('/') ? name : `${namespace}/${name}`;
    if (name === 'mesh' || gateways.has(full)) return [];
    const names = [...gateways.keys()].map((key) => key.replace(`${namespace}/`, ''));
    return [
      finding(
        'IST0101',
        'warning',
        virtualService,
        path,
        `there is no Gateway "${full}"`,
        didYouMean(name, names),
      ),
    ];
  };
  const { spec } = virtualService;
  return [
    ...spec.gateways.flatMap((name, index) => check(name, ['spec', 'gateways', index])),
    ...spec.http.flatMap(({ match }, route) =>
      match.flatMap(({ gateways: own = [] }, m) =>
        own.flatMap((name, index) => check(name, ['spec', 'http', route, 'match', m, 'gateways', index])),
      ),
    ),
  ];
}

function destinationFindings(virtualService: VirtualService, surroundings: Surroundings): Problem[] {
  if (surroundings.isEmpty) return [];
  const { http, tls, tcp } = virtualService.spec;
  const routes = Object.entries({ http, tls, tcp }).flatMap(([name, list]) =>
    list.flatMap(({ route }, r) =>
      route.flatMap(({ destination }, d) => {
        const path = ['spec', name, r, 'route', d, 'destination'];
        return destinationFinding(virtualService, destination, path, surroundings);
      }),
    ),
  );
  const mirrors = http.flatMap(({ mirrors }, r) =>
    mirrors.flatMap(({ destination, path }) =>
      destinationFinding(virtualService, destination, ['spec', 'http', r, ...path], surroundings),
    ),
  );
  return [...routes, ...mirrors];
}

function destinationFinding(
  virtualService: VirtualService,
  { host, subset, port }: Destination,
  path: Path,
  surroundings: Surroundings,
): Problem[] {
  const namespace = virtualService.metadata.namespace ?? '';
  const full = surroundings.fullName(host, namespace);
  const ports = surroundings.portsOf(full);
  const warn = (field: string, message: string, fix?: string, code: Code = 'IST0101'): Problem[] => [
    finding(code, 'warning', virtualService, [...path, field], message, fix),
  ];
  if (ports === undefined) {
    return warn('host', `the mesh has no service "${host}"`, surroundings.suggestHost(host, namespace));
  }
  if (port !== undefined && !ports.includes(port.number)) {
    return warn('port', `the service "${host}" has no port ${port.number}`, `it has ${ports.join(', ')}`);
  }
  if (port === undefined && ports.length > 1) {
    return warn(
      'port',
      `the service "${host}" has several ports; the one of the request is used`,
      undefined,
      'IST0112',
    );
  }
  if (subset === undefined) return [];
  const subsets = surroundings.destinationRuleFor(full)?.spec.subsets.map(({ name }) => name) ?? [];
  if (subsets.includes(subset)) return [];
  return warn(
    'subset',
    `no DestinationRule for "${host}" has the subset "${subset}"`,
    didYouMean(subset, subsets),
  );
}

/** A route without conditions takes everything; what stands after it is never reached. */
function unreachableFindings(virtualService: VirtualService): Problem[] {
  const { http } = virtualService.spec;
  const takesAll = http.findIndex(isUnconditional);
  if (takesAll < 0 || takesAll === http.length - 1) return [];
  const message = 'is never reached: the route before it takes every request';
  return [finding('IST0130', 'warning', virtualService, ['spec', 'http', takesAll + 1], message)];
}

function isUnconditional({ match }: HttpRoute): boolean {
  return match.length === 0;
}

/** HTTP routes for a host whose ports are all carried as TCP: nobody looks for requests there. */
function opaqueFindings(virtualService: VirtualService, surroundings: Surroundings): Problem[] {
  const { hosts, http } = virtualService.spec;
  if (http.length === 0) return [];
  return hosts.flatMap((host, index) => {
    const full = surroundings.fullName(host, virtualService.metadata.namespace ?? '');
    const ports = surroundings.services.get(full)?.spec.ports ?? [];
    if (ports.length === 0 || ports.some((port) => portProtocol(port).carriedAs !== 'TCP')) return [];
    const message = `"${host}" has no port that may carry HTTP: only gRPC clients without proxy follow the routes`;
    return [finding('HED0011', 'info', virtualService, ['spec', 'hosts', index], message)];
  });
}
