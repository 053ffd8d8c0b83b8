/** The clusters a route may choose, and the one it does (Envoy, "Traffic splitting"). */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Word64 } from '#core/word64.ts';
import { headerOf } from '#http/header-list.ts';
import type { RouteAction, WeightedCluster } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { Findings } from '../findings.ts';
import type { RuntimeValues } from '../runtime/values.ts';
import type { FilterOverrides } from './filter-config.ts';
import type { HashSource, RequestHash } from './hash-policy.ts';
import { type HeaderSource, pseudoHeader } from './header-match.ts';
import { compileMutation, type HeaderMutation } from './header-mutation.ts';
import { compileCriteria, type MetadataCriteria, mergeCriteria } from './metadata-criteria.ts';

/** One of the clusters a route may choose. */
export interface Destination {
  /** '' when the name stands in a header. */
  readonly cluster: string;
  readonly clusterHeader: string;
  readonly weight: number;
  readonly request: HeaderMutation | undefined;
  readonly response: HeaderMutation | undefined;
  readonly hostRewrite: string;
  /** Of the metadata of endpoints. */
  readonly criteria: MetadataCriteria | undefined;
  /** What is said of filters here and around; undefined where nothing is said here. */
  readonly filters: FilterOverrides | undefined;
}

/** What a weighted cluster, with the levels around it, says of filters. @param path of the cluster, with its full stop */
export type DestinationFilters = (
  configs: Readonly<Record<string, Any>>,
  path: string,
) => FilterOverrides | undefined;

/** What decides between clusters. */
export interface Choosing extends HeaderSource {
  readonly randomValue: number;
  hashSource(): HashSource;
}

export type ChooseDestination = (request: Choosing) => Destination;

export interface Destinations {
  readonly list: readonly Destination[];
  readonly choose: ChooseDestination;
}

const plain: Omit<Destination, 'cluster' | 'clusterHeader'> = {
  weight: 1,
  request: undefined,
  response: undefined,
  hostRewrite: '',
  criteria: undefined,
  filters: undefined,
};

/** Of a plugin that is not supported, or a configuration in error. */
export const nowhere: Destinations = only({ ...plain, cluster: '', clusterHeader: '' });

interface DestinationContext {
  readonly filtersOf: DestinationFilters;
  readonly runtime: RuntimeValues;
  readonly findings: Findings;
  readonly optionalPlugins: ReadonlySet<string>;
}

export function compileDestinations(
  { clusterSpecifier: specifier, metadataMatch }: RouteAction,
  hash: RequestHash | undefined,
  path: string,
  context: DestinationContext,
): Destinations {
  const { findings } = context;
  const criteria = compileCriteria(metadataMatch);
  switch (specifier.case) {
    case 'cluster':
      return only({ ...plain, criteria, cluster: specifier.value, clusterHeader: '' });
    case 'clusterHeader':
      return only({ ...plain, criteria, cluster: '', clusterHeader: specifier.value.toLowerCase() });
    case 'weightedClusters':
      return compileWeighted(specifier.value, hash, criteria, `${path}.weighted_clusters`, context);
    case 'clusterSpecifierPlugin': {
      const at = `${path}.cluster_specifier_plugin`;
      if (context.optionalPlugins.has(specifier.value))
        findings.warn(at, `"${specifier.value}" is optional, and not supported: the route is left out`);
      else findings.error(at, `"${specifier.value}" is not among cluster_specifier_plugins`);
      return nowhere;
    }
    case 'inlineClusterSpecifierPlugin': {
      const at = `${path}.inline_cluster_specifier_plugin`;
      const { extension, isOptional } = specifier.value;
      const type = extension?.typedConfig?.typeUrl ?? extension?.name ?? '';
      if (isOptional) findings.warn(at, `${type} is optional, and not supported: the route is left out`);
      else findings.error(at, `${type} is not supported: name a cluster, a header or weighted clusters`);
      return nowhere;
    }
    default:
      findings.error(path, 'names no cluster');
      return nowhere;
  }
}

function only(destination: Destination): Destinations {
  return { list: [destination], choose: () => destination };
}

