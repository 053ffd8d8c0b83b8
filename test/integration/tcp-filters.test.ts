/** Network filters before and instead of `tcp_proxy`, and connections that are told apart by their TLS name. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { TestRoot } from '../support/certificates.ts';
import { bootstrap, cluster, httpListener, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { clientOf, rawClient, rawServer } from '../support/raw-tcp.ts';
import { chainListener, networkFilter, tcpListener, tlsInspector } from '../support/tcp-chain.ts';

const note = (key: string, text: string, factory = ''): string =>
  `{ object_key: ${key}, ${factory === '' ? '' : `factory_key: ${factory}, `}format_string: { text_format_source: { inline_string: '${text}' } } }`;
const setFilterState = (...notes: readonly string[]): string =>
  networkFilter('set_filter_state.v3.Config', `on_new_connection: [${notes.join(', ')}]`);

/** Names itself, and ends. */
const nameServer = (t: TestContext, name: string): ReturnType<typeof rawServer> =>
  rawServer(t, (socket) => socket.end(name));

/** The first bytes of a TLS client that asks for `name`. */
async function clientHello(name: string): Promise<Buffer> {
  const { Duplex } = await import('node:stream');
  return new Promise((resolve) => {
    const pipe = new Duplex({
      read() {},
      write(chunk: Buffer) {
        resolve(chunk);
      },
    });
    tls.connect({ socket: pipe, servername: name }).on('error', () => {});
  });
}

describe('filters that answer by themselves', () => {
  test('echo: everything comes back, and the end too', async (t) => {
    const path = await startDataPath(
      t,
      bootstrap([chainListener('echo', [networkFilter('echo.v3.Echo')])], []),
    );
    const client = rawClient(t, path.port('echo'));
    client.socket.write('one');
    await client.until((text) => text === 'one');
    client.socket.end('two');
    assert.equal(await client.ended(), 'onetwo');
  });

  test('direct_response: a text, and the connection ends', async (t) => {
    const filter = networkFilter('direct_response.v3.Config', "response: { inline_string: 'go away' }");
    const path = await startDataPath(t, bootstrap([chainListener('closed', [filter])], []));
    assert.equal(await rawClient(t, path.port('closed')).ended(), 'go away');
  });
});

describe('the cluster is the name in the ClientHello', () => {
  test('a known name, an unknown one, and none', async (t) => {
    const { port } = await nameServer(t, 'app');
    const path = await startDataPath(
      t,
      bootstrap(
        [
          tcpListener({
            proxy: 'cluster: fallback',
            before: [networkFilter('sni_cluster.v3.SniCluster')],
            listener: [
              tlsInspector,
              'listener_filters_timeout: 0.1s',
              'continue_on_listener_filters_timeout: true',
            ],
            format: '%UPSTREAM_CLUSTER% %RESPONSE_FLAGS% %FILTER_STATE(envoy.tcp_proxy.cluster:PLAIN)%',
          }),
        ],
        [cluster('app.example', [port]), cluster('fallback', [port])],
      ),
    );
    for (const [name, answer] of [
      ['app.example', 'app'],
      ['other.example', ''],
    ] as const) {
      const client = rawClient(t, path.port('tcp'));
      client.socket.end(await clientHello(name));
      assert.equal(await client.ended(), answer);
    }
    const plain = rawClient(t, path.port('tcp'));
    assert.equal(await plain.ended(), 'app', 'without TLS it goes where it is told to');
    plain.socket.end();
    await eventually(() =>
      assert.deepEqual(path.lines, ['app.example - app.example\n', '- NC other.example\n', 'fallback - -\n']),
    );
  });

  test('a host of a dynamic_forward_proxy cluster', async (t) => {
    const { port } = await nameServer(t, 'resolved');
    const cache = 'dns_cache_config: { name: cache, dns_lookup_family: V4_ONLY }';
    const dynamic = `
  - { name: dynamic, lb_policy: CLUSTER_PROVIDED, cluster_type: { name: d, typed_config: { '@type': type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig, ${cache} } } }`;
    const path = await startDataPath(
      t,
      bootstrap(
        [
          tcpListener({
            proxy: 'cluster: dynamic',
            before: [
              networkFilter('sni_dynamic_forward_proxy.v3.FilterConfig', `port_value: ${port}, ${cache}`),
            ],
            listener: [tlsInspector],
            format: '%UPSTREAM_HOST% %RESPONSE_FLAGS%',
          }),
        ],
        [dynamic],
      ),
      undefined,
      async (host) => {
        if (host === 'known.example') return ['127.0.0.1'];
        throw new Error('no such host');
      },
    );
    for (const [name, answer] of [
      ['known.example', 'resolved'],
      ['unknown.example', ''],
    ] as const) {
      const client = rawClient(t, path.port('tcp'));
      client.socket.end(await clientHello(name));
      assert.equal(await client.ended(), answer);
    }
    await eventually(() => assert.deepEqual(path.lines, [`127.0.0.1:${port} -\n`, '- UH\n']));
  });
});

