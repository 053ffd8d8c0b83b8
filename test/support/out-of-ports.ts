/**
 * Run in a network namespace of its own: a data path that has no port left for connections to its endpoint.
 * Prints what clients got before, then, and after.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { bootstrap, cluster, httpListener, startDataPath } from './data-path.ts';
import { eventually } from './eventually.ts';
import { ok, rawClient, rawServer } from './raw-tcp.ts';
import { tcpListener } from './tcp-chain.ts';

const cleanUps: (() => unknown)[] = [];
const t = { after: (run: () => unknown) => void cleanUps.push(run) };

const app = await rawServer(t, (socket) => socket.on('data', () => socket.end(ok('well'))));
const path = await startDataPath(
  t,
  bootstrap(
    [
      httpListener({ routes: '[{ match: { prefix: / }, route: { cluster: app } }]' }),
      tcpListener({ proxy: 'cluster: app' }),
    ],
    [cluster('app', [app.port])],
  ),
);

/** Only ports of this range may be taken by who connects. */
const range = (from: number, to: number): void =>
  writeFileSync('/proc/sys/net/ipv4/ip_local_port_range', `${from} ${to}`);

async function ask(): Promise<string> {
  const client = rawClient(t, path.port('web'));
  client.socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
  return (await client.ended()).split('\r\n')[0]!;
}

console.log(await ask());
// A port may be taken once for each address that is connected to: clients and the proxy do not get in each other's way.
range(31_000, 31_000);
const holder: Socket = connect(app.port, '127.0.0.1');
await once(holder, 'connect');
for (const name of ['web', 'tcp']) {
  const socket = connect(path.port(name), '127.0.0.1');
  socket.on('error', () => {});
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  let text = '';
  socket.on('data', (data) => {
    text += String(data);
    if (text.includes('\r\n\r\n')) socket.destroy();
  });
  await new Promise<void>((closed) => socket.on('close', () => closed()));
  console.log(`${name}: ${text.split('\r\n')[0]}`);
}
await eventually(() => {
  if (path.stat('cluster.app.upstream_cx_connect_fail') < 2) throw new Error('no attempt has failed');
});
console.log(path.lines.map((line) => line.trim()).join('|'));
holder.destroy();
range(32_000, 40_000);
console.log(await ask());
for (const run of cleanUps) await run();
process.exit();
