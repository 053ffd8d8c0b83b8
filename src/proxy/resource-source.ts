/** Where resources come from: a `ConfigSource` message, read once. */
import {
  type ApiConfigSource,
  ApiConfigSource_ApiType,
  ApiVersion,
  type ConfigSource,
  type PathConfigSource,
} from '#xds/gen/envoy/config/core/v3/config_source_pb.js';
import type { GrpcService } from '#xds/gen/envoy/config/core/v3/grpc_service_pb.js';
import type { SdsSecretConfig } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { Findings } from './findings.ts';

/** A management server. */
export interface StreamService {
  /** Cluster of the bootstrap the stream goes through. */
  readonly cluster: string;
  readonly initialMetadata: readonly (readonly [name: string, value: string])[];
}

/** A stream to a management server. */
export interface StreamSource {
  readonly protocol: 'sotw' | 'delta';
  /** Those after the first are asked while it cannot be had. */
  readonly services: readonly StreamService[];
}

/** `id` is equal for sources that are the same; '' is the ADS stream. */
export type ResourceSource =
  | { readonly kind: 'ads'; readonly id: '' }
  /** Of secrets that stand in the bootstrap. */
  | { readonly kind: 'bootstrap'; readonly id: 'bootstrap' }
  | {
      readonly kind: 'file';
      readonly id: string;
      /** Of a file with a DiscoveryResponse. */
      readonly path: string;
      /** The folder whose changes make it read again; absent: its own. */
      readonly watchedFolder?: string;
    }
  | { readonly kind: 'stream'; readonly id: string; readonly stream: StreamSource };

export const adsSource: ResourceSource = { kind: 'ads', id: '' };
export const bootstrapSource: ResourceSource = { kind: 'bootstrap', id: 'bootstrap' };

/** A resource that another one names. */
export interface Wanted {
  readonly name: string;
  /** What it is called in here: two of one name may come from two sources. */
  readonly key: string;
  readonly source: ResourceSource;
  /** Of the source in the message that names it, such as `eds_cluster_config.eds_config`. */
  readonly path: string;
  /** How long the one that names it waits for it (`initial_fetch_timeout`); 0: for ever; undefined: as all do. */
  readonly timeoutMs: number | undefined;
  /** Whose figures updates are among: a cluster's by its name there (endpoints), a `stat_prefix` (routes). */
  readonly countedBy?: string;
}

/** No name that a server gives has this in it. */
const SEPARATOR = '\n';

/** What resource `name` of `source` is called in here. */
export function keyOf(name: string, { id }: Pick<ResourceSource, 'id'>): string {
  return id === '' ? name : `${name}${SEPARATOR}${id}`;
}

/** The name in the message that gives it. */
export function nameOfKey(key: string): string {
  const at = key.indexOf(SEPARATOR);
  return at === -1 ? key : key.slice(0, at);
}

/** For people: `NAME`, or `NAME (from file:/etc/eds.yaml)`. */
export function textOfKey(key: string): string {
  const at = key.indexOf(SEPARATOR);
  return at === -1 ? key : `${key.slice(0, at)} (from ${key.slice(at + 1)})`;
}

/** Of what comes by the ADS stream. */
export function fromAds(name: string): Wanted {
  return { name, key: name, source: adsSource, path: '', timeoutMs: undefined };
}

/** @param path of `source`. An absent one is the ADS stream. */
export function readWanted(
  name: string,
  source: ConfigSource | undefined,
  path: string,
  findings: Findings,
): Wanted {
  const from = source === undefined ? adsSource : (readSource(source, path, findings) ?? adsSource);
  const timeoutMs = findings.durationMs(`${path}.initial_fetch_timeout`, source?.initialFetchTimeout);
  return { name, key: keyOf(name, from), source: from, path, timeoutMs };
}

/** @param path of `config`. One without a source stands in the bootstrap. */
export function readWantedSecret(
  { name, sdsConfig }: SdsSecretConfig,
  path: string,
  findings: Findings,
): Wanted {
  const wanted = readWanted(name, sdsConfig, `${path}.sds_config`, findings);
  if (sdsConfig !== undefined) return wanted;
  return { ...wanted, source: bootstrapSource, key: keyOf(name, bootstrapSource) };
}

