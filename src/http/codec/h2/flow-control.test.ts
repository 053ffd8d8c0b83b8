/** Windows, turns and back-pressure between two ends; sizes are counted in bytes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  data,
  describeFrames,
  get,
  post,
  preface,
  settings,
  windowUpdate,
} from '../../../../test/support/h2-frames.ts';
import { pair, Recorder, serverEnd } from '../../../../test/support/h2-pair.ts';
import { ReceiveFlow } from './flow-control.ts';
import { flag } from './frame.ts';
import type { H2Stream } from './stream.ts';

const KIB = 1024;

/** Answers with `bytes` of body. */
function sending(bytes: number): (stream: H2Stream) => Recorder {
  return (stream) =>
    new Recorder((event) => {
      if (event !== 'head') return;
      stream.sendResponse(200, [], false);
      stream.sendData(Buffer.alloc(bytes, stream.id), true);
    });
}

describe('what is received', () => {
  test('a stream that is not read holds its window and no more; all others go on', () => {
    const streams = 1000;
    const bytes = 100 * KIB;
    const window = 65_535;
    const {
      client,
      get: send,
      run,
    } = pair({
      client: {
        initialStreamWindowSize: window,
        initialConnectionWindowSize: 256 * KIB,
        maxConcurrentStreams: streams,
      },
      handler: sending(bytes),
    });
    const stalled = send(
      '/stalled',
      new Recorder((event, { stream }) => {
        if (event === 'head') stream!.pause();
      }),
    );
    const others = Array.from({ length: streams - 1 }, (_, i) => send(`/${i}`));
    run();
    assert.equal(stalled.bytes, window);
    assert.equal(
      others.reduce((sum, { bytes }) => sum + bytes, 0),
      (streams - 1) * bytes,
    );
    assert.ok(others.every(({ ended }) => ended));
    assert.equal(client.connection.streamsActive, 1);
    stalled.stream!.resume();
    run();
    assert.equal(stalled.bytes, bytes);
    assert.equal(stalled.ended, true);
  });

  test('a peer that sends more than the window of a stream loses the stream', () => {
    const { connection, output, around, events } = serverEnd({}, (stream) => {
      return new Recorder((event) => {
        if (event === 'head') stream.pause();
      });
    });
    connection.start();
    const piece = (id: number): Buffer => data(id, Buffer.alloc(16_384));
    connection.receive(Buffer.concat([preface, post(1), piece(1), piece(1), piece(1), piece(1)]));
    around.flushes.run();
    assert.ok(describeFrames(output.take()).includes('rstStream 1 flowControlError'));
    assert.equal(events.recorders[0]?.bytes, 3 * 16_384);
    assert.equal(connection.closed, false);
  });

  test('padding counts, and is given back', () => {
    const { connection, output, around } = serverEnd();
    connection.start();
    const padded = data(1, Buffer.concat([Buffer.of(255), Buffer.alloc(16_000)]), flag.padded);
    connection.receive(Buffer.concat([preface, post(1), padded, padded, padded]));
    around.flushes.run();
    const given = describeFrames(output.take()).filter((line) => line.startsWith('windowUpdate'));
    assert.deepEqual(given, ['windowUpdate 0 48003', 'windowUpdate 1 48003']);
  });

  test('nothing is given back to a stream whose sender is done', () => {
    const { connection, output, around } = serverEnd();
    connection.start();
    const piece = Buffer.alloc(16_384);
    connection.receive(Buffer.concat([preface, post(1), data(1, piece), data(1, piece), data(1, piece, 1)]));
    around.flushes.run();
    assert.ok(!describeFrames(output.take()).some((line) => line === 'windowUpdate 1 49152'));
  });
});

