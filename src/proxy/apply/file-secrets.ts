/** Secrets that a TLS context takes from a file (`sds_config.path_config_source`), wherever in a resource it stands. */
import type { DescMessage, Message } from '@bufbuild/protobuf';
import type { Steps } from '#core/time-slice.ts';
import {
  type SdsSecretConfig,
  SdsSecretConfigSchema,
} from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { walkMessage } from '#xds/message-walk.ts';

export interface FileSecret {
  readonly name: string;
  /** Of a file with a DiscoveryResponse that holds the secret. */
  readonly path: string;
}

/** In order of the message, inside every Any too. */
export function* fileSecretsOf(schema: DescMessage, message: Message): Steps<readonly FileSecret[]> {
  const found: FileSecret[] = [];
  yield* walkMessage(schema, message, {
    visit({ typeName }, inner): boolean {
      if (typeName !== SdsSecretConfigSchema.typeName) return true;
      const { name, sdsConfig } = inner as SdsSecretConfig;
      const source = sdsConfig?.configSourceSpecifier;
      if (source?.case === 'pathConfigSource') found.push({ name, path: source.value.path });
      else if (source?.case === 'path') found.push({ name, path: source.value });
      return false;
    },
  });
  return found;
}
