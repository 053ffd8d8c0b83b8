/** Connections upstream from the addresses of clients, where they cannot be had. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openTcpSocket } from '#host/socket-options.ts';
import { bootstrap, cluster, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { accessLog, chain, listener, originalSrc, tcpProxy } from '../support/listener.ts';
import { rawClient, rawServer } from '../support/raw-tcp.ts';

const { name, typed_config } = tcpProxy('a');
const filters = [
  { name, typed_config: { ...(typed_config as object), access_log: accessLog('%RESPONSE_FLAGS%') } },
];
const configuration = (port: number): string =>
  bootstrap(
    [
      listener('tcp', [chain('all', undefined, { filters })], {
        listener_filters: [originalSrc({ mark: 7 })],
      }),
    ],
    [cluster('a', [port])],
  );
const forbidden = (): never => {
  throw Object.assign(new Error('setsockopt(0, 19): EPERM'), { code: 'EPERM' });
};

describe('original_src', () => {
  test('a process without the right to it refuses the listener, and says what it takes', async (t) => {
    await assert.rejects(
      startDataPath(t, configuration(1), undefined, undefined, { openSocket: forbidden }),
      {
        message:
          'envoy.filters.listener.original_src takes CAP_NET_ADMIN, which this process does not have (setsockopt(0, 19): EPERM)',
      },
    );
  });

  test('without the socket there is no connection, from whatever other address', async (t) => {
    const server = await rawServer(t, () => {});
    let may = true;
    const openSocket = (family: 4 | 6): number => (may ? openTcpSocket(family, []) : forbidden());
    const path = await startDataPath(t, configuration(server.port), undefined, undefined, { openSocket });
    may = false;
    assert.equal(await rawClient(t, path.port('tcp')).ended(), '');
    await eventually(() => assert.deepEqual(path.lines, ['URX\n']));
    assert.equal(server.sockets.length, 0);
    assert.equal(path.stat('cluster.a.upstream_cx_connect_fail'), 1);
  });
});