describe('TLS passes through', () => {
  test('to the cluster of the chain whose names match, byte by byte', async (t) => {
    const { port: first } = await nameServer(t, 'first');
    const { port: second } = await nameServer(t, 'second');
    const heard: Buffer[] = [];
    const { port: rest } = await rawServer(t, (socket: Socket) => {
      socket.on('data', (data: Buffer) => heard.push(data));
      socket.on('end', () => socket.end('rest'));
    });
    const to = (name: string): string =>
      networkFilter('tcp_proxy.v3.TcpProxy', `stat_prefix: ${name}, cluster: ${name}`);
    const listener = `
  - name: tls
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    ${tlsInspector}
    filter_chains:
    - { name: first, filter_chain_match: { server_names: [first.example] }, filters: [${to('first')}] }
    - { name: second, filter_chain_match: { server_names: ['*.second.example'], transport_protocol: tls }, filters: [${to('second')}] }
    default_filter_chain: { name: rest, filters: [${to('rest')}] }`;
    const path = await startDataPath(
      t,
      bootstrap(
        [listener],
        [cluster('first', [first]), cluster('second', [second]), cluster('rest', [rest])],
      ),
    );
    for (const [name, answer] of [
      ['first.example', 'first'],
      ['a.b.second.example', 'second'],
      ['second.example', 'rest'],
    ] as const) {
      const client = rawClient(t, path.port('tls'));
      const hello = await clientHello(name);
      // The name may come in any pieces.
      client.socket.write(hello.subarray(0, 7));
      await once(client.socket, 'connect');
      client.socket.end(hello.subarray(7));
      assert.equal(await client.ended(), answer);
      if (answer === 'rest') assert.deepEqual(Buffer.concat(heard), hello);
    }
  });
});

describe('notes of set_filter_state', () => {
  test('name the cluster, the idle time, and what is hashed', async (t) => {
    const servers = await Promise.all(
      Array.from({ length: 5 }, (_, i) => rawServer(t, (socket) => void socket.write(String(i)))),
    );
    const ports = servers.map(({ port }) => port);
    const path = await startDataPath(
      t,
      bootstrap(
        [
          tcpListener({
            proxy: 'cluster: nowhere, hash_policy: [{ filter_state: { key: tenant } }]',
            before: [
              setFilterState(
                note('envoy.tcp_proxy.cluster', 'app'),
                note('envoy.tcp_proxy.per_connection_idle_timeout_ms', '60'),
                note('tenant', '%DOWNSTREAM_LOCAL_PORT%', 'envoy.hashable_string'),
              ),
            ],
            format: '%DOWNSTREAM_LOCAL_CLOSE_REASON% %FILTER_STATE(tenant)%',
          }),
        ],
        [cluster('app', ports, ', lb_policy: MAGLEV')],
      ),
    );
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => rawClient(t, path.port('tcp')).ended()),
    );
    assert.equal(new Set(answers).size, 1, `one tenant, one endpoint: ${answers.join()}`);
    assert.equal(path.stat('tcp.tcp.idle_timeout'), 8);
    assert.equal(path.lines[0], `tcp_session_idle_timeout "${path.port('tcp')}"\n`);
  });
});

