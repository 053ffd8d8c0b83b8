/** A HTTP/2 client that sends frames as told, and tells what became of each stream and of the connection. */
import type { ClientView, Play, Script } from '../harness/case.ts';
import { Channel, type ChannelOptions } from './channel.ts';
import { headersFrame, preface, settingsFrame } from './h2-frames.ts';
import { H2Peer, type PeerOptions } from './h2-peer.ts';
import type { Field } from './hpack.ts';
import { backendSaw } from './http1.ts';

/** What is sent, and what is waited for in between. */
export type H2Step =
  | Buffer
  | ((play: Play) => Buffer)
  /** Goes on when it is so, or the connection is over. */
  | { readonly until: (peer: H2Peer) => boolean }
  /** Goes on when the backend got something that matches. */
  | { readonly saw: RegExp; readonly at?: string }
  /** Gives the backend of this name its cue. */
  | { readonly cue: string }
  | { readonly act: (play: Play, peer: H2Peer) => unknown };

export interface Http2Options extends ChannelOptions, PeerOptions {
  /** Identifiers and values of our SETTINGS. */
  readonly settings?: readonly (readonly [number, number])[];
  /** Streams to wait for; absent: those that came to be, and 1. */
  readonly streams?: readonly number[];
  /** Nothing is sent by itself: no preface, no SETTINGS. */
  readonly bare?: boolean;
  /** Not looked whether the connection lives. */
  readonly noProbe?: boolean;
  /** Frames are not cut. */
  readonly whole?: boolean;
  /** More to tell of the connection. */
  readonly tell?: (peer: H2Peer) => readonly string[];
}

const PROBE_STREAM = 1001;
const scheme: Field = [':scheme', 'http'];

/** Fields of a request to `test.example`; others after them, in any order. */
export const fieldsOf =
  (method: string, path: string, more: readonly Field[] = []) =>
  ({ draw, id }: Play): Field[] => [
    ...draw.shuffle<Field>([[':method', method], scheme, [':authority', 'test.example'], [':path', path]]),
    ...draw.orderFields([['x-test', id], ...more]),
  ];

/** A whole request without a body. */
export const h2Get =
  (path: string, more: readonly Field[] = [], stream = 1) =>
  (play: Play): Buffer =>
    headersFrame(stream, fieldsOf('GET', path, more)(play), true);

/** The head of a request whose body follows. */
export const h2Post =
  (path: string, more: readonly Field[] = [], stream = 1) =>
  (play: Play): Buffer =>
    headersFrame(stream, fieldsOf('POST', path, more)(play));

/** A head with just these fields, and `x-test`. */
export const h2Head =
  (fields: readonly Field[], { stream = 1, end = true }: { stream?: number; end?: boolean } = {}) =>
  ({ id }: Play): Buffer =>
    headersFrame(stream, [...fields, ['x-test', id]], end);

const FRAME_BYTES = 16_384;
const FIRST_WINDOW = 65_535;
const initialWindowSize = 4;

/** Sends a body as far as the other side's windows go, and goes on as they are opened. */
export async function sendBody(peer: H2Peer, stream: number, text: string, end = true): Promise<void> {
  let sent = 0;
  const credit = (): number =>
    Math.min(
      FIRST_WINDOW + (peer.credit.get(0) ?? 0) - peer.sentBytes,
      (peer.settings?.get(initialWindowSize) ?? FIRST_WINDOW) + (peer.credit.get(stream) ?? 0) - sent,
    );
  await peer.until(() => peer.settings !== undefined);
  while (sent < text.length) {
    await peer.until(() => credit() > 0 || peer.stream(stream).reset !== '', 10_000, 'room in the window');
    if (peer.closed || peer.stream(stream).reset !== '') return;
    const bytes = Math.min(credit(), FRAME_BYTES, text.length - sent);
    sent += bytes;
    peer.sentBytes += bytes;
    peer.data(stream, text.slice(sent - bytes, sent), end && sent === text.length);
  }
}

export async function openHttp2(
  play: Play,
  options: Http2Options = {},
): Promise<{ peer: H2Peer; channel: Channel }> {
  const channel = new Channel(play, options);
  const peer = new H2Peer(channel.socket, options);
  // Where the codec is chosen by what comes first, the preface must not be cut.
  if (options.bare !== true)
    await channel.write(Buffer.concat([preface, settingsFrame(options.settings)]), true);
  return { peer, channel };
}

/** Plays the steps over one connection. */
export function http2(steps: readonly H2Step[], options: Http2Options = {}): Script {
  return async (play) => {
    const { peer, channel } = await openHttp2(play, options);
    for (const step of steps) {
      if (Buffer.isBuffer(step) || typeof step === 'function') {
        peer.hold();
        await channel.write(Buffer.isBuffer(step) ? step : step(play), options.whole);
        peer.release();
      } else if ('until' in step) await peer.until(() => step.until(peer), undefined, String(step.until));
      else if ('saw' in step) await backendSaw(play, step.saw, step.at);
      else if ('cue' in step) play.backend(step.cue).cue();
      else await step.act(play, peer);
    }
    return http2View(peer, options);
  };
}

/** Waits for the streams, and tries the connection. */
export async function http2View(
  peer: H2Peer,
  { streams, noProbe = false, tell }: Pick<Http2Options, 'streams' | 'noProbe' | 'tell'> = {},
): Promise<ClientView> {
  const wanted = streams ?? [...new Set([1, ...peer.streams.keys()])];
  await peer.until(
    () => wanted.every((id) => peer.streams.get(id)?.over === true),
    undefined,
    `the end of streams ${wanted}`,
  );
  let alive: boolean | undefined;
  if (!noProbe) {
    if (!peer.closed) {
      peer.headers(
        PROBE_STREAM,
        [
          [':method', 'GET'],
          scheme,
          [':authority', 'test.example'],
          [':path', '/status/200'],
          ['x-test', 'probe'],
        ],
        true,
      );
      await peer.until(() => peer.streams.get(PROBE_STREAM)?.over === true, undefined, 'the probe');
    }
    alive = peer.streams.get(PROBE_STREAM)?.status === 200;
    peer.streams.delete(PROBE_STREAM);
  }
  const statuses = [...peer.streams.values()]
    .sort((a, b) => a.id - b.id)
    .flatMap(({ status }) => (status === 0 ? [] : [status]));
  return {
    statuses,
    lines: [...peer.lines(), ...(tell?.(peer) ?? [])],
    ...(alive === undefined ? {} : { connection: alive ? 'open' : 'closed' }),
  };
}
