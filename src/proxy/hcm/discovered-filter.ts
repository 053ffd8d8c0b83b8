/** An HTTP filter whose configuration comes by name. */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Parsed } from '#core/problem.ts';
import type { ExtensionConfigSource } from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import { RouterSchema } from '#xds/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import { type Discovered, readDiscovered } from '../discovered.ts';
import type { HttpFilter } from '../filter/contract.ts';
import type { Findings } from '../findings.ts';
import { replyTo } from '../reply.ts';

/** Without a configuration no request goes on (Envoy). */
const missing: HttpFilter = { onRequestHead: () => replyTo('NO_FILTER_CONFIG') };

interface Catalogue {
  isKnown(typeName: string): boolean;
  /** A filter of one of the types that it has. */
  load(config: Any, path: string): Parsed<HttpFilter>;
}

/**
 * @param path of `config_discovery`
 * @returns undefined where `findings` say why
 */
export function readDiscoveredFilter(
  name: string,
  source: ExtensionConfigSource,
  path: string,
  { isKnown, load }: Catalogue,
  findings: Findings,
): Discovered<HttpFilter> | undefined {
  const refuseType = (typeName: string, typeUrl: string): string | undefined => {
    if (typeName === RouterSchema.typeName) return 'the router is not supported here: write typed_config';
    return isKnown(typeName) ? undefined : `filter ${typeUrl} is not supported`;
  };
  return readDiscovered(
    name,
    source,
    path,
    { kind: 'http', needsDefault: true, missing, refuseType, load },
    findings,
  );
}
