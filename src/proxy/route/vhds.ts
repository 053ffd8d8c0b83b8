/** Where the virtual hosts of a route table come from one by one (VHDS). */
import type { Vhds } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { Findings } from '../findings.ts';
import { readWanted, type Wanted } from '../resource-source.ts';

const PATH = 'vhds.config_source';

/** @param routes what the table is called in here */
export function readVhds(routes: string, { configSource }: Vhds, findings: Findings): Wanted {
  if (configSource === undefined) findings.error(PATH, 'is missing');
  const wanted = readWanted('*', configSource, PATH, findings);
  const { source } = wanted;
  if (source.kind === 'file' || (source.kind === 'stream' && source.stream.protocol !== 'delta'))
    findings.error(PATH, 'must be ads, or an api_config_source of api_type DELTA_GRPC');
  return { ...wanted, key: routes };
}
