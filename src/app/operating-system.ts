/** What a proxy asks of the operating system: files, variables, names and its own address. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { canDuplicateDescriptors, duplicateDescriptor } from '#host/duplicate-descriptor.ts';
import { inheritedSocket, succeededSocket } from '#host/inherited-sockets.ts';
import { canAskOriginalDestination, originalDestination } from '#host/original-destination.ts';
import { canSetOptions, makeTransparent, openTcpSocket } from '#host/socket-options.ts';
import { handedSocketStock } from '#host/socket-stock.ts';
import type { DataReader } from '#proxy/apply/secret-material.ts';
import type { DataPathDeps } from '#proxy/data-path-deps.ts';

/** Files and variables as the bootstrap names them. */
export const dataReader: DataReader = {
  readFile: (path) => readFileSync(path),
  environment: (name) => process.env[name],
};

/** What only some systems can be asked. */
export const systemCalls: Pick<
  DataPathDeps,
  'originalDestination' | 'duplicateDescriptor' | 'openSocket' | 'inheritedSocket' | 'makeTransparent'
> = {
  inheritedSocket: (key, thread) => succeededSocket(key, thread) ?? inheritedSocket(key),
  ...(canAskOriginalDestination() ? { originalDestination } : {}),
  ...(canDuplicateDescriptors() ? { duplicateDescriptor } : {}),
  ...(canSetOptions() ? { openSocket: openTcpSocket, makeTransparent } : {}),
};

/** What only a process has that is not in the network of its application. */
export function applicationSockets(): Pick<DataPathDeps, 'openApplicationSocket'> {
  const stock = handedSocketStock();
  return stock === undefined
    ? {}
    : { openApplicationSocket: (family, options) => stock.take(family, options) };
}

/** The first address that others may reach this host by, IPv4 before IPv6, as Envoy finds its own. */
export function localAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outward = all.filter(({ internal }) => !internal);
  const chosen = outward.find(({ family }) => family === 'IPv4') ?? outward[0];
  return chosen?.address ?? '127.0.0.1';
}
