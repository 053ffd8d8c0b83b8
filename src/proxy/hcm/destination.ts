/** Which cluster a request goes to (the one of the route, of a header, or one drawn by weight) and which of its endpoints. */

import { headerOf } from '#http/header-list.ts';
import type { FilterMetadata } from '#observe/access-record.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { CapturedConnection } from '../cluster/original-destinations.ts';
import type { PickContext, PickingRequest } from '../cluster/pick-context.ts';
import type { LocalReply } from '../filter/contract.ts';
import { replyTo } from '../reply.ts';
import type { Destination, Forward } from '../route/action.ts';
import type { HcmRuntime } from './runtime.ts';

export interface Chosen {
  readonly cluster: ClusterRuntime;
  readonly destination: Destination;
  readonly action: Forward;
}

export function chooseDestination(
  request: { readonly requestHeaders: readonly string[]; readonly randomValue: number },
  action: Forward,
  runtime: HcmRuntime,
): Chosen | LocalReply {
  const destination = draw(action, request);
  const name =
    destination.cluster !== ''
      ? destination.cluster
      : destination.clusterHeader === ''
        ? ''
        : (headerOf(request.requestHeaders, destination.clusterHeader) ?? '');
  const cluster = runtime.cluster(name);
  if (cluster === undefined) return { ...replyTo('NO_CLUSTER'), status: action.clusterNotFoundStatus };
  return { cluster, destination, action };
}

function draw(
  { destinations, totalWeight }: Forward,
  { randomValue }: { readonly randomValue: number },
): Destination {
  if (destinations.length === 1) return destinations[0]!;
  let point = randomValue % totalWeight;
  for (const destination of destinations) {
    point -= destination.weight;
    if (point < 0) return destination;
  }
  return destinations[destinations.length - 1]!;
}

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
