/**
 * Open-loop load: requests are due at equal distances whatever became of those before, and are measured from the
 * moment they were due, so that a proxy that stands still is charged with all that waited.
 */
import http from 'node:http';
import net from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

export interface Sample {
  /** After the beginning of what counts. */
  readonly dueMs: number;
  /** By how much it was sent later than it was due: the load itself did not get the CPU it needs. */
  readonly lateMs: number;
  /** From when it was due to the end of its answer, or to its failure. */
  readonly tookMs: number;
  /** Absent: it was answered as it should be. */
  readonly failure?: string;
}

export interface LoadSettings {
  readonly port: number;
  readonly perSecond: number;
  readonly seconds: number;
  /** What is sent before and is not counted. */
  readonly warmUp: { readonly perSecond: number; readonly seconds: number };
  readonly failed: { readonly statusOtherThan: number; readonly afterMs: number };
  /** More requests a second that are due at a time, in ms after the beginning. */
  surplus?(atMs: number): number;
}

export interface Load {
  /** `performance.now()` at which what counts begins. */
  readonly beginsMs: number;
  /** Resolves when every request has come to its end. */
  readonly samples: Promise<Sample[]>;
}

const bodyBytes = 64;

export function startLoad(settings: LoadSettings): Load {
  const beginsMs = performance.now() + settings.warmUp.seconds * 1000;
  return { beginsMs, samples: run(settings, beginsMs) };
}

async function run(settings: LoadSettings, beginsMs: number): Promise<Sample[]> {
  const { perSecond, seconds, warmUp, surplus } = settings;
  const agent = new http.Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const asked: Promise<Sample>[] = [];
  for (let dueMs = -warmUp.seconds * 1000; dueMs < seconds * 1000; ) {
    const early = beginsMs + dueMs - performance.now();
    if (early > 0) await wait(early);
    const sample = ask(settings, agent, beginsMs, dueMs);
    if (dueMs >= 0) asked.push(sample);
    dueMs += 1000 / (dueMs < 0 ? warmUp.perSecond : perSecond + (surplus?.(dueMs) ?? 0));
  }
  const samples = await Promise.all(asked);
  agent.destroy();
  return samples;
}

function ask(
  { port, failed }: LoadSettings,
  agent: http.Agent,
  beginsMs: number,
  dueMs: number,
): Promise<Sample> {
  const lateMs = performance.now() - beginsMs - dueMs;
  return new Promise((resolve) => {
    let over = false;
    const end = (failure?: string): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      const tookMs = performance.now() - beginsMs - dueMs;
      resolve({ dueMs, lateMs, tookMs, ...(failure === undefined ? {} : { failure }) });
      if (failure !== undefined) request.destroy();
    };
    const timer = setTimeout(() => end('too late'), failed.afterMs - (performance.now() - beginsMs - dueMs));
    const request = http.get({ port, host: '127.0.0.1', path: '/small', agent }, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      response.on('close', () => {
        if (response.statusCode !== failed.statusOtherThan) end(`status ${response.statusCode}`);
        else end(response.complete && bytes === bodyBytes ? undefined : 'an incomplete body');
      });
      response.on('error', () => {});
    });
    request.on('error', (error) => end(error.message));
  });
}

/** Connects `count` times at once; each sends one request and goes when it is answered. */
export function connectionStorm(port: number, count: number): () => void {
  const sockets = Array.from({ length: count }, () => {
    const socket = net.connect({ port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.on('data', () => socket.destroy());
    socket.write('GET /small HTTP/1.1\r\nhost: storm\r\nconnection: close\r\n\r\n');
    return socket;
  });
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}

const readEveryMs = 100;

/** Ask for a large body each and read of it so many bytes a second, all together `count` clients. */
export function slowReaders(port: number, count: number, bytesPerSecond: number): () => void {
  const sockets = Array.from({ length: count }, () => {
    const socket = net.connect({ port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.pause();
    socket.write('GET /large HTTP/1.1\r\nhost: slow\r\n\r\n');
    return socket;
  });
  const step = Math.ceil((bytesPerSecond * readEveryMs) / 1000);
  const timer = setInterval(() => {
    for (const socket of sockets) socket.read(Math.min(step, socket.readableLength));
  }, readEveryMs);
  return () => {
    clearInterval(timer);
    for (const socket of sockets) socket.destroy();
  };
}
