/** Which cluster a request goes to: the one of the route, of a header, or one drawn by weight. */
import { headerOf } from '#http/header-list.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
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
  request: { readonly requestHeaders: readonly string[] },
  action: Forward,
  runtime: HcmRuntime,
): Chosen | LocalReply {
  const destination = draw(action, runtime);
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

function draw({ destinations, totalWeight }: Forward, runtime: HcmRuntime): Destination {
  if (destinations.length === 1) return destinations[0]!;
  let point = runtime.random.ratio() * totalWeight;
  for (const destination of destinations) {
    point -= destination.weight;
    if (point < 0) return destination;
  }
  return destinations[destinations.length - 1]!;
}
