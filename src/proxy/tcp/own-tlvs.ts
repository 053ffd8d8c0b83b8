/** `proxy_protocol_tlvs`: values that `tcp_proxy` adds to the PROXY header its endpoints are told by. */
import type { AccessRecord } from '#observe/access-record.ts';
import {
  ProxyProtocolTlvMergePolicy as Merge,
  type TcpProxy,
} from '#xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { Findings } from '../findings.ts';
import type { DownstreamFacts } from '../hcm/runtime.ts';
import { MAX_TLV_TYPE } from '../listen/pass-through.ts';
import type { Tlv } from '../listen/proxy-header.ts';
import type { ProxiedConnection } from '../pool/proxy-protocol.ts';
import { compileFormat } from './text-format.ts';

export interface OwnTlvs {
  /** The connection as an endpoint is told of it. */
  tell(facts: DownstreamFacts, record: AccessRecord): ProxiedConnection;
}

interface Entry {
  readonly type: number;
  value(record: AccessRecord): Buffer;
}

/** Undefined where there are none. */
export function readOwnTlvs(proxy: TcpProxy, path: string, findings: Findings): OwnTlvs | undefined {
  const entries = proxy.proxyProtocolTlvs.map(({ type, value, formatString }, i): Entry => {
    const at = `${path}.proxy_protocol_tlvs[${i}]`;
    if (type > MAX_TLV_TYPE) findings.error(`${at}.type`, `must not be above ${MAX_TLV_TYPE}`);
    if (formatString === undefined) {
      const bytes = Buffer.from(value);
      return { type, value: () => bytes };
    }
    if (value.length > 0) findings.error(at, 'has both value and format_string');
    const text = compileFormat(formatString, `${at}.format_string`, findings);
    return { type, value: (record) => Buffer.from(text(record), 'latin1') };
  });
  if (entries.length === 0) return undefined;
  const policy = proxy.proxyProtocolTlvMergePolicy;
  return {
    tell(facts, record) {
      const { remoteIp, remotePort, localIp, localPort } = facts;
      const own = entries.map(({ type, value }) => ({ type, value: value(record) }));
      return { remoteIp, remotePort, localIp, localPort, tlvs: merge(facts, own, policy) };
    },
  };
}

function merge(facts: DownstreamFacts, own: readonly Tlv[], policy: Merge): readonly Tlv[] {
  const { tlvs: received = [] } = facts;
  switch (policy) {
    case Merge.APPEND_IF_EXISTS_OR_ADD:
      return [...received, ...own];
    case Merge.OVERWRITE_BY_TYPE_IF_EXISTS_OR_ADD:
      return [...own, ...received.filter(({ type }) => !own.some((tlv) => tlv.type === type))];
    default: {
      // With a header or without one: the values in it are another matter.
      const cameWithHeader = facts.directRemoteAddress !== facts.remoteAddress || facts.tlvs !== undefined;
      return cameWithHeader ? received : own;
    }
  }
}
