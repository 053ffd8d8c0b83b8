/**
 * The kinds of resources that travel between the planes, a closed list.
 * Their order is the order of a push that breaks nothing: what is pointed at comes before what points at it.
 */
import type { DescMessage, Message } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { Any } from '@bufbuild/protobuf/wkt';
import { atOnce, type Steps } from '#core/time-slice.ts';
import {
  type Cluster,
  Cluster_DiscoveryType,
  ClusterSchema,
} from './gen/envoy/config/cluster/v3/cluster_pb.js';
import {
  type TypedExtensionConfig,
  TypedExtensionConfigSchema,
} from './gen/envoy/config/core/v3/extension_pb.js';
import {
  type ClusterLoadAssignment,
  ClusterLoadAssignmentSchema,
} from './gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { type Listener, ListenerSchema } from './gen/envoy/config/listener/v3/listener_pb.js';
import { type VirtualHost, VirtualHostSchema } from './gen/envoy/config/route/v3/route_components_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from './gen/envoy/config/route/v3/route_pb.js';
import { type Secret, SecretSchema } from './gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { type Runtime, RuntimeSchema } from './gen/envoy/service/runtime/v3/rtds_pb.js';
import { type NameTable, NameTableSchema } from './gen/istio/networking/nds/v1/nds_pb.js';
import {
  type WorkloadGroup,
  WorkloadGroupSchema,
} from './gen/istio/networking/v1alpha3/workload_group_pb.js';
import { decodeSteps } from './gradual-decoder.ts';
import { typeUrlOf } from './registry.ts';

/**
 * Make-before-break order: clusters, then their endpoints, listeners, then their routes, virtual hosts and filters, secrets; layers of the
 * runtime; names of DNS; one's own group.
 */
export const resourceKinds = [
  'cluster',
  'endpoint',
  'listener',
  'route',
  'virtualHost',
  'extension',
  'secret',
  'runtime',
  'nameTable',
  'workloadGroup',
] as const;
export type ResourceKind = (typeof resourceKinds)[number];

/** The message of each kind. */
export interface ResourceMessage {
  readonly cluster: Cluster;
  readonly endpoint: ClusterLoadAssignment;
  readonly listener: Listener;
  readonly route: RouteConfiguration;
  readonly virtualHost: VirtualHost;
  readonly extension: TypedExtensionConfig;
  readonly secret: Secret;
  readonly runtime: Runtime;
  readonly nameTable: NameTable;
  readonly workloadGroup: WorkloadGroup;
}

export interface ResourceType<Kind extends ResourceKind = ResourceKind> {
  readonly kind: Kind;
  /** The name of the discovery service: "CDS". */
  readonly service: string;
  readonly typeUrl: string;
  readonly schema: DescMessage;
  /**
   * Whether a client may ask for all resources without naming them, and whether a state-of-the-world
   * response holds all of them, so that one left out is removed (xDS protocol: LDS and CDS; Istio: NDS).
   */
  readonly fullState: boolean;
  nameOf(message: ResourceMessage[Kind]): string;
  /** Names of the endpoint resources this one waits for. Only clusters wait for any. */
  endpointsOf(message: ResourceMessage[Kind]): readonly string[];
}

const none: readonly string[] = [];

