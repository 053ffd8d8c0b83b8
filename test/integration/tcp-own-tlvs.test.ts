/** Values that `tcp_proxy` adds to the PROXY header of its endpoints, beside those of a header that came. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootstrap, cluster, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { rawClient, rawServer } from '../support/raw-tcp.ts';
import { tcpListener } from '../support/tcp-chain.ts';

const TYPES = 'type.googleapis.com/envoy.extensions';
const told = `, transport_socket: { name: p, typed_config: { '@type': ${TYPES}.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, config: { version: V2, pass_through_tlvs: { match_type: INCLUDE_ALL } }, transport_socket: { name: raw, typed_config: { '@type': ${TYPES}.transport_sockets.raw_buffer.v3.RawBuffer } } } }`;
const accepts = `listener_filters: [{ name: p, typed_config: { '@type': ${TYPES}.filters.listener.proxy_protocol.v3.ProxyProtocol, allow_requests_without_proxy_protocol: true, pass_through_tlvs: { match_type: INCLUDE_ALL } } }]`;
const own =
  "proxy_protocol_tlvs: [{ type: 225, value: aGVsbG8= }, { type: 226, format_string: { text_format_source: { inline_string: 'to %UPSTREAM_CLUSTER%' } } }]";

type Tlvs = readonly (readonly [type: number, value: string])[];

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** A header of version 2 from 1.2.3.4 to 5.6.7.8. */
function headerOf(tlvs: Tlvs): Buffer {
  const body = [Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 3, 232, 7, 208])];
  for (const [type, value] of tlvs) body.push(Buffer.from([type, 0, value.length]), Buffer.from(value));
  const length = body.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([SIGNATURE, Buffer.from([0x21, 0x11, 0, length]), ...body]);
}

function tlvsOf(header: Buffer): Tlvs {
  const tlvs: [number, string][] = [];
  const end = 16 + header.readUInt16BE(14);
  for (let at = 28; at < end; ) {
    const length = header.readUInt16BE(at + 1);
    tlvs.push([header[at]!, header.toString('latin1', at + 3, at + 3 + length)]);
    at += 3 + length;
  }
  return tlvs;
}

const mine: Tlvs = [
  [225, 'hello'],
  [226, 'to app'],
];
const came: Tlvs = [
  [225, 'old'],
  [227, 'x'],
];

interface Row {
  readonly policy: string;
  readonly header: Tlvs | undefined;
  readonly tlvs: Tlvs;
}

// As Envoy joins them.
const rows: readonly Row[] = [
  { policy: 'ADD_IF_ABSENT', header: undefined, tlvs: mine },
  { policy: 'ADD_IF_ABSENT', header: [], tlvs: [] },
  { policy: 'ADD_IF_ABSENT', header: came, tlvs: came },
  { policy: 'OVERWRITE_BY_TYPE_IF_EXISTS_OR_ADD', header: undefined, tlvs: mine },
  { policy: 'OVERWRITE_BY_TYPE_IF_EXISTS_OR_ADD', header: [], tlvs: mine },
  { policy: 'OVERWRITE_BY_TYPE_IF_EXISTS_OR_ADD', header: came, tlvs: [...mine, [227, 'x']] },
  { policy: 'APPEND_IF_EXISTS_OR_ADD', header: undefined, tlvs: mine },
  { policy: 'APPEND_IF_EXISTS_OR_ADD', header: came, tlvs: [...came, ...mine] },
];

for (const { policy, header, tlvs } of rows) {
  const how = header === undefined ? 'no header' : `a header with ${header.length} values`;
  test(`${policy}, ${how}`, async (t) => {
    const heard: Buffer[] = [];
    const server = await rawServer(t, (socket) => {
      socket.on('data', (data: Buffer) => heard.push(data));
    });
    const path = await startDataPath(
      t,
      bootstrap(
        [
          tcpListener({
            proxy: `cluster: app, ${own}, proxy_protocol_tlv_merge_policy: ${policy}`,
            listener: [accepts],
          }),
        ],
        [cluster('app', [server.port], told)],
      ),
    );
    const client = rawClient(t, path.port('tcp'));
    client.socket.write(
      Buffer.concat([header === undefined ? Buffer.alloc(0) : headerOf(header), Buffer.from('DATA')]),
    );
    await eventually(() => assert.ok(Buffer.concat(heard).toString('latin1').endsWith('DATA')));
    assert.deepEqual(tlvsOf(Buffer.concat(heard)), tlvs);
  });
}
