/** Requests that are turned down because a load assignment says so (Envoy, `drop_overloads`). */
import type { Random } from '#core/random.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { LocalReply } from '../filter/contract.ts';

/** @returns undefined where the request goes on. */
export function dropOverload(
  cluster: ClusterRuntime,
  random: Random,
  suppressesHeaders: boolean,
): LocalReply | undefined {
  const { dropRatio } = cluster;
  const isAll = dropRatio === 1;
  if (!isAll && random.ratio() >= dropRatio) return undefined;
  const flag = isAll ? 'UDO' : 'DO';
  const words = isAll ? ['unconditional', 'drop', 'overload'] : ['drop', 'overload'];
  cluster.stats.countStatus(503);
  return {
    status: 503,
    flag,
    details: words.join('_'),
    body: words.join(' '),
    headers: suppressesHeaders ? [] : [`x-envoy-${words.join('-')}`, 'true'],
  };
}
