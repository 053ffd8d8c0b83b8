/** WebSocket clients and servers that are not ours with the proxy between them, on HTTP/1.1 and HTTP/2. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { findPeer } from '../support/peer.ts';
import type { Upstream } from './interop/proxy.ts';
import { type Case, interop, type Rig } from './interop/rig.ts';
import { startServer } from './interop/upstreams.ts';
import {
  pythonProgram,
  runWsCases,
  runWsOverHttp2Cases,
  startWsOverHttp2Server,
  startWsServer,
  type WsTarget,
} from './interop/websocket.ts';

const timeout = 60_000;

type Client = (target: WsTarget, certificates: Rig['certificates']) => Promise<void>;

async function runPython({ port, root }: WsTarget, certificates: Rig['certificates']): Promise<void> {
  const scheme = root === undefined ? 'ws' : 'wss';
  const words = [
    'ask',
    `${scheme}://localhost:${port}/chat`,
    ...(root === undefined ? [] : [certificates.root]),
  ];
  await promisify(execFile)(findPeer('python-clients')!, [pythonProgram, ...words], { timeout });
}

const clients: Readonly<Record<string, Client>> = {
  ws: (target) => runWsCases(target),
  websockets: runPython,
  'ws over HTTP/2': (target) => runWsOverHttp2Cases(target),
};

const servers: Readonly<Record<string, string>> = {
  ws: 'ws',
  websockets: 'websockets',
  'ws-h2': 'ws over HTTP/2',
};

const cases = Object.entries(clients).flatMap(([client, run]) =>
  Object.entries(servers).flatMap(([upstream, server]) =>
    [false, true].map(
      (secured): Case<Upstream, object> => ({
        name: `${client} to ${server}${secured ? ', TLS' : ''}`,
        peers: [],
        async run({ proxy, certificates }) {
          const port = proxy.port(upstream, secured);
          await run(secured ? { port, root: readFileSync(certificates.root) } : { port }, certificates);
        },
      }),
    ),
  ),
);

interop<Upstream, object>({
  name: 'WebSocket',
  peers: ['node-clients', 'python-clients'],
  async start(t) {
    const python = await startServer(t, findPeer('python-clients')!, [pythonProgram, 'serve']);
    return {
      upstreams: [
        { name: 'ws', protocol: 'HTTP/1.1', port: await startWsServer(t) },
        { name: 'websockets', protocol: 'HTTP/1.1', port: python },
        { name: 'ws-h2', protocol: 'HTTP/2', port: await startWsOverHttp2Server(t) },
      ],
    };
  },
  cases,
});
