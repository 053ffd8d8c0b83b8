/** Faults of each try, below the retries: what Envoy's own order of filters cannot have. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import {
  bootstrap,
  cluster,
  httpListener,
  type RunningDataPath,
  startDataPath,
} from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { httpServer, ok, type RawClient, rawClient } from '../support/raw-tcp.ts';

const TYPE = 'type.googleapis.com/heddle.filters.http.attempt_fault.v1.AttemptFault';
const NAME = 'heddle.filters.http.attempt_fault';

/** @param fault flow style */
const filter = (fault: string): string =>
  `{ name: ${NAME}, typed_config: { "@type": ${TYPE}, fault: ${fault} } }`;
const abort = (status: number, more = ''): string =>
  `{ abort: { http_status: ${status}, percentage: { numerator: 100 } }${more} }`;
const delay = (seconds: string, more = ''): string =>
  `{ delay: { fixed_delay: ${seconds}s, percentage: { numerator: 100 } }${more} }`;
/** @param action more of it */
const toApp = (action: string, more = ''): string =>
  `[{ match: { prefix: / }, route: { cluster: app, ${action} }${more} }]`;

interface Rig {
  readonly path: RunningDataPath;
  readonly client: RawClient;
  /** Paths of the requests that came to the endpoint. */
  readonly asked: readonly string[];
  get(...fields: readonly string[]): void;
}

async function start(t: TestContext, fault: string, routes: string, ofCluster = ''): Promise<Rig> {
  const asked: string[] = [];
  const server = await httpServer(t, (target) => {
    asked.push(target);
    return ok(target);
  });
  const listener = httpListener({ routes, filters: [filter(fault)] });
  const path = await startDataPath(t, bootstrap([listener], [cluster('app', [server.port], ofCluster)]));
  const client = rawClient(t, path.port('web'));
  const get = (...fields: readonly string[]): void =>
    void client.socket.write(['GET /x HTTP/1.1', 'host: a', ...fields, '', ''].join('\r\n'));
  return { path, client, asked, get };
}

describe('a try that is aborted', () => {
  test('is made again as often as the policy says, and counted', async (t) => {
    const { path, client, asked, get } = await start(
      t,
      abort(503),
      toApp('retry_policy: { retry_on: 5xx, num_retries: 2 }'),
    );
    get();
    await client.until((text) => text.endsWith('fault filter abort'));
    assert.match(client.text(), /^HTTP\/1.1 503 /);
    assert.deepEqual(path.lines, ['503 FI,URX fault_filter_abort\n']);
    assert.equal(path.stat('http.web.fault.aborts_injected'), 3);
    assert.equal(path.stat('http.web.fault.active_faults'), 0);
    assert.equal(path.stat('cluster.app.upstream_rq_retry'), 2);
    assert.equal(path.stat('cluster.app.upstream_rq_retry_limit_exceeded'), 1);
    assert.equal(path.stat('cluster.app.upstream_rq_503'), 1);
    assert.equal(path.stat('cluster.app.upstream_rq_total'), 0);
    assert.equal(path.stat('cluster.app.upstream_rq_active'), 0);
    assert.deepEqual(asked, []);
  });

  test('does no harm where another one is not', async (t) => {
    // The first attempt says nothing of itself; the header that counts them does.
    const { path, client, asked, get } = await start(
      t,
      abort(503, ', headers: [{ name: x-envoy-attempt-count, string_match: { exact: "1" } }]'),
      `${toApp('retry_policy: { retry_on: 5xx }')}, include_request_attempt_count: true`,
    );
    get();
    await client.until((text) => text.endsWith('/x'));
    assert.deepEqual(asked, ['/x']);
    assert.deepEqual(path.lines, ['200 FI via_upstream\n']);
    assert.equal(path.stat('cluster.app.upstream_rq_retry_success'), 1);
    assert.equal(path.stat('cluster.app.upstream_rq_503'), 0);
    assert.equal(path.stat('cluster.app.upstream_rq_total'), 1);
  });

  test('is not made again where the policy does not say so', async (t) => {
    const { path, client, get } = await start(
      t,
      abort(418),
      toApp('retry_policy: { retry_on: 5xx, num_retries: 2 }'),
    );
    get();
    await client.until((text) => text.endsWith('fault filter abort'));
    assert.deepEqual(path.lines, ['418 FI fault_filter_abort\n']);
    assert.equal(path.stat('http.web.fault.aborts_injected'), 1);
  });

  test('counts against the budget of retries', async (t) => {
    const none = ', circuit_breakers: { thresholds: [{ max_retries: 0 }] }';
    const { path, client, get } = await start(t, abort(503), toApp('retry_policy: { retry_on: 5xx }'), none);
    get();
    await client.until((text) => text.endsWith('fault filter abort'));
    assert.equal(path.stat('cluster.app.upstream_rq_retry_overflow'), 1);
    assert.equal(path.stat('cluster.app.upstream_rq_retry'), 0);
  });

  test('has a status of gRPC, by which it is made again', async (t) => {
    const { path, client, get } = await start(
      t,
      '{ abort: { grpc_status: 14, percentage: { numerator: 100 } } }',
      toApp('retry_policy: { retry_on: unavailable, num_retries: 1 }'),
    );
    get('content-type: application/grpc');
    await client.until((text) => text.includes('grpc-status: 14'));
    await eventually(() => assert.equal(path.stat('http.web.fault.aborts_injected'), 2));
    assert.equal(path.stat('cluster.app.upstream_rq_retry'), 1);
  });

  test('says nothing of its endpoint', async (t) => {
    const { path, client, get } = await start(
      t,
      abort(503),
      toApp('retry_policy: { retry_on: 5xx, num_retries: 9 }'),
      ', outlier_detection: { consecutive_5xx: 2, max_ejection_percent: 100 }',
    );
    get();
    await client.until((text) => text.endsWith('fault filter abort'));
    assert.equal(path.stat('cluster.app.outlier_detection.ejections_active'), 0);
    assert.equal(path.stat('cluster.app.outlier_detection.ejections_enforced_total'), 0);
  });
});

