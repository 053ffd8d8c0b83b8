/** h2specd, the part of h2spec that judges clients, on the client side of our HTTP/2 codec, alone and in the proxy. */
import { once } from 'node:events';
import { connect } from 'node:http2';
import { type TestContext, test } from 'node:test';
import { startDataPath } from '../support/data-path.ts';
import { startEnvoy } from '../support/envoy.ts';
import { connectH2, ending } from '../support/h2-client.ts';
import { assertNotWorse, assertVerdict, h2Bootstrap, type Verdict } from '../support/h2spec.ts';
import { casePorts, judgeClient } from '../support/h2specd.ts';
import { requirePeer } from '../support/peer.ts';

/** Longer than h2specd waits for anything: it gives up where a client leaves first. */
const GIVE_UP_MS = 4000;
const CASES = 50;

const http2Options =
  '"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http2_protocol_options: {} }';

const clusterOf = (port: number): string => `
    { name: "${port}", connect_timeout: 1s,
      typed_extension_protocol_options: {
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { ${http2Options} } },
      load_assignment: { cluster_name: "${port}", endpoints: [{ lb_endpoints: [{ endpoint: {
        address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }] } }`;

const routeOf = (port: number): string =>
  `{ match: { prefix: "/", headers: [{ name: ":authority", string_match: { exact: "127.0.0.1:${port}" } }] }, route: { cluster: "${port}" } }`;

/** Asks h2specd itself, by our codec. */
async function ask(port: number): Promise<void> {
  const client = connectH2(port);
  const stream = client.connection.open(ending().recorder);
  stream.sendRequest('GET', 'http', `127.0.0.1:${port}`, '/', '', ['user-agent', 'heddle'], true);
  const late = setTimeout(client.close, GIVE_UP_MS);
  await client.finished;
  clearTimeout(late);
  client.close();
}

/** Asks a proxy for what is at a port of h2specd. */
const through =
  (proxy: number) =>
  async (port: number): Promise<void> => {
    const session = connect(`http://127.0.0.1:${proxy}`);
    const request = session.request({ ':authority': `127.0.0.1:${port}` });
    const closed = once(session, 'close');
    const over = (): void => session.destroy();
    const late = setTimeout(over, GIVE_UP_MS);
    session.on('error', over);
    request.on('error', over).on('close', over).resume();
    await closed;
    clearTimeout(late);
  };

async function judge(t: TestContext, program: string, proxy: number): Promise<Verdict> {
  const verdict = await judgeClient(program, through(proxy));
  t.diagnostic(`fails ${verdict.failed.length} of ${verdict.cases}`);
  return verdict;
}

test('h2specd finds nothing wrong with our client', { timeout: 300_000 }, async (t) => {
  const program = requirePeer(t, 'h2specd');
  if (program === undefined) return;
  assertVerdict(await judgeClient(program, ask), CASES);
});

test('h2specd finds nothing wrong with the proxy that Envoy does right', { timeout: 300_000 }, async (t) => {
  const [program, envoy] = [requirePeer(t, 'h2specd'), requirePeer(t, 'envoy')];
  if (program === undefined || envoy === undefined) return;
  const text = h2Bootstrap(casePorts.map(routeOf), casePorts.map(clusterOf));
  const proxy = await startDataPath(t, text);
  const ours = await judge(t, program, proxy.port('h2'));
  const theirs = await judge(t, program, (await startEnvoy(t, envoy, text)).port('h2'));
  assertNotWorse(t, ours, theirs, CASES);
});
