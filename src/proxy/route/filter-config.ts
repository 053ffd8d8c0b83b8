/** `typed_per_filter_config`: what a part of the route table says of HTTP filters (Envoy, "Per-route configuration"). */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Clock } from '#core/clock.ts';
import type { Parsed } from '#core/problem.ts';
import type { Random } from '#core/random.ts';
import type { MetricRegistry } from '#observe/metrics-contract.ts';
import { FilterConfigSchema } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { BucketMemory } from '../filter/bucket-memory.ts';
import { type Findings, typeNameOf } from '../findings.ts';
import type { RuntimeValues } from '../runtime/values.ts';

/** What configurations of filters are made with. */
export interface RouteFilterDeps {
  readonly metrics: MetricRegistry;
  readonly clock: Clock;
  readonly random: Random;
  /** Absent: what configuration says holds. */
  readonly runtime?: RuntimeValues;
  /** Token buckets, shared by all threads. */
  readonly buckets: BucketMemory;
}

/** A filter, as far as the route table is concerned. */
export interface RouteFilterLoader {
  /** Of its configuration in a chain. */
  readonly typeName: string;
  /** Of its configuration in the route table; undefined where there is none. */
  readonly routeTypeName: string | undefined;
  readonly loadForRoute: ((config: Any, path: string, deps: RouteFilterDeps) => Parsed<unknown>) | undefined;
}

/** All filters there are. */
interface RouteFilters {
  readonly filters: readonly RouteFilterLoader[];
  readonly deps: RouteFilterDeps;
}

/** Of one filter. */
interface Override {
  /** As the most specific level that names the filter says. */
  readonly disabled: boolean;
  /** The least specific first. */
  readonly configs: readonly unknown[];
}

const none: readonly unknown[] = [];

/** What one place in a route table, and all around it, says of filters, by their names. */
export class FilterOverrides {
  readonly #overrides: ReadonlyMap<string, Override>;

  constructor(overrides: ReadonlyMap<string, Override>) {
    this.#overrides = overrides;
  }

  /** Undefined where nothing is said. */
  disables(name: string): boolean | undefined {
    return this.#overrides.get(name)?.disabled;
  }

  /** The least specific first. */
  configs(name: string): readonly unknown[] {
    return this.#overrides.get(name)?.configs ?? none;
  }

  /** With what a more specific level says. */
  with(name: string, disabled: boolean, config: unknown): FilterOverrides {
    const before = this.configs(name);
    const configs = config === undefined ? before : [...before, config];
    return new FilterOverrides(new Map([...this.#overrides, [name, { disabled, configs }]]));
  }
}

/**
 * @param outer what less specific levels say; undefined for nothing
 * @param path of the level, with its full stop
 */
export function compileFilterConfigs(
  configs: Readonly<Record<string, Any>>,
  outer: FilterOverrides | undefined,
  path: string,
  from: RouteFilters,
  findings: Findings,
): FilterOverrides | undefined {
  let all = outer;
  for (const [name, any] of Object.entries(configs)) {
    all ??= new FilterOverrides(new Map());
    const at = `${path}typed_per_filter_config["${name}"]`;
    if (typeNameOf(any) !== FilterConfigSchema.typeName) {
      all = all.with(name, false, load(any, at, false, from, findings));
      continue;
    }
    const wrapper = findings.unpack(at, any, FilterConfigSchema);
    if (wrapper === undefined) continue;
    const { config, disabled, isOptional } = wrapper;
    if (disabled) all = all.with(name, true, undefined);
    else if (config === undefined) findings.error(`${at}.config`, 'is missing');
    // One without a type says no more than that the filter is on.
    else if (config.typeUrl === '') all = all.with(name, false, undefined);
    else all = all.with(name, false, load(config, `${at}.config`, isOptional, from, findings));
  }
  return all;
}

function load(
  config: Any,
  path: string,
  isOptional: boolean,
  { filters, deps }: RouteFilters,
  findings: Findings,
): unknown {
  const typeName = typeNameOf(config);
  const known = filters.find(
    ({ routeTypeName, typeName: own }) => routeTypeName === typeName || own === typeName,
  );
  if (known?.loadForRoute === undefined || known.routeTypeName !== typeName) {
    const what =
      known === undefined
        ? `filter configuration ${config.typeUrl} is not supported`
        : known.routeTypeName === undefined
          ? 'this filter has no configuration in the route table'
          : `type ${config.typeUrl} is not for the route table (${known.routeTypeName} is)`;
    if (isOptional) findings.warn(path, `${what}, and optional: left out`);
    else findings.error(path, what);
    return undefined;
  }
  const loaded = known.loadForRoute(config, path, deps);
  findings.problems.push(...loaded.problems);
  return loaded.ok ? loaded.value : undefined;
}
