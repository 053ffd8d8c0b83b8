/** PROXY protocol: what clients say of where they come from, and what upstreams are told. */

import { http1 as http1Backend } from './backend/http1.ts';
import { tcp as tcpBackend } from './backend/tcp.ts';
import {
  bootstrap,
  cluster,
  extension,
  http,
  listener,
  type Message,
  route,
  tcpProxy,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import type { Topic } from './harness/topics.ts';
import { get, http1 } from './wire/http1.ts';
import { type Ends, proxyV1, proxyV2, readProxyHeader, type V2Options } from './wire/proxy-protocol.ts';
import { tcp } from './wire/tcp.ts';

const ends: Ends = { from: '10.1.2.3', fromPort: 1234, to: '10.9.9.9', toPort: 80 };
const ends6: Ends = { from: '2001:db8::1', fromPort: 1234, to: '2001:db8::2', toPort: 80 };
const v2 = (options: V2Options = {}, of = ends): Buffer => proxyV2(of, options);
const text = (line: string): Buffer => Buffer.from(line, 'latin1');

const row = (
  name: string,
  preamble: Buffer,
  expect: Expectation,
  more: { readonly on?: string; readonly covers?: Topic; readonly path?: string } = {},
): Case => ({
  name: `proxy protocol: ${name}`,
  covers: more.covers ?? 'proxy-protocol',
  on: more.on ?? 'main',
  play: http1([get(more.path ?? '/echo')], { preamble }),
  expect,
});

const client = (address: RegExp): Expectation => ({ status: 200, connection: 'open', upstream: address });
/** Closed at once, with nothing said. */
const refused: Expectation = { status: [], connection: 'closed', upstream: 'nothing', log: 'nothing' };

const inward: readonly Case[] = [
  row('v1', proxyV1(ends), client(/x-forwarded-for: 10\.1\.2\.3/)),
  row('v1 of IPv6', proxyV1(ends6), client(/x-forwarded-for: 2001:db8::1/), { covers: 'ipv6' }),
  row('v1 UNKNOWN', text('PROXY UNKNOWN\r\n'), client(/x-forwarded-for: /)),
  row(
    'v1 UNKNOWN with more',
    text('PROXY UNKNOWN ffff:f::1 ::1 65535 65535\r\n'),
    client(/x-forwarded-for: /),
  ),
  row('v1 with a bad address', text('PROXY TCP4 10.1.2.999 10.9.9.9 1 2\r\n'), refused),
  row('v1 with a bad port', text('PROXY TCP4 10.1.2.3 10.9.9.9 1 99999\r\n'), refused),
  row('v1 with too few fields', text('PROXY TCP4 10.1.2.3 10.9.9.9\r\n'), refused),
  row('v1 with an address of the other kind', text('PROXY TCP6 10.1.2.3 10.9.9.9 1 2\r\n'), refused),
  {
    ...row('v1 without an end', Buffer.of(), refused),
    play: http1([], { preamble: text(`PROXY TCP4 ${'1'.repeat(200)}`) }),
  },
  row('v1 with a bare LF', text('PROXY TCP4 10.1.2.3 10.9.9.9 1 2\n'), refused),
  row('v2', v2(), client(/x-forwarded-for: 10\.1\.2\.3/)),
  row('v2 of IPv6', v2({}, ends6), client(/x-forwarded-for: 2001:db8::1/), { covers: 'ipv6' }),
  row('v2 LOCAL', v2({ proxied: false }), client(/x-forwarded-for: /)),
  row(
    'v2 with TLVs',
    v2({
      tlvs: [
        [0xea, 'value'],
        [0x02, 'authority'],
      ],
    }),
    client(/x-forwarded-for: 10\.1\.2\.3/),
  ),
  row('v2 of another version', v2({ version: 3 }), refused),
  row('v2 of a family that is none', v2({ family: 0x41 }), refused),
  row('v2 of UDP', v2({ family: 0x12 }), client(/x-forwarded-for: 10\.1\.2\.3/)),
  row('v2 too short for its addresses', v2({ length: 4 }), refused),
  row('v2 with a TLV beyond its end', v2({ tlvs: [[0xea, 'v']], length: 15 }), refused),
  row('no header', Buffer.alloc(0), refused),
  row('no header where it may lack', Buffer.alloc(0), client(/x-forwarded-for: /), { on: 'optional' }),
  row('v1 where it may lack', proxyV1(ends), client(/10\.1\.2\.3/), { on: 'optional' }),
  row('v2 where only v1 is allowed', v2(), refused, { on: 'v1-only' }),
  row('v1 where only v1 is allowed', proxyV1(ends), client(/10\.1\.2\.3/), { on: 'v1-only' }),
  row('a TLV that a rule names', v2({ tlvs: [[0xea, 'told']] }), client(/x-forwarded-for: 10\.1\.2\.3/), {
    on: 'tlv',
  }),
  row(
    'the chain is chosen by the address in the header',
    v2({}, { ...ends, to: '10.8.8.8' }),
    { status: 418 },
    { on: 'chains' },
  ),
  row(
    'the chain is chosen by the port in the header',
    v2({}, { ...ends, toPort: 8081 }),
    { status: 419 },
    { on: 'chains' },
  ),
  row(
    'the chain is chosen by the source in the header',
    v2({}, { ...ends, from: '10.77.0.1' }),
    { status: 420 },
    { on: 'chains' },
  ),
  row(
    'no chain is chosen by the header',
    v2({}, { ...ends, to: '10.7.7.7' }),
    { ...refused, stats: { 'listener.chains.no_filter_chain_match': 1 } },
    { on: 'chains' },
  ),
];

const outward = (name: string, on: string, preamble: Buffer | undefined, expect: Expectation): Case => ({
  name: `proxy protocol out: ${name}`,
  ...{ covers: 'proxy-protocol', on, expect, logLines: 1 },
  answers: {
    a: {
      tcp: async (tunnel) => {
        await tunnel.until(/hello/);
        const header = readProxyHeader(Buffer.from(tunnel.text, 'latin1'));
        tunnel.text =
          header === undefined ? tunnel.text : `${header.told} then ${header.rest.toString('latin1')}`;
        tunnel.write('done');
        await tunnel.until(/never/);
        tunnel.end();
      },
    },
  },
  play: tcp(['hello', { until: /done/ }, { end: true }], preamble === undefined ? {} : { preamble }),
});

const out: readonly Case[] = [
  outward('v1', 'out-v1', undefined, {
    upstream: /"PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 CLIENT PORT_out-v1 then hello"/,
  }),
  outward('v2', 'out-v2', undefined, {
    upstream: /"PROXY v2 2111 127\.0\.0\.1 127\.0\.0\.1 CLIENT PORT_out-v2 then hello"/,
  }),
  outward('what came in goes on, v1', 'through-v1', proxyV1(ends), {
    upstream: /PROXY TCP4 10\.1\.2\.3 10\.9\.9\.9 1234 80 then hello/,
  }),
  outward('what came in goes on, v2', 'through-v2', v2(), {
    upstream: /PROXY v2 2111 10\.1\.2\.3 10\.9\.9\.9 1234 80 then hello/,
  }),
  outward('IPv6 goes on', 'through-v1', proxyV1(ends6), {
    upstream: /PROXY TCP6 2001:db8::1 2001:db8::2 1234 80 then hello/,
  }),
  outward('TLVs go on', 'through-tlv', v2({ tlvs: [[0xea, 'abc']] }), { upstream: /tlvs ea0003616263/ }),
];

export const groups: readonly Group[] = [
  {
    name: 'proxy protocol',
    backends: { http: http1Backend(), a: tcpBackend() },
    bootstrap: ({ ports }) => {
      const filter = (fields: Message = {}): Message => ({
        listener_filters: [extension('proxy', 'filters.listener.proxy_protocol.v3.ProxyProtocol', fields)],
      });
      const web = (name: string, fields: Message): Message =>
        listener(
          name,
          http(name, {
            hcm: { use_remote_address: true },
            routes: [route('/', { cluster: 'http' })],
          }),
          filter(fields),
        );
      const to = (name: string, clusterName: string, more: Message = {}): Message =>
        listener(name, tcpProxy(name, { cluster: clusterName }), more);
      const socket = (version: string, more: Message = {}): Message => ({
        transport_socket: extension(
          'proxy',
          'transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport',
          {
            config: { version, ...more },
            transport_socket: extension('raw', 'transport_sockets.raw_buffer.v3.RawBuffer'),
          },
        ),
      });
      const chain = (match: Message, status: number): Message => ({
        filter_chain_match: match,
        filters: [http('chains', { routes: [{ match: { prefix: '/' }, direct_response: { status } }] })],
      });
      return bootstrap(
        [
          web('main', {}),
          web('optional', { allow_requests_without_proxy_protocol: true }),
          web('v1-only', { disallowed_versions: ['V2'] }),
          web('tlv', { rules: [{ tlv_type: 0xea, on_tlv_present: { key: 'told' } }] }),
          {
            ...listener('chains', {}),
            ...filter(),
            filter_chains: [
              chain({ prefix_ranges: [{ address_prefix: '10.8.0.0', prefix_len: 16 }] }, 418),
              chain({ destination_port: 8081 }, 419),
              chain(
                {
                  prefix_ranges: [{ address_prefix: '10.9.0.0', prefix_len: 16 }],
                  source_prefix_ranges: [{ address_prefix: '10.77.0.0', prefix_len: 16 }],
                },
                420,
              ),
            ],
          },
          to('out-v1', 'v1'),
          to('out-v2', 'v2'),
          to('through-v1', 'v1', filter()),
          to('through-v2', 'v2', filter()),
          to('through-tlv', 'v2-tlv', filter({ pass_through_tlvs: { match_type: 'INCLUDE_ALL' } })),
        ],
        [
          cluster('http', [ports.http!]),
          cluster('v1', [ports.a!], socket('V1')),
          cluster('v2', [ports.a!], socket('V2')),
          cluster('v2-tlv', [ports.a!], socket('V2', { pass_through_tlvs: { match_type: 'INCLUDE_ALL' } })),
        ],
      );
    },
    cases: [...inward, ...out],
  },
];

if (import.meta.main) compare(groups);
