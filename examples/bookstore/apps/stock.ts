/**
 * stock: how many copies are on the shelf, over plain TCP. A line `GET ID` is answered with a line holding
 * the number; `-` means no such book. The mesh carries it like any TCP service: mutual TLS, no HTTP.
 */
import net, { type Socket } from 'node:net';
import readline from 'node:readline';
import { address, onStop } from './service.ts';

const copies: ReadonlyMap<string, number> = new Map([
  ['1', 12],
  ['2', 3],
  ['3', 0],
  ['4', 7],
  ['5', 25],
  ['6', 1],
]);

const connections = new Set<Socket>();
const server = net.createServer((socket) => {
  connections.add(socket);
  socket.on('close', () => connections.delete(socket));
  socket.on('error', () => socket.destroy());
  readline.createInterface({ input: socket }).on('line', (line) => {
    const id = /^GET (\d+)$/.exec(line.trim())?.[1];
    socket.write(`${(id === undefined ? undefined : copies.get(id)) ?? '-'}\n`);
  });
});

const { host, port } = address();
server.listen(port, host, () => console.log(`stock on ${host}:${port}`));
onStop(() => {
  server.close(() => process.exit(0));
  for (const socket of connections) socket.end();
});
