/**
 * Two applications in one file. With `ROLE=greeter`: gRPC, unary and bidirectional, on `HOST:PORT`. Else: HTTP, whose
 * `/greet?version=…` and `/chat` call the greeter by the variables of Kubernetes, and a WebSocket echo at `/ws`.
 */
import { createHash } from 'node:crypto';
import http from 'node:http';
import grpc from '@grpc/grpc-js';

const {
  HOST = '0.0.0.0',
  PORT = '',
  ROLE,
  VERSION = '',
  GREETER_SERVICE_HOST,
  GREETER_SERVICE_PORT,
} = process.env;

const same = (bytes: Buffer): Buffer => bytes;
const codec = {
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};
const GREET = '/test.Greeter/Greet';
const CHAT = '/test.Greeter/Chat';

function serveGreeter(): void {
  const server = new grpc.Server();
  server.addService(
    {
      greet: { path: GREET, requestStream: false, responseStream: false, ...codec },
      chat: { path: CHAT, requestStream: true, responseStream: true, ...codec },
    },
    {
      greet(call: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>) {
        const name = call.request.toString();
        if (name === 'nobody') answer({ code: grpc.status.NOT_FOUND, details: 'nobody is there' });
        else answer(null, Buffer.from(`${VERSION} greets ${name}`));
      },
      chat(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
        call.on('data', (message: Buffer) => call.write(Buffer.from(`${VERSION}:${message}`)));
        call.on('end', () => call.end());
      },
    },
  );
  server.bindAsync(`${HOST}:${PORT}`, grpc.ServerCredentials.createInsecure(), () => {});
  process.on('SIGTERM', () => server.tryShutdown(() => process.exit(0)));
}

function serveCaller(): void {
  const address = `${GREETER_SERVICE_HOST}:${GREETER_SERVICE_PORT}`;
  const client = new grpc.Client(address, grpc.credentials.createInsecure());
  const server = http.createServer(({ url = '/' }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://app');
    const metadata = new grpc.Metadata();
    const version = searchParams.get('version');
    if (version !== null) metadata.set('x-version', version);
    if (pathname === '/greet') {
      const name = Buffer.from(searchParams.get('name') ?? 'world');
      client.makeUnaryRequest(GREET, same, same, name, metadata, (error, answer) => {
        response.end(error === null ? String(answer) : `${error.code} ${error.details}`);
      });
      return;
    }
    const call = client.makeBidiStreamRequest<Buffer, Buffer>(CHAT, same, same, metadata);
    let said = '';
    call.on('data', (message: Buffer) => {
      said += `${message} `;
      // The next message goes out only when the last was answered: nothing is buffered on the way.
      if (said.split(' ').length <= 3) call.write(Buffer.from('again'));
      else call.end();
    });
    call.on('error', () => {});
    call.on('status', ({ code }) => response.end(`${said}${code}`));
    call.write(Buffer.from('hello'));
  });
  server.on('upgrade', ({ headers }, socket) => {
    const key = `${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash('sha1').update(key).digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    // Frames of clients are masked, those of servers are not: short text frames are all there is here.
    socket.on('data', (frame: Buffer) => {
      if ((frame[0]! & 0x0f) === 8) {
        socket.end(Buffer.from([0x88, 0]));
        return;
      }
      const mask = frame.subarray(2, 6);
      const text = frame.subarray(6).map((byte, i) => byte ^ mask[i % 4]!);
      socket.write(Buffer.concat([Buffer.from([0x81, text.length]), text]));
    });
    socket.on('error', () => {});
  });
  server.listen(Number(PORT), HOST);
  process.on('SIGTERM', () => process.exit(0));
}

if (ROLE === 'greeter') serveGreeter();
else serveCaller();
