/** A proxy whose management server is away begins with what it was told before, and goes on when it is back. */
import assert from 'node:assert/strict';
import { existsSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { adsBootstrap, cluster, delta, deltaOf, listener, routes } from '../interop/xds/resources.ts';
import { eventually } from '../support/eventually.ts';
import { type ManagementServer, startManagementServer } from '../support/management-server.ts';
import { type ProxyChild, startProxyChild } from '../support/proxy-child.ts';
import { tempDir } from '../support/temp-dir.ts';

interface Rig {
  readonly file: string;
  start(server: ManagementServer, ...flags: string[]): ProxyChild;
}

function rig(t: TestContext): Rig {
  const file = join(tempDir(t), 'kept');
  return {
    file,
    start: (server, ...flags) => {
      const bootstrap: JsonObject = {
        ...adsBootstrap('DELTA_GRPC')({ servers: [server.port] }),
        admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
      };
      return startProxyChild(t, JSON.stringify(bootstrap), {
        flags: ['--kept-configuration', file, ...flags],
      });
    },
  };
}

/** Says one after the other, each when it is asked for. */
async function say(server: ManagementServer, ...responses: JsonObject[]): Promise<void> {
  for (const response of responses) {
    const stream = await eventually(() => server.stream('ads'));
    await eventually(() =>
      assert.ok(
        stream.requests.some(({ typeUrl }) => typeUrl === response.type_url),
        `${response.type_url}`,
      ),
    );
    stream.send(deltaOf(response));
    await eventually(() =>
      assert.ok(stream.requests.some(({ responseNonce }) => responseNonce === response.nonce)),
    );
  }
}

const answer = async (proxy: ProxyChild): Promise<string> => {
  const port = await proxy.port('web');
  return (await fetch(`http://127.0.0.1:${port}/`)).text();
};

/** A first proxy has been told, has written it, and is gone; so is its server. */
async function kept(t: TestContext): Promise<Rig & { readonly port: number }> {
  const made = rig(t);
  const server = await startManagementServer(t);
  const first = made.start(server);
  await say(
    server,
    delta('cluster', 1, [cluster('a'), cluster('old')]),
    delta('listener', 1, [listener('web', 'r')]),
    delta('route', 1, [routes('r', 'one')]),
  );
  await eventually(async () => assert.equal(await answer(first), 'one'));
  await eventually(() => assert.ok(existsSync(made.file)));
  first.child.kill('SIGTERM');
  await first.ended;
  server.close();
  return { ...made, port: server.port };
}

describe('kept configuration', () => {
  for (const flags of [[], ['--concurrency', '2']]) {
    test(`serves while the server is away, and follows it when it is back ${flags.join(' ')}`, async (t) => {
      const { start, port, file } = await kept(t);
      assert.equal(statSync(file).mode & 0o777, 0o600);
      const proxy = start({ port } as ManagementServer, ...flags);
      await eventually(async () => assert.equal(await answer(proxy), 'one'));
      await eventually(async () => assert.equal((await proxy.admin('/ready')).status, 200));
      assert.match(proxy.output(), /apply\.kept-configuration/);
      const back = await startManagementServer(t, { port });
      const stream = await eventually(() => back.stream('ads'));
      const [first] = await eventually(() => {
        assert.ok(stream.requests.length > 0);
        return stream.requests;
      });
      assert.deepEqual((first as { initialResourceVersions?: object }).initialResourceVersions, {
        a: 'v1',
        old: 'v1',
      });
      await say(back, delta('cluster', 2, [], { removed: ['old'] }), delta('route', 2, [routes('r', 'two')]));
      await eventually(async () => assert.equal(await answer(proxy), 'two'));
      await eventually(async () =>
        assert.doesNotMatch(await (await proxy.admin('/config_dump')).text(), /"name": "old"/),
      );
    });
  }

  test('another server that answers is believed, and not the file', async (t) => {
    const { start } = await kept(t);
    const server = await startManagementServer(t);
    const proxy = start(server);
    await say(
      server,
      delta('cluster', 1, []),
      delta('listener', 1, [listener('web', 'r')]),
      delta('route', 1, [routes('r', 'new')]),
    );
    await eventually(async () => assert.equal(await answer(proxy), 'new'));
    assert.doesNotMatch(proxy.output(), /kept-configuration/);
  });

  test('a file that is cut off is ignored, and said to be', async (t) => {
    const { start, file } = await kept(t);
    truncateSync(file, statSync(file).size - 10);
    const proxy = start({ port: 1 } as ManagementServer);
    await eventually(() => assert.match(proxy.output(), /kept-configuration-ignored .*it is not whole/));
    assert.equal(await (await proxy.admin('/listeners')).text(), '');
  });
});
