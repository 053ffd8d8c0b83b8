/** Programs for `heddle run` that were told nothing of a mesh, as words of a command line. */
import assert from 'node:assert/strict';
import { eventually } from './eventually.ts';
import type { RunChild } from './run.ts';

/** Says who it is and who asks, by HTTP at 9080; at 7000 it speaks first, as a database does. */
export function greeter(name: string): string[] {
  const script = `
const name = process.argv[1];
require('node:http').createServer((request, response) => {
  const by = /URI=([^;]*)/.exec(request.headers['x-forwarded-client-cert'])?.[1] ?? 'nobody known';
  response.end(name + ' asked by ' + by + '\\n');
}).listen(9080, () => console.log('listens'));
require('node:net').createServer((socket) => socket.on('error', () => {}).end('welcome to ' + name)).listen(7000, '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
`;
  return [process.execPath, '-e', script, name];
}

/** Options of `heddle run` for {@link greeter}. */
export function greeterFlags(service: string, name: string): string[] {
  const ports = ['--port', 'http:0:9080', '--port', 'tcp-greeting:0:7000'];
  return ['--service', service, ...ports, '--service-account', service, '--name', name];
}

/** Does what the lines of its standard input say; see {@link ask}. */
export const asker: readonly string[] = [
  process.execPath,
  '-e',
  `
const net = require('node:net'), dns = require('node:dns/promises');
const what = {
  get: async (url) => { const answer = await fetch(url, { signal: AbortSignal.timeout(5000) }); return answer.status + ' ' + (await answer.text()).trim(); },
  tcp: (host, port) => new Promise((resolve) => {
    let said = '';
    net.connect(port, host).setEncoding('utf8').on('data', (text) => (said += text)).on('error', ({ code }) => resolve(code)).on('close', () => resolve(said));
  }),
  lookup: async (name) => JSON.stringify(await dns.lookup(name)),
  udp: (host, port) => new Promise((resolve) => {
    const socket = require('node:dgram').createSocket('udp4').on('error', ({ code }) => resolve(code)).on('message', (text) => resolve('heard ' + text));
    socket.connect(Number(port), host, () => socket.send('hello'));
  }),
};
require('node:readline').createInterface({ input: process.stdin }).on('line', async (line) => {
  const [id, verb, ...words] = line.split(' ');
  console.log(id, '->', await what[verb](...words).catch(({ cause, code, name }) => cause?.code ?? (typeof code === 'string' ? code : name)));
});
process.on('SIGTERM', () => process.exit(0));
console.log('asks');
`,
];

let asked = 0;

/**
 * What an {@link asker} says to `get URL`, `tcp HOST PORT`, `lookup NAME` or `udp HOST PORT`: what was answered, the
 * system's code, or after five seconds of HTTP `TimeoutError`.
 */
export async function ask(run: RunChild, what: string): Promise<string> {
  const id = `q${++asked}`;
  run.send(`${id} ${what}`);
  return eventually(
    () => {
      const line = run
        .stdout()
        .split('\n')
        .slice(0, -1)
        .find((one) => one.startsWith(`${id} -> `));
      assert.ok(line !== undefined, `no answer to ${what}: ${run.stdout()}\n${run.stderr()}`);
      return line.slice(`${id} -> `.length);
    },
    { timeoutMs: 60_000 },
  );
}
