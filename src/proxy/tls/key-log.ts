/** The secrets of connections, written for whoever has recorded their bytes (`key_log`). */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type IpRange, inRange, parseIp, parseRange } from '#core/ip-address.ts';
import type { CidrRange } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import type { TlsKeyLog } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { LineSink } from '../data-path-deps.ts';
import type { Findings } from '../findings.ts';

export interface KeyLogSettings {
  readonly path: string;
  /** Empty: any. */
  readonly localRanges: readonly IpRange[];
  readonly remoteRanges: readonly IpRange[];
}

export function readKeyLog(
  message: TlsKeyLog | undefined,
  path: string,
  findings: Findings,
): KeyLogSettings | undefined {
  if (message === undefined) return undefined;
  if (message.path === '') findings.error(`${path}.path`, 'is missing');
  return {
    path: message.path,
    localRanges: readRanges(message.localAddressRange, `${path}.local_address_range`, findings),
    remoteRanges: readRanges(message.remoteAddressRange, `${path}.remote_address_range`, findings),
  };
}

function readRanges(ranges: readonly CidrRange[], path: string, findings: Findings): readonly IpRange[] {
  return ranges.flatMap(({ addressPrefix, prefixLen }, i) => {
    const range = parseRange(addressPrefix, prefixLen ?? 0);
    if (range === undefined) {
      findings.error(`${path}[${i}].address_prefix`, `"${addressPrefix}" is not an IP address`);
      return [];
    }
    return [range];
  });
}

export class KeyLog {
  readonly #settings: KeyLogSettings;
  readonly #sink: LineSink;

  constructor(settings: KeyLogSettings, sink: LineSink) {
    this.#settings = settings;
    this.#sink = sink;
  }

  /** @param line in the form of NSS, with its line feed */
  write(line: Buffer, connection: Duplex): void {
    const { localRanges, remoteRanges } = this.#settings;
    const { localAddress, remoteAddress } = connection as Socket;
    if (!covers(localRanges, localAddress) || !covers(remoteRanges, remoteAddress)) return;
    const text = line.toString('latin1');
    this.#sink.write(text.endsWith('\n') ? text : `${text}\n`);
  }
}

function covers(ranges: readonly IpRange[], address: string | undefined): boolean {
  if (ranges.length === 0) return true;
  const ip = parseIp((address ?? '').replace(/^::ffff:/, ''));
  return ip !== undefined && ranges.some((range) => inRange(range, ip));
}
