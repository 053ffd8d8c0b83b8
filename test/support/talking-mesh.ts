/** A mesh of two applications that were told nothing of it and do what they are asked to, where traffic is captured. */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RunningMesh, startMesh } from './mesh.ts';
import { ingressTo, workload } from './small-mesh.ts';

/** Does what the path says: asks another by HTTP or TCP, looks a name up, or says who it is and who asks. */
const application = `
import dns from 'node:dns/promises';
import http from 'node:http';
import net from 'node:net';
const what = {
  async http({ to }) { const response = await fetch(to); return response.status + ' ' + (await response.text()); },
  tcp: ({ host, port }) => new Promise((resolve) => {
    let said = '';
    // A negative check: who must not be let in may hear nothing at all, and for that there is no event.
    net.connect({ host, port: Number(port) }).setEncoding('utf8').setTimeout(1000, () => resolve(said))
      .on('data', (text) => (said += text)).on('error', ({ code }) => resolve(code)).on('close', () => resolve(said));
  }),
  async lookup({ name }) { return JSON.stringify(await dns.lookup(name, { all: true }).catch(({ code }) => code)); },
  async environment() { return JSON.stringify(process.env); },
};
http.createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://x');
  const run = what[pathname.slice(1)];
  const text = run ? await run(Object.fromEntries(searchParams)).catch(({ cause, message }) => cause?.code ?? message) : undefined;
  response.end(text ?? process.env.HOSTNAME + ' asked by ' + (/URI=([^;]*)/.exec(request.headers['x-forwarded-client-cert'])?.[1] ?? 'nobody known'));
}).listen(9080);
// Speaks first, as a database does.
net.createServer((socket) => socket.on('error', () => {}).end('welcome to ' + process.env.HOSTNAME)).listen(7000);
process.on('SIGTERM', () => process.exit(0));
`;

const ports = '[{name: http, port: 80, targetPort: 9080}, {name: tcp, port: 7000}]';
const container = 'image: app:1\nports: [{containerPort: 9080}, {containerPort: 7000}]';
const documents = (sidecar: Sidecar, more: MoreDocuments): string => `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: captured}
images:
  app:1: {command: [node, app.mjs]}
workloads:
  front: {sidecar: ${sidecar}}
---
${workload({ name: 'front', ports, container })}${workload({ name: 'back', replicas: 2, dualStack: true, ports, container })}
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
${more.documents ?? ''}${ingressTo('front', more.ofIngress)}`;

/** Beside the front end; the back end has ours. */
export type Sidecar = 'heddle' | 'envoy';
export interface MoreDocuments {
  /** Each ends with `---`. */
  readonly documents?: string;
  /** Fields of the ingress gateway's route, indented by four. */
  readonly ofIngress?: string;
}

export type TalkingApplication = 'front' | 'back';

export interface TalkingMesh extends RunningMesh {
  /** What one of them says of what it did: `http`, `tcp`, `lookup`, `environment`, or nothing but who it is. */
  ask(who: TalkingApplication, path: string, query?: Readonly<Record<string, string>>): Promise<string>;
}

/** Only mutual TLS is taken. @param folder for its files */
export async function startTalkingMesh(
  folder: string,
  sidecar: Sidecar,
  env: Readonly<Record<string, string>> = {},
  more: MoreDocuments = {},
): Promise<TalkingMesh> {
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, 'app.mjs'), application);
  const manifest = join(folder, 'mesh.yaml');
  writeFileSync(manifest, documents(sidecar, more));
  const mesh = await startMesh([manifest], { args: ['--capture', 'always'], env });
  const ask: TalkingMesh['ask'] = async (who, path, query = {}) => {
    const target = `${path}?${new URLSearchParams(query)}`;
    if (who === 'back') {
      const said = await ask('front', 'http', { to: `http://back/${target}` });
      assert.match(said, /^200 /);
      return said.slice('200 '.length);
    }
    const response = await fetch(`${mesh.ingressUrl}/${target}`);
    assert.equal(response.status, 200);
    return response.text();
  };
  return { ...mesh, ask };
}
