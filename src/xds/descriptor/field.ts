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

/** There are hundreds in each proxy: they are kept small. */
export class FieldDescriptor {
  readonly parent: MessageDescriptor;
  readonly name: string;
  readonly localName: string;
  readonly jsonName: string;
  readonly number: number;
  readonly oneof: OneofDescriptor | undefined;
  readonly presence: number;
  readonly fieldKind: 'scalar' | 'enum' | 'message' | 'list' | 'map';
  /** Of a list or a map. */
  readonly #itemKind: 'scalar' | 'enum' | 'message';
  readonly mapKey: number | undefined;
  readonly scalar: number | undefined;
  readonly packed: boolean | undefined;
  readonly longAsString: boolean;
  readonly deprecated: boolean;
  /** Of a message or an enum, as encoded, until it is asked for. */
  #type: string | DescMessage | DescEnum;

  constructor(reader: DescriptorReader, parent: MessageDescriptor, oneofs: readonly OneofDescriptor[]) {
    const encoded = readField(reader);
    const { name, label, type, oneofIndex, isOptional } = encoded;
    const kind = type === TYPE_MESSAGE ? 'message' : type === TYPE_ENUM ? 'enum' : 'scalar';
    const entry =
      label === LABEL_REPEATED && kind === 'message'
        ? parent.file.types.get(encoded.reference.slice(1))
        : undefined;
    const [key, value] = entry?.kind === 'message' && entry.isMapEntry ? entry.fields : [];
    const camel = camelCase(name);
    this.parent = parent;
    this.name = name;
    this.number = encoded.number;
    this.oneof = oneofIndex === -1 || isOptional ? undefined : oneofs[oneofIndex];
    this.localName = this.oneof === undefined ? safeProperty(camel) : camel;
    // One string for both where they are the same.
    this.jsonName = encoded.jsonName === '' || encoded.jsonName === camel ? camel : encoded.jsonName;
    const hasPresence = this.oneof !== undefined || isOptional || type === TYPE_MESSAGE;
    this.presence = label !== LABEL_REPEATED && hasPresence ? EXPLICIT : IMPLICIT;
    this.fieldKind = value !== undefined ? 'map' : label === LABEL_REPEATED ? 'list' : kind;
    this.#itemKind = value === undefined ? kind : (value.fieldKind as 'scalar' | 'enum' | 'message');
    this.mapKey = key?.scalar;
    this.scalar = value === undefined ? (kind === 'scalar' ? type : undefined) : value.scalar;
    this.#type = value === undefined ? encoded.reference : value.#type;
    const packable = kind !== 'message' && type !== TYPE_STRING && type !== TYPE_BYTES;
    this.packed = this.fieldKind === 'list' ? packable && (encoded.packed ?? true) : undefined;
    this.longAsString = encoded.longAsString;
    this.deprecated = encoded.deprecated;
  }

  get kind(): 'field' {
    return 'field';
  }
  get utf8Validation(): true {
    return true;
  }
  get listKind(): 'scalar' | 'enum' | 'message' | undefined {
    return this.fieldKind === 'list' ? this.#itemKind : undefined;
  }
  get mapKind(): 'scalar' | 'enum' | 'message' | undefined {
    return this.fieldKind === 'map' ? this.#itemKind : undefined;
  }
  get delimitedEncoding(): false | undefined {
    const kind = this.fieldKind;
    return kind === 'map' || kind === 'message' || this.listKind === 'message' ? false : undefined;
  }

  /** Undefined where it is no message. Of a list or a map: of its items. */
  get message(): DescMessage | undefined {
    const type = this.#resolved();
    return type?.kind === 'message' ? type : undefined;
  }

  get enum(): DescEnum | undefined {
    const type = this.#resolved();
    return type?.kind === 'enum' ? type : undefined;
  }

  getDefaultValue(): undefined {}

  toString(): string {
    return `field ${this.parent.typeName}.${this.name}`;
  }

  #resolved(): DescMessage | DescEnum | undefined {
    if (this.#type === '') return undefined;
    if (typeof this.#type === 'string') this.#type = this.parent.file.find(this.#type);
    return this.#type;
  }
}

interface EncodedField {
  name: string;
  jsonName: string;
  number: number;
  label: number;
  type: number;
  /** Of a message or an enum; '' for none. */
  reference: string;
  /** -1 for none. */
  oneofIndex: number;
  isOptional: boolean;
  packed: boolean | undefined;
  longAsString: boolean;
  deprecated: boolean;
}

/** `descriptor.proto`, FieldDescriptorProto. */
function readField(reader: DescriptorReader): EncodedField {
  const field: EncodedField = {
    name: '',
    jsonName: '',
    number: 0,
    label: 0,
    type: 0,
    reference: '',
    oneofIndex: -1,
    isOptional: false,
    packed: undefined,
    longAsString: false,
    deprecated: false,
  };
  while (reader.next()) {
    if (reader.field === 1) field.name = reader.text();
    else if (reader.field === 3) field.number = reader.number();
    else if (reader.field === 4) field.label = reader.number();
    else if (reader.field === 5) field.type = reader.number();
    else if (reader.field === 6) field.reference = reader.text();
    else if (reader.field === 8) readOptions(reader.inside(), field);
    else if (reader.field === 9) field.oneofIndex = reader.number();
    else if (reader.field === 10) field.jsonName = reader.text();
    else if (reader.field === 17) field.isOptional = reader.number() !== 0;
  }
  return field;
}

/** `descriptor.proto`, FieldOptions. */
function readOptions(reader: DescriptorReader, field: EncodedField): void {
  while (reader.next()) {
    if (reader.field === 2) field.packed = reader.number() !== 0;
    else if (reader.field === 3) field.deprecated = reader.number() !== 0;
    else if (reader.field === 6) field.longAsString = reader.number() === 1;
  }
}
