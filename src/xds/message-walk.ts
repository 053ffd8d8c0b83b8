/** Goes through a message and all messages inside it, also inside every Any of a known type. */
import type { DescField, DescMessage, Message } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import type { Steps } from '#core/time-slice.ts';
import type { DocumentPath } from './document-path.ts';
import { type Unpacked, unpackSteps } from './registry.ts';

export interface MessageVisitor {
  /** @returns whether to go on with what is inside. */
  visit(schema: DescMessage, message: Message, path: () => DocumentPath): boolean;
  /** What is inside `any` is visited after this, where it could be unpacked. */
  onAny?(any: Any, unpacked: Unpacked, path: () => DocumentPath): void;
}

/** In order of the message. Costs a decode of each Any. */
export function* walkMessage(schema: DescMessage, message: Message, visitor: MessageVisitor): Steps<void> {
  const walk = new Walk(visitor);
  walk.visit(schema, message);
  for (let visited = 1; ; visited++) {
    for (let any = walk.any; any !== undefined; any = walk.any) {
      walk.goInside(any, yield* unpackSteps(any));
    }
    if (!walk.goOn()) return;
    if (visited % MESSAGES_A_STEP === 0) yield;
  }
}

/** Some tens of microseconds of work. */
const MESSAGES_A_STEP = 128;

/** A field that holds messages. */
interface Branch {
  readonly name: string;
  readonly localName: string;
  /** Local name of the oneof it stands in. */
  readonly oneof: string | undefined;
  readonly schema: DescMessage;
}

const knownBranches = new WeakMap<DescMessage, readonly Branch[]>();

function branchesOf(schema: DescMessage): readonly Branch[] {
  let branches = knownBranches.get(schema);
  if (branches === undefined) {
    branches = schema.fields.flatMap(branchOf);
    knownBranches.set(schema, branches);
  }
  return branches;
}

/** The well-known types have no fields but their own. */
function branchOf({ name, localName, oneof, message: schema }: DescField): Branch[] {
  if (schema === undefined) return [];
  if (schema.typeName.startsWith('google.protobuf.') && schema.typeName !== AnySchema.typeName) return [];
  return [{ name, localName, oneof: oneof?.localName, schema }];
}

/** A message on the way from the top to the one that is visited. */
interface Level {
  readonly message: Message;
  readonly branches: readonly Branch[];
  /** Number of the branch that is walked. */
  branch: number;
  /** What that branch holds, where it is a list or a map, and where in it the walk is. */
  items: readonly Message[] | undefined;
  keys: readonly string[] | undefined;
  item: number;
}

class Walk {
  /** What was come to, where that is to be unpacked before the walk goes on. */
  any: Any | undefined;
  readonly #visitor: MessageVisitor;
  readonly #levels: Level[] = [];
  readonly #path = (): DocumentPath => this.#levels.flatMap(stepsOf);

  constructor(visitor: MessageVisitor) {
    this.#visitor = visitor;
  }

  visit(schema: DescMessage, message: Message): void {
    if (schema.typeName === AnySchema.typeName) {
      const any = message as Any;
      this.any = any.typeUrl === '' && any.value.length === 0 ? undefined : any;
      return;
    }
    if (!this.#visitor.visit(schema, message, this.#path)) return;
    const branches = branchesOf(schema);
    if (branches.length === 0) return;
    this.#levels.push({ message, branches, branch: -1, items: undefined, keys: undefined, item: 0 });
  }

  goInside(any: Any, unpacked: Unpacked): void {
    this.any = undefined;
    this.#visitor.onAny?.(any, unpacked, this.#path);
    if (unpacked.ok) this.visit(unpacked.schema, unpacked.message);
  }

  /** Visits one more message; false where there is none left. */
  goOn(): boolean {
    for (;;) {
      const level = this.#levels.at(-1);
      if (level === undefined) return false;
      const { items } = level;
      if (items !== undefined && ++level.item < items.length) {
        this.visit(level.branches[level.branch]!.schema, items[level.item]!);
        return true;
      }
      level.items = undefined;
      const branch = level.branches[++level.branch];
      if (branch === undefined) {
        this.#levels.pop();
        continue;
      }
      const value = heldBy(level.message, branch);
      if (value === undefined) continue;
      if (isMessage(value)) {
        this.visit(branch.schema, value);
        return true;
      }
      level.keys = Array.isArray(value) ? undefined : Object.keys(value);
      level.items = Array.isArray(value) ? value : Object.values(value);
      level.item = -1;
    }
  }
}

function stepsOf({ branches, branch, items, keys, item }: Level): DocumentPath {
  const at = branches[branch];
  if (at === undefined) return [];
  return items === undefined ? [at.name] : [at.name, keys?.[item] ?? item];
}

/** What `message` has in that field; undefined for nothing. */
function heldBy(message: Message, { localName, oneof }: Branch): object | undefined {
  const values = message as unknown as Record<string, object | undefined>;
  if (oneof === undefined) return values[localName];
  const chosen = values[oneof] as { readonly case?: string; readonly value?: object };
  return chosen.case === localName ? chosen.value : undefined;
}

/** Lists and maps have no type. */
function isMessage(value: object): value is Message {
  return typeof (value as Partial<Message>).$typeName === 'string';
}
