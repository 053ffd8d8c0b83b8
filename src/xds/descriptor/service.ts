/** A service of a proto file and its methods. */
import type { DescMessage } from '@bufbuild/protobuf';
import type { FileDescriptor } from './file.ts';
import { safeProperty, typeNameIn } from './name.ts';
import type { DescriptorReader } from './reader.ts';

export class ServiceDescriptor {
  readonly kind = 'service';
  readonly file: FileDescriptor;
  name = '';
  readonly typeName: string;
  deprecated = false;
  readonly methods: MethodDescriptor[] = [];
  readonly method: Record<string, MethodDescriptor> = {};

  constructor(reader: DescriptorReader, file: FileDescriptor) {
    this.file = file;
    while (reader.next()) {
      if (reader.field === 1) this.name = reader.text();
      else if (reader.field === 3) this.deprecated = reader.inside().flag(33);
      else if (reader.field === 2) {
        const method = new MethodDescriptor(reader.inside(), this);
        this.methods.push(method);
        this.method[method.localName] = method;
      }
    }
    this.typeName = typeNameIn(file.proto.package, this.name);
  }

  toString(): string {
    return `service ${this.typeName}`;
  }
}

class MethodDescriptor {
  readonly kind = 'rpc';
  readonly parent: ServiceDescriptor;
  name = '';
  readonly localName: string;
  readonly methodKind: 'unary' | 'client_streaming' | 'server_streaming' | 'bidi_streaming';
  deprecated = false;
  idempotency = 0;
  #input = '';
  #output = '';

  constructor(reader: DescriptorReader, parent: ServiceDescriptor) {
    this.parent = parent;
    let client = false;
    let server = false;
    while (reader.next()) {
      if (reader.field === 1) this.name = reader.text();
      else if (reader.field === 2) this.#input = reader.text();
      else if (reader.field === 3) this.#output = reader.text();
      else if (reader.field === 5) client = reader.number() !== 0;
      else if (reader.field === 6) server = reader.number() !== 0;
      else if (reader.field === 4) this.#readOptions(reader.inside());
    }
    this.methodKind = client
      ? server
        ? 'bidi_streaming'
        : 'client_streaming'
      : server
        ? 'server_streaming'
        : 'unary';
    this.localName = safeProperty(this.name.charAt(0).toLowerCase() + this.name.slice(1));
  }

  get input(): DescMessage {
    return this.parent.file.find(this.#input) as DescMessage;
  }

  get output(): DescMessage {
    return this.parent.file.find(this.#output) as DescMessage;
  }

  toString(): string {
    return `rpc ${this.parent.typeName}.${this.name}`;
  }

  #readOptions(reader: DescriptorReader): void {
    while (reader.next()) {
      if (reader.field === 33) this.deprecated = reader.number() !== 0;
      else if (reader.field === 34) this.idempotency = reader.number();
    }
  }
}
