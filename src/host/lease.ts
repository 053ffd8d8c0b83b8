/**
 * A mesh's own loopback network: 127.N.0.0/16, leased by a lock file, so that several meshes and
 * test runs live beside each other. Linux answers on all of 127.0.0.0/8 without being told.
 */
import { chmodSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fnv1a } from '#core/fnv1a.ts';
import { type HeldLock, takeLock } from './lock-file.ts';

export interface Lease {
  /** The N of 127.N.0.0/16. */
  readonly network: number;
  /** Where the control plane listens: 127.N.0.1. */
  readonly controlAddress: string;
  /** Address of gateway `index`, from 0: 127.N.0.2 and on. */
  gatewayAddress(index: number): string;
  /** Where the sidecar of instance `index` listens: 127.N.1.1 and on. */
  meshAddress(index: number): string;
  /** Where the application of instance `index` listens, and only its sidecar connects: 127.N.128.1 and on. */
  applicationAddress(index: number): string;
  release(): void;
}

/** Why no network could be had. */
export type LeaseFailure =
  /** This system has no loopback address but 127.0.0.1 (macOS without aliases). */
  | { readonly ok: false; readonly reason: 'single-address' }
  /** Every network is taken. */
  | { readonly ok: false; readonly reason: 'all-taken' };

// 127.0.0.0/16 and 127.1.0.0/16 are left to everybody else: localhost, 127.0.1.1 (Debian's own name), resolvers.
const FIRST_NETWORK = 2;
const LAST_NETWORK = 254;
/** Addresses used of each 127.N.x.0/24: .0 and the last few are left out to keep them readable. */
const ADDRESSES_A_BLOCK = 250;
const MESH_BLOCK = 1;
const APPLICATION_BLOCK = 128;
/** Instances a mesh can have: the blocks before the first application block. */
export const MAX_INSTANCES: number = (APPLICATION_BLOCK - MESH_BLOCK) * ADDRESSES_A_BLOCK;
const MAX_GATEWAYS = 200;

/** The lock files of all users are in one place, for they share one loopback interface. */
export function leaseDirectory(): string {
  const directory = join(tmpdir(), 'heddle-leases');
  mkdirSync(directory, { recursive: true });
  try {
    // As /tmp itself: everybody may lease, nobody may take away another's.
    chmodSync(directory, 0o1777);
  } catch {
    // Made by another user, who has done this.
  }
  return directory;
}

/**
 * Leases a network.
 *
 * @param name of the mesh; the same name gets the same network where it is free
 */
export async function leaseNetwork(
  name: string,
  directory: string = leaseDirectory(),
): Promise<({ readonly ok: true } & Lease) | LeaseFailure> {
  const count = LAST_NETWORK - FIRST_NETWORK + 1;
  const preferred = fnv1a(name) % count;
  for (let i = 0; i < count; i++) {
    const network = FIRST_NETWORK + ((preferred + i) % count);
    const lock = takeLock(join(directory, `127.${network}.lock`), name);
    if (!lock.ok) continue;
    const state = await tryAddress(`127.${network}.0.1`);
    if (state === 'free') return { ok: true, ...lease(network, lock) };
    lock.release();
    if (state === 'missing') return { ok: false, reason: 'single-address' };
  }
  return { ok: false, reason: 'all-taken' };
}

function lease(network: number, lock: HeldLock): Lease {
  const inBlock = (block: number, index: number): string => {
    if (index >= MAX_INSTANCES)
      throw new RangeError(`a mesh on one machine has at most ${MAX_INSTANCES} instances`);
    const at = block + Math.floor(index / ADDRESSES_A_BLOCK);
    return `127.${network}.${at}.${1 + (index % ADDRESSES_A_BLOCK)}`;
  };
  return {
    network,
    controlAddress: `127.${network}.0.1`,
    gatewayAddress(index): string {
      if (index >= MAX_GATEWAYS)
        throw new RangeError(`a mesh on one machine has at most ${MAX_GATEWAYS} gateways`);
      return `127.${network}.0.${2 + index}`;
    },
    meshAddress: (index) => inBlock(MESH_BLOCK, index),
    applicationAddress: (index) => inBlock(APPLICATION_BLOCK, index),
    release: () => lock.release(),
  };
}

/** Whether a control plane could listen there; a foreign one may hold the port without our lock. */
async function tryAddress(address: string): Promise<'free' | 'taken' | 'missing'> {
  const CONTROL_PLANE_PORT = 15012;
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: address, port: CONTROL_PLANE_PORT, exclusive: true }, resolve);
    });
    return 'free';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EADDRNOTAVAIL' ? 'missing' : 'taken';
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}
