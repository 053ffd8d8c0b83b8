/** Where a sidecar takes calls for its application: the ports that a `Sidecar` names, else those of its services. */
import type { ConnectionPoolPolicy } from '#model/connection-pool.ts';
import { terminatesTls } from '#model/gateway-tls.ts';
import type { ServicePort } from '#model/service.ts';
import type { IngressListener } from '#model/sidecar.ts';
import type { TransportSocket } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { Secret } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { serverSecrets } from './gateway-secrets.ts';
import { gatewayTls } from './gateway-tls.ts';
import { type InboundPort, inboundPorts, portTraits } from './inbound-ports.ts';
import { atAddress, atSocket, type Destination, whereItWasMadeTo } from './local-cluster.ts';
import type { Sidecar } from './sidecar.ts';

/** A port of a workload, and what its Sidecar says of it. */
export interface IngressPort extends InboundPort {
  /** Absent: nobody has written it. */
  readonly listener?: IngressListener;
  readonly pool?: ConnectionPoolPolicy;
}

/** In order of numbers. */
export function ingressPorts({ instance, index, scope }: Sidecar): readonly IngressPort[] {
  const { ingress = [], inboundConnectionPool: common } = scope.sidecar?.spec ?? {};
  const known = instance === undefined ? [] : inboundPorts(instance, index);
  if (ingress.length === 0) return known.map((port) => ({ ...port, ...pooled(common) }));
  return ingress
    .map((listener): IngressPort => {
      const { number } = listener.port;
      const found = known.find(({ port }) => port === number);
      const traits = ended(listener, portTraits(number, [], [portOf(listener)]));
      const pool = listener.connectionPool ?? common;
      return { ...traits, services: found?.services ?? [], listener, ...pooled(pool) };
    })
    .sort((a, b) => a.port - b.port);
}

/** What is within TLS that ends here. */
function ended({ port, tls }: IngressListener, traits: InboundPort): InboundPort {
  if (tls === undefined || !terminatesTls(tls)) return traits;
  return { ...traits, carriedAs: port.protocol?.toLowerCase() === 'https' ? 'HTTP' : 'TCP' };
}

/** TLS that ends at a port, other than the mesh's own, and the secrets of it; undefined: there is none. */
export function ingressTls(
  { listener, carriedAs }: IngressPort,
  { node, index }: Sidecar,
): IngressTls | undefined {
  const tls = listener?.tls;
  if (tls === undefined || !terminatesTls(tls) || carriedAs === 'AUTO') return undefined;
  const found = serverSecrets(tls, node.namespace, index);
  // Files are not looked into here: they are beside the proxy.
  if (!found.ok) return undefined;
  const { settings } = index;
  const transportSocket = gatewayTls({ tls, carriedAs, secrets: found.value, client: node.client, settings });
  return { transportSocket, secrets: found.value.messages };
}

interface IngressTls {
  readonly transportSocket: TransportSocket;
  readonly secrets: readonly Secret[];
}

/** Of all its ports. */
export function ingressSecrets(sidecar: Sidecar): readonly Secret[] {
  const made = ingressPorts(sidecar).flatMap((port) => ingressTls(port, sidecar)?.secrets ?? []);
  return [...new Map(made.map((secret) => [secret.name, secret])).values()];
}

function pooled(pool: ConnectionPoolPolicy | undefined): Pick<IngressPort, 'pool'> {
  return pool === undefined ? {} : { pool };
}

function portOf({ port: { number, name, protocol } }: IngressListener): ServicePort {
  return {
    port: number,
    protocol: 'TCP',
    ...(name !== undefined && { name }),
    ...(protocol !== undefined && protocol !== '' && { appProtocol: protocol.toLowerCase() }),
  };
}

/** Where the application is that has a network of its own. @param usual where nobody says anything */
export function capturedEndpoint(
  { listener }: IngressPort,
  { node }: Sidecar,
  usual: Destination,
): Destination {
  const endpoint = listener?.defaultEndpoint;
  if (endpoint === undefined) return usual;
  if (endpoint.at === 'socket') return atSocket(endpoint.path);
  if (endpoint.at === 'loopback')
    return atAddress(endpoint.family === 4 ? '127.0.0.1' : '::1', endpoint.port);
  // From where the kernel knows that the connection is not to be captured again.
  const { upstreamBindConfig } = whereItWasMadeTo;
  return { ...atAddress(node.address, endpoint.port), ...(upstreamBindConfig && { upstreamBindConfig }) };
}

/** The same where all share one network. @param application the address that stands for its loopback and its own */
export function sharedEndpoint({ port, listener }: IngressPort, application: string): Destination {
  const endpoint = listener?.defaultEndpoint;
  return endpoint?.at === 'socket' ? atSocket(endpoint.path) : atAddress(application, endpoint?.port ?? port);
}

/** Where a listener of its own is bound. @param own what stands for every address */
export function ingressAddress({ listener }: IngressPort, own: string): string {
  const bind = listener?.bind;
  return bind === undefined || bind === '0.0.0.0' || bind === '::' ? own : bind;
}
