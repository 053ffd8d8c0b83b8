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
      const writer = new BinaryWriter();
      text(writer, sotwFields.versionInfo, response.versionInfo);
      for (const any of response.resources) bytes(writer, sotwFields.resources, encodedAny(any));
      text(writer, sotwFields.typeUrl, response.typeUrl);
      text(writer, sotwFields.nonce, response.nonce);
      bytes(writer, sotwFields.controlPlane, controlPlane);
      return bufferOf(writer);
    },
    delta(response): Buffer {
      const writer = new BinaryWriter();
      text(writer, deltaFields.systemVersionInfo, response.systemVersionInfo);
      for (const resource of response.resources) {
        bytes(writer, deltaFields.resources, encodedResource(resource));
      }
      text(writer, deltaFields.typeUrl, response.typeUrl);
      text(writer, deltaFields.nonce, response.nonce);
      for (const name of response.removedResources) text(writer, deltaFields.removedResources, name);
      bytes(writer, deltaFields.controlPlane, controlPlane);
      return bufferOf(writer);
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

function text(writer: BinaryWriter, field: number, value: string): void {
  if (value !== '') writer.tag(field, WireType.LengthDelimited).string(value);
}

function bytes(writer: BinaryWriter, field: number, value: Uint8Array): void {
  writer.tag(field, WireType.LengthDelimited).bytes(value);
}

function bufferOf(writer: BinaryWriter): Buffer {
  const encoded = writer.finish();
  return Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
}