describe('windows that tune themselves', () => {
  /** @param delayMs time between the request for data and the data @param rate bytes a millisecond the way can carry */
  function transfer(flow: ReceiveFlow, delayMs: number, rate: number): void {
    let nowMs = 0;
    for (let round = 0; round < 40; round++) {
      const bytes = Math.min(flow.connectionWindow, flow.streamWindow, delayMs * rate);
      const early = Math.ceil(bytes / 3);
      flow.receive(early);
      const sampled = flow.beginSample(nowMs);
      flow.receive(bytes - early);
      flow.takeCredit();
      nowMs += Math.max(delayMs, bytes / rate);
      const size = sampled ? flow.endSample(nowMs) : 0;
      if (size === 0) continue;
      flow.growConnection(size);
      flow.growStreams(size);
    }
  }

  test('grow until the way is full', () => {
    const flow = new ReceiveFlow(0, 0);
    // 1 Gbit/s and 20 ms: 2.5 MB are on the way.
    transfer(flow, 20, 125_000);
    assert.ok(flow.streamWindow >= 2_500_000 && flow.streamWindow <= 6_000_000, String(flow.streamWindow));
  });

  test('stay small where the way is short', () => {
    const flow = new ReceiveFlow(0, 0);
    transfer(flow, 0.1, 125_000);
    assert.equal(flow.streamWindow, 65_535);
  });

  test('stop at 16 MiB', () => {
    const flow = new ReceiveFlow(0, 0);
    transfer(flow, 1000, 1_000_000);
    assert.equal(flow.streamWindow, 16 * KIB * KIB);
    assert.equal(flow.connectionWindow, 16 * KIB * KIB);
    assert.equal(flow.beginSample(0), false);
  });

  test('grow for streams alone where that of the connection is configured', () => {
    const flow = new ReceiveFlow(0, 24 * KIB * KIB);
    transfer(flow, 20, 125_000);
    assert.ok(flow.streamWindow >= 2_500_000 && flow.streamWindow <= 6_000_000, String(flow.streamWindow));
    assert.equal(flow.connectionWindow, 24 * KIB * KIB);
  });

  test('leave alone what is configured', () => {
    const flow = new ReceiveFlow(70_000, 80_000);
    assert.equal(flow.beginSample(0), false);
    assert.equal(flow.growConnection(1e6), 0);
    assert.equal(flow.growStreams(1e6), false);
    assert.deepEqual([flow.streamWindow, flow.connectionWindow], [70_000, 80_000]);
  });

  test('are told to the peer', () => {
    const { client, server, post: send, run } = pair({ delayMs: 10 });
    const { stream } = send('/');
    for (let i = 0; i < 30; i++) {
      stream!.sendData(Buffer.alloc(256 * KIB), false);
      run();
    }
    assert.equal(server.events.recorders[0]?.bytes, 30 * 256 * KIB);
    assert.ok(
      client.connection.peer.initialWindowSize >= 128 * KIB,
      String(client.connection.peer.initialWindowSize),
    );
  });
});

