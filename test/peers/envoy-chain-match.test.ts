/**
 * Which filter chain takes a connection, beside Envoy: random chains and random connections, with
 * addresses from PROXY headers. The seed is printed; HEDDLE_SEED runs one again.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { create, fromJson } from '@bufbuild/protobuf';
import { seededRandom } from '#core/random.ts';
import { Findings } from '#proxy/findings.ts';
import { readChainMatch } from '#proxy/listen/chain-criteria.ts';
import { ChainMatcher } from '#proxy/listen/chain-match.ts';
import { FilterChainMatchSchema } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { bootstrap, startDataPath } from '../support/data-path.ts';
import { startEnvoy } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import {
  chain,
  getOnce,
  httpInspector,
  listener,
  proxyLine,
  proxyProtocol,
  tlsInspector,
} from '../support/listener.ts';
import { requirePeer } from '../support/peer.ts';

const LISTENERS = 12;
const CHAINS = 9;
const CONNECTIONS = 40;

const seed = Number(process.env.HEDDLE_SEED ?? Date.now() % 1_000_000);
const random = seededRandom(seed);
const below = (n: number): number => Math.floor(random.ratio() * n);
const oneOf = <T>(values: readonly T[]): T => values[below(values.length)]!;

/** Some of them, in an order of chance, at least one. */
function someOf<T>(values: readonly T[]): T[] {
  const mixed = values.map((value) => ({ value, at: random.ratio() })).sort((a, b) => a.at - b.at);
  return mixed.slice(0, 1 + below(2)).map(({ value }) => value);
}

const range = (text: string): object => {
  const [address_prefix, length] = text.split('/');
  return { address_prefix, prefix_len: Number(length) };
};
const destinations = ['10.0.0.0/8', '10.0.0.0/24', '10.0.0.1/32', '2001:db8::/32', '2001:db8::1/128'];
const sources = ['172.16.0.0/12', '172.16.5.0/24', '10.0.0.1/32', '2001:db8::/64', '127.0.0.1/32'];

/** Each criterion is asked by one chain in three. */
const criteria: Readonly<Record<string, () => unknown>> = {
  destination_port: () => oneOf([80, 443]),
  prefix_ranges: () => someOf(destinations).map(range),
  server_names: () => someOf(['a.example', '*.example', '*.a.example', 'b.test', '.test']),
  transport_protocol: () => oneOf(['tls', 'raw_buffer']),
  application_protocols: () => someOf(['h2', 'http/1.1', 'http/1.0', 'istio']),
  direct_source_prefix_ranges: () => someOf(['127.0.0.1/32', '127.0.0.0/8', '10.0.0.0/8']).map(range),
  source_type: () => oneOf(['SAME_IP_OR_LOOPBACK', 'EXTERNAL']),
  source_prefix_ranges: () => someOf(sources).map(range),
  source_ports: () => someOf([1000, 2000]),
};

function randomChains(): Readonly<Record<string, unknown>>[] {
  const matcher = new ChainMatcher<object>();
  const chains: Readonly<Record<string, unknown>>[] = [];
  while (chains.length < CHAINS) {
    const match: Record<string, unknown> = {};
    for (const [name, draw] of Object.entries(criteria)) if (below(3) === 0) match[name] = draw();
    const message = fromJson(FilterChainMatchSchema, match as never);
    const keys = readChainMatch(message ?? create(FilterChainMatchSchema), '', new Findings());
    // One that overlaps would be refused by both; what was added of it may stay.
    if (matcher.add(keys, {}) === undefined) chains.push(chain(`chain ${chains.length}`, match));
  }
  return chains;
}

const matchesOf = (chains: readonly Readonly<Record<string, unknown>>[]): string =>
  chains.map(({ name, filter_chain_match }) => `\n  ${name} ${JSON.stringify(filter_chain_match)}`).join('');

interface Probe {
  readonly header: string;
  readonly from: string;
  readonly what: string;
  readonly payload: Buffer;
}

/** The first bytes OpenSSL sends. */
function clientHello(servername: string, protocols: readonly string[]): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read() {},
      write(bytes: Buffer, _encoding, done) {
        resolve(bytes);
        done();
      },
    });
    const ALPNProtocols = [...protocols];
    connectTls({ socket: wire, servername, ...(protocols.length === 0 ? {} : { ALPNProtocols }) }).on(
      'error',
      () => {},
    );
  });
}

