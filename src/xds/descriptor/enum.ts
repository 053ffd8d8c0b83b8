/** An enum of a proto file. */
import type { FileDescriptor } from './file.ts';
import type { MessageDescriptor } from './message.ts';
import { safeProperty, sharedPrefix, typeNameIn } from './name.ts';
import type { DescriptorReader } from './reader.ts';

export interface EnumValue {
  readonly kind: 'enum_value';
  readonly parent: EnumDescriptor;
  readonly name: string;
  readonly localName: string;
  readonly jsonName: string;
  readonly number: number;
  readonly deprecated: boolean;
}

export class EnumDescriptor {
  readonly kind = 'enum';
  readonly file: FileDescriptor;
  readonly parent: MessageDescriptor | undefined;
  name = '';
  readonly typeName: string;
  readonly open = true;
  deprecated = false;
  readonly values: EnumValue[] = [];
  readonly value: Record<number, EnumValue> = {};
  readonly sharedPrefix: string | undefined;

  constructor(reader: DescriptorReader, file: FileDescriptor, parent: MessageDescriptor | undefined) {
    this.file = file;
    this.parent = parent;
    const values: { name: string; number: number; deprecated: boolean }[] = [];
    while (reader.next()) {
      if (reader.field === 1) this.name = reader.text();
      else if (reader.field === 2) values.push(readEnumValue(reader.inside()));
      else if (reader.field === 3) this.deprecated = reader.inside().flag(3);
    }
    this.typeName = typeNameIn(parent?.typeName ?? file.proto.package, this.name);
    this.sharedPrefix = sharedPrefix(
      this.name,
      values.map(({ name }) => name),
    );
    for (const { name, number, deprecated } of values) {
      const localName = safeProperty(this.sharedPrefix ? name.slice(this.sharedPrefix.length) : name);
      const value: EnumValue = {
        kind: 'enum_value',
        parent: this,
        name,
        localName,
        jsonName: name,
        number,
        deprecated,
      };
      this.values.push(value);
      // Of two names of one number the first counts.
      this.value[number] ??= value;
    }
    file.types.set(this.typeName, this);
    if (parent === undefined) file.enums.push(this);
    else parent.nestedEnums = [...parent.nestedEnums, this];
  }

  toString(): string {
    return `enum ${this.typeName}`;
  }
}

function readEnumValue(reader: DescriptorReader): { name: string; number: number; deprecated: boolean } {
  const value = { name: '', number: 0, deprecated: false };
  while (reader.next()) {
    if (reader.field === 1) value.name = reader.text();
    else if (reader.field === 2) value.number = reader.number();
    else if (reader.field === 3) value.deprecated = reader.inside().flag(1);
  }
  return value;
}