function compileWeighted(
  config: WeightedCluster,
  hash: RequestHash | undefined,
  criteria: MetadataCriteria | undefined,
  path: string,
  context: DestinationContext,
): Destinations {
  const { findings, runtime } = context;
  const list = config.clusters.map((entry, i) =>
    compileWeight(entry, criteria, `${path}.clusters[${i}]`, context),
  );
  const total = list.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) findings.error(`${path}.clusters`, 'the sum of the weights must be at least 1');
  if (total > 0xffffffff) findings.error(`${path}.clusters`, 'the sum of the weights must be below 2^32');
  const { randomValueSpecifier: specifier, runtimeKeyPrefix: prefix } = config;
  const headerName = specifier.case === 'headerName' ? specifier.value.toLowerCase() : '';
  const ownHash = specifier.case === 'useHashPolicy' && specifier.value.value ? hash : undefined;
  if (specifier.case === 'useHashPolicy' && specifier.value.value && hash === undefined)
    findings.warn(`${path}.use_hash_policy`, 'has no effect: the route has no hash_policy');
  const pointOf: (request: Choosing, of: number) => number =
    headerName !== ''
      ? (request, of) => pointOfHeader(request, headerName, of)
      : ownHash !== undefined
        ? (request, of) => pointOfHash(request, ownHash, of)
        : ({ randomValue }, of) => randomValue % of;
  if (prefix === '') {
    if (list.length === 1) return only(list[0]!);
    return { list, choose: (request) => at(list, (i) => list[i]!.weight, pointOf(request, total)) };
  }
  return {
    list,
    choose(request) {
      const weightOf = (i: number): number =>
        runtime.integer(`${prefix}.${list[i]!.cluster}`, list[i]!.weight);
      let sum = 0;
      for (let i = 0; i < list.length; i++) sum += weightOf(i);
      return at(list, weightOf, sum === 0 ? 0 : pointOf(request, sum));
    },
  };
}

/** The one whose part of the whole has the point. */
function at(list: readonly Destination[], weightOf: (i: number) => number, point: number): Destination {
  let left = point;
  for (let i = 0; i < list.length; i++) {
    left -= weightOf(i);
    if (left < 0) return list[i]!;
  }
  return list[list.length - 1]!;
}

const UINT64 = 2n ** 64n;

/** A header of one value; any other is as if it were not there. */
function pointOfHeader({ requestHeaders, randomValue }: Choosing, name: string, of: number): number {
  let value: string | undefined;
  for (let i = 0; i < requestHeaders.length; i += 2) {
    if (requestHeaders[i] !== name) continue;
    if (value !== undefined) return randomValue % of;
    value = requestHeaders[i + 1];
  }
  if (value === undefined || !/^\d{1,20}$/.test(value)) return randomValue % of;
  const number = BigInt(value);
  return number < UINT64 ? Number(number % BigInt(of)) : randomValue % of;
}

function pointOfHash(request: Choosing, hash: RequestHash, of: number): number {
  const word: Word64 = { hi: 0, lo: 0 };
  if (!hash(request.hashSource(), word)) return request.randomValue % of;
  return Number(((BigInt(word.hi) << 32n) | BigInt(word.lo)) % BigInt(of));
}

function compileWeight(
  entry: WeightedCluster['clusters'][number],
  criteria: MetadataCriteria | undefined,
  path: string,
  { filtersOf, findings }: DestinationContext,
): Destination {
  if (entry.name === '' && entry.clusterHeader === '') findings.error(`${path}.name`, 'is missing');
  if (entry.name !== '' && entry.clusterHeader !== '')
    findings.error(path, 'has both name and cluster_header');
  return {
    cluster: entry.name,
    clusterHeader: entry.clusterHeader.toLowerCase(),
    weight: entry.weight ?? 0,
    request: compileMutation(
      entry.requestHeadersToAdd,
      entry.requestHeadersToRemove,
      `${path}.`,
      'request',
      findings,
    ),
    response: compileMutation(
      entry.responseHeadersToAdd,
      entry.responseHeadersToRemove,
      `${path}.`,
      'response',
      findings,
    ),
    hostRewrite:
      entry.hostRewriteSpecifier.case === 'hostRewriteLiteral' ? entry.hostRewriteSpecifier.value : '',
    criteria: mergeCriteria(criteria, compileCriteria(entry.metadataMatch)),
    filters:
      Object.keys(entry.typedPerFilterConfig).length === 0
        ? undefined
        : filtersOf(entry.typedPerFilterConfig, `${path}.`),
  };
}

/** The name of the cluster; '' where a header does not tell. */
export function clusterNameOf(
  { cluster, clusterHeader }: Pick<Destination, 'cluster' | 'clusterHeader'>,
  source: HeaderSource,
): string {
  if (cluster !== '' || clusterHeader === '') return cluster;
  return pseudoHeader(clusterHeader)?.(source) ?? headerOf(source.requestHeaders, clusterHeader) ?? '';
}
