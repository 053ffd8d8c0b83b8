/** Upstreams that are told of the downstream connection by a PROXY header: HTTP and TCP, plain and TLS. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { createRoot, issueWithNewKey, readIssuer } from '#identity/issue.ts';
import { workloadId } from '#identity/spiffe-id.ts';
import { bootstrap, type RunningDataPath, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import {
  answering,
  chain,
  get,
  listener,
  proxyLine,
  proxyProtocol,
  rawConnect,
  tcpProxy,
} from '../support/listener.ts';
import { ok, type RawClient, type RawServer, rawServer } from '../support/raw-tcp.ts';

const TYPES = 'type.googleapis.com/envoy.extensions';
const raw = { name: 'raw', typed_config: { '@type': `${TYPES}.transport_sockets.raw_buffer.v3.RawBuffer` } };
const tlsContext = {
  name: 'tls',
  typed_config: { '@type': `${TYPES}.transport_sockets.tls.v3.UpstreamTlsContext` },
};

interface Headed {
  readonly config: object;
  readonly inner?: object;
  readonly http2?: boolean;
}

function headedCluster(port: number, { config, inner = raw, http2 = false }: Headed): string {
  const socket_address = { address: '127.0.0.1', port_value: port };
  const options = {
    '@type': `${TYPES}.upstreams.http.v3.HttpProtocolOptions`,
    explicit_http_config: { http2_protocol_options: {} },
  };
  return `\n  - ${JSON.stringify({
    name: 'app',
    type: 'STATIC',
    connect_timeout: '2s',
    transport_socket: {
      name: 'proxy',
      typed_config: {
        '@type': `${TYPES}.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport`,
        config,
        transport_socket: inner,
      },
    },
    load_assignment: {
      cluster_name: 'app',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address } } }] }],
    },
    ...(http2
      ? {
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': options,
          },
        }
      : {}),
  })}`;
}

const toApp = answering('', {
  route_config: {
    name: 'routes',
    virtual_hosts: [
      { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }] },
    ],
  },
});

function run(t: TestContext, port: number, headed: Headed, filter: object = toApp): Promise<RunningDataPath> {
  const filters = [filter];
  const fields = {
    listener_filters: [
      proxyProtocol({
        allow_requests_without_proxy_protocol: true,
        pass_through_tlvs: { match_type: 'INCLUDE_ALL' },
      }),
    ],
  };
  return startDataPath(
    t,
    bootstrap(
      [listener('web', [chain('main', undefined, { filters })], fields)],
      [headedCluster(port, headed)],
    ),
  );
}

/** A server that answers requests after whatever head its connections begin with, and keeps all it read. */
async function server(t: TestContext): Promise<RawServer & { readonly read: string[] }> {
  const read: string[] = [];
  const made = await rawServer(t, (socket: Socket, nth) => {
    read.push('');
    let answered = 0;
    socket.on('data', (data) => {
      read[nth - 1] += data.toString('latin1');
      const requests = read[nth - 1]!.split('GET ').length - 1;
      for (; answered < requests; answered++) socket.write(ok('yes'));
      if (requests === 0) socket.write('pong');
    });
    socket.on('end', () => socket.end());
  });
  return { ...made, read };
}

const beginning = (text: string): string => text.slice(0, text.search(/GET |ping/));

async function ask(t: TestContext, path: RunningDataPath, header: string, request = get): Promise<RawClient> {
  const client = rawConnect(t, { port: path.port('web') });
  client.socket.write(header + request, 'latin1');
  await client.until((text) => /yes|pong/.test(text));
  return client;
}

const v2 = (payload: string, family = 0x11): string =>
  `\r\n\r\n\0\r\nQUIT\n!${String.fromCharCode(family, payload.length >> 8, payload.length & 0xff)}${payload}`;
const addresses = '\x01\x02\x03\x04\x05\x06\x07\x08\x10\x00\x00\x50';
const one = '\xe0\x00\x03one';
const two = '\xe1\x00\x03two';

describe('the header before the first request', () => {
  const line = proxyLine('1.2.3.4', '5.6.7.8');
  const six = proxyLine('1:2:3::4', '2001:db8::1');
  const cases: [config: object, downstream: string, upstream: string, why: string][] = [
    [{ version: 'V1' }, line, line, 'version 1'],
    [{}, six, six, 'version 1 is meant where none is said; IPv6'],
    [{ version: 'V2' }, v2(addresses), v2(addresses), 'version 2'],
    [{ version: 'V2' }, v2(addresses + one), v2(addresses), 'values are not handed on unless asked'],
    [
      { version: 'V2', pass_through_tlvs: { match_type: 'INCLUDE', tlv_type: [0xe1] } },
      v2(addresses + one + two),
      v2(addresses + two),
      'values that are asked for',
    ],
    [
      {
        version: 'V2',
        pass_through_tlvs: { match_type: 'INCLUDE_ALL' },
        added_tlvs: [{ type: 0xe0, value: Buffer.from('hi').toString('base64') }],
      },
      v2(addresses + one + two),
      v2(`${addresses}\xe0\x00\x02hi${two}`),
      'values that are added stand first, in the place of those that came',
    ],
  ];
  for (const [config, downstream, upstream, why] of cases) {
    test(why, async (t) => {
      const app = await server(t);
      const path = await run(t, app.port, { config });
      await ask(t, path, downstream);
      assert.equal(beginning(app.read[0]!), upstream);
    });
    test(`${why}: tcp_proxy`, async (t) => {
      const app = await server(t);
      const path = await run(t, app.port, { config }, tcpProxy('app'));
      await ask(t, path, downstream, 'ping');
      assert.equal(app.read[0], `${upstream}ping`);
    });
  }

  test('without a header from downstream, the addresses of its socket', async (t) => {
    const app = await server(t);
    const path = await run(t, app.port, { config: {} });
    const client = await ask(t, path, '');
    const { localPort } = client.socket;
    assert.equal(beginning(app.read[0]!), proxyLine('127.0.0.1', '127.0.0.1', localPort, path.port('web')));
  });
});

