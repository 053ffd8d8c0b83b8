/**
 * go-control-plane's stream machines and snapshot cache, with our proxy as their client, through hundreds of random
 * configurations: each is in `/config_dump` as it was sent, nothing stays warming, requests go where it says, and what
 * is wrong is refused while the last good version serves. HEDDLE_XDS_CONFIGURATIONS sets how many of each variant.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import type { DescMessage } from '@bufbuild/protobuf';
import { messageFromDocument } from '#xds/document.ts';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { SecretSchema } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { freePorts } from '../bench/process.ts';
import { bootstrap, cluster, type Message, protocolOptions } from '../interop/envoy/harness/bootstrap.ts';
import { Draw, seed } from '../interop/envoy/harness/draw.ts';
import { type Holder, TestRoot } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { json } from '../support/golden-case.ts';
import { requirePeer } from '../support/peer.ts';
import { type ProxyChild, startProxyChild } from '../support/proxy-child.ts';
import { type Kind, kinds, Model, type Probe, type Resources, wrong } from './snapshots/model.ts';
import { buildForeignServer, type ForeignServer, startForeignServer } from './snapshots/server.ts';

const configurations = Number(process.env.HEDDLE_XDS_CONFIGURATIONS ?? 200);
/** One in so many has something wrong in it. */
const wrongEvery = 6;
const upstreamCount = 4;
const listenerCount = 3;

interface KindOfDump {
  readonly schema: DescMessage;
  readonly typeUrl: string;
  readonly list: string;
  readonly field: string;
}

const typeUrl = (type: string): string => `type.googleapis.com/${type}`;
const dumped: Readonly<Record<Kind, KindOfDump>> = {
  cluster: {
    schema: ClusterSchema,
    typeUrl: typeUrl(ClusterSchema.typeName),
    list: 'dynamic_active_clusters',
    field: 'cluster',
  },
  endpoint: {
    schema: ClusterLoadAssignmentSchema,
    typeUrl: typeUrl(ClusterLoadAssignmentSchema.typeName),
    list: 'dynamic_endpoint_configs',
    field: 'endpoint_config',
  },
  listener: {
    schema: ListenerSchema,
    typeUrl: typeUrl(ListenerSchema.typeName),
    list: 'dynamic_listeners',
    field: 'listener',
  },
  route: {
    schema: RouteConfigurationSchema,
    typeUrl: typeUrl(RouteConfigurationSchema.typeName),
    list: 'dynamic_route_configs',
    field: 'route_config',
  },
  secret: {
    schema: SecretSchema,
    typeUrl: typeUrl(SecretSchema.typeName),
    list: 'dynamic_active_secrets',
    field: 'secret',
  },
};

/** As our own protos write it, without what a dump keeps to itself. */
function canonical(kind: Kind, value: unknown): unknown {
  const { '@type': _, ...message } = JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
  const read = messageFromDocument(dumped[kind].schema, { value: message });
  assert.ok(read.ok, JSON.stringify(read.problems));
  const shown = json(dumped[kind].schema, read.value as never) as Record<string, never>;
  if (kind === 'secret') {
    const { name, tlsCertificate } = shown as unknown as {
      name: string;
      tlsCertificate: { certificateChain: unknown };
    };
    return { name, chain: tlsCertificate.certificateChain };
  }
  return shown;
}

type DumpEntry = Readonly<Record<string, never>>;
type Held = Readonly<Record<Kind, Readonly<Record<string, unknown>>>>;

interface Dump {
  readonly held: Held;
  readonly warming: readonly string[];
  /** Names of what the proxy says it has refused. */
  readonly refused: readonly string[];
}

