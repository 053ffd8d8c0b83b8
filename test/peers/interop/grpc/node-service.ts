/** gRPC's interoperability service by grpc-js: the server, and the cases as its client runs them. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import {
  type Client,
  credentials,
  loadPackageDefinition,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceClientConstructor,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export const protoFile: string = join(import.meta.dirname, 'test.proto');

interface Payload {
  readonly body: Buffer;
}
interface EchoStatus {
  readonly code: number;
  readonly message: string;
}
interface SimpleRequest {
  readonly responseSize: number;
  readonly payload?: Payload;
  readonly responseStatus?: EchoStatus | null;
}
interface StreamRequest {
  /** Absent where the client asks for no answer at all. */
  readonly responseParameters?: readonly { readonly size: number; readonly intervalUs?: number }[];
  readonly payload?: Payload;
  readonly responseStatus?: EchoStatus | null;
}
interface SizeReply {
  readonly aggregatedPayloadSize: number;
}
interface PayloadReply {
  readonly payload: Payload;
}

const loaded = loadPackageDefinition(loadSync(protoFile)) as unknown as {
  readonly grpc: { readonly testing: { readonly TestService: ServiceClientConstructor } };
};
const service = loaded.grpc.testing.TestService;

const payloadOf = (size: number): PayloadReply => ({ payload: { body: Buffer.alloc(size) } });
const initialName = 'x-grpc-test-echo-initial';
const trailingName = 'x-grpc-test-echo-trailing-bin';

/** What the client sent under the two names: the first as headers, the second as trailers. */
function echoMetadata(call: { metadata: Metadata; sendMetadata(metadata: Metadata): void }): Metadata {
  const initial = new Metadata();
  for (const value of call.metadata.get(initialName)) initial.add(initialName, value);
  call.sendMetadata(initial);
  const trailing = new Metadata();
  for (const value of call.metadata.get(trailingName)) trailing.add(trailingName, value);
  return trailing;
}

type AnyStream =
  | ServerWritableStream<StreamRequest, PayloadReply>
  | ServerDuplexStream<StreamRequest, PayloadReply>;

async function writeReplies(call: AnyStream, { responseParameters = [] }: StreamRequest): Promise<void> {
  for (const { size, intervalUs = 0 } of responseParameters) {
    if (intervalUs > 0) await new Promise((done) => setTimeout(done, intervalUs / 1000));
    if (!call.write(payloadOf(size))) await once(call, 'drain');
  }
}

const failureOf = ({ code, message }: EchoStatus, metadata: Metadata): ServiceError =>
  Object.assign(new Error(message), { code, details: message, metadata });

const implementation = {
  emptyCall: (_call: unknown, done: sendUnaryData<object>) => done(null, {}),
  unaryCall(call: ServerUnaryCall<SimpleRequest, PayloadReply>, done: sendUnaryData<PayloadReply>): void {
    const { responseSize, responseStatus } = call.request;
    const trailing = echoMetadata(call);
    if ((responseStatus?.code ?? 0) !== 0) done(failureOf(responseStatus!, trailing));
    else done(null, payloadOf(responseSize), trailing);
  },
  async streamingOutputCall(call: ServerWritableStream<StreamRequest, PayloadReply>): Promise<void> {
    await writeReplies(call, call.request);
    call.end();
  },
  streamingInputCall(
    call: ServerReadableStream<SimpleRequest, SizeReply>,
    done: sendUnaryData<SizeReply>,
  ): void {
    let size = 0;
    call.on('data', ({ payload }: SimpleRequest) => (size += payload?.body.length ?? 0));
    call.on('end', () => done(null, { aggregatedPayloadSize: size }));
  },
  fullDuplexCall(call: ServerDuplexStream<StreamRequest, PayloadReply>): void {
    const trailing = echoMetadata(call);
    // Answers go out in the order of what was asked; the end comes behind the last.
    let last = Promise.resolve();
    call.on('data', (request: StreamRequest) => {
      if ((request.responseStatus?.code ?? 0) !== 0) {
        call.emit('error', failureOf(request.responseStatus!, trailing));
      } else last = last.then(() => writeReplies(call, request));
    });
    call.on('end', () => void last.then(() => call.end(trailing)));
  },
};

export async function startNodeService(t: Pick<TestContext, 'after'>): Promise<number> {
  const server = new Server();
  server.addService(service.service, implementation as never);
  t.after(() => server.forceShutdown());
  return new Promise((done, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
      if (error !== null) reject(error);
      else done(port);
    });
  });
}

type Unary<Request, Reply> = (
  request: Request,
  metadata: Metadata,
  options: object,
  done: (error: ServiceError | null, reply: Reply) => void,
) => { on(event: 'metadata' | 'status', listener: (found: never) => void): void };

