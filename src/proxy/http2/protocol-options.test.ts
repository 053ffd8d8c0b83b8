/** What is taken of `Http2ProtocolOptions`, and what is not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { defaultH2Options, type H2Options } from '#http/codec/h2/options.ts';
import { Http2ProtocolOptionsSchema } from '#xds/gen/envoy/config/core/v3/protocol_pb.js';
import { Findings } from '../findings.ts';
import { readHttp2Options } from './protocol-options.ts';

function read(
  fields: MessageInitShape<typeof Http2ProtocolOptionsSchema>,
  maxHeaderListBytes = 96 * 1024,
): { options: H2Options; problems: string[] } {
  const findings = new Findings();
  const options = readHttp2Options(
    create(Http2ProtocolOptionsSchema, fields),
    {
      maxHeaderListBytes,
      maxHeaderFields: 100,
      streamBufferBytes: 1024,
      streamFlushTimeoutMs: 0,
      streamErrors: false,
    },
    'http2',
    findings,
  );
  return { options, problems: findings.problems.map(({ path, message }) => `${path} ${message}`) };
}

test('limits of what a client may reset, and of one field', () => {
  const { options, problems } = read({
    streamResetBurst: 7n,
    streamResetRate: 2n,
    maxHeaderFieldSizeKb: 80,
    useOghttp2Codec: false,
  });
  assert.deepEqual(problems, []);
  assert.deepEqual([options.streamResetBurst, options.streamResetRate], [7, 2]);
  assert.equal(options.maxFieldBytes, 80 * 1024);
  assert.equal(read({}).options.maxFieldBytes, defaultH2Options.maxFieldBytes);
  assert.equal(read({}).options.streamResetBurst, defaultH2Options.streamResetBurst);
});

test('a field larger than all of them, or than Envoy takes', () => {
  const path = 'http2.max_header_field_size_kb';
  assert.deepEqual(read({ maxHeaderFieldSizeKb: 97 }).problems, [`${path} is more than all fields may have`]);
  assert.deepEqual(read({ maxHeaderFieldSizeKb: 63 }).problems, [`${path} must be from 64 to 256`]);
  assert.deepEqual(read({ maxHeaderFieldSizeKb: 257 }).problems, [`${path} must be from 64 to 256`]);
});

test('what is not done is refused by its place', () => {
  assert.deepEqual(read({ useOghttp2Codec: true, enableHuffmanEncoding: false }).problems, [
    'http2.use_oghttp2_codec is not supported',
    'http2.enable_huffman_encoding is not supported',
  ]);
});
