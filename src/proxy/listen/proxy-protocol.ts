/** Reads the PROXY protocol in front of a connection (Envoy, `proxy_protocol`). */
import type { Counter, MetricRegistry } from '#observe/metrics-contract.ts';
import { byteString } from '../findings.ts';
import type { AcceptedConnection } from './accepted.ts';
import { type ListenerFilter, MORE, REFUSE } from './listener-filter.ts';
import { type PassThrough, passes } from './pass-through.ts';
import {
  HEAD_V2_BYTES,
  headerStart,
  isHeadV2,
  lengthV1,
  lengthV2,
  type ProxyHeader,
  parseV1,
  parseV2,
  type Tlv,
} from './proxy-header.ts';

/** Where the value of a type is put. */
export interface TlvRule {
  readonly type: number;
  readonly namespace: string;
  readonly key: string;
  readonly encoding: 'utf8' | 'base64';
}

export interface ProxyProtocolSettings {
  readonly statPrefix: string;
  readonly optional: boolean;
  readonly disallowed: readonly ('v1' | 'v2')[];
  readonly rules: readonly TlvRule[];
  /** Types handed on to upstreams. */
  readonly passThrough: PassThrough;
}

interface VersionStats {
  readonly found: Counter;
  readonly disallowed: Counter;
  readonly error: Counter;
}

export class ProxyProtocol implements ListenerFilter {
  readonly #settings: ProxyProtocolSettings;
  readonly #errors: Counter;
  readonly #notFoundAllowed: Counter;
  readonly #notFoundDisallowed: Counter;
  readonly #versions: Readonly<Record<'v1' | 'v2', VersionStats>>;

  constructor(settings: ProxyProtocolSettings, metrics: MetricRegistry) {
    this.#settings = settings;
    const { statPrefix } = settings;
    const path = statPrefix === '' ? 'proxy_proto' : `proxy_proto.${statPrefix}`;
    const labels = statPrefix === '' ? {} : { envoy_proxy_protocol_prefix: statPrefix };
    this.#errors = metrics
      .scope({ path: '', family: '', labels: {} })
      .counter('downstream_cx_proxy_proto_error');
    const scope = metrics.scope({ path, family: 'proxy_proto', labels });
    this.#notFoundAllowed = scope.counter('not_found_allowed');
    this.#notFoundDisallowed = scope.counter('not_found_disallowed');
    const version = (number: string): VersionStats => {
      const own = metrics.scope({
        path: `${path}.versions.v${number}`,
        family: 'proxy_proto',
        labels: { ...labels, envoy_proxy_protocol_version: number },
      });
      return {
        found: own.counter('found'),
        disallowed: own.counter('disallowed'),
        error: own.counter('error'),
      };
    };
    this.#versions = { v1: version('1'), v2: version('2') };
  }

  onAccept(): boolean {
    return true;
  }

  onBytes(connection: AcceptedConnection, bytes: Buffer): number {
    const { optional, disallowed } = this.#settings;
    let start = headerStart(bytes);
    // What may not be there is taken for what follows a header.
    if (optional && start !== 'none' && this.#isDisallowed(bytes)) start = 'none';
    if (start === 'more') return MORE;
    if (start === 'none') return this.#withoutHeader(bytes);
    const stats = this.#versions[start];
    const length = start === 'v1' ? lengthV1(bytes) : lengthV2(bytes);
    if (length === undefined) return bytes.includes('\r\n') ? this.#refuse(stats) : this.#notFound();
    if (disallowed.includes(start) && length > 0) {
      stats.found.inc();
      stats.disallowed.inc();
      return REFUSE;
    }
    if (start === 'v2' && !isHeadV2(bytes)) return this.#refuse(stats);
    if (length === 0 || bytes.length < length) return MORE;
    const whole = bytes.subarray(0, length);
    const header = start === 'v1' ? parseV1(whole) : parseV2(whole);
    if (header === undefined) return this.#refuse(stats);
    stats.found.inc();
    this.#apply(header, connection);
    return length;
  }

  #isDisallowed(bytes: Buffer): boolean {
    const [first] = bytes;
    return this.#settings.disallowed.includes(first === 0x50 ? 'v1' : 'v2');
  }

  #withoutHeader(bytes: Buffer): number {
    if (this.#settings.optional) {
      this.#notFoundAllowed.inc();
      return 0;
    }
    return bytes.length < HEAD_V2_BYTES ? MORE : this.#notFound();
  }

  #notFound(): number {
    this.#notFoundDisallowed.inc();
    this.#errors.inc();
    return REFUSE;
  }

  #refuse(stats: VersionStats): number {
    stats.error.inc();
    this.#errors.inc();
    return REFUSE;
  }

  #apply({ source, destination, tlvs }: ProxyHeader, connection: AcceptedConnection): void {
    if (source === undefined || destination === undefined) return;
    connection.restoreRemote(source.ip, source.port);
    connection.restoreLocal(destination.ip, destination.port);
    const { rules, passThrough } = this.#settings;
    if (tlvs.length === 0) return;
    if (passThrough !== undefined) connection.tlvs = tlvs.filter(({ type }) => passes(passThrough, type));
    for (const rule of rules) {
      const tlv = tlvs.find(({ type }) => type === rule.type);
      if (tlv !== undefined) connection.setMetadata(rule.namespace, rule.key, textOf(tlv, rule.encoding));
    }
  }
}

/** A byte string; what is no UTF-8 becomes `!`, as in Envoy. */
function textOf({ value }: Tlv, encoding: TlvRule['encoding']): string {
  if (encoding === 'base64') return value.toString('base64');
  return byteString(value.toString('utf8').replaceAll('\ufffd', '!'));
}
