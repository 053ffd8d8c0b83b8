/** A mesh whose application calls hosts that ServiceEntries speak of, and the servers on this machine that stand for them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { captureMode } from './capture-mode.ts';
import { TestRoot } from './certificates.ts';
import { type RunningMesh, startMesh } from './mesh.ts';
import { ingressTo, workload } from './small-mesh.ts';

/** Asks by HTTP, or by TCP or TLS, which goes through a proxy where the application was told of one; looks names up. */
const application = `
import dns from 'node:dns/promises';
import http from 'node:http';
import net from 'node:net';
import tls from 'node:tls';
const { env } = process;
const agent = new http.Agent({ proxyEnv: env });
const get = (to, headers) => new Promise((resolve, reject) => {
  http.get(to, { agent, headers }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (more) => (text += more));
    response.on('end', () => resolve(response.statusCode + ' ' + text));
  }).on('error', reject);
});
const connected = (host, port) => new Promise((resolve, reject) => {
  if (env.http_proxy === undefined) return resolve(net.connect({ host, port }));
  const { hostname, port: proxyPort } = new URL(env.http_proxy);
  http.request({ host: hostname, port: proxyPort, method: 'CONNECT', path: host + ':' + port })
    .on('connect', (response, socket, head) => {
      socket.unshift(head);
      if (response.statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(new Error('CONNECT ' + response.statusCode));
    })
    .on('error', reject).end();
});
const heard = (socket) => new Promise((resolve) => {
  let said = '';
  socket.setEncoding('utf8').on('data', (text) => (said += text)).on('end', () => socket.end()).on('error', ({ code }) => resolve(code)).on('close', () => resolve(said || 'closed'));
});
const what = {
  http: ({ to, host }) => get(to, host === undefined ? {} : { host }),
  tcp: async ({ host, port }) => heard(await connected(host, port)),
  async tls({ host, port, name }) {
    const socket = await connected(host, port);
    return heard(tls.connect({ socket, servername: name, rejectUnauthorized: false }));
  },
  async lookup({ name }) { return JSON.stringify((await dns.lookup(name, { all: true })).map(({ address }) => address)); },
};
http.createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://x');
  const run = what[pathname.slice(1)];
  const failed = ({ code, message }) => code ?? message;
  const text = run ? await run(Object.fromEntries(searchParams)).catch(failed) : 'the application itself';
  response.end(text);
}).listen(Number(env.PORT ?? 9080), env.HOST);
process.on('SIGTERM', () => process.exit(0));
`;

/** Undefined where a captured Pod reaches nothing of this machine. */
export const outwardAddress: string | undefined =
  captureMode === 'never'
    ? '127.0.0.1'
    : Object.values(networkInterfaces())
        .flatMap((all) => all ?? [])
        .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

export interface OutsidePlaces {
  /** Where all of them listen. */
  readonly address: string;
  /** Answer by HTTP with their name and the host they were asked for. */
  readonly one: number;
  readonly two: number;
  /** Speaks first. */
  readonly greeter: number;
  /** Says by TLS what name it was asked for. */
  readonly secure: number;
}

export interface OutsideMesh extends RunningMesh {
  readonly places: OutsidePlaces;
  /** What the application says of what it did: `http`, `tcp`, `tls` or `lookup`. */
  ask(path: string, query: Readonly<Record<string, string>>): Promise<string>;
  /** Writes the documents of the mesh anew. */
  write(entries: string): void;
}

export interface OutsideSettings {
  readonly sidecar: 'heddle' | 'envoy';
  /** Each ends with `---`. */
  entries(places: OutsidePlaces): string;
}

/** Only what the mesh knows may be called. */
export async function startOutsideMesh({ sidecar, entries }: OutsideSettings): Promise<OutsideMesh> {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, 'app.mjs'), application);
  const { places, close } = await serve(outwardAddress!);
  const manifest = join(folder, 'mesh.yaml');
  const write = (more: string): void => writeFileSync(manifest, `${documents(sidecar)}${more}`);
  write(entries(places));
  const end = async (): Promise<void> => {
    await close();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const mesh = await startMesh([manifest]);
    const ask: OutsideMesh['ask'] = async (path, query) => {
      const response = await fetch(`${mesh.ingressUrl}/${path}?${new URLSearchParams(query)}`);
      assert.equal(response.status, 200);
      return response.text();
    };
    return { ...mesh, places, ask, write, stop: () => mesh.stop().finally(end) };
  } catch (error) {
    await end();
    throw error;
  }
}

async function serve(address: string): Promise<{ places: OutsidePlaces; close(): Promise<void> }> {
  const answering = (name: string): Server =>
    http.createServer((request, response) => response.end(`${name} for ${request.headers.host}`));
  const root = await TestRoot.create('outside');
  const { cert, key } = await root.issue();
  const secure = tls.createServer({ cert, key }, (socket) => {
    socket.on('error', () => {});
    socket.end(`asked for ${String((socket as { servername?: string }).servername)}`);
  });
  const greeter = net.createServer((socket) => socket.on('error', () => {}).end('welcome'));
  const servers = [answering('one'), answering('two'), greeter, secure];
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, address);
    await once(server, 'listening');
    ports.push((server.address() as AddressInfo).port);
  }
  return {
    places: { address, one: ports[0]!, two: ports[1]!, greeter: ports[2]!, secure: ports[3]! },
    async close(): Promise<void> {
      for (const server of servers) {
        if (server instanceof http.Server) server.closeAllConnections();
        server.close();
        await once(server, 'close');
      }
    },
  };
}

const documents = (sidecar: string): string => `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: outside}
outboundTrafficPolicy: {mode: REGISTRY_ONLY}
images:
  app:1: {command: [node, app.mjs]}
workloads:
  front: {sidecar: ${sidecar}}
---
${workload({ name: 'front', container: 'image: app:1\nports: [{containerPort: 9080}]' })}${ingressTo('front')}---
`;
