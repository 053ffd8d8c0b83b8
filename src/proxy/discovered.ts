/** What a filter does whose configuration comes by name (`config_discovery`), and what there is of such configurations. */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Parsed, Problem } from '#core/problem.ts';
import type { ExtensionConfigSource } from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import type { FilterKind, WantedExtension } from './contract.ts';
import { type Findings, typeNameOf } from './findings.ts';
import { readWanted } from './resource-source.ts';

/** @typeParam Filter what a configuration is compiled to */
export interface Discovered<Filter> {
  readonly wanted: WantedExtension;
  /** While there is no configuration. */
  readonly fallback: Filter;
  load(config: Any): Parsed<Filter>;
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

/** A filter as it is by the configuration there was when somebody last looked. */
export class Followed<Filter> {
  filter: Filter;
  readonly #discovered: Discovered<Filter>;
  #config: Any | undefined;

  constructor(discovered: Discovered<Filter>) {
    this.filter = discovered.fallback;
    this.#discovered = discovered;
  }

  /** @returns whether it is another one now */
  refresh(extensions: Extensions): boolean {
    const { wanted, fallback } = this.#discovered;
    const given = extensions.get(wanted.key);
    // What nobody in force names any more stays here as it was.
    if (given === undefined) return false;
    const config = given === 'removed' ? undefined : given;
    if (config === this.#config) return false;
    this.#config = config;
    const loaded = config && this.#discovered.load(config);
    this.filter = loaded?.ok === true ? loaded.value : fallback;
    return true;
  }
}

/** Of one kind of filters. */
export interface DiscoveryRules<Filter> {
  readonly kind: FilterKind;
  /** Whether not to wait without a default is a mistake (Envoy: not for network filters). */
  readonly needsDefault: boolean;
  /** What there is without a configuration. */
  readonly missing: Filter;
  /** What is wrong with that type, such as `the router is not supported here`; undefined where it may come. */
  refuseType(typeName: string, typeUrl: string): string | undefined;
  /** @param config of a type that is not refused */
  load(config: Any, path: string): Parsed<Filter>;
}

/**
 * @param path of `config_discovery`
 * @returns undefined where `findings` say why
 */
export function readDiscovered<Filter>(
  name: string,
  source: ExtensionConfigSource,
  path: string,
  rules: DiscoveryRules<Filter>,
  findings: Findings,
): Discovered<Filter> | undefined {
  const before = findings.problems.length;
  const { configSource, defaultConfig, applyDefaultConfigWithoutWarming: appliesDefault, typeUrls } = source;
  if (configSource === undefined) findings.error(`${path}.config_source`, 'is missing');
  if (typeUrls.length === 0) findings.error(`${path}.type_urls`, 'names no type');
  const types = typeUrls.map((url) => url.slice(url.lastIndexOf('/') + 1));
  types.forEach((type, i) => {
    const refused = rules.refuseType(type, typeUrls[i]!);
    if (refused !== undefined) findings.error(`${path}.type_urls[${i}]`, refused);
  });
  if (rules.needsDefault && appliesDefault && defaultConfig === undefined)
    findings.error(`${path}.apply_default_config_without_warming`, 'needs a default_config');
  const loadOneOf = (config: Any, at: string): Parsed<Filter> => {
    if (types.includes(typeNameOf(config))) return rules.load(config, at);
    const message = `type ${config.typeUrl} is not among type_urls of filter ${name}: ${typeUrls.join(', ')}`;
    return { ok: false, problems: [{ level: 'error', path: at, message }] };
  };
  let fallback = rules.missing;
  if (defaultConfig !== undefined && findings.problems.length === before) {
    const loaded = loadOneOf(defaultConfig, `${path}.default_config`);
    findings.problems.push(...loaded.problems);
    if (loaded.ok) fallback = loaded.value;
  }
  const wanted = readWanted(name, configSource, `${path}.config_source`, findings);
  if (findings.problems.slice(before).some(({ level }) => level === 'error')) return undefined;
  const judge = (config: Any): readonly Problem[] => loadOneOf(config, 'typed_config').problems;
  return {
    wanted: { ...wanted, kind: rules.kind, isAwaited: !appliesDefault, judge },
    fallback,
    // What filters share between threads they name by their place.
    load: (config) => loadOneOf(config, `${path}.${name}`),
  };
}
