/** Gives every request the same dynamic metadata (Envoy, "Set Metadata"). */
import type { Parsed } from '#core/problem.ts';
import { ConfigSchema } from '#xds/gen/envoy/extensions/filters/http/set_metadata/v3/set_metadata_pb.js';
import { Findings } from '../../findings.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter, MetadataValue } from '../contract.ts';
import { defineFilter } from '../define.ts';

interface Entry {
  readonly namespace: string;
  readonly value: Readonly<Record<string, MetadataValue>>;
  readonly overwrites: boolean;
}

export const setMetadata: CataloguedFilter = defineFilter({
  kind: 'set-metadata',
  schema: ConfigSchema,
  stability: 'alpha',
  trust: 'hostile-both',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    const entries: Entry[] = [];
    const { metadataNamespace: namespace, value } = config;
    if (namespace !== '' && value !== undefined) entries.push({ namespace, value, overwrites: true });
    config.metadata.forEach((entry, i) => {
      const at = `${path}.metadata[${i}]`;
      if (entry.metadataNamespace === '') findings.error(`${at}.metadata_namespace`, 'is missing');
      findings.refuse(`${at}.typed_value`, entry.typedValue !== undefined);
      if (entry.value === undefined) return;
      entries.push({
        namespace: entry.metadataNamespace,
        value: entry.value,
        overwrites: entry.allowOverwrite,
      });
    });
    return findings.result<HttpFilter>(new SetMetadata(entries, deps));
  },
});

class SetMetadata implements HttpFilter {
  readonly #entries: readonly Entry[];
  readonly #denied: { inc(): void };

  constructor(entries: readonly Entry[], { metrics, statPrefix }: FilterDeps) {
    this.#entries = entries;
    this.#denied = metrics
      .scope({
        path: `http.${statPrefix}.set_metadata`,
        family: 'http_set_metadata',
        labels: { envoy_http_conn_manager_prefix: statPrefix },
      })
      .counter('overwrite_denied');
  }

  onRequestHead(exchange: Exchange): undefined {
    for (const { namespace, value, overwrites } of this.#entries) {
      const before = exchange.metadata?.[namespace];
      if (before === undefined) exchange.setMetadata(namespace, value);
      else if (overwrites) exchange.setMetadata(namespace, mergedFields(before, value));
      else this.#denied.inc();
    }
  }
}

type Fields = Readonly<Record<string, MetadataValue>>;

/** Lists get longer, objects are merged, everything else is replaced (Envoy). */
function mergedFields(before: Fields, more: Fields): Fields {
  const merged: Record<string, MetadataValue> = { ...before };
  for (const [key, value] of Object.entries(more)) {
    const old = merged[key];
    if (Array.isArray(old) && Array.isArray(value)) merged[key] = [...old, ...value];
    else if (isObject(old) && isObject(value)) merged[key] = mergedFields(old, value);
    else merged[key] = value;
  }
  return merged;
}

function isObject(value: MetadataValue | undefined): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