interface TestClient extends Client {
  unaryCall: Unary<object, PayloadReply>;
  streamingInputCall(done: (error: ServiceError | null, reply: SizeReply) => void): {
    write(message: object): void;
    end(): void;
  };
  streamingOutputCall(request: object): AsyncIterable<PayloadReply>;
  fullDuplexCall(): AsyncIterable<PayloadReply> & {
    write(message: object): void;
    end(): void;
    cancel(): void;
    on(event: 'error', listener: (error: ServiceError) => void): void;
    on(event: 'data', listener: () => void): void;
  };
}

/** The cases of gRPC's list that show most of the way between two ends, by grpc-js. */
export async function runNodeCases(address: string, root?: Buffer): Promise<void> {
  const secured = root === undefined ? credentials.createInsecure() : credentials.createSsl(root);
  const client = new service(address, secured) as unknown as TestClient;
  try {
    await largeUnary(client);
    await clientStreaming(client);
    await serverStreaming(client);
    await pingPong(client);
    await statusAndMessage(client);
    await customMetadata(client);
    await cancellation(client);
  } finally {
    client.close();
  }
}

const largeRequest = { responseSize: 314_159, payload: { body: Buffer.alloc(271_828) } };

function call(
  client: TestClient,
  request: object,
  metadata: Metadata = new Metadata(),
): Promise<{ reply: PayloadReply; initial: Metadata; trailing: Metadata }> {
  return new Promise((done, reject) => {
    let initial = new Metadata();
    let reply: PayloadReply | undefined;
    const running = client.unaryCall(request, metadata, {}, (error, found) => {
      if (error !== null) reject(error);
      reply = found;
    });
    running.on('metadata', (found: Metadata) => (initial = found));
    running.on('status', (found: { metadata: Metadata }) => {
      if (reply !== undefined) done({ reply, initial, trailing: found.metadata });
    });
  });
}

async function largeUnary(client: TestClient): Promise<void> {
  const { reply } = await call(client, largeRequest);
  assert.equal(reply.payload.body.length, 314_159);
}

async function clientStreaming(client: TestClient): Promise<void> {
  const sizes = [27_182, 8, 1828, 45_904];
  const reply = await new Promise<SizeReply>((done, reject) => {
    const stream = client.streamingInputCall((error, found) =>
      error === null ? done(found) : reject(error),
    );
    for (const size of sizes) stream.write({ payload: { body: Buffer.alloc(size) } });
    stream.end();
  });
  assert.equal(reply.aggregatedPayloadSize, 74_922);
}

async function serverStreaming(client: TestClient): Promise<void> {
  const sizes = [31_415, 9, 2653, 58_979];
  const found: number[] = [];
  const request = { responseParameters: sizes.map((size) => ({ size })) };
  for await (const { payload } of client.streamingOutputCall(request)) found.push(payload.body.length);
  assert.deepEqual(found, sizes);
}

/** Each message is sent when the answer to the one before it is there. */
async function pingPong(client: TestClient): Promise<void> {
  const sizes = [31_415, 9, 2653, 58_979];
  const stream = client.fullDuplexCall();
  const ask = (at: number): void => stream.write({ responseParameters: [{ size: sizes[at] }] });
  ask(0);
  const found: number[] = [];
  for await (const { payload } of stream) {
    found.push(payload.body.length);
    if (found.length < sizes.length) ask(found.length);
    else stream.end();
  }
  assert.deepEqual(found, sizes);
}

async function statusAndMessage(client: TestClient): Promise<void> {
  const message = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';
  await assert.rejects(call(client, { responseStatus: { code: 2, message } }), { code: 2, details: message });
}

async function customMetadata(client: TestClient): Promise<void> {
  const bytes = Buffer.from([0xab, 0xab, 0xab]);
  const metadata = new Metadata();
  metadata.set(initialName, 'test_initial_metadata_value');
  metadata.set(trailingName, bytes);
  const { initial, trailing } = await call(client, largeRequest, metadata);
  assert.deepEqual(initial.get(initialName), ['test_initial_metadata_value']);
  assert.deepEqual(trailing.get(trailingName), [bytes]);
}

/** After the first answer, while the server is to send another one much later. */
async function cancellation(client: TestClient): Promise<void> {
  const stream = client.fullDuplexCall();
  const failed = new Promise<ServiceError>((done) => stream.on('error', done));
  stream.on('data', () => stream.cancel());
  stream.write({ responseParameters: [{ size: 9 }, { size: 9, intervalUs: 20_000_000 }] });
  assert.equal((await failed).code, status.CANCELLED);
}