async function randomProbe(): Promise<Probe> {
  const v6 = below(3) === 0;
  const to = oneOf(v6 ? ['2001:db8::1', '2001:db9::1'] : ['10.0.0.1', '10.0.1.1', '192.0.2.1']);
  const from = oneOf(
    v6
      ? ['2001:db8::1', '2001:db8:1::1', '::1']
      : ['172.16.5.1', '172.17.0.1', '10.0.0.1', '127.0.0.1', '127.0.0.2'],
  );
  const header = proxyLine(from, to, oneOf([1000, 2000, 3000]), oneOf([80, 443, 8080]));
  const common = { header, from: oneOf(['127.0.0.1', '127.0.0.2']) };
  if (below(2) === 0) {
    const version = oneOf(['1.1', '1.0']);
    return { ...common, what: `HTTP/${version}`, payload: Buffer.from(getOnce.replace('1.1', version)) };
  }
  const name = oneOf(['', 'a.example', 'x.a.example', 'c.example', 'b.test', 'y.b.test']);
  const protocols = below(2) === 0 ? [] : someOf(['h2', 'http/1.1', 'istio', 'other']);
  return { ...common, what: `TLS ${name} ${protocols}`, payload: await clientHello(name, protocols) };
}

/** @returns the local port of the connection, when it has ended. */
function send(port: number, { header, from, payload }: Probe): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, localAddress: from });
    let own = 0;
    socket.on('connect', () => {
      own = socket.localPort ?? 0;
      socket.write(header);
      // Without an end: Envoy lets a connection go whose other side has ended while filters look at it.
      socket.write(payload);
    });
    socket.on('error', () => {});
    // The answer, or the end.
    for (const event of ['data', 'end']) socket.on(event, () => socket.destroy());
    socket.on('close', () => resolve(own));
  });
}

const format =
  '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%:%DOWNSTREAM_DIRECT_REMOTE_PORT% %FILTER_CHAIN_NAME%';
const log = (path: string, listenerName: string): object[] => [
  {
    name: 'log',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
      path,
      log_format: { text_format_source: { inline_string: `${listenerName} ${format}\n` } },
    },
  },
];

test(`random chains and connections choose alike (seed ${seed})`, async (t) => {
  const program = requirePeer(t, 'envoy');
  if (program === undefined) return;
  const chains = Array.from({ length: LISTENERS }, randomChains);
  const listener_filters = [proxyProtocol(), tlsInspector(), httpInspector()];
  const text = bootstrap(
    chains.map((set, i) => listener(`l${i}`, set, { listener_filters, access_log: log('@LOG@', `l${i}`) })),
    [],
  );
  const envoy = await startEnvoy(t, program, text);
  const path = await startDataPath(t, text);
  const probes = await Promise.all(Array.from({ length: CONNECTIONS }, randomProbe));
  let chosen = 0;
  for (let i = 0; i < LISTENERS; i++) {
    const ask = async (port: number, lines: () => readonly string[]): Promise<string[]> => {
      // All at once, so that each has a port of its own.
      const ports = await Promise.all(probes.map((probe) => send(port, probe)));
      const keys = probes.map(({ from }, p) => `l${i} ${from}:${ports[p]} `);
      return eventually(() => {
        const all = lines();
        return keys.map((key) => {
          const line = all.findLast((one) => one.startsWith(key));
          assert.ok(line !== undefined, `no line of ${key}`);
          return line.slice(key.length).trim();
        });
      });
    };
    const theirs = await ask(envoy.port(`l${i}`), () => envoy.lines());
    const ours = await ask(path.port(`l${i}`), () => path.lines);
    probes.forEach(({ header, from, what }, p) => {
      const where = `seed ${seed}, listener ${i}, ${header.trim()} from ${from}, ${what}: ${matchesOf(chains[i]!)}`;
      assert.equal(ours[p], theirs[p], where);
      if (ours[p] !== '-') chosen++;
    });
  }
  t.diagnostic(`${chosen} of ${LISTENERS * CONNECTIONS} connections found a chain`);
  assert.ok(chosen > LISTENERS, 'too few found a chain at all');
});
