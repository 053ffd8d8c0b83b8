/**
 * What a sidecar does for the calls of its application where the kernel brings it every connection: one listener has
 * the socket, and hands each connection to the one for the address it was made to. The names are Istio's.
 */
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { addressListeners, outboundCapturePort, portListeners } from './captured-ports.ts';
import { boundEgressListener, type EgressPart } from './egress.ts';
import { listenerEverywhere } from './listener.ts';
import { emptyCluster, passthroughOutbound } from './local-cluster.ts';
import { blackHoleCluster, passthroughCluster } from './names.ts';
import { opaqueTo, type Sidecar, type SidecarPart } from './sidecar.ts';

const listenerName = 'virtualOutbound';

export function captureOutbound(whole: Sidecar, egress: readonly EgressPart[]): SidecarPart {
  const sidecar = { ...whole, index: whole.scope.index };
  return {
    listeners: [
      virtualOutbound(sidecar),
      ...egress.flatMap((part) => {
        if (part.bound !== undefined) return boundEgressListener(part) ?? [];
        return [
          ...portListeners(part.sidecar, part.routes, elsewhere(sidecar)),
          ...addressListeners(part.sidecar, elsewhere(sidecar)),
        ];
      }),
    ],
    clusters: [passthroughOutbound(sidecar.index.settings), emptyCluster],
  };
}

function virtualOutbound(sidecar: Sidecar): Listener {
  return listenerEverywhere('outbound', outboundCapturePort, {
    name: listenerName,
    useOriginalDst: true,
    filterChains: [
      {
        // What was not captured would go round in circles.
        name: `${listenerName}-blackhole`,
        filterChainMatch: { destinationPort: outboundCapturePort },
        filters: opaqueTo(blackHoleCluster, sidecar),
      },
      { name: `${listenerName}-catchall-tcp`, filters: elsewhere(sidecar) },
    ],
  });
}

/** Where connections go that the mesh knows nothing of. */
function elsewhere(sidecar: Sidecar): Filter[] {
  const { mode, egressCluster = passthroughCluster } = sidecar.index.settings.outboundTrafficPolicy;
  return opaqueTo(mode === 'REGISTRY_ONLY' ? blackHoleCluster : egressCluster, sidecar);
}
