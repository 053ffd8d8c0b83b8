/** A message of a proto file: its fields are read when they are asked for. */
import { EnumDescriptor } from './enum.ts';
import { FieldDescriptor, OneofDescriptor } from './field.ts';
import type { FileDescriptor } from './file.ts';
import { typeNameIn } from './name.ts';
import { DescriptorReader } from './reader.ts';

const NOTHING: never[] = [];

/** There are hundreds in each proxy, most of them never asked for anything: they are kept small. */
export class MessageDescriptor {
  readonly file: FileDescriptor;
  readonly parent: MessageDescriptor | undefined;
  readonly typeName: string;
  deprecated = false;
  isMapEntry = false;
  nestedMessages: readonly MessageDescriptor[] = NOTHING;
  nestedEnums: readonly EnumDescriptor[] = NOTHING;
  /** Where it stands in the file. */
  readonly #from: number;
  readonly #to: number;
  #shape: Shape | undefined;

  /** Reads names and what is nested; fields are read when they are asked for. */
  constructor(encoded: DescriptorReader, file: FileDescriptor, parent: MessageDescriptor | undefined) {
    this.file = file;
    this.parent = parent;
    this.#from = encoded.from;
    this.#to = encoded.to;
    const reader = encoded.copy();
    // Its own name is needed by those of what is nested: protoc writes fields in the order of their numbers.
    const name = reader.next() && reader.field === 1 ? reader.text() : '';
    this.typeName = typeNameIn(parent?.typeName ?? file.proto.package, name);
    while (reader.next()) {
      if (reader.field === 3) new MessageDescriptor(reader.inside(), file, this);
      else if (reader.field === 4) new EnumDescriptor(reader.inside(), file, this);
      else if (reader.field === 7) {
        const options = reader.inside();
        while (options.next()) {
          if (options.field === 7) this.isMapEntry = options.number() !== 0;
          else if (options.field === 3) this.deprecated = options.number() !== 0;
        }
      }
    }
    file.types.set(this.typeName, this);
    if (this.isMapEntry) return;
    if (parent === undefined) file.messages.push(this);
    else parent.nestedMessages = [...parent.nestedMessages, this];
  }

  get kind(): 'message' {
    return 'message';
  }
  get name(): string {
    return this.typeName.slice(this.typeName.lastIndexOf('.') + 1);
  }
  get nestedExtensions(): readonly never[] {
    return NOTHING;
  }
  get encoded(): DescriptorReader {
    return new DescriptorReader(this.file.bytes, this.#from, this.#to);
  }
  get fields(): readonly FieldDescriptor[] {
    return this.#known().fields;
  }
  get field(): Readonly<Record<string, FieldDescriptor>> {
    return this.#known().field;
  }
  get oneofs(): readonly OneofDescriptor[] {
    return this.#known().oneofs;
  }
  get members(): readonly (FieldDescriptor | OneofDescriptor)[] {
    return this.#known().members;
  }

  #known(): Shape {
    this.#shape ??= shapeOf(this);
    return this.#shape;
  }

  toString(): string {
    return `message ${this.typeName}`;
  }
}

/** What a message is made of. */
interface Shape {
  readonly fields: FieldDescriptor[];
  readonly field: Record<string, FieldDescriptor>;
  readonly oneofs: OneofDescriptor[];
  readonly members: (FieldDescriptor | OneofDescriptor)[];
}

function shapeOf(message: MessageDescriptor): Shape {
  const shape: Shape = { fields: [], field: {}, oneofs: [], members: [] };
  const declared: OneofDescriptor[] = [];
  const reader = message.encoded;
  while (reader.next()) if (reader.field === 8) declared.push(new OneofDescriptor(reader.inside(), message));
  const again = message.encoded;
  while (again.next()) {
    if (again.field !== 2) continue;
    const field = new FieldDescriptor(again.inside(), message, declared);
    shape.fields.push(field);
    shape.field[field.localName] = field;
    const { oneof } = field;
    if (oneof === undefined) shape.members.push(field);
    else if (oneof.fields.push(field) === 1) shape.members.push(oneof);
  }
  // Those that `optional` fields are encoded with are none.
  shape.oneofs.push(...declared.filter(({ fields }) => fields.length > 0));
  return shape;
}
