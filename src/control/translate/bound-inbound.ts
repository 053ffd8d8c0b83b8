/**
 * What a sidecar does for an application of a host whose ports are the host's: a listener where callers come to for
 * each port that is registered, and a cluster that leads to the application's own port.
 */
import type { ServicePort } from '#model/service.ts';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { aloneWithSidecar, describe, inboundListener } from './inbound.ts';
import { portTraits } from './inbound-ports.ts';
import { type IngressPort, ingressPorts, sharedEndpoint } from './ingress-ports.ts';
import { inboundCluster } from './local-cluster.ts';
import { servicePortOf } from './registered-port.ts';
import type { Sidecar, SidecarPart } from './sidecar.ts';
import { meshPorts } from './virtual-host.ts';

interface BoundPort extends IngressPort {
  readonly hostPort: number;
}

export function bindInbound(sidecar: Sidecar): SidecarPart {
  const ports = boundPorts(sidecar);
  return {
    listeners: ports.map((port) => listenerOf(port, sidecar)),
    clusters: ports.map((port) =>
      inboundCluster(describe(port, sidecar.index.settings), sharedEndpoint(port, aloneWithSidecar)),
    ),
  };
}

/** Of a member of a group those that its entry tells of: callers come to them by the application's numbers. */
function boundPorts(sidecar: Sidecar): readonly BoundPort[] {
  const { node, index } = sidecar;
  const { namespace, registration } = node;
  if (registration === undefined)
    return ingressPorts(sidecar).map((port) => ({ ...port, hostPort: port.port }));
  const service = [...index.services.values()].find(
    ({ metadata }) => metadata.name === registration.service && metadata.namespace === namespace,
  );
  const known = service === undefined ? [] : meshPorts(service);
  return registration.ports.map((port) => {
    const { name, number, hostPort } = port;
    const servicePort = servicePortOf(port, known);
    const behind = service !== undefined && servicePort !== undefined ? [{ service, servicePort }] : [];
    const said: ServicePort[] = behind.length === 0 ? [{ name, port: number, protocol: 'TCP' }] : [];
    return { ...portTraits(number, behind, said), hostPort };
  });
}

function listenerOf(port: BoundPort, sidecar: Sidecar): Listener {
  const [address = sidecar.node.address] = sidecar.node.addresses;
  return inboundListener(port, { address, port: port.hostPort }, sidecar);
}
