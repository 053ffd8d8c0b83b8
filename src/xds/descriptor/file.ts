/**
 * Descriptors of the generated proto files, built when they are asked for. A proxy needs a few dozen of
 * the hundreds of messages it knows; protobuf-es would build them all, each field several times over, at
 * every start. Same shape as its own (`DescFile` and what is inside), without the messages of
 * descriptor.proto behind them. For proto3 files, which all of ours are.
 */
import type { DescEnum, DescFile, DescMessage } from '@bufbuild/protobuf';
import { base64Decode } from '@bufbuild/protobuf/wire';
import { EnumDescriptor } from './enum.ts';
import { MessageDescriptor } from './message.ts';
import { DescriptorReader } from './reader.ts';
import { ServiceDescriptor } from './service.ts';

/** `descriptor.proto`, Edition. */
const EDITION_PROTO3 = 999;

/**
 * Takes the place of the function of `@bufbuild/protobuf/codegenv2` in generated code.
 *
 * @param encoded a FileDescriptorProto: in base64 as generated, as it is in the bundles of proxies
 * @throws where the file is not in proto3 or declares extensions
 */
export function fileDesc(encoded: string | Uint8Array, imports: readonly DescFile[] = []): DescFile {
  const bytes = typeof encoded === 'string' ? base64Decode(encoded) : encoded;
  return new FileDescriptor(bytes, imports) as unknown as DescFile;
}

type Named = DescMessage | DescEnum;

export class FileDescriptor {
  readonly kind = 'file';
  readonly edition: number = EDITION_PROTO3;
  readonly bytes: Uint8Array;
  /** Without `.proto`. */
  name = '';
  deprecated = false;
  readonly dependencies: readonly DescFile[];
  readonly messages: MessageDescriptor[] = [];
  readonly enums: EnumDescriptor[] = [];
  readonly services: ServiceDescriptor[] = [];
  readonly extensions: never[] = [];
  /** The part of the encoded file that names are made of. */
  readonly proto: { name: string; package: string } = { name: '', package: '' };
  readonly types: Map<string, MessageDescriptor | EnumDescriptor> = new Map();

  constructor(bytes: Uint8Array, imports: readonly DescFile[]) {
    this.bytes = bytes;
    this.dependencies = imports;
    const reader = new DescriptorReader(bytes, 0, bytes.length);
    let syntax = '';
    while (reader.next()) {
      if (reader.field === 1) this.proto.name = reader.text();
      else if (reader.field === 2) this.proto.package = reader.text();
      else if (reader.field === 4) new MessageDescriptor(reader.inside(), this, undefined);
      else if (reader.field === 5) new EnumDescriptor(reader.inside(), this, undefined);
      else if (reader.field === 6) this.services.push(new ServiceDescriptor(reader.inside(), this));
      else if (reader.field === 8) this.deprecated = reader.inside().flag(23);
      else if (reader.field === 12) syntax = reader.text();
      else if (reader.field === 7) throw new Error(`${this.proto.name} declares extensions`);
    }
    if (syntax !== 'proto3') throw new Error(`${this.proto.name} is not in proto3`);
    this.name = this.proto.name.replace(/\.proto$/, '');
  }

  /** @param reference with a dot before it, as encoded. */
  find(reference: string): Named {
    const typeName = reference.slice(1);
    const own = this.types.get(typeName);
    if (own !== undefined) return own as unknown as Named;
    for (const dependency of this.dependencies) {
      const found = typeOf(dependency, typeName);
      if (found !== undefined) return found;
    }
    throw new Error(`${this.proto.name} names ${typeName}, which it does not import`);
  }

  toString(): string {
    return `file ${this.proto.name}`;
  }
}

function typeOf(file: DescFile | FileDescriptor, typeName: string): Named | undefined {
  if (file instanceof FileDescriptor) return file.types.get(typeName) as unknown as Named | undefined;
  return typeAmong(file.messages, file.enums, typeName);
}

function typeAmong(
  messages: readonly DescMessage[],
  enums: readonly DescEnum[],
  typeName: string,
): Named | undefined {
  for (const type of [...enums, ...messages]) if (type.typeName === typeName) return type;
  for (const { nestedMessages, nestedEnums } of messages) {
    const found = typeAmong(nestedMessages, nestedEnums, typeName);
    if (found !== undefined) return found;
  }
  return undefined;
}
