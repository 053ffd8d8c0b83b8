/** Ours against those of protobuf-es, for every file there is. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { DescEnum, DescField, DescFile, DescMessage, DescService } from '@bufbuild/protobuf';
import { fileDesc as theirs } from '@bufbuild/protobuf/codegenv2';
import * as wkt from '@bufbuild/protobuf/wkt';
import { fileDesc as ours } from './file.ts';

type FileDesc = (b64: string, imports?: DescFile[]) => DescFile;

const folder = join(import.meta.dirname, '../gen');

/** `fileDesc(...)` of each generated file, by the name of its constant. */
const calls = new Map<string, { readonly b64: string; readonly imports: readonly string[] }>();
for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
  if (!name.endsWith('_pb.js')) continue;
  const text = readFileSync(join(folder, name), 'utf8');
  const call = /export const (file_\w+) = \/\*@__PURE__\*\/\s+fileDesc\("([^"]+)"(?:, \[([^\]]*)\])?\)/.exec(
    text,
  );
  assert.ok(call !== null, name);
  const imports = (call[3] ?? '').split(', ').filter((word) => word !== '');
  calls.set(call[1]!, { b64: call[2]!, imports });
}

function filesBy(fileDesc: FileDesc): Map<string, DescFile> {
  const made = new Map<string, DescFile>();
  const make = (name: string): DescFile => {
    const known = made.get(name) ?? (wkt as unknown as Record<string, DescFile>)[name];
    if (known !== undefined) return known;
    const { b64, imports } = calls.get(name)!;
    const file = fileDesc(b64, imports.map(make));
    made.set(name, file);
    return file;
  };
  for (const name of calls.keys()) make(name);
  return made;
}

function pick(of: object, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.map((name) => [name, (of as Record<string, unknown>)[name]]));
}

const fieldProperties = [
  ...['kind', 'name', 'localName', 'jsonName', 'number', 'presence', 'utf8Validation', 'deprecated'],
  ...['fieldKind', 'listKind', 'mapKind', 'mapKey', 'scalar', 'delimitedEncoding', 'packed', 'longAsString'],
];

const fieldOf = (field: DescField): unknown => ({
  ...pick(field, fieldProperties),
  text: String(field),
  parent: field.parent.typeName,
  oneof: field.oneof?.name,
  message: field.message?.typeName,
  enum: field.enum?.typeName,
  defaultValue: field.fieldKind === 'scalar' ? field.getDefaultValue() : undefined,
});

const enumOf = (desc: DescEnum): unknown => ({
  ...pick(desc, ['kind', 'name', 'typeName', 'open', 'sharedPrefix', 'deprecated']),
  parent: desc.parent?.typeName,
  values: desc.values.map((value) =>
    pick(value, ['kind', 'name', 'localName', 'jsonName', 'number', 'deprecated']),
  ),
  value: Object.entries(desc.value).map(([number, { name }]) => [number, name]),
});

const messageOf = (message: DescMessage): unknown => ({
  ...pick(message, ['kind', 'name', 'typeName', 'deprecated']),
  text: String(message),
  file: message.file.name,
  parent: message.parent?.typeName,
  fields: message.fields.map(fieldOf),
  field: Object.keys(message.field),
  oneofs: message.oneofs.map((oneof) => ({
    ...pick(oneof, ['kind', 'name', 'localName', 'deprecated']),
    text: String(oneof),
    fields: oneof.fields.map(String),
  })),
  members: message.members.map(String),
  enums: message.nestedEnums.map(enumOf),
  messages: message.nestedMessages.map(messageOf),
  extensions: message.nestedExtensions,
});

const serviceOf = (service: DescService): unknown => ({
  ...pick(service, ['kind', 'name', 'typeName', 'deprecated']),
  methods: service.methods.map((method) => ({
    ...pick(method, ['kind', 'name', 'localName', 'methodKind', 'idempotency', 'deprecated']),
    text: String(method),
    input: method.input.typeName,
    output: method.output.typeName,
  })),
  method: Object.keys(service.method),
});

const fileOf = (file: DescFile): unknown => ({
  ...pick(file, ['kind', 'name', 'edition', 'deprecated', 'extensions']),
  package: file.proto.package,
  text: String(file),
  dependencies: file.dependencies.map(({ name }) => name),
  messages: file.messages.map(messageOf),
  enums: file.enums.map(enumOf),
  services: file.services.map(serviceOf),
});

describe('descriptors', () => {
  const expected = filesBy(theirs as FileDesc);
  const found = filesBy(ours);
  for (const name of calls.keys()) {
    test(name, () => assert.deepEqual(fileOf(found.get(name)!), fileOf(expected.get(name)!)));
  }

  test('there are as many as proto/ has files', () => {
    const protos = readdirSync(join(import.meta.dirname, '../../../proto'), {
      recursive: true,
      encoding: 'utf8',
    });
    assert.equal(calls.size, protos.filter((name) => name.endsWith('.proto')).length);
  });
});