async function dumpOf(proxy: ProxyChild): Promise<Dump> {
  const page = (await (await proxy.admin('/config_dump?include_eds')).json()) as {
    readonly configs: readonly Readonly<Record<string, readonly DumpEntry[]>>[];
  };
  const all = Object.assign({}, ...page.configs) as Readonly<
    Record<string, readonly DumpEntry[] | undefined>
  >;
  const held = Object.fromEntries(
    kinds.map((kind) => {
      const { list, field } = dumped[kind];
      const entries = (all[list] ?? []).flatMap((entry) => {
        const message = ((entry.active_state ?? entry) as DumpEntry)[field] as Message | undefined;
        return message === undefined ? [] : [[nameOf(message), canonical(kind, message)] as const];
      });
      return [kind, Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))];
    }),
  ) as Held;
  const refused = Object.values(all)
    .flatMap((list) => (Array.isArray(list) ? (list as DumpEntry[]) : []))
    .flatMap(({ error_state: error }) => {
      const failed = (error as { failed_configuration?: Message } | undefined)?.failed_configuration;
      return failed === undefined ? [] : [nameOf(failed)];
    });
  const warming = [
    ...(all.dynamic_warming_clusters ?? []).filter((entry) => entry.cluster !== undefined),
    ...(all.dynamic_warming_secrets ?? []).filter((entry) => entry.secret !== undefined),
    ...(all.dynamic_listeners ?? []).filter((entry) => entry.warming_state !== undefined),
  ].map((entry) => JSON.stringify(entry).slice(0, 200));
  return { held, warming, refused };
}

const nameOf = (message: Message): string => String(message.name ?? message.cluster_name);

function heldOf(resources: Resources): Held {
  return Object.fromEntries(
    kinds.map((kind) => [
      kind,
      Object.fromEntries(
        [...resources[kind]]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, message]) => [name, canonical(kind, message)]),
      ),
    ]),
  ) as Held;
}

/** Pushes resources, each type with a version of its own that changes as it does. */
class Publisher {
  readonly #server: ForeignServer;
  readonly #last = new Map<Kind, { text: string; version: number }>();

  constructor(server: ForeignServer) {
    this.#server = server;
  }

  push(resources: Resources): void {
    const types = kinds.map((kind) => {
      const items = [...resources[kind].values()];
      const written = JSON.stringify(items);
      const before = this.#last.get(kind);
      const version = before?.text === written ? before.version : (before?.version ?? 0) + 1;
      this.#last.set(kind, { text: written, version });
      return [dumped[kind].typeUrl, { version: String(version), items }] as const;
    });
    this.#server.push(Object.fromEntries(types));
  }
}

/** @param apiType of ADS */
const bootstrapFor = (port: number, apiType: string): string =>
  JSON.stringify(
    bootstrap(
      [],
      [cluster('xds', [port], protocolOptions({ explicit_http_config: { http2_protocol_options: {} } }))],
      {
        node: { id: 'proxy', cluster: 'test' },
        dynamic_resources: {
          ads_config: {
            api_type: apiType,
            transport_api_version: 'V3',
            grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
          },
          cds_config: { ads: {}, resource_api_version: 'V3' },
          lds_config: { ads: {}, resource_api_version: 'V3' },
        },
      },
    ),
  );

/** Each says its number. */
async function startUpstreams(t: TestContext): Promise<number[]> {
  const servers = Array.from({ length: upstreamCount }, (_, at) =>
    http.createServer((_request, reply) => reply.end(String(at))).listen(0, '127.0.0.1'),
  );
  t.after(() => {
    for (const server of servers) server.close().closeAllConnections();
  });
  await Promise.all(servers.map((server) => new Promise((done) => server.once('listening', done))));
  return servers.map((server) => (server.address() as AddressInfo).port);
}

async function issued(count: number): Promise<Holder[]> {
  const root = await TestRoot.create('foreign');
  return Promise.all(Array.from({ length: count }, (_, at) => root.issue({ commonName: `leaf ${at}` })));
}

