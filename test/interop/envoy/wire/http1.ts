/** A HTTP/1 client that writes bytes as told and reads answers as they are. */
import type { ClientView, Play, Script } from '../harness/case.ts';
import { Channel, type ChannelOptions } from './channel.ts';
import { type Body, chunkedBody, headerOf, lengthBody, noBody, shownBody } from './http1-body.ts';
import { shown, steadyLines } from './volatile.ts';

/** A text of which parts are drawn. */
export type Message = string | ((play: Play) => string);

/** What is written, and what is waited for in between. */
export type Step =
  | Message
  /** Goes on when the text so far matches. */
  | { readonly until: RegExp }
  /** Goes on when the backend got something that matches. */
  | { readonly saw: RegExp; readonly at?: string }
  /** Gives the backend of this name its cue. */
  | { readonly cue: string }
  | { readonly act: (play: Play) => unknown }
  /** Says that nothing more is written. */
  | { readonly end: true };

export interface Http1Options extends ChannelOptions {
  /** Methods of the requests: how many answers to wait for, and which have no body. Absent: one GET. */
  readonly methods?: readonly string[];
  /** Written in one piece: what is expected depends on what comes together. */
  readonly whole?: boolean;
  /** Not looked whether the connection lives. */
  readonly noProbe?: boolean;
  /** After the head, if there is one, all that comes until the end is shown. Implies `noProbe`. */
  readonly raw?: boolean;
}

const PROBE = 'GET /status/200 HTTP/1.1\r\nhost: test.example\r\nx-test: probe\r\n\r\n';

/** Stands for the id of the case in a text. */
export const TEST_ID = '@ID@';

/** A request with its headers in any order and in letters of any case; `host` and `x-test` are added. */
export function request(method: string, path: string, headers: readonly string[] = [], body = ''): Message {
  return ({ draw, id }) => {
    const lines = [`host: test.example`, `x-test: ${id}`, ...headers];
    const drawn = draw.order(lines).map((line) => draw.casing(line));
    return `${[`${method} ${path} HTTP/1.1`, ...drawn].join('\r\n')}\r\n\r\n${body}`;
  };
}

export const get = (path: string, ...headers: readonly string[]): Message => request('GET', path, headers);

/** Lines as they are, with the empty one that ends a head. */
export const head = (...lines: readonly string[]): string => `${lines.join('\r\n')}\r\n\r\n`;

export async function takeStep(channel: Channel, play: Play, step: Step, whole = false): Promise<void> {
  if (typeof step === 'string') await channel.write(step.replaceAll(TEST_ID, play.id), whole);
  else if (typeof step === 'function') await channel.write(step(play).replaceAll(TEST_ID, play.id), whole);
  else if ('until' in step) await channel.until((text) => step.until.test(text), String(step.until));
  else if ('saw' in step) await backendSaw(play, step.saw, step.at);
  else if ('cue' in step) play.backend(step.cue).cue();
  else if ('act' in step) await step.act(play);
  else channel.end();
}

const LOOK_MS = 5;
const SAW_DEADLINE_MS = 5000;

