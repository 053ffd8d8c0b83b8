/** The policy `override_host` as a cluster asks for it. */
import type { OverrideHost } from '#xds/gen/envoy/extensions/load_balancing_policies/override_host/v3/override_host_pb.js';
import type { MetadataKey } from '#xds/gen/envoy/type/metadata/v3/metadata_pb.js';
import type { Findings } from '../findings.ts';
import type { MetadataPlace, OverrideRules, OverrideSource } from './override-host.ts';

export function readOverrides(config: OverrideHost, path: string, findings: Findings): OverrideRules {
  if (config.overrideHostSources.length === 0) findings.error(`${path}.override_host_sources`, 'is missing');
  const sources = config.overrideHostSources.flatMap(({ header, metadata }, i): OverrideSource[] => {
    const at = `${path}.override_host_sources[${i}]`;
    if ((header === '') === (metadata === undefined)) {
      findings.error(at, header === '' ? 'needs header or metadata' : 'has both header and metadata');
      return [];
    }
    if (metadata === undefined) return [{ header: header.toLowerCase() }];
    return [{ metadata: readPlace(metadata, `${at}.metadata`, findings) }];
  });
  const { selectedHostKey: key } = config;
  return { sources, selected: key && readPlace(key, `${path}.selected_host_key`, findings) };
}

function readPlace({ key, path: segments }: MetadataKey, path: string, findings: Findings): MetadataPlace {
  if (key === '') findings.error(`${path}.key`, 'is missing');
  if (segments.length === 0) findings.error(`${path}.path`, 'is missing');
  const keys = segments.map(({ segment }, i) => {
    const name = segment.value ?? '';
    if (name === '') findings.error(`${path}.path[${i}].key`, 'is missing');
    return name;
  });
  return { namespace: key, keys };
}
