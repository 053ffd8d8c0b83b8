/**
 * The header of the PROXY protocol that an upstream is told of the downstream connection by, before
 * anything else on a new connection (Envoy, `upstream_proxy_protocol`).
 */
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { toBinary } from '@bufbuild/protobuf';
import { parseIp } from '#core/ip-address.ts';
import {
  type ProxyProtocolConfig,
  ProxyProtocolConfig_Version as Version,
} from '#xds/gen/envoy/config/core/v3/proxy_protocol_pb.js';
import {
  type ProxyProtocolUpstreamTransport,
  ProxyProtocolUpstreamTransportSchema,
} from '#xds/gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.js';
import type { Findings } from '../findings.ts';
import { MAX_TLV_TYPE, type PassThrough, passes, readPassThrough } from '../listen/pass-through.ts';
import { HEAD_V2_BYTES, SIGNATURE_V2, type Tlv } from '../listen/proxy-header.ts';
import type { UpstreamTransport } from '../tls/upstream.ts';

/** The connection an upstream is told of. */
export interface ProxiedConnection {
  /** '' where it has no IP address. */
  readonly remoteIp: string;
  readonly remotePort: number;
  readonly localIp: string;
  readonly localPort: number;
  /** Of the header it came with. */
  readonly tlvs: readonly Tlv[] | undefined;
}

const LOCAL = 0x20;
const PROXY = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;
const MAX_PAYLOAD_BYTES = 65_535;
const ADDRESS_V6_BYTES = 36;
const TLV_HEAD_BYTES = 3;

export class ProxyHeaderWriter {
  /** Equal for equal configurations. */
  readonly key: string;
  readonly #version: 1 | 2;
  readonly #added: readonly Tlv[];
  readonly #passThrough: PassThrough;

  constructor(key: string, version: 1 | 2, added: readonly Tlv[], passThrough: PassThrough) {
    this.key = key;
    this.#version = version;
    this.#added = added;
    this.#passThrough = passThrough;
  }

  /** @param connection absent where the proxy itself connects. */
  header(connection: ProxiedConnection | undefined): Buffer {
    const source = parseIp(connection?.remoteIp ?? '');
    const destination = parseIp(connection?.localIp ?? '');
    const isTold = source !== undefined && source.length === destination?.length;
    if (connection === undefined || !isTold) {
      return this.#version === 1 ? Buffer.from('PROXY UNKNOWN\r\n') : headV2(LOCAL, 0, 0);
    }
    const { remoteIp, remotePort, localIp, localPort } = connection;
    const isV6 = source.length === 16;
    if (this.#version === 1) {
      return Buffer.from(
        `PROXY TCP${isV6 ? 6 : 4} ${remoteIp} ${localIp} ${remotePort} ${localPort}\r\n`,
        'latin1',
      );
    }
    const ports = [remotePort >> 8, remotePort & 0xff, localPort >> 8, localPort & 0xff];
    const addresses = Buffer.from([...source, ...destination, ...ports]);
    const tlvs = this.#tlvs(connection.tlvs, MAX_PAYLOAD_BYTES - addresses.length);
    const length = tlvs.reduce((sum, { length }) => sum + length, addresses.length);
    return Buffer.concat([headV2(PROXY, isV6 ? TCP6 : TCP4, length), addresses, ...tlvs]);
  }

  /** What is added comes first, and in the place of what came. What does not fit is left out. */
  #tlvs(received: readonly Tlv[] | undefined, room: number): Buffer[] {
    const added = this.#added;
    const passed = (received ?? []).filter(
      ({ type }) => passes(this.#passThrough, type) && !added.some((own) => own.type === type),
    );
    let left = room;
    return [...added, ...passed].flatMap(({ type, value }) => {
      const length = TLV_HEAD_BYTES + value.length;
      if (length > left) return [];
      left -= length;
      return [Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 0xff]), value])];
    });
  }
}

function headV2(command: number, family: number, length: number): Buffer {
  const head = Buffer.alloc(HEAD_V2_BYTES);
  SIGNATURE_V2.copy(head);
  head[12] = command;
  head[13] = family;
  head.writeUInt16BE(length, 14);
  return head;
}

/** Any transport, with a header before its first byte: who opens the connection writes it. */
export class HeadedTransport implements UpstreamTransport {
  readonly key: string;
  readonly secure: boolean;
  readonly mutual: boolean;
  readonly proxyHeader: ProxyHeaderWriter;
  readonly #inner: UpstreamTransport;

  constructor(inner: UpstreamTransport, proxyHeader: ProxyHeaderWriter) {
    this.key = `${inner.key} ${proxyHeader.key}`;
    this.secure = inner.secure;
    this.mutual = inner.mutual;
    this.proxyHeader = proxyHeader;
    this.#inner = inner;
  }

  wrap(...args: Parameters<UpstreamTransport['wrap']>): Duplex {
    return this.#inner.wrap(...args);
  }

  open(...args: Parameters<UpstreamTransport['open']>): void {
    this.#inner.open(...args);
  }

  close(): void {
    this.#inner.close();
  }

  get dynamicSecrets(): number {
    return this.#inner.dynamicSecrets;
  }

  get secrets(): readonly string[] {
    return this.#inner.secrets;
  }

  get isReadAgainAlike(): boolean {
    return this.#inner.isReadAgainAlike;
  }
}

export function readProxyHeader(
  transport: ProxyProtocolUpstreamTransport,
  path: string,
  findings: Findings,
): ProxyHeaderWriter {
  const { config } = transport;
  findings.refuse(`${path}.allow_unspecified_address`, transport.allowUnspecifiedAddress);
  findings.refuse(`${path}.tlv_as_pool_key`, transport.tlvAsPoolKey);
  if (transport.transportSocket === undefined) findings.error(`${path}.transport_socket`, 'is missing');
  const digest = createHash('sha256').update(toBinary(ProxyProtocolUpstreamTransportSchema, transport));
  return new ProxyHeaderWriter(
    `proxy ${digest.digest('base64')}`,
    config?.version === Version.V2 ? 2 : 1,
    readAdded(config?.addedTlvs ?? [], `${path}.config.added_tlvs`, findings),
    readPassThrough(config?.passThroughTlvs, `${path}.config.pass_through_tlvs`, findings),
  );
}

function readAdded(
  entries: ProxyProtocolConfig['addedTlvs'],
  path: string,
  findings: Findings,
): readonly Tlv[] {
  let bytes = ADDRESS_V6_BYTES;
  entries.forEach(({ type, value, formatString }, i) => {
    if (type > MAX_TLV_TYPE) findings.error(`${path}[${i}].type`, `must not be above ${MAX_TLV_TYPE}`);
    findings.refuse(`${path}[${i}].format_string`, formatString !== undefined);
    bytes += TLV_HEAD_BYTES + value.length;
  });
  if (bytes > MAX_PAYLOAD_BYTES) findings.error(path, 'are larger than a header may be');
  return entries.map(({ type, value }) => ({ type, value: Buffer.from(value) }));
}
