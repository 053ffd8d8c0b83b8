/** Small messages that everything is made of. */

import {
  create,
  type DescMessage,
  type JsonObject,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import type { Any, Duration } from '@bufbuild/protobuf/wkt';
import { type Address, AddressSchema } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import { type Metadata, MetadataSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import {
  ApiConfigSource_ApiType,
  ApiVersion,
  type ConfigSource,
  ConfigSourceSchema,
} from '#xds/gen/envoy/config/core/v3/config_source_pb.js';
import {
  FractionalPercent_DenominatorType,
  type FractionalPercentSchema,
} from '#xds/gen/envoy/type/v3/percent_pb.js';
import { packAny } from '#xds/registry.ts';
import { sdsCluster } from './names.ts';

/** The fields that a message is made of; unlike a finished message, they can be spread and completed. */
export type Init<Desc extends DescMessage> = Exclude<MessageInitShape<Desc>, MessageShape<Desc>>;

/** An `Any` of a message built on the spot. */
export function pack<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Any {
  return packAny(schema, create(schema, init));
}

/** The fields of a `google.protobuf.Duration`. */
export function duration(ms: number): Pick<Duration, 'seconds' | 'nanos'> {
  const whole = Math.floor(ms / 1000);
  return { seconds: BigInt(whole), nanos: Math.round((ms - whole * 1000) * 1e6) };
}

export function socketAddress(address: string, port: number): Address {
  return create(AddressSchema, {
    address: {
      case: 'socketAddress',
      value: { address, portSpecifier: { case: 'portValue', value: port } },
    },
  });
}

/** @param path with `@` in front for an abstract socket. */
export function pipeAddress(path: string): Address {
  return create(AddressSchema, { address: { case: 'pipe', value: { path } } });
}

export function internalAddress(listenerName: string): Address {
  return create(AddressSchema, {
    address: {
      case: 'envoyInternalAddress',
      value: { addressNameSpecifier: { case: 'serverListenerName', value: listenerName } },
    },
  });
}

/** "Over the stream this came on." */
export const fromAds: ConfigSource = create(ConfigSourceSchema, {
  configSourceSpecifier: { case: 'ads', value: {} },
  resourceApiVersion: ApiVersion.V3,
});

/** Secrets come from the agent beside the proxy: a key never travels over ADS. Waits for them for ever, as Istio does. */
export const fromAgent: ConfigSource = create(ConfigSourceSchema, {
  configSourceSpecifier: {
    case: 'apiConfigSource',
    value: {
      apiType: ApiConfigSource_ApiType.GRPC,
      transportApiVersion: ApiVersion.V3,
      setNodeOnFirstMessageOnly: true,
      grpcServices: [{ targetSpecifier: { case: 'envoyGrpc', value: { clusterName: sdsCluster } } }],
    },
  },
  initialFetchTimeout: duration(0),
  resourceApiVersion: ApiVersion.V3,
});

export function filterMetadata(entries: Readonly<Record<string, JsonObject>>): Metadata {
  return create(MetadataSchema, { filterMetadata: entries });
}

interface OwnName {
  readonly name: string;
  readonly namespace?: string | undefined;
}

/** Where a route or cluster comes from, as Istio names it in `filter_metadata.istio.config`. */
export function configPath(
  kind: 'virtual-service' | 'destination-rule',
  { name, namespace = '' }: OwnName,
): string {
  return `/apis/networking.istio.io/v1/namespaces/${namespace}/${kind}/${name}`;
}

/** Of 0 to 100, as a fraction. */
export function millionths(percent: number): Init<typeof FractionalPercentSchema> {
  return {
    numerator: Math.round(percent * 10_000),
    denominator: FractionalPercent_DenominatorType.MILLION,
  };
}
