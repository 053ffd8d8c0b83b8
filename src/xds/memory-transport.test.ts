import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type Message } from '@bufbuild/protobuf';
import { AggregatedDiscoveryService } from './gen/envoy/service/discovery/v3/ads_pb.js';
import {
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from './gen/envoy/service/discovery/v3/discovery_pb.js';
import {
  IstioCertificateRequestSchema,
  IstioCertificateResponseSchema,
  IstioCertificateService,
} from './gen/istio/v1/auth/ca_pb.js';
import { createMemoryTransport, type ServedStream } from './memory-transport.ts';
import { type StreamEvents, TransportError } from './transport.ts';

const ads = AggregatedDiscoveryService.method.streamAggregatedResources;
const sign = IstioCertificateService.method.createCertificate;

/** Notes what happens, in words. */
function record(log: string[]): StreamEvents<Message> {
  return {
    onOpen: () => log.push('open'),
    onMessage: (message) => log.push(message.$typeName.split('.').at(-1)!),
    onEnd: ({ code }) => log.push(`end ${code}`),
  };
}

/** Long after every microtask that is queued now. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('memory transport', () => {
  test('carries messages both ways and ends when the server ends', async () => {
    const log: string[] = [];
    const seen: string[] = [];
    const transport = createMemoryTransport({
      onStream: (stream: ServedStream) => ({
        onMessage(message): void {
          seen.push(stream.method, message.$typeName);
          stream.send(create(DiscoveryResponseSchema, { nonce: '1' }));
          stream.end({ code: 14, detail: 'going away' });
        },
        onEnd: () => seen.push('end'),
      }),
    });
    const stream = transport.stream(ads, record(log));
    stream.send(create(DiscoveryRequestSchema, { versionInfo: '1' }));
    await settle();
    stream.send(create(DiscoveryRequestSchema));
    await settle();
    assert.deepEqual(log, ['open', 'DiscoveryResponse', 'end 14']);
    assert.deepEqual(seen, [
      'envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
      'envoy.service.discovery.v3.DiscoveryRequest',
    ]);
  });

  test('a closed transport ends its streams once, on both sides', async () => {
    const log: string[] = [];
    const ends: number[] = [];
    const transport = createMemoryTransport({
      onStream: () => ({ onMessage: () => {}, onEnd: ({ code }) => ends.push(code) }),
    });
    transport.stream(ads, record(log)).finish();
    transport.close();
    transport.close();
    await settle();
    assert.deepEqual(log, ['open', 'end 1']);
    assert.deepEqual(ends, [0, 1]);
  });

  test('a call is answered, or fails with a status', async () => {
    const onStream = (): never => assert.fail();
    const request = create(IstioCertificateRequestSchema, { csr: 'csr' });
    const answering = createMemoryTransport({
      onStream,
      onCall: () => create(IstioCertificateResponseSchema, { certChain: ['leaf'] }),
    });
    assert.deepEqual((await answering.call(sign, request)).certChain, ['leaf']);
    const refusing = createMemoryTransport({
      onStream,
      onCall: () => Promise.reject(new TransportError({ code: 16, detail: 'who are you' })),
    });
    await assert.rejects(refusing.call(sign, request), {
      name: 'TransportError',
      status: { code: 16, detail: 'who are you' },
    });
    await assert.rejects(createMemoryTransport({ onStream }).call(sign, request), /no such method/);
  });
});
