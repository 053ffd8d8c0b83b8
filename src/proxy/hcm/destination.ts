/** Which cluster a request goes to (the one of the route, of a header, or one drawn by weight) and which of its endpoints. */

import type { Word64 } from '#core/word64.ts';
import { headerOf } from '#http/header-list.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { CapturedConnection } from '../cluster/original-destinations.ts';
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
interface Asking {
  readonly authority: string;
  readonly scheme: string;
  readonly requestHeaders: readonly string[];
  readonly stream: { readonly facts: CapturedConnection };
}

/** @param hash of the request, where the cluster balances by it */
export function chooseEndpoint(
  cluster: ClusterRuntime,
  request: Asking,
  hash: Word64 | undefined,
): Endpoint | undefined {
  const { dynamic, original } = cluster;
  if (original !== undefined) {
    // Where there is none, the cluster counts it.
    return original.endpointFor(request.stream.facts, request.requestHeaders) ?? cluster.pick(hash);
  }
  return dynamic?.endpointFor(request.authority, request.scheme === 'https') ?? cluster.pick(hash);
}

/** One that was not tried before, if it can be found in so many attempts; adds it to those tried. */
export function chooseUntried(
  cluster: ClusterRuntime,
  first: Endpoint,
  tried: Set<Endpoint>,
  attempts: number,
  hash: Word64 | undefined,
): Endpoint | undefined {
  // There is but one for a request.
  if (cluster.isOnDemand) return first;
  let endpoint: Endpoint | undefined = first;
  for (let i = 1; i < attempts && tried.has(endpoint!); i++) endpoint = cluster.pick(hash, i);
  tried.add(endpoint!);
  return endpoint;
}