export const resourceTypes: { readonly [Kind in ResourceKind]: ResourceType<Kind> } = {
  cluster: {
    kind: 'cluster',
    service: 'CDS',
    typeUrl: typeUrlOf(ClusterSchema),
    schema: ClusterSchema,
    fullState: true,
    nameOf: (cluster) => cluster.name,
    endpointsOf(cluster): readonly string[] {
      const { clusterDiscoveryType: discovery, edsClusterConfig } = cluster;
      if (discovery.case !== 'type' || discovery.value !== Cluster_DiscoveryType.EDS) return none;
      return [edsClusterConfig?.serviceName || cluster.name];
    },
  },
  endpoint: {
    kind: 'endpoint',
    service: 'EDS',
    typeUrl: typeUrlOf(ClusterLoadAssignmentSchema),
    schema: ClusterLoadAssignmentSchema,
    fullState: false,
    nameOf: (assignment) => assignment.clusterName,
    endpointsOf: () => none,
  },
  listener: {
    kind: 'listener',
    service: 'LDS',
    typeUrl: typeUrlOf(ListenerSchema),
    schema: ListenerSchema,
    fullState: true,
    nameOf: (listener) => listener.name,
    endpointsOf: () => none,
  },
  route: {
    kind: 'route',
    service: 'RDS',
    typeUrl: typeUrlOf(RouteConfigurationSchema),
    schema: RouteConfigurationSchema,
    fullState: false,
    nameOf: (route) => route.name,
    endpointsOf: () => none,
  },
  virtualHost: {
    kind: 'virtualHost',
    service: 'VHDS',
    typeUrl: typeUrlOf(VirtualHostSchema),
    schema: VirtualHostSchema,
    fullState: false,
    nameOf: (host) => host.name,
    endpointsOf: () => none,
  },
  extension: {
    kind: 'extension',
    service: 'ECDS',
    typeUrl: typeUrlOf(TypedExtensionConfigSchema),
    schema: TypedExtensionConfigSchema,
    fullState: false,
    nameOf: (extension) => extension.name,
    endpointsOf: () => none,
  },
  secret: {
    kind: 'secret',
    service: 'SDS',
    typeUrl: typeUrlOf(SecretSchema),
    schema: SecretSchema,
    fullState: false,
    nameOf: (secret) => secret.name,
    endpointsOf: () => none,
  },
  runtime: {
    kind: 'runtime',
    service: 'RTDS',
    typeUrl: typeUrlOf(RuntimeSchema),
    schema: RuntimeSchema,
    fullState: false,
    nameOf: (runtime) => runtime.name,
    endpointsOf: () => none,
  },
  nameTable: {
    kind: 'nameTable',
    service: 'NDS',
    typeUrl: typeUrlOf(NameTableSchema),
    schema: NameTableSchema,
    fullState: true,
    // There is one, and Istio gives it no name.
    nameOf: () => '',
    endpointsOf: () => none,
  },
  workloadGroup: {
    kind: 'workloadGroup',
    service: 'WGDS',
    typeUrl: typeUrlOf(WorkloadGroupSchema),
    schema: WorkloadGroupSchema,
    fullState: true,
    // That of the node who asks, and no other.
    nameOf: () => '',
    endpointsOf: () => none,
  },
};

const kindByTypeUrl: ReadonlyMap<string, ResourceKind> = new Map(
  resourceKinds.map((kind) => [resourceTypes[kind].typeUrl, kind]),
);

export function kindOfTypeUrl(typeUrl: string): ResourceKind | undefined {
  return kindByTypeUrl.get(typeUrl);
}

/** `typeUrl` as `CDS`, `EDS`, ...; the URL itself when it is none of these. */
export function serviceOfTypeUrl(typeUrl: string): string {
  const kind = kindOfTypeUrl(typeUrl);
  return kind === undefined ? typeUrl : resourceTypes[kind].service;
}

export type DecodedResource<Kind extends ResourceKind> =
  | { readonly ok: true; readonly name: string; readonly message: ResourceMessage[Kind] }
  | { readonly ok: false; readonly detail: string };

/** A resource of `kind` out of its Any. Another type, or bytes that do not decode, are a value with the reason. */
export function decodeResource<Kind extends ResourceKind>(
  kind: Kind,
  any: Any | undefined,
): DecodedResource<Kind> {
  return atOnce(decodeResourceSteps(kind, any));
}

/** The same, so that others run while a large one is decoded; bytes are those of a message of `kind`. */
export function* decodeResourceSteps<Kind extends ResourceKind>(
  kind: Kind,
  encoded: Any | Uint8Array | undefined,
): Steps<DecodedResource<Kind>> {
  const type: ResourceType<Kind> = resourceTypes[kind];
  if (encoded === undefined) return { ok: false, detail: 'the resource is empty' };
  if (!(encoded instanceof Uint8Array) && encoded.typeUrl !== type.typeUrl) {
    return {
      ok: false,
      detail: `type ${JSON.stringify(encoded.typeUrl)} came where ${type.typeUrl} was expected`,
    };
  }
  try {
    const bytes = encoded instanceof Uint8Array ? encoded : encoded.value;
    const decoded: Message = yield* decodeSteps(type.schema, bytes);
    const message = decoded as ResourceMessage[Kind];
    return { ok: true, name: type.nameOf(message), message };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ok: false, detail: `not a valid ${type.schema.typeName}: ${reason}` };
  }
}

/** Every kind of resource that has a name has it there; a table of names and a group have none. */
const NAME_FIELD = 1;

/** What `nameOf` the message of these bytes would give; undefined where they are no fields. */
export function encodedNameOf(kind: ResourceKind, bytes: Uint8Array): string | undefined {
  if (kind === 'nameTable' || kind === 'workloadGroup') return '';
  const reader = new BinaryReader(bytes);
  let name = '';
  try {
    while (reader.pos < reader.len) {
      const [number, wireType] = reader.tag();
      // The last one wins.
      if (number === NAME_FIELD && wireType === WireType.LengthDelimited) name = reader.string();
      else reader.skip(wireType, number);
    }
  } catch {
    return undefined;
  }
  return reader.pos === reader.len ? name : undefined;
}
