/** A HTTP/2 upstream made of frames, so that it can send what no library would. */
import { createServer, type Server, type Socket } from 'node:net';
import tls from 'node:tls';
import type { Certificates } from '../harness/certificates.ts';
import { errorNames, goAway, preface, rstStream, settingsFrame } from '../wire/h2-frames.ts';
import { fieldOf, H2Peer, type PeerOptions, type StreamView } from '../wire/h2-peer.ts';
import type { Field } from '../wire/hpack.ts';
import { type Backend, type BackendKind, Cues, closeServer, listenOn, type Seen } from './backend.ts';
import type { Answers, Http2Answer, Http2Exchange } from './exchange.ts';
import type { BackendPlace } from './http1.ts';

export interface Http2Place extends BackendPlace, PeerOptions {
  readonly settings?: readonly (readonly [number, number])[];
}

/** Streams of each connection at once. */
export function http2({
  host = '127.0.0.1',
  tls: options,
  settings = [],
  ...peerOptions
}: Http2Place = {}): BackendKind {
  return async (name, certificates) => {
    const sockets = new Map<Socket, H2Peer>();
    const seen: (Seen & { readonly peer: H2Peer; readonly socket: Socket })[] = [];
    const attempts = new Map<string, number>();
    const cues = new Cues();
    const backend: { answers: Answers | undefined } = { answers: undefined };
    const onSocket = (socket: Socket): void => {
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
      const peer = new H2Peer(withoutPreface(socket), peerOptions);
      sockets.set(socket, peer);
      peer.send(settingsFrame(settings));
      peer.onHead = (stream) => {
        const id = fieldOf(stream.head ?? [], 'x-test') ?? '';
        attempts.set(id, (attempts.get(id) ?? 0) + 1);
        seen.push({ id, peer, socket, lines: () => linesOf(name, stream, peer) });
        void answerOf(id === 'probe' ? undefined : backend.answers)(
          exchangeOf(peer, stream, attempts.get(id)!, cues),
        );
      };
    };
    const server: Server =
      options === undefined
        ? createServer(onSocket)
        : tls.createServer(
            { ALPNProtocols: ['h2'], ...options((await certificates()) as Certificates) },
            onSocket,
          );
    server.on('tlsClientError', () => {});
    const port = await listenOn(server, host);
    return Object.assign(backend, {
      port,
      seen,
      pumped: 0,
      clear: () => {
        seen.splice(0);
        cues.clear();
      },
      cue: () => cues.give(),
      reset: (id: string) => void seen.findLast((one) => one.id === id)?.socket.resetAndDestroy(),
      closeConnections: () => {
        for (const peer of sockets.values()) peer.send(goAway(2 ** 31 - 1, 0));
      },
      close: () => closeServer(server, sockets.keys()),
    }) satisfies Backend;
  };
}

/** The socket, from which the first bytes of a client are taken before anyone reads. */
function withoutPreface(socket: Socket): Socket {
  let left = preface.length;
  const { emit } = socket;
  socket.emit = function (event: string | symbol, ...args: unknown[]): boolean {
    if (event !== 'data' || left === 0) return emit.call(this, event, ...args);
    const bytes = args[0] as Buffer;
    const taken = Math.min(left, bytes.length);
    left -= taken;
    return bytes.length > taken ? emit.call(this, event, bytes.subarray(taken)) : true;
  };
  return socket;
}

function linesOf(name: string, stream: StreamView, peer: H2Peer): string[] {
  const cutOff = peer.closed && !stream.over ? ['cut off'] : [];
  return [...stream.lines().filter((line) => line !== 'end of stream' && line !== 'open'), ...cutOff].map(
    (line) => `${name}| ${line}`,
  );
}

function exchangeOf(peer: H2Peer, stream: StreamView, attempt: number, cues: Cues): Http2Exchange {
  return {
    peer,
    stream: stream.id,
    attempt,
    cue: () => cues.wait(),
    header: (name) => fieldOf(stream.head ?? [], name),
    body: async () => {
      await peer.until(() => stream.over, 10_000).catch(() => {});
      return stream.data;
    },
    received: (bytes) => peer.until(() => stream.data.length >= bytes || stream.over, 10_000).catch(() => {}),
  };
}

function answerOf(answers: Answers | undefined): Http2Answer {
  return typeof answers === 'object' && 'http2' in answers ? answers.http2 : answerByPath;
}

/** What the first segment of the path asks for. */
async function answerByPath(exchange: Http2Exchange): Promise<void> {
  const { peer, stream, header } = exchange;
  const path = header(':path') ?? '';
  const [, kind = '', argument = ''] = (path.split('?')[0] ?? '').split('/');
  if (kind === 'slow') return;
  if (kind === 'reset') {
    const code = Math.max(0, errorNames.indexOf(argument));
    peer.send(rstStream(stream, code));
    return;
  }
  const text = await exchange.body();
  const fields = (status: string, more: readonly Field[] = []): Field[] => [[':status', status], ...more];
  switch (kind) {
    case 'status':
      peer.headers(stream, fields(argument, [['x-upstream', 'here']]), true);
      break;
    case 'trailers':
      peer.headers(stream, fields('200', [['trailer', 'x-sum']]));
      peer.data(stream, 'abc');
      peer.headers(stream, [['x-sum', '294']], true);
      break;
    case 'length':
      peer.headers(stream, fields('200'));
      peer.data(stream, String(text.length), true);
      break;
    default: {
      const body = `${header(':method')} ${path} ${text.slice(0, 1000)}`;
      peer.headers(stream, fields('200', [['content-length', String(body.length)]]));
      peer.data(stream, body, true);
    }
  }
}
