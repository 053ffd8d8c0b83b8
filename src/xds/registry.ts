/**
 * Every message type Heddle knows: the files of `proto/` and the well-known types of protobuf.
 * A type URL that is not here is one Heddle cannot read.
 */
import {
  create,
  createRegistry,
  type DescMessage,
  fromBinary,
  type Message,
  type MessageShape,
  type Registry,
  toBinary,
} from '@bufbuild/protobuf';
import {
  type Any,
  AnySchema,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt';
import type { Steps } from '#core/time-slice.ts';
import { files } from './gen/files.js';
import { decodeSteps } from './gradual-decoder.ts';

export const registry: Registry = createRegistry(
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
  ...files,
);

const typeUrlPrefix = 'type.googleapis.com/';

/** `type.googleapis.com/envoy.config.listener.v3.Listener`, for the descriptor of that message. */
export function typeUrlOf(schema: DescMessage): string {
  return typeUrlPrefix + schema.typeName;
}

/** The message a type URL names, whatever its prefix; undefined when Heddle does not know it. */
export function messageOfTypeUrl(typeUrl: string): DescMessage | undefined {
  return registry.getMessage(typeUrl.slice(typeUrl.lastIndexOf('/') + 1));
}

/** What was packed here and not encoded yet. */
const packed = new WeakMap<Any, { readonly schema: DescMessage; readonly message: Message }>();

/** Who writes a message asks for it more than once; what is written is kept as a whole, and not in its parts. */
let lastEncoded: { readonly message: Message; readonly value: Uint8Array } | undefined;

/**
 * Encoded when its bytes are asked for: what a text says is seldom sent on, and whoever unpacks it gets
 * `message` itself, which is not changed from now on.
 */
export function packAny<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Any {
  const any = create(AnySchema, { typeUrl: typeUrlOf(schema) });
  Object.defineProperty(any, 'value', {
    enumerable: true,
    get(): Uint8Array {
      if (lastEncoded?.message !== message) lastEncoded = { message, value: toBinary(schema, message) };
      return lastEncoded.value;
    },
  });
  packed.set(any, { schema, message });
  return any;
}

/** A message that takes long to decode. */
const LARGE_BYTES = 8192;
/** Large ones, while somebody asks for them several times. */
const remembered = new WeakMap<Any, { readonly schema: DescMessage; readonly message: Message }>();

export type Unpacked =
  | { readonly ok: true; readonly schema: DescMessage; readonly message: Message }
  | { readonly ok: false; readonly reason: 'unknown-type' | 'malformed'; readonly detail: string };

/** Decodes what is large in pieces, and remembers it for `unpackAny` until `forgetUnpacked`. */
export function* unpackSteps(any: Any): Steps<Unpacked> {
  const schema = packed.has(any) ? undefined : messageOfTypeUrl(any.typeUrl);
  if (schema === undefined || any.value.length < LARGE_BYTES) return unpackAny(any);
  try {
    remembered.set(any, { schema, message: yield* decodeSteps(schema, any.value) });
  } catch {
    // What is wrong with it is told below.
  }
  return unpackAny(any);
}

/** Whether the message inside is there without decoding. */
export function isUnpacked(any: Any): boolean {
  return packed.has(any) || remembered.has(any);
}

/** Of the message inside only the bytes stay. */
export function forgetUnpacked(any: Any): void {
  remembered.delete(any);
}

/** The message inside `any`, of whichever known type. Bytes that do not decode are a value, not an exception. */
export function unpackAny(any: Any): Unpacked {
  const known = packed.get(any) ?? remembered.get(any);
  if (known !== undefined) return { ok: true, ...known };
  const schema = messageOfTypeUrl(any.typeUrl);
  if (schema === undefined) {
    return { ok: false, reason: 'unknown-type', detail: `type ${JSON.stringify(any.typeUrl)} is not known` };
  }
  try {
    return { ok: true, schema, message: fromBinary(schema, any.value) };
  } catch (error) {
    const detail = `not a valid ${schema.typeName}: ${error instanceof Error ? error.message : String(error)}`;
    return { ok: false, reason: 'malformed', detail };
  }
}
