/** Both ends of an HTTP/2 connection. What is said of streams is the same for every split, but for limits that count by the tick. */
import assert from 'node:assert/strict';
import { CLIENT_PREFACE } from '#http/codec/h2/frame.ts';
import type { H2Stream } from '#http/codec/h2/stream.ts';
import { clientEnd, Recorder, serverEnd } from '../support/h2-pair.ts';
import type { FuzzTarget } from './target.ts';

/** Answers requests, so that the sending side is under fire too. */
function echo(stream: H2Stream): Recorder {
  const recorder: Recorder = new Recorder((event) => {
    if (event === 'head' && !stream.headSent) stream.sendResponse(200, ['server', 'fuzz'], false);
    if (event === 'data') stream.sendData(Buffer.from('x'.repeat(100)), false);
    if (recorder.ended) stream.end();
  });
  return recorder;
}

/** The log with data in a row joined. */
function joined(recorder: Recorder): string[] {
  const lines: string[] = [];
  let bytes = 0;
  let inData = false;
  for (const line of recorder.log) {
    if (line.startsWith('drain')) continue;
    const data = /^data (\d+)( end)?$/.exec(line);
    if (data === null) {
      if (inData) lines.push(`data ${bytes}`);
      inData = false;
      bytes = 0;
      lines.push(line);
      continue;
    }
    inData = true;
    bytes += Number(data[1]);
    if (data[2] !== undefined) {
      lines.push(`data ${bytes} end`);
      inData = false;
      bytes = 0;
    }
  }
  if (inData) lines.push(`data ${bytes}`);
  return lines;
}

function runServer(pieces: readonly Buffer[]): string {
  const end = serverEnd({ allowConnect: true }, echo);
  end.connection.start();
  let received = 0;
  for (const piece of pieces) {
    end.connection.receive(piece);
    received += piece.length;
  }
  end.around.flushes.run();
  const written = end.output.take().length;
  assert.ok(written < 4096 + received * 400, `${written} bytes written for ${received} read`);
  end.connection.onEnd();
  assert.equal(end.connection.streamsActive, 0, 'streams outlive the connection');
  return describe(end.events);
}

function runClient(pieces: readonly Buffer[]): string {
  const end = clientEnd();
  end.connection.start();
  const recorders = [new Recorder(), new Recorder()];
  for (const recorder of recorders) {
    end.connection.open(recorder).sendRequest('GET', 'http', 'h', '/', '', ['a', 'b'], true);
  }
  for (const piece of pieces) end.connection.receive(piece);
  end.around.flushes.run();
  end.connection.onEnd();
  assert.equal(end.connection.streamsActive, 0, 'streams outlive the connection');
  return describe({ log: end.events.log, recorders, counts: end.events.counts });
}

interface Told {
  readonly log: readonly string[];
  readonly recorders: readonly Recorder[];
  readonly counts: ReadonlyMap<string, number>;
}

function describe({ log, recorders, counts }: Told): string {
  // Limits on what goes out count what was not yet written.
  if ([...counts.keys()].some((name) => name.includes('flood'))) return 'flood';
  for (const line of log) assert.ok(!line.startsWith('error'), line);
  return [...recorders.flatMap((recorder, i) => joined(recorder).map((line) => `${i} ${line}`)), ...log].join(
    '\n',
  );
}

const frame = (type: number, flags: number, stream: number, payload: string | Buffer): Buffer => {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
};

const SETTINGS = frame(4, 0, 0, '');
const GET = '\x82\x86\x84\x41\x01h';
const POST = '\x83\x86\x84\x41\x01h';
const preface = Buffer.from(CLIENT_PREFACE, 'latin1');

export const http2Server: FuzzTarget = {
  name: 'http2-server',
  seeds: [
    Buffer.concat([preface, SETTINGS, frame(1, 5, 1, GET), frame(1, 5, 3, `${GET}\x40\x01a\x01b`)]),
    Buffer.concat([
      preface,
      SETTINGS,
      frame(1, 4, 1, POST),
      frame(0, 0, 1, 'hello'),
      frame(0, 9, 1, '\x03abc...'),
      frame(8, 0, 0, '\0\0\x10\0'),
    ]),
    Buffer.concat([
      preface,
      SETTINGS,
      frame(1, 1, 1, GET.slice(0, 3)),
      frame(9, 4, 1, GET.slice(3)),
      frame(6, 0, 0, '12345678'),
      frame(3, 0, 1, '\0\0\0\x08'),
    ]),
    Buffer.concat([
      preface,
      frame(4, 0, 0, '\0\x01\0\0\0\0\0\x04\0\0\0\0'),
      frame(1, 4, 1, POST),
      frame(1, 5, 1, '\x40\x01t\x01v'),
      frame(7, 0, 0, '\0\0\0\0\0\0\0\0'),
    ]),
  ],
  run: runServer,
};

export const http2Client: FuzzTarget = {
  name: 'http2-client',
  seeds: [
    Buffer.concat([
      SETTINGS,
      frame(4, 1, 0, ''),
      frame(1, 4, 1, '\x88'),
      frame(0, 1, 1, 'hello'),
      frame(1, 5, 3, '\x8b'),
    ]),
    Buffer.concat([
      SETTINGS,
      frame(1, 4, 1, '\x48\x03103'),
      frame(1, 4, 1, '\x88'),
      frame(0, 0, 1, 'hi'),
      frame(1, 5, 1, '\x40\x01t\x01v'),
      frame(7, 0, 0, '\0\0\0\x01\0\0\0\0'),
    ]),
    Buffer.concat([SETTINGS, frame(5, 4, 1, '\0\0\0\x02\x82'), frame(3, 0, 3, '\0\0\0\x07')]),
  ],
  run: runClient,
};
