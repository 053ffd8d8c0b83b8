/**
 * A resource as it came: its bytes, of which only the name is read. What a response of a thousand resources
 * says is decoded one at a time by whoever applies it, and let go of before the next one.
 */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Steps } from '#core/time-slice.ts';
import {
  type DecodedResource,
  decodeResourceSteps,
  encodedNameOf,
  type ResourceKind,
  resourceTypes,
} from '../resource-type.ts';
import type { ReceivedResource } from './contract.ts';

type Read =
  | { readonly ok: true; readonly resource: ReceivedResource }
  | { readonly ok: false; readonly detail: string };

export function* readReceived(kind: ResourceKind, version: string, any: Any | undefined): Steps<Read> {
  const name = any?.typeUrl === resourceTypes[kind].typeUrl ? encodedNameOf(kind, any.value) : undefined;
  if (any !== undefined && name !== undefined) {
    return { ok: true, resource: new EncodedReceived(kind, name, version, ownBytes(any.value)) };
  }
  // What is wrong with it is told by who decodes it.
  const decoded = yield* decodeResourceSteps(kind, any);
  if (!decoded.ok) return decoded;
  return { ok: true, resource: receivedMessage(decoded, version) };
}

/** One that has other names than the one it calls itself by; without a message it says that there is none. */
export function* readVirtualHost(
  name: string,
  version: string,
  any: Any | undefined,
  aliases: readonly string[] = [],
): Steps<Read> {
  if (any === undefined && aliases.length > 0)
    return { ok: true, resource: { name, version, aliases, isAbsent: true, decoded: noHost } };
  const read = yield* readReceived('virtualHost', version, any);
  if (!read.ok) return read;
  const { encoded } = read.resource;
  const decoded = (): Steps<DecodedResource<ResourceKind>> => read.resource.decoded();
  return { ok: true, resource: { name, version, encoded, aliases, decoded } };
}

// biome-ignore lint/correctness/useYield: there is nothing to wait for
function* noHost(): Steps<DecodedResource<ResourceKind>> {
  return { ok: false, detail: 'there is none' };
}

/** One whose bytes were kept; they are decoded by whoever applies it. */
export function encodedReceived(
  kind: ResourceKind,
  {
    name,
    version,
    encoded,
  }: { readonly name: string; readonly version: string; readonly encoded: Uint8Array },
): ReceivedResource {
  return new EncodedReceived(kind, name, version, encoded);
}

/** One that did not come as bytes. */
export function receivedMessage(
  decoded: Extract<DecodedResource<ResourceKind>, { readonly ok: true }>,
  version: string,
): ReceivedResource {
  return {
    name: decoded.name,
    version,
    // biome-ignore lint/correctness/useYield: there is nothing to wait for
    *decoded() {
      return decoded;
    },
  };
}

class EncodedReceived implements ReceivedResource {
  readonly name: string;
  readonly version: string;
  readonly encoded: Uint8Array;
  readonly #kind: ResourceKind;

  constructor(kind: ResourceKind, name: string, version: string, encoded: Uint8Array) {
    this.#kind = kind;
    this.name = name;
    this.version = version;
    this.encoded = encoded;
  }

  decoded(): Steps<DecodedResource<ResourceKind>> {
    return decodeResourceSteps(this.#kind, this.encoded);
  }
}

/** Bytes to keep: a small part of a large response does not hold on to all of it. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength * 2 < bytes.buffer.byteLength ? new Uint8Array(bytes) : bytes;
}
