/** Which values of a PROXY header that was read are handed on (Envoy, `ProxyProtocolPassThroughTLVs`). */
import {
  type ProxyProtocolPassThroughTLVs,
  ProxyProtocolPassThroughTLVs_PassTLVsMatchType as TlvMatch,
} from '#xds/gen/envoy/config/core/v3/proxy_protocol_pb.js';
import type { Findings } from '../findings.ts';

/** All types, or some; undefined: none. */
export type PassThrough = 'all' | readonly number[] | undefined;

/** Types are bytes. */
export const MAX_TLV_TYPE = 255;

export function passes(passThrough: PassThrough, type: number): boolean {
  return passThrough === 'all' || (passThrough?.includes(type) ?? false);
}

export function readPassThrough(
  message: ProxyProtocolPassThroughTLVs | undefined,
  path: string,
  findings: Findings,
): PassThrough {
  if (message === undefined) return undefined;
  message.tlvType.forEach((type, i) => {
    if (type > MAX_TLV_TYPE) findings.error(`${path}.tlv_type[${i}]`, `must not be above ${MAX_TLV_TYPE}`);
  });
  return message.matchType === TlvMatch.INCLUDE_ALL ? 'all' : message.tlvType;
}
