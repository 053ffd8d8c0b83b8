/**
 * From a test to the addresses of instances, as from a Pod that is no member of the mesh. Where traffic is captured such a
 * Pod leads on what the test sends: the addresses are not this machine's, and the runner's own way passes sidecars by.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join as joinPath } from 'node:path';
import { join, throughDoorway } from '#host/network/doorway.ts';
import { captureMode } from './capture-mode.ts';
import type { RunningMesh } from './mesh.ts';

export interface MeshWay {
  readonly host: string;
  readonly port: number;
}

export interface MeshWays {
  /** Where what is at a port of an instance is reached by anybody on this machine. */
  to(address: string, port: number): Promise<MeshWay>;
  close(): void;
}

/** To be part of a mesh that {@link meshWays} are for. */
export const wayDocuments: readonly string[] = captureMode === 'always' ? ['test/apps/relay.yaml'] : [];
const relayPort = 9000;

export function meshWays({ stateDirectory, instancesOf }: RunningMesh): MeshWays {
  const known = new Map<string, Promise<MeshWay>>();
  const closers: (() => void)[] = [];
  const open = new Set<Socket>();
  const doorway = joinPath(stateDirectory, 'in.sock');
  const listen = async (address: string, port: number): Promise<MeshWay> => {
    if (captureMode === 'never') return { host: address, port };
    const [relay] = instancesOf('relay');
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
      open.add(near);
      near.on('error', () => near.destroy()).on('close', () => open.delete(near));
      throughDoorway(doorway, relay!.meshAddress, relayPort).then(
        (far) => {
          far.write(`${address} ${port}\n`);
          join(near, far);
        },
        () => near.resetAndDestroy(),
      );
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(() => server.close());
    return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  };
  return {
    to(address, port) {
      const key = `${address}:${port}`;
      const way = known.get(key) ?? listen(address, port);
      known.set(key, way);
      return way;
    },
    close() {
      for (const end of closers) end();
      for (const socket of open) socket.destroy();
    },
  };
}
