/** Composition root of the thread that answers datagrams of DNS. */
import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { DatagramSockets } from '#host/datagrams.ts';
import { QuestionLoop } from '#names/question-loop.ts';
import type { FromLoop, ToLoop } from '#names/thread-message.ts';
import { LOG_LEVEL_BYTES, relayLogger, sharedLogLevels } from '#observe/log.ts';
import type { DnsWorkerData } from './dns-thread.ts';

const { sockets, doorbell, figures, port } = workerData as DnsWorkerData;
const say = (message: FromLoop): void => port.postMessage(message);
// The main thread decides what of it is written.
const levels = sharedLogLevels(new ArrayBuffer(LOG_LEVEL_BYTES));

const loop = new QuestionLoop({
  datagrams: new DatagramSockets(sockets, doorbell),
  sockets: sockets.length,
  figures,
  random: Math.random,
  log: relayLogger(levels, (level, event, fields) => say({ kind: 'log', level, event, fields })),
  heard: () => receiveMessageOnPort(port)?.message as ToLoop | undefined,
  say,
});

function run(): void {
  if (loop.run()) setImmediate(run);
  else port.close();
}

run();
