/**
 * Decodes large messages in steps: where a field holds a message of some size, that one is decoded piece by
 * piece too. A piece is a run of whole fields, and merging the pieces of a message gives the message
 * (Protocol Buffers, "Last One Wins").
 */
import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  type MessageShape,
  mergeFromBinary,
} from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import type { Steps } from '#core/time-slice.ts';

/** What is decoded in one go: two hundred microseconds of work at most. */
const PIECE_BYTES = 2048;
/** Levels of messages, as `fromBinary` allows. */
const MAX_DEPTH = 100;

/**
 * What `fromBinary` gives; throws where that throws.
 *
 * @param pieceBytes anything but the default is for tests.
 */
export function* decodeSteps<Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
  pieceBytes: number = PIECE_BYTES,
): Steps<MessageShape<Desc>> {
  const message = create(schema);
  yield* merge(schema, message, bytes, { depth: 0, pieceBytes });
  return message;
}

interface Place {
  readonly depth: number;
  readonly pieceBytes: number;
}

function* merge(schema: DescMessage, into: Message, bytes: Uint8Array, place: Place): Steps<void> {
  const { depth, pieceBytes } = place;
  const take = (piece: Uint8Array): void => {
    mergeFromBinary(schema, into, piece, { readUnknownFields: true, recursionLimit: MAX_DEPTH - depth });
  };
  if (bytes.length <= pieceBytes) {
    take(bytes);
    return;
  }
  const reader = new BinaryReader(bytes);
  let taken = 0;
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, wireType] = reader.tag();
    const inner = wireType === WireType.LengthDelimited ? reader.bytes() : undefined;
    if (inner === undefined) reader.skip(wireType, number, MAX_DEPTH - depth);
    const field = inner !== undefined && inner.length > pieceBytes ? fieldOf(schema, number) : undefined;
    if (inner !== undefined && field !== undefined) {
      take(bytes.subarray(taken, start));
      yield* merge(field.message, childOf(into, field), inner, { depth: depth + 1, pieceBytes });
      taken = reader.pos;
    }
    if (reader.pos - taken < pieceBytes) continue;
    take(bytes.subarray(taken, reader.pos));
    taken = reader.pos;
    yield;
  }
  take(bytes.subarray(taken));
}

type MessageField = DescField & { readonly message: DescMessage };

/**
 * The field of that number, where it is a message, or a list of them, that can be decoded on its own. Well-known
 * types are not messages where they stand in others, or have nothing to go down to.
 */
function fieldOf(schema: DescMessage, number: number): MessageField | undefined {
  const field = schema.fields.find((candidate) => candidate.number === number);
  if (field === undefined) return undefined;
  if (field.fieldKind !== 'message' && !(field.fieldKind === 'list' && field.listKind === 'message'))
    return undefined;
  return field.delimitedEncoding || field.message.typeName.startsWith('google.protobuf.') ? undefined : field;
}

/** The message in `into` that the field's next occurrence goes to. */
function childOf(into: Message, field: MessageField): Message {
  const values = into as unknown as Record<string, unknown>;
  const fresh = (): Message => create(field.message);
  if (field.fieldKind === 'list') {
    const child = fresh();
    (values[field.localName] as Message[]).push(child);
    return child;
  }
  if (field.oneof === undefined) {
    const child = (values[field.localName] as Message | undefined) ?? fresh();
    values[field.localName] = child;
    return child;
  }
  const chosen = values[field.oneof.localName] as { readonly case?: string; readonly value?: Message };
  const child = chosen.case === field.localName ? chosen.value! : fresh();
  values[field.oneof.localName] = { case: field.localName, value: child };
  return child;
}
