/** Istio `EnvoyFilter`: changes to what is made for Envoy, as patches. What their values say is looked into by who makes it. */
import { atMost } from './decode/at-most.ts';
import { list, mapOf } from './decode/collection.ts';
import { type Decoder, describeValue, type Path, type Report } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional, required } from './decode/object.ts';
import { integer, nonEmptyText, oneOf, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { type ConfigMatch, configMatch, type ListenerMatch } from './envoy-filter-match.ts';
import { labelKey, labelValue } from './istio-selector.ts';
import type { KindDefinition } from './kind.ts';
import type { Labels, ResourceBase } from './metadata.ts';

const applyTos = [
  'LISTENER',
  'FILTER_CHAIN',
  'NETWORK_FILTER',
  'HTTP_FILTER',
  'ROUTE_CONFIGURATION',
  'VIRTUAL_HOST',
  'HTTP_ROUTE',
  'CLUSTER',
  'EXTENSION_CONFIG',
  'BOOTSTRAP',
  'LISTENER_FILTER',
] as const;
export type ApplyTo = (typeof applyTos)[number];

const operations = [
  'MERGE',
  'ADD',
  'REMOVE',
  'INSERT_BEFORE',
  'INSERT_AFTER',
  'INSERT_FIRST',
  'REPLACE',
  'MERGE_AND_REPLACE_LIST',
] as const;
export type PatchOperation = (typeof operations)[number];

export interface Patch {
  readonly operation: PatchOperation;
  /** ProtoJSON of what is patched; absent only where something is removed. */
  readonly value?: Readonly<Record<string, unknown>>;
  readonly filterClass: 'UNSPECIFIED' | 'AUTHN' | 'AUTHZ' | 'STATS';
}

export interface ConfigPatch {
  readonly applyTo: ApplyTo;
  readonly match: ConfigMatch;
  readonly patch: Patch;
}

export interface TargetRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
}

export interface EnvoyFilterSpec {
  /** Absent or empty: every workload in reach. */
  readonly workloadSelector?: { readonly labels: Labels };
  readonly targetRefs?: readonly TargetRef[];
  /** The lowest goes first. */
  readonly priority: number;
  readonly configPatches: readonly ConfigPatch[];
}

export type EnvoyFilter = ResourceBase<'EnvoyFilter', EnvoyFilterSpec>;

const anyObject: Decoder<Readonly<Record<string, unknown>>> = (value, path, report) =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : report.error(path, `an object is expected, not ${describeValue(value)}`);

const patch: Decoder<Patch> = object(
  {
    operation: required(oneOf(operations), 'What to do with `value`.'),
    value: optional(
      anyObject,
      'The object in the JSON of protobuf, with names in snake_case or camelCase; the part of it that changes, for `MERGE`.',
    ),
    filterClass: defaulted(
      oneOf(['UNSPECIFIED', 'AUTHN', 'AUTHZ', 'STATS']),
      'UNSPECIFIED',
      'Of an HTTP filter that is added: behind the filters that authenticate, behind those that authorize, or before the router (`STATS`).',
    ),
  },
  ({ operation, value }, path, report) => {
    if (operation !== 'REMOVE' && value === undefined)
      report.error([...path, 'value'], `this field is required for ${operation}`);
  },
);

const listenerClass: readonly ApplyTo[] = [
  'LISTENER',
  'FILTER_CHAIN',
  'NETWORK_FILTER',
  'HTTP_FILTER',
  'LISTENER_FILTER',
];
const routeClass: readonly ApplyTo[] = ['ROUTE_CONFIGURATION', 'VIRTUAL_HOST', 'HTTP_ROUTE'];

/** What may be said of where such an object is; undefined: nothing is looked at. */
function matchFieldFor(applyTo: ApplyTo): 'listener' | 'routeConfiguration' | 'cluster' | undefined {
  if (listenerClass.includes(applyTo)) return 'listener';
  if (routeClass.includes(applyTo)) return 'routeConfiguration';
  return applyTo === 'CLUSTER' ? 'cluster' : undefined;
}

/** Which operations Envoy's lists and objects of each kind take; others do nothing in Istio. */
const inLists: readonly PatchOperation[] = ['ADD', 'REMOVE', 'INSERT_BEFORE', 'INSERT_AFTER', 'INSERT_FIRST'];
const merges: readonly PatchOperation[] = ['MERGE', 'MERGE_AND_REPLACE_LIST'];
export const operationsOf: Readonly<Record<ApplyTo, readonly PatchOperation[]>> = {
  LISTENER: [...merges, 'ADD', 'REMOVE'],
  FILTER_CHAIN: [...merges, 'ADD', 'REMOVE'],
  NETWORK_FILTER: [...merges, ...inLists, 'REPLACE'],
  HTTP_FILTER: [...merges, ...inLists, 'REPLACE'],
  LISTENER_FILTER: [...merges, ...inLists, 'REPLACE'],
  ROUTE_CONFIGURATION: merges,
  VIRTUAL_HOST: [...merges, 'ADD', 'REMOVE', 'REPLACE'],
  HTTP_ROUTE: [...merges, ...inLists],
  CLUSTER: [...merges, 'ADD', 'REMOVE'],
  EXTENSION_CONFIG: ['ADD'],
  BOOTSTRAP: merges,
};

