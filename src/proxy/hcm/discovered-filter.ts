/** An HTTP filter whose configuration comes by name (`config_discovery`), and what there is of such configurations. */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Parsed, Problem } from '#core/problem.ts';
import type { ExtensionConfigSource } from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import { RouterSchema } from '#xds/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import type { WantedExtension } from '../contract.ts';
import type { HttpFilter } from '../filter/contract.ts';
import { type Findings, typeNameOf } from '../findings.ts';
import { replyTo } from '../reply.ts';
import { readWanted } from '../resource-source.ts';

export interface DiscoveredFilter {
  readonly wanted: WantedExtension;
  /** While there is no configuration. */
  readonly fallback: HttpFilter;
  load(config: Any): Parsed<HttpFilter>;
}

/** Configurations by key, as servers have given them. */
export class Extensions {
  readonly #configs = new Map<string, Any | 'removed'>();
  /** Another one after each change. */
  version = 0;

  /** Undefined where nothing is known of it. */
  get(key: string): Any | 'removed' | undefined {
    return this.#configs.get(key);
  }

  set(key: string, config: Any | undefined): void {
    this.#configs.set(key, config ?? 'removed');
    this.version++;
  }

  forget(key: string): void {
    this.#configs.delete(key);
  }
}

/** Without a configuration no request goes on (Envoy). */
const missing: HttpFilter = { onRequestHead: () => replyTo('NO_FILTER_CONFIG') };

/** A filter of one of the types that the catalogue has. */
type Load = (config: Any, path: string) => Parsed<HttpFilter>;

/**
 * @param path of `config_discovery`
 * @param load for what is of a type that is known
 * @returns undefined where `findings` say why
 */
export function readDiscoveredFilter(
  name: string,
  source: ExtensionConfigSource,
  path: string,
  { isKnown, load }: { isKnown(typeName: string): boolean; readonly load: Load },
  findings: Findings,
): DiscoveredFilter | undefined {
  const before = findings.problems.length;
  const { configSource, defaultConfig, applyDefaultConfigWithoutWarming: appliesDefault, typeUrls } = source;
  if (configSource === undefined) findings.error(`${path}.config_source`, 'is missing');
  if (typeUrls.length === 0) findings.error(`${path}.type_urls`, 'names no type');
  const types = typeUrls.map((url) => url.slice(url.lastIndexOf('/') + 1));
  types.forEach((type, i) => {
    if (type === RouterSchema.typeName)
      findings.error(`${path}.type_urls[${i}]`, 'the router is not supported here: write typed_config');
    else if (!isKnown(type))
      findings.error(`${path}.type_urls[${i}]`, `filter ${typeUrls[i]} is not supported`);
  });
  if (appliesDefault && defaultConfig === undefined)
    findings.error(`${path}.apply_default_config_without_warming`, 'needs a default_config');
  const loadOneOf: Load = (config, at) => {
    if (types.includes(typeNameOf(config))) return load(config, at);
    const message = `type ${config.typeUrl} is not among type_urls of filter ${name}: ${typeUrls.join(', ')}`;
    return { ok: false, problems: [{ level: 'error', path: at, message }] };
  };
  let fallback = missing;
  if (defaultConfig !== undefined && findings.problems.length === before) {
    const loaded = loadOneOf(defaultConfig, `${path}.default_config`);
    findings.problems.push(...loaded.problems);
    if (loaded.ok) fallback = loaded.value;
  }
  const wanted = readWanted(name, configSource, `${path}.config_source`, findings);
  if (findings.problems.slice(before).some(({ level }) => level === 'error')) return undefined;
  const judge = (config: Any): readonly Problem[] => loadOneOf(config, 'typed_config').problems;
  return {
    wanted: { ...wanted, isAwaited: !appliesDefault, judge },
    fallback,
    // What filters share between threads they name by their place.
    load: (config) => loadOneOf(config, `${path}.${name}`),
  };
}
