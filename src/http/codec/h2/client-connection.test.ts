/** What is the client's own: requests, responses, and what a server may not do (RFC 9113 §8). */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  data,
  describeFrames,
  frame,
  literals,
  rstStream,
  settings,
  uint32,
  windowUpdate,
} from '../../../../test/support/h2-frames.ts';
import { clientEnd, type End, pair, Recorder } from '../../../../test/support/h2-pair.ts';
import type { H2ClientConnection } from './client-connection.ts';
import { errorCode, flag, frameType } from './frame.ts';
import type { H2Options } from './options.ts';

const { endStream, endHeaders } = flag;

function response(streamId: number, status: string, flags: number, ...more: [string, string][]): Buffer {
  return frame(frameType.headers, endHeaders | flags, streamId, literals([':status', status], ...more));
}

function started(options: Partial<H2Options> = {}): End<H2ClientConnection> {
  const end = clientEnd(options);
  end.connection.start();
  end.connection.receive(settings());
  return end;
}

function send(end: End<H2ClientConnection>, method = 'GET', recorder: Recorder = new Recorder()): Recorder {
  recorder.stream = end.connection.open(recorder);
  recorder.stream.sendRequest(
    method,
    'http',
    'mesh',
    method === 'CONNECT' ? '' : '/',
    '',
    [],
    method !== 'CONNECT',
  );
  return recorder;
}

describe('a client hears', () => {
  const rows: [what: string, method: string, bytes: Buffer[], expected: string[]][] = [
    ['a response', 'GET', [response(1, '204', endStream)], ['head 204 end']],
    ['a body', 'GET', [response(1, '200', 0), data(1, 'x', endStream)], ['head 200', 'data 1 end']],
    [
      'interim responses before the other',
      'GET',
      [response(1, '100', 0), response(1, '103', 0), response(1, '200', endStream)],
      ['head 100', 'head 103', 'head 200 end'],
    ],
    [
      'trailers',
      'GET',
      [response(1, '200', 0), frame(1, 5, 1, literals(['grpc-status', '0']))],
      ['head 200', 'trailers grpc-status 0 end'],
    ],
    [
      'a length of what HEAD does not send',
      'HEAD',
      [response(1, '200', endStream, ['content-length', '9'])],
      ['head 200 end'],
    ],
    [
      'a length of what 304 does not send',
      'GET',
      [response(1, '304', endStream, ['content-length', '9'])],
      ['head 304 end'],
    ],
    [
      'data of a tunnel, of whatever length was said',
      'CONNECT',
      [response(1, '200', 0, ['content-length', '1']), data(1, 'xyz')],
      ['head 200', 'data 3'],
    ],
    [
      'more acknowledgements than SETTINGS were sent',
      'GET',
      [frame(4, 1, 0), frame(4, 1, 0), response(1, '204', endStream)],
      ['head 204 end'],
    ],
    ['RST_STREAM', 'GET', [rstStream(1, 2)], ['reset 2 peer http2.remote_reset']],
    ['that it was refused', 'GET', [rstStream(1, 7)], ['reset 7 refused http2.remote_refuse']],
  ];
  for (const [what, method, bytes, expected] of rows) {
    test(what, () => {
      const end = started();
      const { log } = send(end, method);
      end.connection.receive(Buffer.concat(bytes));
      assert.deepEqual(log, expected);
      assert.deepEqual(
        end.events.log.filter((line) => line.startsWith('fault')),
        [],
      );
    });
  }
});

describe('a response is refused', () => {
  const rows: [what: string, method: string, bytes: Buffer[]][] = [
    ['without a status', 'GET', [frame(1, 5, 1, literals(['a', 'b']))]],
    ['of 101', 'GET', [response(1, '101', 0)]],
    ['whose interim head is the end', 'GET', [response(1, '100', endStream)]],
    ['shorter than promised', 'GET', [response(1, '200', endStream, ['content-length', '1'])]],
    ['with a field of a request', 'GET', [response(1, '200', 0, [':path', '/'])]],
    [
      'with trailers that are not the end',
      'GET',
      [response(1, '200', 0), frame(1, 4, 1, literals(['a', 'b']))],
    ],
  ];
  for (const [what, method, bytes] of rows) {
    test(`${what}: the stream ends`, () => {
      const end = started({ streamErrorOnInvalidHttpMessage: true });
      const { log } = send(end, method);
      end.connection.receive(Buffer.concat(bytes));
      end.around.flushes.run();
      assert.match(log.at(-1)!, /^reset 1 message http2\./);
      assert.equal(describeFrames(end.output.take()).at(-1), 'rstStream 1 protocolError');
      assert.equal(end.connection.closed, false);
      assert.equal(end.events.counts.get('rx_messaging_error'), 1);
    });
    test(`${what}: the connection ends by default`, () => {
      const end = started();
      const { log } = send(end, method);
      end.connection.receive(Buffer.concat(bytes));
      assert.match(log.at(-1)!, /^reset 1 message http2\./);
      assert.equal(end.connection.closed, true);
      assert.ok(!describeFrames(end.output.take()).some((line) => line.startsWith('goAway')));
    });
  }
});

describe('a response ends its stream alone', () => {
  const rows: [what: string, method: string, bytes: Buffer[]][] = [
    ['with a body for HEAD', 'HEAD', [response(1, '200', 0), data(1, 'x')]],
    ['with a body for 204', 'GET', [response(1, '204', 0), data(1, 'x')]],
    ['longer than promised', 'GET', [response(1, '200', 0, ['content-length', '1']), data(1, 'xy')]],
    [
      'whose data is shorter than promised',
      'GET',
      [response(1, '200', 0, ['content-length', '3']), data(1, 'xy', endStream)],
    ],
  ];
  for (const [what, method, bytes] of rows) {
    test(what, () => {
      const end = started();
      const { log } = send(end, method);
      end.connection.receive(Buffer.concat(bytes));
      end.around.flushes.run();
      assert.equal(log.at(-1), 'reset 1 message http2.remote_reset');
      assert.equal(describeFrames(end.output.take()).at(-1), 'rstStream 1 protocolError');
      assert.equal(end.connection.closed, false);
    });
  }
});

