/** Connections that go to the listener of the address they were made to (`use_original_dst`). */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { bootstrap, type RunningDataPath, startDataPath } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import {
  bodyOf,
  chain,
  getOnce,
  httpInspector,
  ipAddress,
  listener,
  originalDst,
  proxyLine,
  proxyProtocol,
  rawConnect,
} from '../support/listener.ts';

const run = (t: TestContext, ...listeners: string[]): Promise<RunningDataPath> =>
  startDataPath(t, bootstrap(listeners, []));

describe('use_original_dst', () => {
  const handing = (more: object = {}): string =>
    listener('capture', [chain('capture')], {
      use_original_dst: true,
      listener_filters: [proxyProtocol()],
      ...more,
    });
  const unbound = (name: string, address: string, port: number, more: object = {}): string =>
    listener(name, [chain(name)], { address: ipAddress(address, port), bind_to_port: false, ...more });

  test('connections go to the listener of the address they were made to', async (t) => {
    const path = await run(
      t,
      handing(),
      unbound('exact', '10.1.2.3', 80),
      unbound('port', '0.0.0.0', 81),
      unbound('six', '::', 82),
      unbound('looking', '10.1.2.3', 83, { listener_filters: [httpInspector()] }),
    );
    const to = async (address: string, port: number): Promise<string> => {
      const source = address.includes(':') ? '2001:db8::9' : '1.2.3.4';
      const client = rawConnect(t, { port: path.port('capture') });
      return bodyOf(client, proxyLine(source, address, 1, port) + getOnce);
    };
    assert.equal(await to('10.1.2.3', 80), 'exact');
    assert.equal(await to('10.1.2.4', 80), 'capture');
    assert.equal(await to('10.1.2.4', 81), 'port');
    assert.equal(await to('2001:db8::1', 82), 'six');
    assert.equal(await to('2001:db8::1', 81), 'capture');
    assert.equal(await to('10.1.2.3', 83), 'looking');
    assert.equal(path.stat('http_inspector.http11_found'), 1);
    assert.equal(path.stat('listener.10.1.2.3_80.downstream_cx_total'), 1);
    assert.equal(path.stat('listener.127.0.0.1_0.downstream_cx_total'), 2);
    await eventually(() => {
      for (const status of path.dataPath.listeners()) assert.equal(status.activeConnections, 0, status.name);
    });
  });

  test('what the system knows of the destination comes by the filter original_dst', async (t) => {
    const path = await startDataPath(
      t,
      bootstrap([handing({ listener_filters: [originalDst()] }), unbound('exact', '10.1.2.3', 80)], []),
      undefined,
      undefined,
      { originalDestination: () => ({ ip: '10.1.2.3', port: 80 }) },
    );
    assert.equal(await bodyOf(rawConnect(t, { port: path.port('capture') })), 'exact');
  });

  test('a filter that fails ends its connection, is counted, and nothing else', async (t) => {
    let failing = true;
    const path = await startDataPath(
      t,
      bootstrap([handing({ listener_filters: [originalDst()] })], []),
      undefined,
      undefined,
      {
        originalDestination: () => {
          if (failing) throw new Error('made by the test');
          return undefined;
        },
      },
    );
    const client = rawConnect(t, { port: path.port('capture') });
    client.socket.on('error', () => {});
    assert.equal(await client.ended(), '');
    assert.equal(path.stat('server.request_exceptions'), 1);
    assert.equal(path.stat('listener.127.0.0.1_0.downstream_listener_filter_error'), 1);
    failing = false;
    assert.equal(await bodyOf(rawConnect(t, { port: path.port('capture') })), 'capture');
  });

  test('a listener that is gone gets nothing', async (t) => {
    const path = await run(t, handing(), unbound('exact', '10.1.2.3', 80));
    await path.dataPath.removeListener('exact');
    const client = rawConnect(t, { port: path.port('capture') });
    assert.equal(await bodyOf(client, proxyLine('1.2.3.4', '10.1.2.3') + getOnce), 'capture');
  });
});
