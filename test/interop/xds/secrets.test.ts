/** Secrets of one name from several sources: Envoy beside Heddle. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before } from 'node:test';
import type { JsonObject } from '@bufbuild/protobuf';
import { TestRoot } from '../../support/certificates.ts';
import { askCertificate } from './ask.ts';
import {
  ads,
  cluster,
  delta,
  file,
  grpc,
  listenerOf,
  ownStream,
  routes,
  serverCluster,
  typeUrl,
} from './resources.ts';
import { type Places, playScripts, type Script, type Step } from './script.ts';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';
const holders = ['static', 'ads', 'file', 'stream', 'ads-2', 'file-2', 'stream-2', 'ads-3', 'own-2'];
const certificates = new Map<string, JsonObject>();

before(async () => {
  const root = await TestRoot.create('root');
  for (const commonName of holders) {
    const { cert, key } = await root.issue({ commonName });
    certificates.set(commonName, {
      certificate_chain: { inline_string: cert },
      private_key: { inline_string: key },
    });
  }
});

/** All are called alike. */
const secret = (holder: string, name = 'cert'): JsonObject => ({
  '@type': typeUrl('secret'),
  name,
  tls_certificate: certificates.get(holder)!,
});

const { '@type': _, ...route_config } = routes('inline', 'through');

/** @param sds_config absent: of the bootstrap */
function shows(name: string, sds_config?: JsonObject, secretName = 'cert'): JsonObject {
  const { filter_chains, ...listener } = listenerOf(name, { route_config }) as {
    filter_chains: JsonObject[];
  };
  const config = { name: secretName, ...(sds_config !== undefined && { sds_config }) };
  const typed_config = {
    '@type': TLS,
    common_tls_context: { tls_certificate_sds_secret_configs: [config] },
  };
  return {
    ...listener,
    filter_chains: [{ ...filter_chains[0], transport_socket: { name: 'tls', typed_config } }],
  };
}

/** Moved into place, as Envoy wants to see it. */
function replace(path: string, resource: JsonObject): void {
  writeFileSync(`${path}.new`, JSON.stringify({ version_info: '1', resources: [resource] }));
  renameSync(`${path}.new`, path);
}

const untyped = ({ '@type': _type, ...resource }: JsonObject): JsonObject => resource;

const bootstrap = ({ servers, folder }: Places): JsonObject => {
  const path = join(folder, 'sds.json');
  replace(path, secret('file'));
  return {
    node: { id: 'test', cluster: 'test' },
    static_resources: {
      clusters: [serverCluster('xds', servers[0]!), serverCluster('own', servers[1]!)],
      secrets: [untyped(secret('static'))],
      listeners: [untyped(shows('bootstrap')), untyped(shows('filed', file(path)))],
    },
    dynamic_resources: { ads_config: grpc('DELTA_GRPC', 'xds'), cds_config: ads, lds_config: ads },
  };
};

const own = { scope: 'secret', server: 1 } as const;
const sds = (version: number, holder: string): JsonObject => delta('secret', version, [secret(holder)]);

const steps: readonly Step[] = [
  {
    name: 'one of the bootstrap, and one of a file',
    async play({ send }) {
      await send(delta('cluster', 1, [cluster('a')]));
      await send(delta('listener', 1, []));
    },
    envoy: [/listener bootstrap answers static/, /listener filed answers file/],
  },
  {
    name: 'one that comes by ADS is waited for though others are there',
    play: ({ send }) => send(delta('listener', 2, [shows('asked', ads)])),
    envoy: [/SDS \+cert/, /asked@v2\(warming\)/],
  },
  {
    name: 'it is for who asked there',
    play: ({ send }) => send(sds(3, 'ads')),
    envoy: [/listener asked answers ads/, /listener bootstrap answers static/, /listener filed answers file/],
    stats: ['sds.cert.update_success'],
  },
  {
    name: 'one of a stream of its own',
    async play({ send }) {
      await send(delta('listener', 4, [shows('streamed', ownStream('DELTA_GRPC', 'own'))]));
      await send(sds(4, 'stream'), own);
    },
    envoy: [
      /listener streamed answers stream/,
      /listener asked answers ads/,
      /listener bootstrap answers static/,
    ],
  },
  {
    name: 'ADS changes its own',
    play: ({ send }) => send(sds(5, 'ads-2')),
    envoy: [/listener streamed answers stream$/, /listener asked answers ads-2/],
  },
  {
    name: 'so does the stream',
    play: ({ send }) => send(sds(6, 'stream-2'), own),
    envoy: [/listener streamed answers stream-2/, /listener asked answers ads-2/],
  },
  {
    name: 'and the file',
    play: ({ folder }) => replace(join(folder, 'sds.json'), secret('file-2')),
    envoy: [/listener filed answers file-2/, /listener bootstrap answers static/],
  },
  {
    name: 'one that is not wanted any more is not there for who comes later',
    async play({ send, drained }) {
      await send(delta('listener', 7, [], { removed: ['asked'] }));
      await drained(1);
      await send(delta('listener', 8, [shows('again', ads)]));
    },
    envoy: [/SDS -cert/, /again@v8\(warming\)/],
  },
  {
    name: 'until it comes',
    play: ({ send }) => send(sds(9, 'ads-3')),
    envoy: [/listener again answers ads-3/],
  },
  {
    name: 'what the bootstrap does not have is refused',
    play: ({ send }) => send(delta('listener', 10, [shows('lost', undefined, 'other')])),
    envoy: [/LDS nonce n10-listener NACK/],
  },
];

export const scripts: readonly Script[] = [
  {
    name: 'secrets of one name are those of their sources',
    bootstrap,
    servers: 2,
    steps,
    ask: askCertificate,
  },
];

if (import.meta.main) playScripts('secrets', scripts);