describe('a server ends the connection with', () => {
  const told = ['goAway 0 0 protocolError'];
  const rows: [what: string, bytes: Buffer, goAway: string[]][] = [
    ['a pushed stream', frame(5, 4, 1, Buffer.concat([uint32(2), literals([':path', '/'])])), []],
    ['HEADERS of its own stream', response(2, '200', endStream), told],
    ['HEADERS of a stream that was never opened', response(3, '200', endStream), told],
    ['DATA of a stream that was never opened', data(3, 'x'), told],
    ['data before the head', data(1, 'x'), told],
    ['WINDOW_UPDATE of a stream that was never opened', windowUpdate(3, 1), []],
    ['ENABLE_PUSH of 1', settings(2, 1), []],
  ];
  for (const [what, bytes, goAway] of rows) {
    test(what, () => {
      const end = started();
      const { log } = send(end);
      end.connection.receive(bytes);
      const lines = describeFrames(end.output.take());
      assert.deepEqual(
        lines.filter((line) => line.startsWith('goAway')),
        goAway,
      );
      assert.match(log[0]!, /^reset 1 connection codec_error:/);
    });
  }
});

describe('requests', () => {
  test('begin with the preface and SETTINGS that refuse push', () => {
    const end = clientEnd();
    end.connection.start();
    send(end);
    end.around.flushes.run();
    assert.equal(end.output.writes, 1);
    const bytes = end.output.take();
    assert.equal(bytes.toString('latin1', 0, 24), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    assert.equal(
      bytes.subarray(24, 24 + 27).toString('hex'),
      settings(1, 4096, 2, 0, 3, 1024).toString('hex'),
    );
    assert.deepEqual(describeFrames(bytes), ['settings 0 18', 'headers 1 end']);
  });

  test('are as many as the peer takes', () => {
    const end = started();
    assert.equal(end.connection.maxStreams, 1024);
    end.connection.receive(settings(3, 2));
    send(end);
    assert.equal(end.connection.canOpen, true);
    const second = send(end);
    assert.equal(end.connection.canOpen, false);
    assert.deepEqual(send(end).log, ['reset 7 refused http2.remote_refuse']);
    end.connection.receive(response(3, '204', endStream));
    assert.equal(second.ended, true);
    assert.equal(end.connection.canOpen, true);
    assert.equal(send(end).stream!.id, 5);
  });

  test('are known by the peer to allow extended CONNECT', () => {
    const end = started();
    assert.equal(end.connection.peerAllowsConnect, false);
    end.connection.receive(settings(8, 1));
    assert.equal(end.connection.peerAllowsConnect, true);
  });

  test('with :protocol make a tunnel', () => {
    const { client, server, run } = pair({ server: { allowConnect: true } });
    run();
    const recorder = new Recorder();
    const stream = client.connection.open(recorder);
    stream.sendRequest('CONNECT', 'http', 'mesh', '/chat', 'websocket', [], false);
    run();
    const [request] = server.events.recorders;
    assert.deepEqual(request?.log, ['head CONNECT http mesh /chat websocket']);
    request!.stream!.sendResponse(200, [], false);
    request!.stream!.sendData(Buffer.from('down'), false);
    stream.sendData(Buffer.from('up'), false);
    run();
    assert.deepEqual(recorder.log, ['head 200', 'data 4']);
    assert.deepEqual(request?.log.slice(1), ['data 2']);
    stream.end();
    request!.stream!.end();
    run();
    assert.equal(client.connection.streamsActive + server.connection.streamsActive, 0);
  });

  test('that the GOAWAY of the peer excludes may be sent again', () => {
    const end = started();
    const first = send(end);
    const second = send(end);
    end.connection.receive(
      frame(7, 0, 0, Buffer.concat([uint32(1), uint32(errorCode.noError), Buffer.from('bye')])),
    );
    assert.deepEqual(second.log, ['reset 7 refused http2.remote_refuse']);
    assert.deepEqual(end.events.log, ['over 3', 'goaway 1 0 bye']);
    assert.equal(end.connection.canOpen, false);
    assert.equal(end.connection.closed, false);
    end.connection.receive(response(1, '204', endStream));
    assert.deepEqual(first.log, ['head 204 end']);
    assert.equal(end.connection.closed, true, 'nothing is left to wait for');
  });

  test('that were reset do not mind a late response', () => {
    const end = started();
    const recorder = send(end);
    recorder.stream!.reset();
    end.connection.receive(Buffer.concat([response(1, '200', 0), data(1, 'x', endStream)]));
    end.around.flushes.run();
    assert.equal(describeFrames(end.output.take()).at(-1), 'rstStream 1 cancel');
    assert.deepEqual(recorder.log, []);
    assert.equal(end.connection.closed, false);
  });

  test('by the thousand, reset at once, do not mind late responses', () => {
    const end = started();
    const streams = Array.from({ length: 1000 }, () => send(end).stream!);
    for (const stream of streams) stream.reset();
    end.connection.receive(Buffer.concat(streams.map(({ id }) => response(id, '200', endStream))));
    assert.equal(end.connection.closed, false);
    assert.equal(end.connection.streamsActive, 0);
  });
});
