/** Secrets that a TLS context takes from a file (`sds_config.path_config_source`), wherever in a resource it stands. */
import type { DescMessage, Message } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import {
  type SdsSecretConfig,
  SdsSecretConfigSchema,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { unpackAny } from '#xds/registry.ts';

export interface FileSecret {
  readonly name: string;
  /** Of a file with a DiscoveryResponse that holds the secret. */
  readonly path: string;
}

/** In order of the message, inside every Any too. */
export function fileSecretsOf(schema: DescMessage, message: Message): readonly FileSecret[] {
  return secretConfigsOf(schema, message).flatMap(({ name, sdsConfig }) => {
    const source = sdsConfig?.configSourceSpecifier;
    if (source?.case === 'pathConfigSource') return [{ name, path: source.value.path }];
    return source?.case === 'path' ? [{ name, path: source.value }] : [];
  });
}

/** Every secret that is named somewhere in `message` and not written out there. */
export function secretConfigsOf(schema: DescMessage, message: Message): readonly SdsSecretConfig[] {
  const found: SdsSecretConfig[] = [];
  walk(reflect(schema, message), found);
  return found;
}

function walk(message: ReflectMessage, found: SdsSecretConfig[]): void {
  const { typeName } = message.desc;
  if (typeName === SdsSecretConfigSchema.typeName) {
    found.push(message.message as SdsSecretConfig);
    return;
  }
  if (typeName === AnySchema.typeName) {
    const unpacked = unpackAny(message.message as Any);
    if (unpacked.ok) walk(reflect(unpacked.schema, unpacked.message), found);
    return;
  }
  if (typeName.startsWith('google.protobuf.')) return;
  for (const field of message.fields) {
    if (field.message === undefined || !message.isSet(field)) continue;
    if (field.fieldKind === 'list')
      for (const item of message.get(field)) walk(item as ReflectMessage, found);
    else if (field.fieldKind === 'map')
      for (const [, item] of message.get(field)) walk(item as ReflectMessage, found);
    else if (field.fieldKind === 'message') walk(message.get(field), found);
  }
}
