/** What resources name of others, and whether that can be had. */
import type { Problem } from '#core/problem.ts';
import type { Dependencies } from '../contract.ts';
import type { StreamSource, Wanted } from '../resource-source.ts';

export interface SourceRules {
  /** Whether a stream of a resource's own may go through that cluster; absent: through all. */
  readonly carriesStreams?: (cluster: string) => boolean;
  /** Of the ADS stream; absent: there is none. */
  readonly adsProtocol?: StreamSource['protocol'] | undefined;
}

/** A stream through a cluster that is not in the bootstrap might never be there (Envoy). */
export function refuseSources(
  dependencies: Dependencies,
  { carriesStreams, adsProtocol }: SourceRules,
): Problem[] {
  const { virtualHosts } = dependencies;
  if (virtualHosts?.source.kind === 'ads' && adsProtocol === 'sotw') {
    const message = 'needs an ads_config of api_type DELTA_GRPC, or an api_config_source of its own';
    return [{ level: 'error', path: virtualHosts.path, message }];
  }
  if (carriesStreams === undefined) return [];
  return namedBy(dependencies).flatMap(({ source, path }): Problem[] => {
    if (source.kind !== 'stream') return [];
    return source.stream.services
      .filter(({ cluster }) => !carriesStreams(cluster))
      .map(({ cluster }) => ({
        level: 'error',
        path: `${path}.api_config_source.grpc_services`,
        message: `"${cluster}" must be a cluster of the bootstrap that is not of type EDS`,
      }));
  });
}

function namedBy({ routes, endpoints, secrets, extensions, virtualHosts }: Dependencies): Wanted[] {
  const others = [...routes, ...endpoints, ...secrets, ...extensions];
  return virtualHosts === undefined ? others : [...others, virtualHosts];
}

/** All that is waited for. */
export function allOf(dependencies: Dependencies): Wanted[] {
  const passedOver = new Set<Wanted>(dependencies.extensions.filter(({ isAwaited }) => !isAwaited));
  return namedBy(dependencies).filter((one) => !passedOver.has(one));
}
