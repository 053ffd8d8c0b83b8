/**
 * Responses as bytes, put together from parts: a resource that many proxies get is encoded once, and
 * each response only copies its bytes. Written for the fields the server fills and no others.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { ControlPlaneSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import {
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
  type Resource,
  ResourceSchema,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';

export interface ResponseEncoder {
  sotw(response: DiscoveryResponse): Buffer;
  delta(response: DeltaDiscoveryResponse): Buffer;
}

const sotwFields = {
  versionInfo: DiscoveryResponseSchema.field.versionInfo.number,
  resources: DiscoveryResponseSchema.field.resources.number,
  typeUrl: DiscoveryResponseSchema.field.typeUrl.number,
  nonce: DiscoveryResponseSchema.field.nonce.number,
  controlPlane: DiscoveryResponseSchema.field.controlPlane.number,
};
const deltaFields = {
  systemVersionInfo: DeltaDiscoveryResponseSchema.field.systemVersionInfo.number,
  resources: DeltaDiscoveryResponseSchema.field.resources.number,
  typeUrl: DeltaDiscoveryResponseSchema.field.typeUrl.number,
  removedResources: DeltaDiscoveryResponseSchema.field.removedResources.number,
  nonce: DeltaDiscoveryResponseSchema.field.nonce.number,
  controlPlane: DeltaDiscoveryResponseSchema.field.controlPlane.number,
};

/** @param name of this control plane, told to proxies as `control_plane.identifier`. */
export function responseEncoder(name: string): ResponseEncoder {
  const controlPlane = toBinary(ControlPlaneSchema, create(ControlPlaneSchema, { identifier: name }));
  return {
    sotw(response): Buffer {
      return joined([
        ...text(sotwFields.versionInfo, response.versionInfo),
        ...response.resources.flatMap((any) => framed(sotwFields.resources, encodedAny(any))),
        ...text(sotwFields.typeUrl, response.typeUrl),
        ...text(sotwFields.nonce, response.nonce),
        ...framed(sotwFields.controlPlane, controlPlane),
      ]);
    },
    delta(response): Buffer {
      return joined([
        ...text(deltaFields.systemVersionInfo, response.systemVersionInfo),
        ...response.resources.flatMap((resource) => framed(deltaFields.resources, encodedResource(resource))),
        ...text(deltaFields.typeUrl, response.typeUrl),
        ...text(deltaFields.nonce, response.nonce),
        ...response.removedResources.flatMap((name) => text(deltaFields.removedResources, name)),
        ...framed(deltaFields.controlPlane, controlPlane),
      ]);
    },
  };
}

/** By the `Any` that all streams share; it lives as long as a snapshot holds it. */
const encodedAnys = new WeakMap<Any, Uint8Array>();
const encodedResources = new WeakMap<Any, Uint8Array>();

function encodedAny(any: Any): Uint8Array {
  let encoded = encodedAnys.get(any);
  if (encoded === undefined) {
    encoded = toBinary(AnySchema, any);
    encodedAnys.set(any, encoded);
  }
  return encoded;
}

/** Name and version follow from the contents, so that they are the same wherever the `Any` is. */
function encodedResource(resource: Resource): Uint8Array {
  if (resource.resource === undefined) return toBinary(ResourceSchema, resource);
  let encoded = encodedResources.get(resource.resource);
  if (encoded === undefined) {
    encoded = toBinary(ResourceSchema, resource);
    encodedResources.set(resource.resource, encoded);
  }
  return encoded;
}

function text(field: number, value: string): readonly Uint8Array[] {
  return value === '' ? [] : framed(field, Buffer.from(value));
}

interface Frame {
  readonly field: number;
  readonly head: Uint8Array;
}

const frames = new WeakMap<Uint8Array, Frame>();

/** Tag and length before the bytes, which may be those of many responses. */
function framed(field: number, bytes: Uint8Array): readonly Uint8Array[] {
  const known = frames.get(bytes);
  if (known?.field === field) return [known.head, bytes];
  const head = new BinaryWriter().tag(field, WireType.LengthDelimited).uint32(bytes.length).finish();
  frames.set(bytes, { field, head });
  return [head, bytes];
}

/** Copied once, into memory of exactly the size. */
function joined(parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts);
}