/** On a connection of its own. */
async function check({ port, host, path, serialNumber, answer }: Probe): Promise<void> {
  const options = { port, host: '127.0.0.1', path, headers: { host }, agent: false } as const;
  const { response, serial } = await new Promise<{ response: http.IncomingMessage; serial?: string }>(
    (resolve, reject) => {
      const request =
        serialNumber === undefined
          ? http.get(options, (got) => resolve({ response: got }))
          : https.get({ ...options, rejectUnauthorized: false }, (got) =>
              resolve({
                response: got,
                serial: (got.socket as TLSSocket).getPeerCertificate().serialNumber.toLowerCase(),
              }),
            );
      request.on('error', reject);
    },
  );
  const body = await text(response);
  const where = `${host}${path} on ${port}`;
  if ('status' in answer) assert.equal(response.statusCode, answer.status, where);
  else {
    assert.equal(response.statusCode, 200, where);
    assert.ok(
      answer.upstreams.map(String).includes(body),
      `${where}: by ${body}, and not ${answer.upstreams}`,
    );
  }
  if (serialNumber !== undefined) assert.equal(BigInt(`0x${serial}`), BigInt(`0x${serialNumber}`), where);
}

/** The same with one resource that cannot be taken, or undefined where this kind has none to spoil. */
function spoiled(draw: Draw, right: Resources): { sent: Resources; kind: Kind; name: string } | undefined {
  const kind = draw.pick(kinds);
  const known = [...right[kind].keys()];
  // A listener that goes on would take its routes along: a wrong one is a new one.
  const name = kind === 'listener' || (kind === 'cluster' && draw.next() < 0.5) ? 'wrong' : draw.pick(known);
  if (name === undefined) return undefined;
  const message = wrong(kind, name, right[kind].get(name));
  return { sent: { ...right, [kind]: new Map([...right[kind], [name, message]]) }, kind, name };
}

async function settled(proxy: ProxyChild, expected: Resources, refused: readonly string[]): Promise<void> {
  const wanted = heldOf(expected);
  await eventually(async () => {
    const { held, warming, refused: told } = await dumpOf(proxy);
    assert.deepEqual(held, wanted);
    assert.deepEqual(warming, []);
    assert.deepEqual([...told].sort(), [...refused].sort());
  });
}

describe('go-control-plane drives the proxy', () => {
  for (const apiType of ['DELTA_GRPC', 'GRPC']) {
    test(`${configurations} configurations over ${apiType}`, { timeout: 600_000 }, async (t) => {
      const go = requirePeer(t, 'go');
      if (go === undefined) return;
      t.diagnostic(`seed ${seed}: HEDDLE_INTEROP_SEED repeats it`);
      const server = await startForeignServer(t, await buildForeignServer(t, go));
      const draw = new Draw(apiType);
      const model = new Model(draw, {
        upstreams: await startUpstreams(t),
        ports: await freePorts(listenerCount),
        certificates: await issued(3),
      });
      const publisher = new Publisher(server);
      publisher.push(model.resources());
      const proxy = startProxyChild(t, bootstrapFor(server.port, apiType), {
        // A listener that drains keeps its secret.
        flags: ['--drain-time-s', '1'],
      });
      for (let at = 1; at <= configurations; at++) {
        const right = model.resources();
        try {
          await settled(proxy, right, []);
          for (const probe of model.probes()) await check(probe);
          const bad = at % wrongEvery === 0 ? spoiled(draw, right) : undefined;
          if (bad !== undefined) {
            const before = server.events.length;
            publisher.push(bad.sent);
            await eventually(() => {
              const nack = server.events
                .slice(before)
                .find(({ event, type }) => event === 'nack' && type === dumped[bad.kind].typeUrl);
              assert.ok(nack !== undefined, `no refusal of ${bad.kind} ${bad.name}`);
              assert.match(nack.error ?? '', new RegExp(bad.name));
            });
            await settled(proxy, right, [bad.name]);
            for (const probe of model.probes()) await check(probe);
          }
        } catch (error) {
          throw new Error(`configuration ${at} of seed ${seed}`, { cause: error });
        }
        model.change();
        publisher.push(model.resources());
      }
    });
  }
});
