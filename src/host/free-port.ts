/** Ports nobody listens on. Whoever asks must still be ready to find it taken: there is no reservation. */
import { type AddressInfo, createServer } from 'node:net';

/** Whether `port` can be bound on `address` now. Port 0 is always free. */
export async function isPortFree(address: string, port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** A port the system chooses. */
export async function anyFreePort(address: string): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port: 0, exclusive: true }, () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** The first free port from `from` on, or undefined when the next `tries` are all taken. */
export async function nextFreePort(address: string, from: number, tries = 100): Promise<number | undefined> {
  for (let port = from; port < from + tries && port < 65_536; port++) {
    if (await isPortFree(address, port)) return port;
  }
  return undefined;
}
