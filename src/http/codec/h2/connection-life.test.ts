/** How connections end, and what becomes of their streams; keep-alive, stalls, shutdown. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  data,
  describeFrames,
  get,
  ping,
  post,
  preface,
  settings,
  windowUpdate,
} from '../../../../test/support/h2-frames.ts';
import { clientEnd, type End, pair, Recorder, serverEnd } from '../../../../test/support/h2-pair.ts';
import type { H2Connection } from './connection.ts';
import { flag } from './frame.ts';
import type { H2Options } from './options.ts';
import type { H2ServerConnection } from './server-connection.ts';

function started(options: Partial<H2Options> = {}, ...bytes: Buffer[]): End<H2ServerConnection> {
  const end = serverEnd(options);
  end.connection.start();
  end.connection.receive(Buffer.concat([preface, ...bytes]));
  end.around.flushes.run();
  end.output.take();
  return end;
}

function written({ around, output }: End<H2Connection>): string[] {
  around.flushes.run();
  return describeFrames(output.take());
}

describe('shutdown', () => {
  test('lets requests on their way in, then answers those that are there, then ends', () => {
    const end = started({}, get(1));
    const { connection, events, output } = end;
    connection.announceShutdown();
    assert.deepEqual(written(end), [`goAway 0 ${2 ** 31 - 1} noError`]);
    connection.receive(get(3));
    assert.equal(events.recorders.length, 2);
    connection.goAway();
    assert.deepEqual(written(end), ['goAway 0 3 noError']);
    connection.receive(Buffer.concat([get(5), ping()]));
    assert.equal(events.recorders.length, 2, 'what comes after it is not answered');
    assert.deepEqual(written(end), ['ping 0 ack']);
    events.recorders[0]!.stream!.sendResponse(204, [], true);
    assert.equal(connection.closed, false);
    events.recorders[1]!.stream!.sendResponse(204, [], true);
    assert.equal(connection.closed, true);
    assert.deepEqual(describeFrames(output.take()), ['headers 1 end', 'headers 3 end']);
    assert.equal(output.ended, true);
    assert.deepEqual(events.log, ['over 1', 'over 3', 'closed']);
    assert.equal(events.counts.get('goaway_sent'), 1);
  });

  test('of a connection without streams is at once', () => {
    const end = started();
    end.connection.goAway();
    assert.equal(end.output.ended, true);
    assert.deepEqual(written(end), ['goAway 0 0 noError']);
  });

  test('is seen by the client, which sends no more', () => {
    const { client, server, get: send, run } = pair();
    const first = send('/');
    run();
    server.connection.announceShutdown();
    run();
    assert.deepEqual(client.events.log, [`goaway ${2 ** 31 - 1} 0`]);
    assert.equal(client.connection.canOpen, false);
    server.events.recorders[0]!.stream!.sendResponse(204, [], true);
    run();
    assert.deepEqual(first.log, ['head 204 end']);
    assert.equal(client.connection.closed, true);
  });
});

describe('the end of a connection', () => {
  test('ends its streams', () => {
    const end = started({}, get(1), post(3));
    end.connection.onEnd();
    for (const { log } of end.events.recorders) assert.equal(log.at(-1), 'reset 0 connection');
    assert.deepEqual(end.events.log, ['over 1', 'over 3', 'closed']);
    assert.equal(end.connection.streamsActive, 0);
    assert.equal(end.around.wheel.size, 0);
  });

  test('comes once, and after it nothing is read or written', () => {
    const end = started({}, get(1));
    const { stream } = end.events.recorders[0]!;
    end.connection.destroy();
    assert.equal(end.output.ended, true);
    end.connection.destroy();
    end.connection.goAway();
    end.connection.announceShutdown();
    end.connection.onEnd();
    end.connection.onWritable();
    end.connection.receive(get(3));
    stream!.sendResponse(200, [], false);
    stream!.sendData(Buffer.from('x'), true);
    stream!.sendTrailers(['a', 'b']);
    stream!.reset();
    stream!.resume();
    assert.deepEqual(written(end), []);
    assert.equal(end.events.recorders.length, 1);
    assert.equal(end.events.log.filter((line) => line === 'closed').length, 1);
  });

  test('may be asked for by a handler, in the middle of what is read', () => {
    const end = serverEnd({}, (stream) => new Recorder(() => stream.connection.destroy()));
    end.connection.start();
    end.connection.receive(Buffer.concat([preface, get(1), get(3)]));
    assert.deepEqual(
      end.events.recorders.map(({ log }) => log),
      [['head GET http mesh / end', 'reset 0 connection']],
    );
    assert.equal(end.output.ended, true);
  });
});

describe('keep-alive', () => {
  const keepAlive = { intervalMs: 1000, timeoutMs: 200, intervalJitterPercent: 0, idleIntervalMs: 0 };

  test('asks, and asks again after an answer', () => {
    const end = started({ keepAlive });
    for (let round = 0; round < 3; round++) {
      end.around.clock.advance(995);
      assert.deepEqual(written(end), []);
      end.around.clock.advance(10);
      end.around.flushes.run();
      const asked = end.output.take();
      assert.deepEqual(describeFrames(asked), ['ping 0 8']);
      asked[4] = flag.ack;
      end.connection.receive(asked);
      end.around.clock.advance(4);
    }
    assert.equal(end.connection.closed, false);
  });

  test('ends a connection that does not answer', () => {
    const end = started({ keepAlive }, get(1));
    end.around.clock.advance(1100);
    end.connection.receive(ping(flag.ack));
    assert.equal(end.connection.closed, false, 'the answer to something else does not count');
    end.around.clock.advance(120);
    assert.equal(end.connection.closed, true);
    assert.equal(end.events.counts.get('keepalive_timeout'), 1);
    assert.equal(end.events.recorders[0]!.log.at(-1), 'reset 0 connection');
    assert.equal(end.around.wheel.size, 0);
  });

  test('adds a part of the interval at random', () => {
    for (let i = 0; i < 3; i++) {
      const end = started({ keepAlive: { ...keepAlive, intervalJitterPercent: 50 } });
      const { random } = end.around;
      for (let skip = 0; skip < i; skip++) random.ratio();
      let waitedMs = 0;
      while (written(end).length === 0) {
        end.around.clock.advance(10);
        waitedMs += 10;
      }
      assert.ok(waitedMs >= 1000 && waitedMs <= 1510, String(waitedMs));
    }
  });

  test('asks before a request on a connection that was idle', () => {
    const end = clientEnd({
      keepAlive: { intervalMs: 0, timeoutMs: 200, intervalJitterPercent: 0, idleIntervalMs: 500 },
    });
    end.connection.start();
    end.connection.receive(settings());
    written(end);
    const request = (): void => {
      end.connection.open(new Recorder()).sendRequest('GET', 'http', 'mesh', '/', '', [], true);
    };
    end.around.clock.advance(400);
    request();
    assert.deepEqual(written(end), ['headers 1 end']);
    end.around.clock.advance(200);
    request();
    assert.deepEqual(written(end), ['ping 0 8', 'headers 3 end']);
    end.around.clock.advance(210);
    assert.equal(end.connection.closed, true);
  });
});

describe('a peer that does not open its window', () => {
  const options = { streamFlushTimeoutMs: 1000 };

  function stalled(): End<H2ServerConnection> {
    const end = started(options, settings(4, 10), get(1));
    const { stream } = end.events.recorders[0]!;
    stream!.sendResponse(200, [], false);
    stream!.sendData(Buffer.alloc(100), true);
    assert.deepEqual(written(end), ['headers 1', 'data 1 10']);
    return end;
  }

  test('loses the stream', () => {
    const end = stalled();
    end.around.clock.advance(1010);
    assert.deepEqual(written(end), ['rstStream 1 internalError']);
    assert.equal(end.events.recorders[0]!.log.at(-1), 'reset 2 stalled http2.stream_flush_timeout');
    assert.equal(end.events.counts.get('tx_flush_timeout'), 1);
    assert.equal(end.connection.streamsActive, 0);
  });

  test('keeps it while it opens it a little', () => {
    const end = stalled();
    for (let i = 0; i < 5; i++) {
      end.around.clock.advance(900);
      end.connection.receive(windowUpdate(1, 1));
      assert.deepEqual(written(end), ['data 1 1']);
    }
    end.connection.receive(windowUpdate(1, 85));
    assert.deepEqual(written(end), ['data 1 85 end']);
    assert.equal(end.around.wheel.size, 0);
  });

  test('is waited for where the message is not complete: that is for others to judge', () => {
    const end = started(options, settings(4, 10), get(1));
    const { stream } = end.events.recorders[0]!;
    stream!.sendResponse(200, [], false);
    stream!.sendData(Buffer.alloc(100), false);
    written(end);
    end.around.clock.advance(10_000);
    assert.deepEqual(written(end), []);
    stream!.end();
    end.around.clock.advance(1010);
    assert.deepEqual(written(end), ['rstStream 1 internalError']);
  });

  test('is told of when the end of a message is on its way', () => {
    const end = stalled();
    const { stream } = end.events.recorders[0]!;
    let sent = 0;
    end.events.recorders[0]!.onEndSent = () => sent++;
    assert.equal(stream!.unsent, true);
    end.connection.receive(windowUpdate(1, 89));
    written(end);
    assert.equal(sent, 0);
    end.connection.receive(windowUpdate(1, 1));
    written(end);
    assert.equal(sent, 1);
    assert.equal(stream!.unsent, false);
  });
});

describe('what is announced takes effect', () => {
  test('a smaller header table once the peer has agreed', () => {
    const {
      client,
      server,
      get: send,
      run,
    } = pair({ server: { hpackTableSize: 64 }, client: { hpackTableSize: 0 } });
    for (let round = 0; round < 4; round++) {
      const { stream } = { stream: client.connection.open(new Recorder()) };
      stream.sendRequest(
        'GET',
        'http',
        'mesh',
        '/',
        '',
        ['x-a', 'some value', 'x-b', `value ${round}`],
        true,
      );
      run();
    }
    send('/last');
    run();
    assert.equal(server.events.recorders.length, 5);
    assert.equal(server.connection.closed || client.connection.closed, false);
  });
});

test('an upload that nobody wants any more is dropped, and its connection goes on', () => {
  const end = serverEnd({}, (stream) => {
    return new Recorder((event) => {
      if (event !== 'head') return;
      stream.sendResponse(413, [], true);
      stream.finish();
    });
  });
  end.connection.start();
  end.connection.receive(
    Buffer.concat([preface, post(1), data(1, 'x'.repeat(1000)), data(1, 'x', flag.endStream), ping()]),
  );
  assert.deepEqual(written(end).slice(2), ['headers 1 end', 'rstStream 1 noError', 'ping 0 ack']);
  assert.deepEqual(end.events.recorders[0]?.log, ['head POST http mesh /']);
});
