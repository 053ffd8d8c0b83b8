/**
 * What a decoded message holds that Heddle does not know: fields without a name in `proto/`, and Any types
 * outside the registry. A newer control plane may send them; they are accepted, warned of and counted.
 */
import type { DescMessage, Message } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { atOnce, type Steps } from '#core/time-slice.ts';
import { formatPath } from './document-path.ts';
import { walkMessage } from './message-walk.ts';

export interface UnknownField {
  /** Path of the field, its last step the number: `filter_chains[0].filters[1].typed_config.#27`. */
  readonly path: string;
  /** The type whose field it is; for an Any of an unknown type, that type's URL. */
  readonly type: string;
}

export interface Examined {
  /** In order of the message; inside every Any too. */
  readonly unknown: readonly UnknownField[];
  /** Every Any inside: the messages of large ones are kept until they are forgotten (`forgetUnpacked`). */
  readonly anys: readonly Any[];
}

/** Costs a decode of each Any. */
export function* examine(schema: DescMessage, message: Message): Steps<Examined> {
  const unknown: UnknownField[] = [];
  const anys: Any[] = [];
  yield* walkMessage(schema, message, {
    visit({ typeName: type }, { $unknown: fields }, path): boolean {
      if (fields === undefined) return true;
      for (const { no } of fields) unknown.push({ path: formatPath([...path(), `#${no}`]), type });
      return true;
    },
    onAny(any, unpacked, path): void {
      if (unpacked.ok) anys.push(any);
      else unknown.push({ path: formatPath([...path(), '@type']), type: any.typeUrl });
    },
  });
  return { unknown, anys };
}

export function unknownFields(schema: DescMessage, message: Message): readonly UnknownField[] {
  return atOnce(examine(schema, message)).unknown;
}
