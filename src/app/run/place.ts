/** What others know an instance of this host as: its name, its address, and the ports where they come to. */
import { createSocket } from 'node:dgram';
import { hostname, networkInterfaces } from 'node:os';
import type { RunOptions } from '#cli/command/run.ts';
import { CliError } from '#cli/exit.ts';
import { hostPort } from '#core/ip-address.ts';
import { bindListeningSocket, bindSocket, closeDescriptor } from '#host/bound-socket.ts';
import { anyFreePort } from '#host/free-port.ts';
import type { HandedSocket } from '#host/inherited-sockets.ts';
import { lowestBindablePort } from '#host/self.ts';
import type { RegisteredPort } from '../workload-node.ts';

export interface Place {
  /** Of the instance, such as `reviews-laptop-9080`. */
  readonly name: string;
  /** Of the workload, such as `reviews`. */
  readonly workload: string;
  readonly address: string;
  readonly ports: readonly RegisteredPort[];
  /** Where others come to, for the sidecar. */
  readonly sockets: readonly HandedSocket[];
}

/** Others may take the one that was free. */
const TRIES = 5;

/** The sockets belong to who asked. @throws a {@link CliError} where they, or the address, cannot be had */
export async function findPlace(options: RunOptions): Promise<Place> {
  const address = options.address ?? (await addressTowards(options.controlPlane));
  const sockets: HandedSocket[] = [];
  const ports: RegisteredPort[] = [];
  try {
    for (const { name, number, hostPort: wanted } of options.port) {
      const bound = await bindPort(address, wanted, name, number);
      sockets.push({ address: hostPort(address, bound.port), fd: bound.fd });
      ports.push({ name, number, hostPort: bound.port });
    }
  } catch (error) {
    for (const { fd } of sockets) closeDescriptor(fd);
    throw error;
  }
  const workload = options.service ?? options.group ?? wordOf(options.command[0]!.replace(/^.*\//, ''));
  const own = [workload, wordOf(hostname()), ports[0]?.hostPort ?? process.pid].join('-');
  return { name: options.name ?? own, workload, address, ports, sockets };
}

/** Whether this host has an IPv6 address that leads further than its own link. */
export function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(
      ({ family, internal, address }) => family === 'IPv6' && !internal && !address.startsWith('fe80:'),
    ),
  );
}

/** Nothing is sent: the system is only asked by which way it would go. */
async function addressTowards(control: string): Promise<string> {
  const colon = control.lastIndexOf(':');
  const host = control.slice(0, colon).replace(/^\[|\]$/g, '');
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(Number(control.slice(colon + 1)), host, resolve);
    });
    return socket.address().address;
  } catch (error) {
    throw new CliError(`there is no way to the control plane at ${control}: ${(error as Error).message}`, {
      advice: 'Look at --control-plane; with --address IP this host need not be asked for its own.',
    });
  } finally {
    socket.close();
  }
}

interface BoundPort {
  readonly port: number;
  readonly fd: number;
}

async function bindPort(address: string, wanted: number, name: string, number: number): Promise<BoundPort> {
  for (let attempt = 1; ; attempt++) {
    let port = wanted;
    try {
      if (wanted === 0) port = await freePort(address);
      return { port, fd: bindListeningSocket(address, port) };
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE' && wanted === 0 && attempt < TRIES) continue;
      throw new CliError(`cannot listen on ${hostPort(address, port)}: ${code}`, {
        advice: adviceFor(code, port, name, number),
        cause: error,
      });
    }
  }
}

/** @throws with the system's `code` where nothing can be bound at the address */
function freePort(address: string): Promise<number> {
  closeDescriptor(bindSocket(address, 0));
  return anyFreePort(address);
}

function adviceFor(code: string, port: number, name: string, number: number): string {
  const other = port < lowestBindablePort() ? 10_000 + port : port + 1;
  if (code === 'EADDRNOTAVAIL') return 'It is no address of this host: name one of its own with --address.';
  return `Name another port of this host for it, such as --port ${name}:${other}:${number}, or any: --port ${name}:0:${number}`;
}

/** Letters, digits and `-`, as names in a mesh are. */
function wordOf(text: string): string {
  const word = text
    .toLowerCase()
    .replace(/\..*$/, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return word === '' ? 'app' : word;
}
