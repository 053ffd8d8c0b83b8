/** Starts the thread that answers datagrams of DNS; `dns-worker.ts` is what runs in it. */
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { parseIp } from '#core/ip-address.ts';
import { closeDescriptor, socketAddress } from '#host/bound-socket.ts';
import { openDoorbell, ring, sendDatagram } from '#host/datagrams.ts';
import { duplicateOf } from '#host/duplicate-descriptor.ts';
import type { RunningLoop, ThreadMeans } from '#names/question-thread.ts';
import type { FromLoop, LoopFigures, ToLoop } from '#names/thread-message.ts';

/** What the thread is given at its start. */
export interface DnsWorkerData {
  readonly sockets: readonly number[];
  readonly doorbell: number;
  readonly figures: LoopFigures;
  readonly port: MessagePort;
}

export const dnsThreads: ThreadMeans = {
  start,
  duplicate: duplicateOf,
  close: closeDescriptor,
  send(fd, bytes, peer) {
    if (peer instanceof Uint8Array) return sendDatagram(fd, bytes, peer);
    const ip = parseIp(peer.address);
    if (ip !== undefined) sendDatagram(fd, bytes, socketAddress(ip, peer.port));
  },
};

/** In `dist/` a bundle of its own. */
function workerFile(): URL {
  const built = 'heddleUrl' in globalThis;
  return new URL(built ? './heddle-dns.cjs' : './dns-worker.ts', import.meta.url);
}

function start(
  sockets: readonly number[],
  figures: LoopFigures,
  heard: (message: FromLoop) => void,
): RunningLoop {
  const { port1: own, port2: port } = new MessageChannel();
  const doorbell = openDoorbell();
  const data: DnsWorkerData = { sockets, doorbell, figures, port };
  const worker = new Worker(workerFile(), {
    name: 'dns',
    workerData: data,
    transferList: [port],
    // Those of the process are for its main thread.
    execArgv: [],
  });
  const say = (message: ToLoop): void => {
    own.postMessage(message);
    ring(doorbell);
  };
  // A process that ends waits for its threads, and this one waits in the kernel.
  const end = (): void => say({ kind: 'end' });
  process.once('exit', end);
  own.on('message', heard);
  own.unref();
  worker.unref();
  let died: Error | undefined;
  worker.on('error', (error) => {
    died = error as Error;
  });
  const ended = new Promise<Error | undefined>((resolve) => {
    worker.on('exit', () => {
      process.off('exit', end);
      own.close();
      closeDescriptor(doorbell);
      resolve(died);
    });
  });
  return { ended, say };
}
