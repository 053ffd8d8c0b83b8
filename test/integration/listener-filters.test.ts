/** Listener filters on real connections: PROXY protocol, TLS and HTTP looked at, and who is let wait. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { before, describe, type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { type CertificateWithKey, createRoot, issueWithNewKey, readIssuer } from '#identity/issue.ts';
import { workloadId } from '#identity/spiffe-id.ts';
import { bootstrap, cluster, type RunningDataPath, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import {
  accessLog,
  answering,
  bodyOf,
  chain,
  get,
  getOnce,
  httpInspector,
  listener,
  proxyLine,
  proxyProtocol,
  rawConnect,
  tcpProxy,
  tlsInspector,
} from '../support/listener.ts';
import { clientOf, rawServer } from '../support/raw-tcp.ts';

const addresses =
  '%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%';

const run = (t: TestContext, ...listeners: string[]): Promise<RunningDataPath> =>
  startDataPath(t, bootstrap(listeners, []));

async function leaf(): Promise<CertificateWithKey> {
  const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
  const issuer = await readIssuer(await createRoot('cluster.local', validity));
  const id = workloadId('cluster.local', { namespace: 'default', serviceAccount: 'server' });
  return issueWithNewKey(issuer, { id }, validity);
}

function tlsSocket({ certificatePem, privateKeyPem }: CertificateWithKey): Readonly<Record<string, unknown>> {
  return {
    transport_socket: {
      name: 'tls',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
        common_tls_context: {
          tls_certificates: [
            {
              certificate_chain: { inline_string: certificatePem },
              private_key: { inline_string: privateKeyPem },
            },
          ],
        },
      },
    },
  };
}

const headerV2 = (family: number, payload: readonly number[], command = 0x21): string =>
  `\r\n\r\n\0\r\nQUIT\n${String.fromCharCode(command, family, payload.length >> 8, payload.length & 0xff, ...payload)}`;
const v4 = [1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0, 0, 80];

describe('proxy_protocol', () => {
  const logged = { filters: [answering('yes', { access_log: accessLog(addresses) })] };
  const one = (config = {}): string =>
    listener('web', [chain('main', undefined, logged)], { listener_filters: [proxyProtocol(config)] });

  const taken: [header: string, line: string, why: string][] = [
    [proxyLine('1.2.3.4', '5.6.7.8'), '1.2.3.4:1000 5.6.7.8:80 127.0.0.1', 'version 1'],
    [proxyLine('1:2:3::4', '5:6::7:8'), '[1:2:3::4]:1000 [5:6::7:8]:80 127.0.0.1', 'version 1, IPv6'],
    [headerV2(0x11, v4), '1.2.3.4:4096 5.6.7.8:80 127.0.0.1', 'version 2'],
    [
      headerV2(0x21, [...v6Address(1), ...v6Address(2), 0x10, 0, 0, 80]),
      '[2001:db8::1]:4096 [2001:db8::2]:80 127.0.0.1',
      'version 2, IPv6',
    ],
  ];
  for (const [header, line, why] of taken) {
    test(`${why}: its addresses are those of the connection`, async (t) => {
      const path = await run(t, one());
      const client = rawConnect(t, { port: path.port('web') });
      assert.equal(await bodyOf(client, header + getOnce), 'yes');
      await eventually(() => assert.deepEqual(path.lines, [`${line}\n`]));
    });
  }

  for (const [header, why] of [
    ['PROXY UNKNOWN\r\n', 'version 1'],
    [headerV2(0x00, [], 0x20), 'version 2'],
  ] as const) {
    test(`${why} may say nothing of the connection`, async (t) => {
      const path = await run(t, one());
      const client = rawConnect(t, { port: path.port('web') });
      assert.equal(await bodyOf(client, header + getOnce), 'yes');
      await eventually(() => assert.match(path.lines[0] ?? '', /^127\.0\.0\.1:\d+ 127\.0\.0\.1:\d+ 127/));
    });
  }

  test('split at every byte, with what follows it', async (t) => {
    const path = await run(t, one());
    for (const header of [proxyLine('1.2.3.4', '5.6.7.8'), headerV2(0x11, [...v4, 0xe0, 0, 1, 7])]) {
      const all = header + getOnce;
      for (let at = 1; at < header.length + 2; at++) {
        const client = rawConnect(t, { port: path.port('web') });
        client.socket.setNoDelay(true);
        client.socket.write(all.slice(0, at), 'latin1', () => {
          setImmediate(() => client.socket.write(all.slice(at), 'latin1'));
        });
        assert.match(await client.ended(), /yes$/, `split at ${at}`);
      }
    }
    assert.equal(path.stat('proxy_proto.versions.v1.error'), 0);
    assert.equal(path.stat('proxy_proto.versions.v2.error'), 0);
  });

  const refused: [bytes: string, counter: string, config: object, why: string][] = [
    [getOnce, 'not_found_disallowed', {}, 'no header'],
    ['PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n', 'versions.v1.error', {}, 'version 1, a port is missing'],
    [`PROXY ${'x'.repeat(200)}`, 'not_found_disallowed', {}, 'version 1, without an end'],
    [`PROXY ${'x'.repeat(200)}\r\n`, 'versions.v1.error', {}, 'version 1, too long'],
    [headerV2(0x31, new Array<number>(216).fill(0)), 'versions.v2.error', {}, 'version 2, a Unix socket'],
    [headerV2(0x11, [1, 2, 3]), 'versions.v2.error', {}, 'version 2, cut short'],
    [
      proxyLine('1.2.3.4', '5.6.7.8'),
      'versions.v1.disallowed',
      { disallowed_versions: ['V1'] },
      'version 1 is not allowed',
    ],
    [
      headerV2(0x11, v4),
      'versions.v2.disallowed',
      { disallowed_versions: ['V2'] },
      'version 2 is not allowed',
    ],
  ];
  for (const [bytes, counter, config, why] of refused) {
    test(`closed and counted: ${why}`, async (t) => {
      const path = await run(t, one(config));
      const client = rawConnect(t, { port: path.port('web') });
      client.socket.on('error', () => {});
      client.socket.write(bytes, 'latin1');
      assert.equal(await client.ended(), '');
      assert.equal(path.stat(`proxy_proto.${counter}`), 1);
      const isError = !counter.endsWith('disallowed') || counter === 'not_found_disallowed';
      assert.equal(path.stat('downstream_cx_proxy_proto_error'), isError ? 1 : 0);
      assert.equal(path.stat('listener.127.0.0.1_0.downstream_cx_total'), 0);
    });
  }

  test('a header may be missing where that is allowed', async (t) => {
    const path = await run(t, one({ allow_requests_without_proxy_protocol: true, stat_prefix: 'edge' }));
    assert.equal(await bodyOf(rawConnect(t, { port: path.port('web') })), 'yes');
    const with1 = rawConnect(t, { port: path.port('web') });
    assert.equal(await bodyOf(with1, proxyLine('1.2.3.4', '5.6.7.8') + getOnce), 'yes');
    assert.equal(path.stat('proxy_proto.edge.not_found_allowed'), 1);
    assert.equal(path.stat('proxy_proto.edge.versions.v1.found'), 1);
  });

  test('values of the header are metadata', async (t) => {
    const config = {
      rules: [
        { tlv_type: 0xe0, on_tlv_present: { key: 'vpc' } },
        {
          tlv_type: 0xe1,
          on_tlv_present: { key: 'raw', metadata_namespace: 'own', value_string_encoding: 'BASE64' },
        },
      ],
    };
    const format =
      '%DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol:vpc)% %DYNAMIC_METADATA(own:raw)%';
    const filters = [answering('yes', { access_log: accessLog(format) })];
    const path = await run(
      t,
      listener('web', [chain('main', undefined, { filters })], { listener_filters: [proxyProtocol(config)] }),
    );
    const tlvs = [0xe0, 0, 4, ...Buffer.from('a\xffé', 'latin1'), 0x62, 0xe1, 0, 2, 0xff, 0];
    const client = rawConnect(t, { port: path.port('web') });
    await bodyOf(client, headerV2(0x11, [...v4, ...tlvs]) + getOnce);
    await eventually(() => assert.deepEqual(path.lines, ['a!!b /wA=\n']));
  });
});

function v6Address(last: number): number[] {
  return [0x20, 1, 0x0d, 0xb8, ...new Array<number>(11).fill(0), last];
}

describe('filters one after the other', () => {
  let certificate: CertificateWithKey;
  before(async () => {
    certificate = await leaf();
  });

  const all = [proxyProtocol(), tlsInspector(), httpInspector()];
  const both = (): string =>
    listener(
      'web',
      [
        chain('named', { server_names: ['a.example'] }, tlsSocket(certificate)),
        chain('other tls', { transport_protocol: 'tls' }, tlsSocket(certificate)),
        chain('http/1.1', { application_protocols: ['http/1.1'], transport_protocol: 'raw_buffer' }),
        chain('port 99', { destination_port: 99 }),
      ],
      { listener_filters: all, access_log: accessLog('%FILTER_CHAIN_NAME% %RESPONSE_FLAGS%') },
    );

  const secure = async (
    t: TestContext,
    port: number,
    servername: string,
    header: string,
  ): Promise<string> => {
    const { socket } = rawConnect(t, { port });
    socket.removeAllListeners('data');
    socket.write(header);
    const client = clientOf(
      t,
      tls.connect({ socket, servername, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] }),
    );
    return bodyOf(client);
  };

  test('PROXY protocol, then TLS, then HTTP', async (t) => {
    const path = await run(t, both());
    const port = path.port('web');
    assert.equal(await secure(t, port, 'A.Example', proxyLine('1.2.3.4', '5.6.7.8')), 'named');
    assert.equal(await secure(t, port, 'b.example', proxyLine('1.2.3.4', '5.6.7.8')), 'other tls');
    const plain = rawConnect(t, { port });
    assert.equal(await bodyOf(plain, proxyLine('1.2.3.4', '5.6.7.8') + getOnce), 'http/1.1');
    const byPort = rawConnect(t, { port });
    assert.equal(await bodyOf(byPort, proxyLine('1.2.3.4', '5.6.7.8', 1, 99) + getOnce), 'port 99');
    const none = rawConnect(t, { port });
    none.socket.write(`${proxyLine('1.2.3.4', '5.6.7.8')}GET / HTTP/1.0\r\n\r\n`);
    assert.equal(await none.ended(), '');
    assert.equal(path.stat('listener.127.0.0.1_0.no_filter_chain_match'), 1);
    assert.equal(path.stat('tls_inspector.tls_found'), 2);
    assert.equal(path.stat('tls_inspector.sni_found'), 2);
    assert.equal(path.stat('tls_inspector.alpn_found'), 2);
    assert.equal(path.stat('tls_inspector.tls_not_found'), 3);
    assert.equal(path.stat('http_inspector.http11_found'), 2);
    assert.equal(path.stat('http_inspector.http10_found'), 1);
    await eventually(() =>
      assert.deepEqual([...path.lines].sort(), [
        '- NR\n',
        'http/1.1 -\n',
        'named -\n',
        'other tls -\n',
        'port 99 -\n',
      ]),
    );
  });

  test('TLS that is not ended here goes on by its server name, untouched', async (t) => {
    const { certificatePem: cert, privateKeyPem: key } = certificate;
    const ends = ['one', 'two'].map((name) =>
      tls.createServer({ cert, key }, (socket) => {
        socket.on('error', () => {});
        socket.end(`${name} ${socket.alpnProtocol}`);
      }),
    );
    const ports = await Promise.all(
      ends.map(async (server) => {
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        t.after(() => server.close());
        return (server.address() as AddressInfo).port;
      }),
    );
    const to = (name: string): object => ({ filters: [tcpProxy(name)] });
    const path = await startDataPath(
      t,
      bootstrap(
        [
          listener(
            'sni',
            [
              chain('one', { server_names: ['one.example'] }, to('one') as never),
              chain('two', { server_names: ['*.example'] }, to('two') as never),
            ],
            { listener_filters: [tlsInspector()] },
          ),
        ],
        [cluster('one', [ports[0]!]), cluster('two', [ports[1]!])],
      ),
    );
    for (const [servername, text] of [
      ['one.example', 'one false'],
      ['x.example', 'two false'],
    ] as const) {
      const options = { host: '127.0.0.1', port: path.port('sni'), servername, rejectUnauthorized: false };
      assert.equal(await clientOf(t, tls.connect(options)).ended(), text);
    }
    const unnamed = clientOf(
      t,
      tls.connect({ port: path.port('sni'), host: '127.0.0.1', rejectUnauthorized: false }),
    );
    assert.equal(await unnamed.ended(), '');
  });

  test('requests are counted by the listener they came by', async (t) => {
    const path = await run(t, listener('web', [chain('main')], { stat_prefix: 'edge' }));
    await bodyOf(rawConnect(t, { port: path.port('web') }));
    assert.equal(path.stat('listener.edge.http.http.downstream_rq_completed'), 1);
    assert.equal(path.stat('listener.edge.http.http.downstream_rq_2xx'), 1);
    assert.equal(path.stat('http.http.downstream_rq_2xx'), 1);
  });

  test('one byte at a time, over IPv6', async (t) => {
    const path = await run(t, both().replace('127.0.0.1', '::1'));
    const client = rawConnect(t, { port: path.port('web'), host: '::1' });
    client.socket.setNoDelay(true);
    for (const byte of proxyLine('1.2.3.4', '5.6.7.8') + getOnce) client.socket.write(byte);
    assert.match(await client.ended(), /http\/1\.1$/);
    assert.equal(path.stat('listener.[__1]_0.downstream_cx_total'), 1);
  });

  test('a filter leaves alone the connections it is disabled for', async (t) => {
    const disabled = {
      ...tlsInspector(),
      filter_disabled: { destination_port_range: { start: 80, end: 81 } },
    };
    const path = await run(
      t,
      listener('web', [chain('tls', { transport_protocol: 'tls' }), chain('plain')], {
        listener_filters: [proxyProtocol(), disabled],
      }),
    );
    const client = rawConnect(t, { port: path.port('web') });
    await bodyOf(client, proxyLine('1.2.3.4', '5.6.7.8') + getOnce);
    const other = rawConnect(t, { port: path.port('web') });
    await bodyOf(other, proxyLine('1.2.3.4', '5.6.7.8', 1, 81) + getOnce);
    assert.equal(path.stat('tls_inspector.tls_not_found'), 1);
  });

  test('a client that says it has nothing more to say is not waited for', async (t) => {
    const path = await run(t, both());
    const client = rawConnect(t, { port: path.port('web') });
    client.socket.end('PROXY TCP4');
    assert.equal(await client.ended(), '');
    const gone = rawConnect(t, { port: path.port('web') });
    gone.socket.write('PRO', () => gone.socket.resetAndDestroy());
    const stat = (name: string): number => path.stat(`listener.127.0.0.1_0.${name}`);
    await eventually(() => assert.equal(stat('downstream_listener_filter_remote_close'), 2));
    assert.equal(stat('downstream_pre_cx_active'), 0);
  });

  test('a request line without end is read so far and no further', async (t) => {
    const path = await run(t, listener('web', [chain('main')], { listener_filters: [httpInspector()] }));
    const client = rawConnect(t, { port: path.port('web') });
    client.socket.on('error', () => {});
    client.socket.write(`GET /${'x'.repeat(70_000)}`);
    assert.equal(await client.ended(), '');
    assert.equal(path.stat('http_inspector.read_error'), 1);
  });

  test('a ClientHello above the limit, and what is none, are refused where that is asked', async (t) => {
    const hello = '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03';
    const path = await run(
      t,
      listener('small', [chain('main')], { listener_filters: [tlsInspector({ max_client_hello_size: 10 })] }),
      listener('only', [chain('main')], {
        listener_filters: [tlsInspector({ close_connection_on_client_hello_parsing_errors: true })],
      }),
    );
    for (const [name, bytes] of [
      ['small', hello],
      ['only', get],
    ] as const) {
      const client = rawConnect(t, { port: path.port(name) });
      client.socket.on('error', () => {});
      client.socket.write(bytes, 'latin1');
      assert.equal(await client.ended(), '', name);
    }
    assert.equal(path.stat('tls_inspector.client_hello_too_large'), 1);
    assert.equal(path.stat('tls_inspector.tls_not_found'), 1);
  });
});

describe('listener_filters_timeout', () => {
  const silent = { listener_filters: [tlsInspector()], listener_filters_timeout: '0.05s' };
  const timeouts = 'listener.127.0.0.1_0.downstream_pre_cx_timeout';

  test('a client that stays silent is closed', async (t) => {
    const path = await run(t, listener('web', [chain('main')], silent));
    assert.equal(await rawConnect(t, { port: path.port('web') }).ended(), '');
    assert.equal(path.stat(timeouts), 1);
    assert.equal(path.stat('listener.127.0.0.1_0.downstream_pre_cx_active'), 0);
  });

  test('a server that speaks first is reached where it goes on', async (t) => {
    const server = await rawServer(t, (socket) => socket.write('220 hello\r\n'));
    const path = await startDataPath(
      t,
      bootstrap(
        [
          listener('mail', [chain('main', undefined, { filters: [tcpProxy('app')] })], {
            ...silent,
            continue_on_listener_filters_timeout: true,
          }),
        ],
        [cluster('app', [server.port])],
      ),
    );
    const client = rawConnect(t, { port: path.port('mail') });
    await client.until((text) => text === '220 hello\r\n');
    assert.equal(path.stat(timeouts), 1);
  });

  test('bytes that came before it are not lost', async (t) => {
    const path = await run(
      t,
      listener('web', [chain('main')], {
        ...silent,
        listener_filters: [httpInspector()],
        continue_on_listener_filters_timeout: true,
      }),
    );
    const client = rawConnect(t, { port: path.port('web') });
    client.socket.write(getOnce.slice(0, 5));
    await eventually(() => assert.equal(path.stat(timeouts), 1));
    assert.equal(await bodyOf(client, getOnce.slice(5)), 'main');
  });
});
