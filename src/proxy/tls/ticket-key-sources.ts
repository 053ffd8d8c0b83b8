/** `TlsSessionTicketKeys`, read once. */
import type { TlsSessionTicketKeys } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { Findings } from '../findings.ts';
import { type DataReader, readBytes } from './data-source.ts';

/** Name, key of the seal and key of the cipher, as Envoy and BoringSSL lay them out. */
const KEY_BYTES = 80;

export function readTicketKeys(
  { keys }: TlsSessionTicketKeys,
  path: string,
  reader: DataReader,
  findings: Findings,
): readonly Uint8Array[] {
  if (keys.length === 0) findings.error(`${path}.keys`, 'is missing');
  return keys.flatMap((source, i) => {
    const at = `${path}.keys[${i}]`;
    const key = readBytes(source, at, reader, findings);
    if (key === undefined) return [];
    if (key.length === KEY_BYTES) return [key];
    findings.error(at, `a key has ${KEY_BYTES} bytes, this has ${key.length}`);
    return [];
  });
}
