/** Ports nobody listens on. Whoever asks must still be ready to find it taken: there is no reservation. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Whether `port` can be bound on `address` now. Port 0 is always free. */
export async function isPortFree(address: string, port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Below those that systems give to outgoing connections, the next of which could take it before it is bound. */
const lowPorts = { first: 10_000, end: 32_000 } as const;

/** Any port; a different one each time, for others choose at the same moment. */
export async function anyFreePort(address: string): Promise<number> {
  const from = randomInt(lowPorts.first, lowPorts.end);
  const port = await nextFreePort(address, from);
  if (port === undefined) throw new Error(`no free port on ${address} from ${from} on`);
  return port;
}

/** The first free port from `from` on, or undefined when the next `tries` are all taken. */
export async function nextFreePort(address: string, from: number, tries = 100): Promise<number | undefined> {
  for (let port = from; port < from + tries && port < 65_536; port++) {
    if (await isPortFree(address, port)) return port;
  }
  return undefined;
}
