/** Fields of a message, and the oneofs they stand in. */
import type { DescEnum, DescMessage } from '@bufbuild/protobuf';
import type { MessageDescriptor } from './message.ts';
import { camelCase, safeProperty } from './name.ts';
import type { DescriptorReader } from './reader.ts';

/** `descriptor.proto`: FeatureSet.FieldPresence, FieldDescriptorProto.Label and Type. */
const EXPLICIT = 1;
const IMPLICIT = 2;
const LABEL_REPEATED = 3;
const TYPE_STRING = 9;
const TYPE_MESSAGE = 11;
const TYPE_BYTES = 12;
const TYPE_ENUM = 14;

export class OneofDescriptor {
  readonly kind = 'oneof';
  readonly parent: MessageDescriptor;
  readonly name: string;
  readonly localName: string;
  readonly deprecated = false;
  readonly fields: FieldDescriptor[] = [];

  constructor(reader: DescriptorReader, parent: MessageDescriptor) {
    this.parent = parent;
    let name = '';
    while (reader.next()) if (reader.field === 1) name = reader.text();
    this.name = name;
    this.localName = safeProperty(camelCase(name));
  }

  toString(): string {
    return `oneof ${this.parent.typeName}.${this.name}`;
  }
}

export class FieldDescriptor {
  readonly kind = 'field';
  readonly parent: MessageDescriptor;
  name = '';
  readonly localName: string;
  jsonName = '';
  number = 0;
  readonly oneof: OneofDescriptor | undefined;
  readonly presence: number;
  readonly utf8Validation = true;
  fieldKind: 'scalar' | 'enum' | 'message' | 'list' | 'map' = 'scalar';
  listKind: 'scalar' | 'enum' | 'message' | undefined = undefined;
  mapKind: 'scalar' | 'enum' | 'message' | undefined = undefined;
  mapKey: number | undefined = undefined;
  scalar: number | undefined = undefined;
  delimitedEncoding: boolean | undefined = undefined;
  packed: boolean | undefined = undefined;
  longAsString = false;
  deprecated = false;
  /** Of a message or an enum, as encoded. */
  reference = '';
  type: DescMessage | DescEnum | undefined = undefined;

  constructor(reader: DescriptorReader, parent: MessageDescriptor, oneofs: readonly OneofDescriptor[]) {
    this.parent = parent;
    let label = 0;
    let type = 0;
    let oneofIndex = -1;
    let isOptional = false;
    let packed: boolean | undefined;
    while (reader.next()) {
      if (reader.field === 1) this.name = reader.text();
      else if (reader.field === 3) this.number = reader.number();
      else if (reader.field === 4) label = reader.number();
      else if (reader.field === 5) type = reader.number();
      else if (reader.field === 6) this.reference = reader.text();
      else if (reader.field === 9) oneofIndex = reader.number();
      else if (reader.field === 10) this.jsonName = reader.text();
      else if (reader.field === 17) isOptional = reader.number() !== 0;
      else if (reader.field === 8) packed = this.#readOptions(reader.inside());
    }
    this.oneof = oneofIndex === -1 || isOptional ? undefined : oneofs[oneofIndex];
    const camel = camelCase(this.name);
    this.localName = this.oneof === undefined ? safeProperty(camel) : camel;
    if (this.jsonName === '') this.jsonName = camel;
    const hasPresence = this.oneof !== undefined || isOptional || type === TYPE_MESSAGE;
    this.presence = label !== LABEL_REPEATED && hasPresence ? EXPLICIT : IMPLICIT;
    const kind = type === TYPE_MESSAGE ? 'message' : type === TYPE_ENUM ? 'enum' : 'scalar';
    if (label === LABEL_REPEATED) this.#repeat(kind, type, packed);
    else {
      this.fieldKind = kind;
      if (kind === 'message') this.delimitedEncoding = false;
    }
    if (kind === 'scalar') this.scalar = type;
  }

  /** Undefined where it is no message. Of a list or a map: of its items. */
  get message(): DescMessage | undefined {
    const type = this.#type();
    return type?.kind === 'message' ? type : undefined;
  }

  get enum(): DescEnum | undefined {
    const type = this.#type();
    return type?.kind === 'enum' ? type : undefined;
  }

  getDefaultValue(): undefined {}

  toString(): string {
    return `field ${this.parent.typeName}.${this.name}`;
  }

  #type(): DescMessage | DescEnum | undefined {
    if (this.type === undefined && this.reference !== '') this.type = this.parent.file.find(this.reference);
    return this.type;
  }

  /** Whether it is packed, where the options say so. */
  #readOptions(reader: DescriptorReader): boolean | undefined {
    let packed: boolean | undefined;
    while (reader.next()) {
      if (reader.field === 2) packed = reader.number() !== 0;
      else if (reader.field === 3) this.deprecated = reader.number() !== 0;
      else if (reader.field === 6) this.longAsString = reader.number() === 1;
    }
    return packed;
  }

  #repeat(kind: 'scalar' | 'enum' | 'message', type: number, packed: boolean | undefined): void {
    const entry = kind === 'message' ? this.parent.file.types.get(this.reference.slice(1)) : undefined;
    if (entry?.kind === 'message' && entry.isMapEntry) {
      const [key, value] = entry.fields;
      this.fieldKind = 'map';
      this.mapKey = key!.scalar;
      this.mapKind = value!.fieldKind as 'scalar' | 'enum' | 'message';
      this.scalar = value!.scalar;
      this.reference = value!.reference;
      this.delimitedEncoding = false;
      return;
    }
    this.fieldKind = 'list';
    this.listKind = kind;
    if (kind === 'message') this.delimitedEncoding = false;
    const packable = kind !== 'message' && type !== TYPE_STRING && type !== TYPE_BYTES;
    this.packed = packable && (packed ?? true);
  }
}
