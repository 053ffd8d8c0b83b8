/** Makes dynamic metadata of headers and cookies (Envoy, "Header-To-Metadata"). */
import type { Parsed } from '#core/problem.ts';
import { type HeaderList, removeHeader } from '#http/header-list.ts';
import { ConfigSchema } from '#xds/gen/envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata_pb.js';
import { Findings } from '../../findings.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter, MetadataValue } from '../contract.ts';
import { defineFilter } from '../define.ts';
import { type MetadataRule, type MetadataRules, readRules } from './rules.ts';

export const headerToMetadata: CataloguedFilter = defineFilter({
  kind: 'header-to-metadata',
  schema: ConfigSchema,
  stability: 'stable',
  trust: 'hostile-both',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    return findings.result<HttpFilter>(new HeaderToMetadata(readRules(config, path, findings), deps));
  },
  route: {
    schema: ConfigSchema,
    create(config, path): Parsed<unknown> {
      const findings = new Findings();
      return findings.result<unknown>(readRules(config, path, findings));
    },
  },
});

class HeaderToMetadata implements HttpFilter {
  readonly #own: MetadataRules;
  readonly #name: string;

  constructor(own: MetadataRules, { name }: FilterDeps) {
    this.#own = own;
    this.#name = name;
  }

  #rulesOf(exchange: Exchange): MetadataRules {
    return (exchange.routeConfig(this.#name) as MetadataRules | undefined) ?? this.#own;
  }

  onRequestHead(exchange: Exchange): undefined {
    apply(this.#rulesOf(exchange).request, exchange.requestHeaders, exchange);
  }

  onResponseHead(exchange: Exchange): undefined {
    apply(this.#rulesOf(exchange).response, exchange.responseHeaders, exchange);
  }
}

function apply(rules: readonly MetadataRule[], headers: HeaderList, exchange: Exchange): void {
  const found = new Map<string, Record<string, MetadataValue>>();
  for (const rule of rules) {
    const text = rule.read(exchange);
    const entry = text === undefined ? rule.missing : rule.present;
    const value = entry?.valueOf(text ?? '');
    if (entry !== undefined && value !== undefined) {
      const fields = found.get(entry.namespace) ?? {};
      fields[entry.key] = value;
      found.set(entry.namespace, fields);
    }
    if (rule.removes !== '') removeHeader(headers, rule.removes);
  }
  for (const [namespace, fields] of found) exchange.setMetadata(namespace, fields);
}