/** Undefined where `findings` say why. */
export function readSource(
  { configSourceSpecifier: specifier }: ConfigSource,
  path: string,
  findings: Findings,
): ResourceSource | undefined {
  switch (specifier.case) {
    case 'ads':
    // The server that tells of the source is the one to be asked: there is one stream to it.
    case 'self':
      return adsSource;
    case 'path':
      return fileSource(specifier.value, `${path}.path`, findings);
    case 'pathConfigSource':
      return readPath(specifier.value, `${path}.path_config_source`, findings);
    case 'apiConfigSource': {
      const stream = readStream(specifier.value, `${path}.api_config_source`, findings);
      return stream && { kind: 'stream', id: streamId(stream), stream };
    }
    default:
      findings.error(path, 'names no source: write ads, path_config_source or api_config_source');
      return undefined;
  }
}

function readPath(source: PathConfigSource, path: string, findings: Findings): ResourceSource | undefined {
  findings.refuse(`${path}.poll_interval`, source.pollInterval !== undefined);
  const file = fileSource(source.path, `${path}.path`, findings);
  const watchedFolder = source.watchedDirectory?.path;
  if (file?.kind !== 'file' || watchedFolder === undefined) return file;
  if (watchedFolder === '') findings.error(`${path}.watched_directory.path`, 'is missing');
  return { ...file, id: `${file.id} in ${watchedFolder}`, watchedFolder };
}

function fileSource(path: string, at: string, findings: Findings): ResourceSource | undefined {
  if (path === '') {
    findings.error(at, 'is missing');
    return undefined;
  }
  return { kind: 'file', id: `file:${path}`, path };
}

/** Ids of the streams that go through a cluster and say nothing more. */
export function streamsThrough(cluster: string): readonly string[] {
  const services = [{ cluster, initialMetadata: [] }];
  return [streamId({ protocol: 'sotw', services }), streamId({ protocol: 'delta', services })];
}

function streamId({ protocol, services }: StreamSource): string {
  return `${protocol}:${services
    .map(({ cluster, initialMetadata }) =>
      initialMetadata.length === 0 ? cluster : `${cluster} ${JSON.stringify(initialMetadata)}`,
    )
    .join(',')}`;
}

/** Envoy takes a second server as the one to fall back to, and no third. */
const MAX_SERVICES = 2;

/** Reads `api_config_source` for gRPC; anything else is a problem at `path`. */
export function readStream(
  source: ApiConfigSource,
  path: string,
  findings: Findings,
): StreamSource | undefined {
  const { GRPC, DELTA_GRPC } = ApiConfigSource_ApiType;
  if (source.apiType !== GRPC && source.apiType !== DELTA_GRPC) {
    findings.error(`${path}.api_type`, 'must be GRPC or DELTA_GRPC');
    return undefined;
  }
  if (source.transportApiVersion !== ApiVersion.V3)
    findings.error(`${path}.transport_api_version`, 'must be V3');
  if (source.clusterNames.length > 0)
    findings.error(`${path}.cluster_names`, 'belongs to REST: name the cluster in grpc_services');
  if (source.refreshDelay !== undefined) findings.error(`${path}.refresh_delay`, 'belongs to REST');
  if (source.requestTimeout !== undefined) findings.error(`${path}.request_timeout`, 'belongs to REST');
  findings.refuse(`${path}.rate_limit_settings`, source.rateLimitSettings !== undefined);
  if (source.grpcServices.length === 0) findings.error(`${path}.grpc_services`, 'needs a service');
  if (source.grpcServices.length > MAX_SERVICES)
    findings.error(
      `${path}.grpc_services[${MAX_SERVICES}]`,
      'is one too many: a server and one to fall back to',
    );
  const services = source.grpcServices.flatMap(
    (service, i) => readService(service, `${path}.grpc_services[${i}]`, findings) ?? [],
  );
  if (services.length < source.grpcServices.length || services.length === 0) return undefined;
  return { protocol: source.apiType === DELTA_GRPC ? 'delta' : 'sotw', services };
}

function readService(
  { targetSpecifier, initialMetadata }: GrpcService,
  path: string,
  findings: Findings,
): StreamService | undefined {
  if (targetSpecifier.case !== 'envoyGrpc') {
    findings.error(path, 'only envoy_grpc is supported');
    return undefined;
  }
  const { clusterName, authority, retryPolicy, maxReceiveMessageLength } = targetSpecifier.value;
  const at = `${path}.envoy_grpc`;
  findings.refuse(`${at}.authority`, authority !== '');
  if (retryPolicy !== undefined)
    findings.error(`${at}.retry_policy`, 'is not supported: the stream reconnects with back-off');
  findings.refuse(`${at}.max_receive_message_length`, maxReceiveMessageLength !== undefined);
  if (clusterName === '') findings.error(`${at}.cluster_name`, 'is missing');
  return { cluster: clusterName, initialMetadata: initialMetadata.map(({ key, value }) => [key, value]) };
}
