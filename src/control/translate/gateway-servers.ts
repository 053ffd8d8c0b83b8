/** Which servers of which Gateways one gateway has, by the address they share, and who comes second there. */
import type { Problem } from '#core/problem.ts';
import { carriedBy, type Gateway, type GatewayHost, type GatewayServer } from '#model/gateway.ts';
import { keyOf } from '#model/kinds.ts';
import { selects } from '#model/metadata.ts';
import type { Pod } from '#model/pod.ts';
import type { ResourceIndex } from '../store/resource-index.ts';

export interface BoundServer {
  readonly gateway: Gateway;
  readonly server: GatewayServer;
  /** Its hosts; a namespace is a name, and no dot any more. */
  readonly hosts: readonly GatewayHost[];
}

/** All that Gateways ask for at one address. */
export interface GatewayAddress {
  readonly port: number;
  /** As a server says; absent: the gateway's own address. */
  readonly bind?: string;
  /** Without TLS: one, or several that take HTTP. */
  readonly plain: readonly BoundServer[];
  /** No two of one SNI. */
  readonly encrypted: readonly BoundServer[];
}

interface Taken {
  readonly plain: BoundServer[];
  readonly encrypted: BoundServer[];
  readonly serverNames: Map<string, BoundServer>;
}

/** In order of ports. The oldest Gateway has a port or an SNI, of one age the first by name; others are left out. */
export function gatewayAddresses(
  pod: Pod,
  index: ResourceIndex,
  problems: Problem[],
): readonly GatewayAddress[] {
  const addresses = new Map<string, Taken>();
  for (const gateway of index.gateways) {
    if (!selects(gateway.spec.selector, pod.metadata.labels)) continue;
    for (const [i, server] of gateway.spec.servers.entries()) {
      const key = `${server.port.number} ${server.bind ?? ''}`;
      const taken = addresses.get(key) ?? { plain: [], encrypted: [], serverNames: new Map() };
      addresses.set(key, taken);
      const bound = { gateway, server, hosts: server.hosts.map((host) => ownHost(host, gateway)) };
      const rival = take(bound, taken);
      if (rival !== undefined) problems.push(conflict(bound, i, rival));
    }
  }
  return [...addresses]
    .map(([key, { plain, encrypted }]) => {
      const [port, bind] = key.split(' ');
      return { port: Number(port), plain, encrypted, ...(bind !== '' && { bind: bind! }) };
    })
    .sort((a, b) => a.port - b.port);
}

/** `namespace/name` */
export function gatewayName({ metadata }: Gateway): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** The SNI a server is chosen by; `*` for any. */
export function serverNamesOf({ hosts }: BoundServer): readonly string[] {
  const names = [...new Set(hosts.map(({ host }) => host.toLowerCase()))];
  return names.includes('*') ? ['*'] : names;
}

/** Takes a server in, or says who has its place (Istio's rules of merging). */
function take(bound: BoundServer, { plain, encrypted, serverNames }: Taken): BoundServer | undefined {
  const carried = carriedBy(bound.server.port.protocol);
  if (!carried.tls) {
    const [first] = plain;
    const fits = first === undefined || (carried.http && carriedBy(first.server.port.protocol).http);
    if (!fits) return first;
    plain.push(bound);
    return undefined;
  }
  const names = serverNamesOf(bound);
  for (const name of names) {
    const rival = serverNames.get(name);
    if (rival !== undefined) return rival;
  }
  for (const name of names) serverNames.set(name, bound);
  encrypted.push(bound);
  return undefined;
}

function conflict({ gateway, server }: BoundServer, i: number, rival: BoundServer): Problem {
  const { port } = server;
  const what = carriedBy(port.protocol).tls
    ? `another server on port ${port.number} has one of its hosts`
    : `port ${port.number} is taken for ${rival.server.port.protocol}`;
  const path = ['spec', 'servers', i] as const;
  return {
    level: 'warning',
    message: `${what} (${keyOf(rival.gateway)}, port ${rival.server.port.name}), so this server is left out`,
    path: `spec.servers[${i}]`,
    at: gateway.origin.positionOf(path) ?? gateway.origin.start,
    resource: keyOf(gateway),
  };
}

/** `.` before the slash stands for the Gateway's own namespace. */
function ownHost(host: GatewayHost, { metadata }: Gateway): GatewayHost {
  return host.namespace === '.' && metadata.namespace !== undefined
    ? { ...host, namespace: metadata.namespace }
    : host;
}
