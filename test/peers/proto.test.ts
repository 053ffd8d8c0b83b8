/**
 * proto/ against Envoy's own descriptors, out of the Go modules: every message, field, enum value and method
 * of ours is there, with the same number, type, label and oneof.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import {
  createFileRegistry,
  type DescEnum,
  type DescField,
  type DescFile,
  type DescMessage,
  type DescService,
  type FileRegistry,
  fromBinary,
} from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { requirePeer } from '../support/peer.ts';

/** Packages that no Go module has: our own filters, and Istio's CA, whose few fields the tests of the CA hold. */
const unpublished = /^(heddle|istio)\./;

const maxDescriptorBytes = 64 * 1024 * 1024;

/** The first build compiles Envoy's whole API, which takes a minute or two where two cores are shared. */
const buildTimeoutMs = 280_000;

async function envoyDescriptors(t: TestContext): Promise<FileRegistry | undefined> {
  const go = requirePeer(t, 'go');
  if (go === undefined) return undefined;
  const { stdout } = await promisify(execFile)(go, ['run', '-mod=readonly', '.'], {
    cwd: join(import.meta.dirname, 'protodesc'),
    encoding: 'buffer',
    maxBuffer: maxDescriptorBytes,
    timeout: buildTimeoutMs,
  });
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, stdout));
}

/** What buf reads in proto/: the generated code keeps no more of it than a proxy needs. */
async function ownDescriptors(): Promise<readonly DescFile[]> {
  const root = join(import.meta.dirname, '../..');
  const { stdout } = await promisify(execFile)(
    join(root, 'node_modules/.bin/buf'),
    ['build', '-o', '-#format=binpb'],
    { cwd: root, encoding: 'buffer', maxBuffer: maxDescriptorBytes },
  );
  return [...createFileRegistry(fromBinary(FileDescriptorSetSchema, stdout)).files];
}

/** `repeated string domains = 2 in oneof x`, all that goes over the wire or into JSON. */
function shownField(field: DescField): string {
  const { label, type, typeName, proto3Optional } = field.proto;
  const labels = [proto3Optional ? 'optional' : '', FieldDescriptorProto_Label[label]];
  const oneof = field.oneof === undefined ? '' : ` in oneof ${field.oneof.name}`;
  const what = typeName === '' ? FieldDescriptorProto_Type[type] : typeName;
  return `${labels.filter(Boolean).join(' ')} ${what} ${field.name} = ${field.number} (${field.jsonName})${oneof}`;
}

function messagesIn(messages: readonly DescMessage[]): DescMessage[] {
  return messages.flatMap((message) => [message, ...messagesIn(message.nestedMessages)]);
}

function compareMessage(ours: DescMessage, theirs: FileRegistry): string[] {
  const message = theirs.getMessage(ours.typeName);
  if (message === undefined) return [`there is no message ${ours.typeName}`];
  return ours.fields.flatMap((field) => {
    const there = message.fields.find(({ number }) => number === field.number);
    const [mine, other] = [shownField(field), there === undefined ? 'nothing' : shownField(there)];
    return mine === other ? [] : [`${ours.typeName}: ours is ${mine}, theirs ${other}`];
  });
}

/** Enums are held whole: a value left out would be a number without a name. */
function compareEnum(ours: DescEnum, theirs: FileRegistry): string[] {
  const shown = (desc: DescEnum): string =>
    desc.values.map(({ name, number }) => `${name} = ${number}`).join('; ');
  const there = theirs.getEnum(ours.typeName);
  if (there === undefined) return [`there is no enum ${ours.typeName}`];
  return shown(ours) === shown(there)
    ? []
    : [`${ours.typeName}: ours is ${shown(ours)}, theirs ${shown(there)}`];
}

function compareService(ours: DescService, theirs: FileRegistry): string[] {
  const shown = (desc: DescService): string[] =>
    desc.methods.map(
      ({ name, methodKind, input, output }) => `${name} ${methodKind} ${input.typeName} ${output.typeName}`,
    );
  const there = theirs.getService(ours.typeName);
  if (there === undefined) return [`there is no service ${ours.typeName}`];
  const known = new Set(shown(there));
  return shown(ours)
    .filter((method) => !known.has(method))
    .map((method) => `${ours.typeName} has no ${method}`);
}

/**
 * Fields of route tables that proto/ leaves out: unknown to the proxy, which is an error in a file and a warning
 * over xDS. Of the messages that a table holds; those that are refused as a whole are not looked into.
 */
const absentOfRoutes: ReadonlySet<string> = new Set([
  'RetryPolicy.rate_limited_retry_back_off',
  'RetryPolicy.refresh_cluster_on_retry',
  'RetryPolicy.retry_options_predicates',
  'RetryPolicy.retry_priority',
  'Route.per_request_buffer_limit_bytes',
  'Route.request_body_buffer_limit',
  'RouteAction.hedge_policy',
  'RouteAction.retry_policy_typed_config',
  'RouteConfiguration.vhds',
  'VirtualHost.hedge_policy',
  'VirtualHost.per_request_buffer_limit_bytes',
  'VirtualHost.request_body_buffer_limit',
  'VirtualHost.retry_policy_typed_config',
]);
const refusedAsAWhole = /\.(?:RateLimit|CorsPolicy|FilterAction|Tracing)$/;

describe('proto/ holds the facts of Envoy 1.40', () => {
  test('messages, enums and services', async (t) => {
    const theirs = await envoyDescriptors(t);
    if (theirs === undefined) return;
    const published = (await ownDescriptors()).filter(
      ({ proto }) => !unpublished.test(proto.package) && !proto.package.startsWith('google.protobuf'),
    );
    const messages = published.flatMap((file) => messagesIn(file.messages));
    const enums = [
      ...published.flatMap((file) => file.enums),
      ...messages.flatMap((message) => message.nestedEnums),
    ];
    assert.ok(messages.length > 200, `only ${messages.length} messages were found`);
    const differences = [
      ...messages.flatMap((message) => compareMessage(message, theirs)),
      ...enums.flatMap((desc) => compareEnum(desc, theirs)),
      ...published.flatMap((file) => file.services).flatMap((service) => compareService(service, theirs)),
      ...published
        .filter((file) => theirs.getFile(`${file.name}.proto`) === undefined)
        .map(({ name }) => `there is no file ${name}.proto`),
    ];
    assert.deepEqual(differences, []);
  });

  test('what route tables leave out', async (t) => {
    const theirs = await envoyDescriptors(t);
    if (theirs === undefined) return;
    const ours = (await ownDescriptors())
      .filter(({ proto }) => proto.package === 'envoy.config.route.v3')
      .flatMap((file) => messagesIn(file.messages))
      .filter(({ typeName }) => !refusedAsAWhole.test(typeName) && !typeName.includes('.RateLimit.'));
    const absent = ours.flatMap((message) => {
      const known = new Set(message.fields.map(({ number }) => number));
      const all = theirs.getMessage(message.typeName)?.fields ?? [];
      return all
        .filter(({ number }) => !known.has(number))
        .map(({ name }) => `${message.typeName.replace('envoy.config.route.v3.', '')}.${name}`);
    });
    assert.deepEqual(
      absent.filter((name) => !absentOfRoutes.has(name)),
      [],
    );
  });
});
