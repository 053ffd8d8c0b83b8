/**
 * What a sidecar does for its own application where the kernel brings it every connection: one listener, chains by
 * the port a connection was made to, and others for ports that nobody has told of. The names are Istio's.
 */
import type { ListenerFilterChainMatchPredicateSchema } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { OriginalDstSchema } from '#xds/gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.js';
import { OriginalSrcSchema } from '#xds/gen/envoy/extensions/filters/listener/original_src/v3/original_src_pb.js';
import { describe, inboundListener } from './inbound.ts';
import { detectedChains, inboundFilters, inspectedFor, portChains } from './inbound-chains.ts';
import { capturedEndpoint, type IngressPort, ingressAddress, ingressPorts } from './ingress-ports.ts';
import {
  type FilterChainInit,
  httpInspector,
  type ListenerFilterInit,
  listenerEverywhere,
  patience,
  tlsInspector,
} from './listener.ts';
import {
  atAddress,
  clientMark,
  type Destination,
  inboundCluster,
  inTheNameOfItsClient,
  passthroughInbound,
  whereItWasMadeTo,
} from './local-cluster.ts';
import { type Init, pack } from './message.ts';
import { portsWithMode, serverTlsMode } from './mutual-tls.ts';
import { blackHoleCluster, inboundPassthroughCluster } from './names.ts';
import type { Sidecar, SidecarPart } from './sidecar.ts';
import { tcpFilters } from './telemetry.ts';

/** Where the kernel brings what comes to the application. */
export const inboundCapturePort = 15_006;

const listenerName = 'virtualInbound';

const originalDst: ListenerFilterInit = {
  name: 'envoy.filters.listener.original_dst',
  configType: { case: 'typedConfig', value: pack(OriginalDstSchema, {}) },
};

/** The application sees the client's address; by the mark its answers find the way back to the sidecar (Istio). */
const originalSrc: ListenerFilterInit = {
  name: 'envoy.filters.listener.original_src',
  configType: { case: 'typedConfig', value: pack(OriginalSrcSchema, { mark: clientMark }) },
};

export function captureInbound(sidecar: Sidecar): SidecarPart {
  const ports = capturedPorts(sidecar);
  const { callsLoopback } = sidecar.index.settings;
  const asCalled = sidecar.node.interceptionMode === 'TPROXY' ? inTheNameOfItsClient : whereItWasMadeTo;
  const where = (port: IngressPort): Destination =>
    capturedEndpoint(port, sidecar, callsLoopback ? atAddress('127.0.0.1', port.port) : asCalled);
  const bound = ports.filter(({ listener }) => listener?.captureMode === 'NONE');
  return {
    listeners: [
      virtualInbound(
        ports.filter((port) => !bound.includes(port)),
        sidecar,
      ),
      ...bound.map((port) =>
        inboundListener(port, { address: ingressAddress(port, '0.0.0.0'), port: port.port }, sidecar),
      ),
    ],
    clusters: [
      ...ports.map((port) => inboundCluster(describe(port, sidecar.index.settings), where(port))),
      passthroughInbound(asCalled),
    ],
  };
}

function capturedPorts(sidecar: Sidecar): readonly IngressPort[] {
  const { node, problems } = sidecar;
  return ingressPorts(sidecar).filter(({ port }) => {
    if (port !== inboundCapturePort) return true;
    const message = `port ${port} is the sidecar's own: nothing is configured for that of the application`;
    problems.push({ level: 'warning', message, resource: node.id });
    return false;
  });
}

function virtualInbound(ports: readonly IngressPort[], sidecar: Sidecar): Listener {
  const { node, index, labels } = sidecar;
  const modes = ports.map((inbound) => ({
    inbound,
    mode: serverTlsMode(index, node.namespace, labels, inbound.port),
  }));
  const known = ports.map(({ port }) => port);
  const unknown = portsWithMode(index, node.namespace, labels).filter(
    (port) => port !== inboundCapturePort && !known.includes(port),
  );
  const isTransparent = node.interceptionMode === 'TPROXY';
  const without = (protocol: 'tls' | 'http'): number[] =>
    modes
      .filter(({ inbound, mode }) => !inspectedFor(inbound.carriedAs, mode)[protocol])
      .map(({ inbound }) => inbound.port);
  return listenerEverywhere('inbound', inboundCapturePort, {
    name: listenerName,
    ...(isTransparent && { transparent: true }),
    filterChains: [
      ownPortChain(sidecar),
      ...modes.flatMap(({ inbound, mode }) =>
        portChains(inbound, mode, sidecar).map((chain) => ({
          ...forPort(chain, inbound.port),
          name: `0.0.0.0_${inbound.port}`,
        })),
      ),
      ...unknown.flatMap((port) => passthroughChains(sidecar, port).map((chain) => forPort(chain, port))),
      ...passthroughChains(sidecar, undefined),
    ],
    // Whose first bytes decide nothing, they are not waited for: the application may be the one who speaks first.
    listenerFilters: [
      originalDst,
      ...(isTransparent ? [originalSrc] : []),
      { ...tlsInspector, ...exceptOn([inboundCapturePort, ...without('tls')]) },
      { ...httpInspector, ...exceptOn([inboundCapturePort, ...without('http')]) },
    ],
    ...patience(index.settings),
  });
}

/** What was not captured would go round in circles. */
function ownPortChain({ node, self, index }: Sidecar): FilterChainInit {
  return {
    name: `${listenerName}-blackhole`,
    filterChainMatch: { destinationPort: inboundCapturePort },
    filters: [...tcpFilters(blackHoleCluster, 'inbound', node.client, self, index.settings)],
  };
}

/** @param port one that only a PeerAuthentication names; undefined: all others. */
function passthroughChains(sidecar: Sidecar, port: number | undefined): FilterChainInit[] {
  const { node, index, labels } = sidecar;
  const mode = serverTlsMode(index, node.namespace, labels, port);
  return detectedChains(mode, index.settings, (carriedAs) => passthroughChain(carriedAs, sidecar));
}

function passthroughChain(carriedAs: 'HTTP' | 'TCP', sidecar: Sidecar): FilterChainInit {
  const filters = inboundFilters(
    {
      cluster: inboundPassthroughCluster,
      carriedAs,
      statPrefix: inboundPassthroughCluster,
      port: 0,
      grpcWeb: false,
    },
    sidecar,
  );
  return {
    name: carriedAs === 'HTTP' ? `${listenerName}-catchall-http` : listenerName,
    filters: [...filters],
  };
}

function forPort(chain: FilterChainInit, destinationPort: number): FilterChainInit {
  return { ...chain, filterChainMatch: { ...chain.filterChainMatch, destinationPort } };
}

/** Leaves connections to these ports alone. */
function exceptOn(ports: readonly number[]): Pick<ListenerFilterInit, 'filterDisabled'> {
  const rules = ports.map(
    (port): Init<typeof ListenerFilterChainMatchPredicateSchema> => ({
      rule: { case: 'destinationPortRange', value: { start: port, end: port + 1 } },
    }),
  );
  // An "or" has at least two.
  return {
    filterDisabled: rules.length === 1 ? rules[0]! : { rule: { case: 'orMatch', value: { rules } } },
  };
}