describe('a try that is delayed', () => {
  test('goes on then', async (t) => {
    const { path, client, asked, get } = await start(t, delay('0.03'), toApp('timeout: 30s'));
    get();
    await client.until((text) => text.endsWith('/x'));
    assert.deepEqual(asked, ['/x']);
    assert.deepEqual(path.lines, ['200 DI via_upstream\n']);
    assert.equal(path.stat('http.web.fault.active_faults'), 0);
  });

  test('may take longer than a try may', async (t) => {
    const { path, client, asked, get } = await start(
      t,
      delay('600'),
      toApp('timeout: 60s, retry_policy: { retry_on: 5xx, num_retries: 1, per_try_timeout: 0.03s }'),
    );
    get();
    await client.until((text) => text.endsWith('upstream request timeout'));
    assert.deepEqual(path.lines, ['504 DI,URX,UT upstream_per_try_timeout\n']);
    assert.equal(path.stat('cluster.app.upstream_rq_per_try_timeout'), 2);
    assert.equal(path.stat('http.web.fault.delays_injected'), 2);
    assert.equal(path.stat('http.web.fault.active_faults'), 0);
    assert.deepEqual(asked, []);
  });

  test('may take longer than the request may', async (t) => {
    const { path, client, get } = await start(t, delay('600'), toApp('timeout: 0.05s'));
    get();
    await client.until((text) => text.endsWith('upstream request timeout'));
    assert.deepEqual(path.lines, ['504 DI,UT response_timeout\n']);
    assert.equal(path.stat('cluster.app.upstream_rq_timeout'), 1);
    assert.equal(path.stat('http.web.fault.active_faults'), 0);
  });

  test('may be given up by the client', async (t) => {
    const { path, client, get } = await start(t, delay('600'), toApp('timeout: 0s'));
    get();
    await eventually(() => assert.equal(path.stat('http.web.fault.active_faults'), 1));
    client.socket.destroy();
    await eventually(() => assert.equal(path.stat('http.web.fault.active_faults'), 0));
  });

  test('may be aborted then, and made again', async (t) => {
    const { path, client, get } = await start(
      t,
      delay('0.01', ', abort: { http_status: 503, percentage: { numerator: 100 } }'),
      toApp('retry_policy: { retry_on: 5xx, num_retries: 1 }'),
    );
    get();
    await client.until((text) => text.endsWith('fault filter abort'));
    assert.equal(path.stat('http.web.fault.delays_injected'), 2);
    assert.equal(path.stat('cluster.app.upstream_rq_retry'), 1);
  });

  test('sends the body that came meanwhile', async (t) => {
    const { path, client } = await start(t, delay('0.05'), toApp('timeout: 30s'));
    client.socket.write('POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhel');
    await eventually(() => assert.equal(path.stat('http.web.fault.delays_injected'), 1));
    client.socket.write('lo');
    await client.until((text) => text.endsWith('/x'));
  });
});

test('the route says otherwise', async (t) => {
  const none = `, typed_per_filter_config: { ${NAME}: { "@type": ${TYPE} } }`;
  const { path, client, get } = await start(t, abort(503), toApp('timeout: 30s', none));
  get();
  await client.until((text) => text.endsWith('/x'));
  assert.equal(path.stat('http.web.fault.aborts_injected'), 0);
});

test('a rate of the response is refused', async (t) => {
  const limited =
    '{ response_rate_limit: { fixed_limit: { limit_kbps: 1 }, percentage: { numerator: 100 } } }';
  await assert.rejects(start(t, limited, toApp('timeout: 30s')), /response_rate_limit: is of the whole/);
});
