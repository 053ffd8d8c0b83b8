/**
 * JSON as text, indented by a space as Envoy does, made in pieces: what is large is asked for when the text
 * comes to it.
 */
import type { JsonValue } from '@bufbuild/protobuf';

/** Parts made one after the other; undefined is a pause. */
type Later<T> = () => Iterable<T | undefined>;

/** A list whose items are made when the text comes to them. */
export class LazyList {
  readonly items: Later<LazyJson>;

  constructor(items: Later<LazyJson>) {
    this.items = items;
  }
}

/** An object whose fields are made when the text comes to them. */
export class LazyObject {
  readonly fields: Later<JsonPieceField>;

  constructor(fields: Later<JsonPieceField>) {
    this.fields = fields;
  }
}

export type LazyJson = JsonValue | LazyList | LazyObject;
export type JsonPieceField = readonly [key: string, value: LazyJson];

/**
 * What `JSON.stringify(value, null, 1)` gives; '' where it may be interrupted.
 *
 * @param indent of the line it begins on.
 */
export function* jsonPieces(value: LazyJson, indent = ''): Generator<string, void, undefined> {
  if (value instanceof LazyList) {
    yield* bracketed('[]', value.items(), indent, (item, inner) => jsonPieces(item, inner));
  } else if (value instanceof LazyObject) {
    yield* bracketed('{}', value.fields(), indent, ([key, held], inner) => fieldPieces(key, held, inner));
  } else {
    yield JSON.stringify(value, null, 1).replaceAll('\n', `\n${indent}`);
  }
}

function* fieldPieces(key: string, value: LazyJson, indent: string): Generator<string, void, undefined> {
  yield `${JSON.stringify(key)}: `;
  yield* jsonPieces(value, indent);
}

function* bracketed<T>(
  brackets: '[]' | '{}',
  parts: Iterable<T | undefined>,
  indent: string,
  pieces: (part: T, indent: string) => Iterable<string>,
): Generator<string, void, undefined> {
  let before: string = brackets.charAt(0);
  for (const part of parts) {
    if (part === undefined) {
      yield '';
      continue;
    }
    yield `${before}\n${indent} `;
    yield* pieces(part, `${indent} `);
    before = ',';
  }
  yield before === ',' ? `\n${indent}${brackets.charAt(1)}` : brackets;
}