describe('application_protocols of set_filter_state', () => {
  const protocols = 'envoy.network.application_protocols';
  const offering = (text: string): string[] => (text === '' ? [] : [setFilterState(note(protocols, text))]);

  test('is offered by ALPN, whatever the transport socket names', async (t) => {
    const { cert, key } = await (await TestRoot.create('upstream')).issue({ dns: ['app'] });
    const server = tls.createServer({ cert, key, ALPNProtocols: ['one', 'two', 'three'] }, (socket) =>
      socket.on('error', () => {}).end(String(socket.alpnProtocol)),
    );
    await once(server.listen(0, '127.0.0.1'), 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const context =
      "'@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    const upstream = (named: string): string =>
      `, transport_socket: { name: tls, typed_config: { ${context}, common_tls_context: { ${named} } } }`;
    const rows: [name: string, offered: string, cluster: string, agreed: string][] = [
      ['own', '', 'naming', 'three'],
      ['other', 'unknown,two', 'naming', 'two'],
      ['some', 'one', 'silent', 'one'],
      ['none', '', 'silent', 'false'],
    ];
    const path = await startDataPath(
      t,
      bootstrap(
        rows.map(([name, offered, to]) =>
          tcpListener({ name, proxy: `cluster: ${to}`, before: offering(offered) }),
        ),
        [
          cluster('naming', [port], upstream('alpn_protocols: [three]')),
          cluster('silent', [port], upstream('')),
        ],
      ),
    );
    for (const [name, , , agreed] of rows) {
      assert.equal(await rawClient(t, path.port(name)).ended(), agreed, name);
    }
  });

  test('beside a tunnel it is refused', async (t) => {
    const proxy = "cluster: app, tunneling_config: { hostname: 'a:1' }";
    const yaml = bootstrap([tcpListener({ proxy, before: offering('one') })], [cluster('app', [1])]);
    await assert.rejects(startDataPath(t, yaml), /tunneling_config.*is not supported beside "envoy\.network/);
  });
});

describe('equal clients go to equal endpoints', () => {
  for (const address of ['127.0.0.1', '::1']) {
    test(`by their address, ${address}`, async (t) => {
      const servers = await Promise.all(
        Array.from({ length: 6 }, (_, i) => rawServer(t, (socket) => socket.end(String(i)))),
      );
      const path = await startDataPath(
        t,
        bootstrap(
          [tcpListener({ proxy: 'cluster: app, hash_policy: [{ source_ip: {} }]', address })],
          [
            cluster(
              'app',
              servers.map(({ port }) => port),
              ', lb_policy: RING_HASH',
            ),
          ],
        ),
      );
      const answers = await Promise.all(
        Array.from({ length: 12 }, () =>
          clientOf(t, connect({ port: path.port('tcp'), host: address, allowHalfOpen: true })).ended(),
        ),
      );
      assert.equal(new Set(answers).size, 1, answers.join());
    });
  }
});

test('filters that only tcp_proxy asks are refused before HTTP', async (t) => {
  const web = httpListener({ routes: '[{ match: { prefix: / }, direct_response: { status: 200 } }]' });
  for (const filter of [
    networkFilter('sni_cluster.v3.SniCluster'),
    setFilterState(note('k', 'v', 'envoy.string')),
  ]) {
    const yaml = bootstrap([web.replace('- filters:', `- filters:\n      - ${filter}`)], []);
    await assert.rejects(startDataPath(t, yaml), /filters\[0\].*is only supported before tcp_proxy/);
  }
});
