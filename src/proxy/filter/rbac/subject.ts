/** Whom rules are about: a request and its connection, or a connection without HTTP. */
import { type IpBytes, parseIp } from '#core/ip-address.ts';
import type { AccessRecord } from '#observe/access-record.ts';
import type { Metadata } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { DownstreamFacts } from '../../hcm/runtime.ts';
import type { HeaderSource } from '../../route/header-match.ts';
import type { Exchange } from '../contract.ts';

export interface RbacSubject {
  readonly facts: DownstreamFacts;
  /** Undefined without HTTP. */
  readonly request: HeaderSource | undefined;
  /** Addresses and dynamic metadata; undefined while nobody keeps a record of the connection. */
  readonly record: Pick<AccessRecord, 'metadata' | 'downstreamRemoteAddress' | 'filterState'> | undefined;
  readonly routeMetadata: Metadata | undefined;
}

export function subjectOf(exchange: Exchange): RbacSubject {
  const { facts, route } = exchange;
  return { facts, request: exchange, record: exchange, routeMetadata: route?.metadata };
}

/** Of `127.0.0.1:80` or `[::1]:80`; undefined where it is none, such as the path of a socket. */
export function ipOf(address: string): IpBytes | undefined {
  const host = address.slice(0, address.lastIndexOf(':'));
  return parseIp(host.startsWith('[') ? host.slice(1, -1) : host);
}