describe('what is sent', () => {
  test('waits for the window of the stream and that of the connection', () => {
    const { connection, output, around } = serverEnd({}, sending(100_000));
    connection.start();
    const tick = (...bytes: Buffer[]): string[] => {
      connection.receive(Buffer.concat(bytes));
      around.flushes.run();
      return describeFrames(output.take());
    };
    assert.deepEqual(tick(preface, settings(4, 10), get(1)).slice(-1), ['data 1 10']);
    assert.deepEqual(tick(windowUpdate(1, 5)), ['data 1 5']);
    assert.deepEqual(tick(settings(4, 12)).slice(1), ['data 1 2']);
    assert.deepEqual(tick(settings(4, 2)).slice(1), []);
    assert.deepEqual(tick(windowUpdate(1, 10)), [], 'a window below nothing has to be filled first');
    assert.deepEqual(tick(windowUpdate(1, 1)), ['data 1 1']);
    const all = tick(settings(4, 1_000_000)).slice(1);
    assert.deepEqual(all, ['data 1 16384', 'data 1 16384', 'data 1 16384', 'data 1 16365']);
    assert.deepEqual(tick(windowUpdate(0, 34_464)), ['data 1 16384', 'data 1 16384', 'data 1 1696']);
    assert.deepEqual(tick(windowUpdate(0, 1)), ['data 1 1 end']);
  });

  test('takes turns: a frame of each stream', () => {
    const { connection, output, around } = serverEnd({}, sending(40_000));
    connection.start();
    connection.receive(
      Buffer.concat([preface, settings(4, 0, 3, 100), windowUpdate(0, 1_000_000), get(1), get(3), get(5)]),
    );
    around.flushes.run();
    output.take();
    connection.receive(
      Buffer.concat([windowUpdate(1, 40_000), windowUpdate(3, 20_000), windowUpdate(5, 40_000)]),
    );
    around.flushes.run();
    assert.deepEqual(describeFrames(output.take()), [
      'data 1 16384',
      'data 3 16384',
      'data 5 16384',
      'data 1 16384',
      'data 3 3616',
      'data 5 16384',
      'data 1 7232 end',
      'data 5 7232 end',
    ]);
  });

  test('goes out in one write a tick, head, body and end of many streams', () => {
    const { connection, output, around } = serverEnd({}, sending(100));
    connection.start();
    connection.receive(Buffer.concat([preface, get(1), get(3), get(5), get(7)]));
    around.flushes.run();
    assert.equal(output.writes, 1);
    assert.equal(describeFrames(output.take()).length, 2 + 4 * 2);
  });

  test('puts the end on the last frame where that is not out yet', () => {
    const { connection, output, around, events } = serverEnd();
    connection.start();
    connection.receive(Buffer.concat([preface, get(1), get(3), get(5)]));
    const [one, three, five] = events.recorders.map(({ stream }) => stream!);
    one!.sendResponse(200, [], false);
    three!.sendResponse(200, [], false);
    three!.sendData(Buffer.from('x'), false);
    one!.end();
    three!.end();
    five!.sendResponse(200, [], false);
    around.flushes.run();
    five!.end();
    around.flushes.run();
    assert.deepEqual(describeFrames(output.take()).slice(2), [
      'headers 1 end',
      'headers 3',
      'data 3 1 end',
      'headers 5',
      'data 5 0 end',
    ]);
  });

  test('sends trailers after what waits', () => {
    const { connection, output, around, events } = serverEnd();
    connection.start();
    connection.receive(Buffer.concat([preface, settings(4, 3), get(1)]));
    const stream = events.recorders[0]!.stream!;
    stream.sendResponse(200, [], false);
    stream.sendData(Buffer.from('hello'), false);
    stream.sendTrailers(['grpc-status', '0']);
    around.flushes.run();
    assert.deepEqual(describeFrames(output.take()).slice(3), ['headers 1', 'data 1 3']);
    connection.receive(windowUpdate(1, 2));
    around.flushes.run();
    assert.deepEqual(describeFrames(output.take()), ['data 1 2', 'headers 1 end']);
    assert.equal(connection.streamsActive, 0);
  });

  test('cuts a head that is too long for a frame', () => {
    const { client, server, get: send, run } = pair({ server: { maxHeaderListBytes: 100_000 } });
    const recorder = new Recorder();
    const stream = client.connection.open(recorder);
    const value = 'v'.repeat(50_000);
    stream.sendRequest('GET', 'http', 'mesh', '/', '', ['a', value, 'b', 'c'], true);
    const after = send('/after');
    run();
    assert.deepEqual(
      server.events.recorders.map(({ headers }) => headers[0]),
      [['a', value, 'b', 'c'], []],
    );
    assert.deepEqual(after.log, []);
  });

  test('is not held by what lent it', () => {
    const { connection, output, around, events } = serverEnd();
    connection.start();
    connection.receive(Buffer.concat([preface, settings(4, 0), get(1)]));
    const stream = events.recorders[0]!.stream!;
    stream.sendResponse(200, [], false);
    const lent = Buffer.from('y'.repeat(5000));
    stream.sendData(lent, false, true);
    lent.fill('n');
    stream.sendData(lent.subarray(0, 10), true, true);
    lent.fill('-');
    around.flushes.run();
    output.take();
    connection.receive(windowUpdate(1, 6000));
    around.flushes.run();
    const sent = output.take().toString('latin1', 9);
    assert.equal(sent, `${'y'.repeat(5000)}${'n'.repeat(10)}`);
  });
});
