/** Which cluster a request goes to (the one of the route, of a header, or one drawn by weight) and which of its endpoints. */

import type { FilterMetadata } from '#observe/access-record.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { CapturedConnection } from '../cluster/original-destinations.ts';
import type { PickContext, PickingRequest } from '../cluster/pick-context.ts';
import type { LocalReply } from '../filter/contract.ts';
import { replyTo } from '../reply.ts';
import type { Forward } from '../route/action.ts';
import { type Choosing, clusterNameOf, type Destination } from '../route/destinations.ts';
import type { HcmRuntime } from './runtime.ts';

export interface Chosen {
  readonly cluster: ClusterRuntime;
  readonly destination: Destination;
  readonly action: Forward;
}

export function chooseDestination(
  request: Choosing,
  action: Forward,
  runtime: HcmRuntime,
): Chosen | LocalReply {
  const destination = action.choose(request);
  const name = clusterNameOf(destination, request);
  const cluster = runtime.cluster(name);
  if (cluster === undefined) return { ...replyTo('NO_CLUSTER'), status: action.clusterNotFoundStatus };
  if (cluster.inMaintenance && cluster.refusesFor(request.randomValue)) return maintenanceReply;
  return { cluster, destination, action };
}

/** Envoy, `upstream.maintenance_mode`. */
const maintenanceReply: LocalReply = {
  status: 503,
  body: 'maintenance mode',
  flag: 'UO',
  details: 'maintenance_mode',
  headers: ['x-envoy-overloaded', 'true'],
};

/** What a request says of where it goes. */
export interface Asking extends PickingRequest {
  readonly authority: string;
  readonly scheme: string;
  readonly metadata: FilterMetadata | undefined;
  readonly stream: { readonly facts: CapturedConnection };
}

export function chooseEndpoint(
  cluster: ClusterRuntime,
  request: Asking,
  context: PickContext,
): Endpoint | undefined {
  const { dynamic, original } = cluster;
  if (original !== undefined) {
    // Where there is none, the cluster counts it.
    return original.endpointFor(request.stream.facts, request.requestHeaders) ?? cluster.pick(context);
  }
  return dynamic?.endpointFor(request.authority) ?? cluster.pick(context);
}
