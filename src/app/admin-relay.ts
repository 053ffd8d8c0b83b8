/**
 * The way to the admin interface of an Envoy whose traffic is captured. Envoy has it on a Unix socket: what it calls by
 * TCP comes back to itself, and of the machine outside its namespace it can have no socket.
 */
import { connect, createServer, type ListenOptions } from 'node:net';
import { CliError } from '#cli/exit.ts';
import { inheritedSocket } from '#host/inherited-sockets.ts';
import { join } from '#host/network/doorway.ts';
import { serverCloser } from '#host/network/server-closer.ts';

/**
 * While nobody listens on `path`, who comes is turned away.
 *
 * @param address `HOST:PORT`; the socket of that name, where this process was given one
 * @returns what ends it. Rejects with a {@link CliError} where it cannot listen.
 */
export async function relayAdmin(address: string, path: string): Promise<() => Promise<void>> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) =>
    join(near, connect({ path, allowHalfOpen: true })),
  );
  const close = serverCloser(server);
  const fd = inheritedSocket(address);
  const at = address.lastIndexOf(':');
  const where: ListenOptions | { readonly fd: number } =
    fd === undefined
      ? { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) }
      : { fd };
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, resolve);
  }).catch((cause: Error) => {
    throw new CliError(`cannot listen on ${address}: ${cause.message}`, { cause });
  });
  return close;
}