const configPatch: Decoder<ConfigPatch> = object(
  {
    applyTo: required(oneOf(applyTos), 'What of the configuration is patched; `BOOTSTRAP` is an error.'),
    match: defaulted(configMatch, { context: 'ANY' }, 'Where; without it: everywhere.'),
    patch: required(patch, 'How.'),
  },
  ({ applyTo, match, patch: { operation } }, path, report) => {
    if (applyTo === 'BOOTSTRAP') report.unsupported([...path, 'applyTo'], 'closes', 'BOOTSTRAP');
    checkMatch(applyTo, match, [...path, 'match'], report);
    if (!operationsOf[applyTo].includes(operation)) {
      const fix = `write one of ${operationsOf[applyTo].join(', ')}`;
      report.warning([...path, 'patch', 'operation'], `${operation} does nothing to a ${applyTo}`, fix);
    }
  },
);

function checkMatch(applyTo: ApplyTo, match: ConfigMatch, path: Path, report: Report): void {
  const wanted = matchFieldFor(applyTo);
  for (const field of ['listener', 'routeConfiguration', 'cluster'] as const) {
    if (match[field] === undefined || wanted === field || wanted === undefined) continue;
    report.error([...path, field], `a ${applyTo} is not found by ${field}`, `write ${wanted}`);
  }
  if (match.context === 'WAYPOINT')
    report.warning([...path, 'context'], 'this mesh has no waypoints, so nothing is patched');
  const filter = match.listener?.filterChain?.filter;
  if (filter !== undefined)
    checkFilterMatch(applyTo, filter, [...path, 'listener', 'filterChain', 'filter'], report);
}

type FilterMatch = NonNullable<NonNullable<ListenerMatch['filterChain']>['filter']>;

function checkFilterMatch(
  applyTo: ApplyTo,
  { name, subFilter }: FilterMatch,
  path: Path,
  report: Report,
): void {
  if (applyTo === 'LISTENER' || applyTo === 'FILTER_CHAIN')
    report.warning(path, `has no effect on a ${applyTo}`);
  if (name === '') report.error([...path, 'name'], 'there is no name to match');
  if (subFilter === undefined) return;
  if (applyTo !== 'HTTP_FILTER') {
    report.warning([...path, 'subFilter'], `has no effect on a ${applyTo}`);
    return;
  }
  const managers = ['envoy.filters.network.http_connection_manager', 'envoy.http_connection_manager'];
  if (!managers.includes(name)) {
    const fix = `write ${managers[0]}`;
    report.error([...path, 'name'], 'only a connection manager has filters within', fix);
  }
  if (subFilter.name === '') report.error([...path, 'subFilter', 'name'], 'there is no name to match');
}

const dnsPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

const targetRef: Decoder<TargetRef> = object({
  group: defaulted(
    refined(atMost(253, text), (decoded, path, report) =>
      decoded === '' || dnsPattern.test(decoded)
        ? decoded
        : report.error(path, `${JSON.stringify(decoded)} is not the name of a group`),
    ),
    '',
    'That of the kind.',
  ),
  kind: required(
    refined(atMost(63, nonEmptyText), (decoded, path, report) =>
      /^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$/.test(decoded)
        ? decoded
        : report.error(path, `${JSON.stringify(decoded)} is not the name of a kind`),
    ),
    '`Gateway`; others have no proxies here.',
  ),
  name: required(atMost(253, nonEmptyText), 'In the same namespace.'),
  namespace: optional(
    refined(text, (decoded, path, report) =>
      decoded === ''
        ? decoded
        : report.error(path, 'a target of another namespace is not supported', 'leave it out'),
    ),
    'May only be empty.',
  ),
});

const int32 = 2 ** 31;

const spec: Decoder<EnvoyFilterSpec> = object(
  {
    workloadSelector: optional(
      object({
        labels: defaulted(
          atMost(256, mapOf(labelValue, labelKey)),
          {},
          'Labels that workloads must have, all of them; no wildcards.',
        ),
      }),
      'Whom it is for. Without it: the namespace, and in the root namespace (`istio-system`) the mesh.',
    ),
    targetRefs: optional(
      atMost(16, list(targetRef)),
      'In place of a selector. Proxies of a `Gateway` of the Gateway API, by the label `gateway.networking.k8s.io/gateway-name`; ' +
        'others have no proxies here.',
    ),
    priority: defaulted(
      integer(-int32, int32 - 1),
      0,
      'The lowest goes first; of equal ones those of the root namespace, then by age and name.',
    ),
    configPatches: defaulted(list(configPatch), [], 'In order.'),
  },
  ({ workloadSelector, targetRefs }, path, report) => {
    if (workloadSelector !== undefined && targetRefs !== undefined)
      report.error(path, 'only one of targetRefs and workloadSelector may be set');
  },
);

export const envoyFilterKind: KindDefinition<EnvoyFilter> = {
  kind: 'EnvoyFilter',
  group: 'networking.istio.io',
  versions: ['v1alpha3'],
  scope: 'namespace',
  about:
    'Changes what is made for proxies, where no field says it: parts of listeners, routes and clusters, in the words of Envoy ' +
    '([envoy-filters.md](../envoy-filters.md)).',
  fields: { spec: required(spec), status: meaningless() },
  guards: true,
};