/** Waits until a backend got something that matches. */
export async function backendSaw(play: Play, pattern: RegExp, at = 'a'): Promise<void> {
  const deadline = performance.now() + SAW_DEADLINE_MS;
  for (;;) {
    const text = play
      .backend(at)
      .seen.flatMap((seen) => seen.lines())
      .join('\n');
    if (pattern.test(text)) return;
    if (performance.now() > deadline) throw new Error(`${at} saw no ${pattern}: ${text}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Plays the steps over one connection, and tells the answers and whether it could go on. */
export function http1(steps: readonly Step[], options: Http1Options = {}): Script {
  return async (play) => {
    const channel = new Channel(play, options);
    for (const step of steps) await takeStep(channel, play, step, options.whole);
    if (options.raw === true) {
      await channel.untilClosed();
      return tunnelView(channel.text);
    }
    return answersOn(channel, options);
  };
}

/**
 * Asks for something whose time runs out, on a connection of its own, and goes on when that is so: whatever was to
 * run out sooner has done so.
 *
 * @param path to a cluster that never answers
 */
export const outlasted = (path: string): Step => ({
  async act(play) {
    const channel = new Channel(play);
    await channel.write(`GET ${path} HTTP/1.1\r\nhost: test.example\r\nx-test: probe\r\n\r\n`);
    await channel.until((text) => text.startsWith('HTTP/1.1 504'), 'a time-out');
    channel.socket.destroy();
  },
});

/** A head, where there is one, and all that came after it. */
export function tunnelView(text: string): ClientView {
  const end = text.indexOf('\r\n\r\n');
  if (!text.startsWith('HTTP/') || end === -1)
    return { statuses: [], connection: 'closed', lines: [`tunnel: ${shown(text)}`] };
  const [line = '', ...headers] = text.slice(0, end).split('\r\n');
  return {
    statuses: [Number(line.split(' ')[1])],
    connection: 'closed',
    lines: [line, ...steadyLines(headers), `tunnel: ${shown(text.slice(end + 4))}`],
  };
}

/** Waits for the answers of a connection, and tries it. */
export async function answersOn(
  channel: Channel,
  { methods = ['GET'], noProbe = false }: Pick<Http1Options, 'methods' | 'noProbe'> = {},
): Promise<ClientView> {
  const parse = (): Parsed => parseAnswers(channel.text, methods, channel.closed);
  await channel.until(() => parse().statuses.length >= methods.length, `${methods.length} answers`);
  const { statuses, lines, closes } = parse();
  if (channel.closed || closes || statuses.length < methods.length)
    return { statuses, lines, connection: 'closed' };
  if (noProbe) return { statuses, lines };
  const before = channel.text.length;
  await channel.write(PROBE);
  const open = /^(?:HTTP\/1\.1 1[\s\S]*?\r\n\r\n)*HTTP\/1\.1 [^1]/;
  await channel.until((text) => open.test(text.slice(before)), 'an answer to the probe or the end');
  const alive = channel.text.startsWith('HTTP/1.1 2', before);
  return { statuses, lines, connection: alive ? 'open' : 'closed' };
}

interface Parsed {
  readonly statuses: number[];
  readonly lines: string[];
  /** The last answer ends with the connection. */
  readonly closes: boolean;
}

export function parseAnswers(text: string, methods: readonly string[], closed: boolean): Parsed {
  const statuses: number[] = [];
  const lines: string[] = [];
  let closes = false;
  let rest = text;
  while (rest !== '' && statuses.length < Math.max(methods.length, 1)) {
    const end = rest.indexOf('\r\n\r\n');
    if (end === -1) break;
    const [line = '', ...headers] = rest.slice(0, end).split('\r\n');
    const status = Number(line.split(' ')[1]);
    const body = bodyOf(rest.slice(end + 4), headers, status, methods[statuses.length] ?? 'GET', closed);
    if (body === undefined) break;
    lines.push(line, ...steadyLines(headers));
    if (body.framing !== 'none') lines.push(`body by ${body.framing}: ${shownBody(body.text, headers)}`);
    lines.push(...steadyLines(body.trailers).map((trailer) => `trailer ${trailer}`));
    lines.push(...body.extensions.map((extension) => `chunk extension ${extension}`));
    rest = rest.slice(end + 4 + body.length);
    closes = body.framing === 'close' || body.framing === 'incomplete';
    if (status >= 200 || status === 101) statuses.push(status);
  }
  return { statuses, lines, closes };
}

/** Undefined while it is not all there. */
function bodyOf(
  rest: string,
  headers: readonly string[],
  status: number,
  method: string,
  closed: boolean,
): Body | undefined {
  const tunnel = method === 'CONNECT' && status === 200;
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD' || tunnel) return noBody;
  const incomplete: Body | undefined = closed
    ? { ...noBody, text: rest, length: rest.length, framing: 'incomplete' }
    : undefined;
  if (headerOf(headers, 'transfer-encoding') === 'chunked') return chunkedBody(rest) ?? incomplete;
  const length = headerOf(headers, 'content-length');
  if (length !== undefined) return lengthBody(rest, Number(length)) ?? incomplete;
  return closed ? { ...noBody, text: rest, length: rest.length, framing: 'close' } : undefined;
}