describe('connections to an upstream that is told of the downstream', () => {
  test('are used again for the same downstream connection, and for no other', async (t) => {
    const app = await server(t);
    const path = await run(t, app.port, { config: {} });
    const header = proxyLine('1.2.3.4', '5.6.7.8');
    const first = await ask(t, path, header);
    first.socket.write(get);
    await first.until((text) => /yes[\s\S]*yes/.test(text));
    assert.equal(app.sockets.length, 1);
    const second = await ask(t, path, proxyLine('1.2.3.5', '5.6.7.8'));
    assert.equal(app.sockets.length, 2);
    assert.match(app.read[1]!, /^PROXY TCP4 1\.2\.3\.5 /);
    // They end with it.
    first.socket.destroy();
    await eventually(() => assert.equal(path.stat('cluster.app.upstream_cx_active'), 1));
    second.socket.write(get);
    await second.until((text) => /yes[\s\S]*yes/.test(text));
    assert.equal(app.sockets.length, 2);
  });

  test('speak TLS after the header', async (t) => {
    const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
    const issuer = await readIssuer(await createRoot('cluster.local', validity));
    const id = workloadId('cluster.local', { namespace: 'default', serviceAccount: 'server' });
    const { certificatePem: cert, privateKeyPem: key } = await issueWithNewKey(issuer, { id }, validity);
    const secure = tls.createServer({ cert, key }, (socket) => {
      socket.on('data', () => socket.write(ok('yes')));
      socket.on('error', () => {});
    });
    const lines: string[] = [];
    const front = createServer((socket) => {
      t.after(() => socket.destroy());
      socket.once('data', (data: Buffer) => {
        const end = data.indexOf('\r\n') + 2;
        lines.push(data.toString('latin1', 0, end));
        socket.pause();
        if (data.length > end) socket.unshift(data.subarray(end));
        secure.emit('connection', socket);
      });
    }).listen(0, '127.0.0.1');
    t.after(() => front.close());
    await once(front, 'listening');
    const { port } = front.address() as AddressInfo;
    for (const filter of [toApp, tcpProxy('app')]) {
      const path = await run(t, port, { config: {}, inner: tlsContext }, filter);
      await ask(t, path, proxyLine('1.2.3.4', '5.6.7.8'));
    }
    assert.deepEqual(lines, [proxyLine('1.2.3.4', '5.6.7.8'), proxyLine('1.2.3.4', '5.6.7.8')]);
  });

  test('speak HTTP/2 after the header', async (t) => {
    const read: string[] = [];
    const app = await rawServer(t, (socket) => {
      socket.on('data', (data) => read.push(data.toString('latin1')));
    });
    const path = await run(t, app.port, { config: {}, http2: true });
    rawConnect(t, { port: path.port('web') }).socket.write(proxyLine('1.2.3.4', '5.6.7.8') + get);
    await eventually(() => {
      assert.ok(
        read.join('').startsWith(`${proxyLine('1.2.3.4', '5.6.7.8')}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`),
      );
    });
  });
});

describe('what is refused', () => {
  const cases: [fields: object, problem: string][] = [
    [{ allow_unspecified_address: true }, 'typed_config.allow_unspecified_address: is not supported'],
    [{ tlv_as_pool_key: true }, 'typed_config.tlv_as_pool_key: is not supported'],
    [
      { config: { added_tlvs: [{ type: 256 }] } },
      'typed_config.config.added_tlvs[0].type: must not be above 255',
    ],
    [
      { config: { added_tlvs: [{ type: 1, format_string: {} }] } },
      'typed_config.config.added_tlvs[0].format_string: is not supported',
    ],
  ];
  for (const [fields, problem] of cases) {
    test(problem, async (t) => {
      const item = headedCluster(1, { config: {} }).replace(
        /"config":\{\},/,
        `${JSON.stringify(fields).slice(1, -1)},`,
      );
      await assert.rejects(startDataPath(t, bootstrap([], [item])), (error: Error) =>
        error.message.includes(`transport_socket.${problem}`),
      );
    });
  }
});
