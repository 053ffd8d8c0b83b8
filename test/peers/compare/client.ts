/** A client that writes bytes as told and reads answers as they are. */
import { connect, type Socket } from 'node:net';

/** What came back, with what differs on every run taken out. */
export interface Answer {
  readonly status: string;
  /** Sorted, names in lower case. */
  readonly headers: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  /** How the body ended: `incomplete` where the connection closed too soon. */
  readonly framing: 'none' | 'length' | 'chunked' | 'close' | 'incomplete';
}

export interface Result {
  readonly answers: readonly Answer[];
  /** Whether the connection could still be used, as one more request shows. */
  readonly connection: 'open' | 'closed';
}

/** What is written, and what is waited for in between. */
export type Step =
  | string
  /** Goes on when the text so far matches. */
  | { readonly until: RegExp }
  | { readonly act: () => void }
  /** Says that nothing more is written. */
  | { readonly end: true };

export interface Exchange {
  readonly port: number;
  readonly steps: readonly Step[];
  /** Methods of the requests, in order: how many answers to wait for and which have no body. */
  readonly methods: readonly string[];
  /** Sent after the answers, to see whether the connection lives. */
  readonly probe: string;
  readonly timeoutMs: number;
}

export async function exchange({ port, steps, methods, probe, timeoutMs }: Exchange): Promise<Result> {
  const reader = new Reader(port, timeoutMs);
  try {
    for (const step of steps) {
      if (typeof step === 'string') reader.write(step);
      else if ('until' in step) await reader.until((text) => step.until.test(text), String(step.until));
      else if ('act' in step) step.act();
      else reader.end();
    }
    const wanted = methods.length;
    await reader.until(
      (text, closed) => parse(text, methods, closed).complete >= wanted,
      `${wanted} answers`,
    );
    const { answers, complete } = parse(reader.text, methods, reader.closed);
    if (reader.closed || complete < wanted || answers.at(-1)?.framing === 'close')
      return { answers, connection: 'closed' };
    const before = reader.text.length;
    reader.write(probe);
    await reader.until((text) => text.length > before, 'an answer to the probe or the end');
    return { answers, connection: reader.text.slice(before).startsWith('HTTP/1.1 2') ? 'open' : 'closed' };
  } finally {
    reader.destroy();
  }
}

class Reader {
  text = '';
  closed = false;
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  #changed: () => void = () => {};

  constructor(port: number, timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.#socket.setEncoding('latin1');
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (text: string) => {
      this.text += text;
      this.#changed();
    });
    const close = (): void => {
      this.closed = true;
      this.#changed();
    };
    this.#socket.on('end', close);
    this.#socket.on('error', close);
    this.#socket.on('close', close);
  }

  write(text: string): void {
    if (!this.#socket.destroyed) this.#socket.write(text, 'latin1');
  }
  end(): void {
    this.#socket.end();
  }
  destroy(): void {
    this.#socket.destroy();
  }

  /** Resolves when `done` says so or the connection ended. */
  async until(done: (text: string, closed: boolean) => boolean, what: string): Promise<void> {
    const deadline = AbortSignal.timeout(this.#timeoutMs);
    while (!done(this.text, this.closed) && !this.closed) {
      await new Promise<void>((resolve, reject) => {
        const late = (): void => reject(new Error(`no ${what}; so far: ${JSON.stringify(this.text)}`));
        deadline.addEventListener('abort', late, { once: true });
        this.#changed = () => {
          deadline.removeEventListener('abort', late);
          resolve();
        };
      });
    }
  }
}

function parse(
  text: string,
  methods: readonly string[],
  closed: boolean,
): { answers: Answer[]; complete: number } {
  const answers: Answer[] = [];
  let complete = 0;
  let rest = text;
  for (let request = 0; rest !== '' && request < Math.max(methods.length, 1); ) {
    const end = rest.indexOf('\r\n\r\n');
    if (end === -1) break;
    const [line = '', ...headers] = rest.slice(0, end).split('\r\n');
    const status = Number(line.split(' ')[1]);
    const body = readBody(rest.slice(end + 4), headers, status, methods[request] ?? 'GET', closed);
    if (body === undefined) break;
    answers.push({
      status: line,
      headers: normalised(headers),
      body: body.text,
      trailers: body.trailers,
      framing: body.framing,
    });
    rest = rest.slice(end + 4 + body.length);
    if (status >= 200) {
      request++;
      complete++;
    }
  }
  return { answers, complete };
}

interface Body {
  readonly text: string;
  readonly length: number;
  readonly trailers: readonly string[];
  readonly framing: Answer['framing'];
}

/** Undefined while it is not all there. */
function readBody(
  rest: string,
  headers: readonly string[],
  status: number,
  method: string,
  closed: boolean,
): Body | undefined {
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') {
    return { text: '', length: 0, trailers: [], framing: 'none' };
  }
  const incomplete: Body | undefined = closed
    ? { text: rest, length: rest.length, trailers: [], framing: 'incomplete' }
    : undefined;
  const value = (name: string): string | undefined =>
    headers
      .find((header) => header.toLowerCase().startsWith(`${name}:`))
      ?.slice(name.length + 1)
      .trim();
  if (value('transfer-encoding') === 'chunked') return readChunks(rest) ?? incomplete;
  const length = value('content-length');
  if (length !== undefined) {
    if (rest.length < Number(length)) return incomplete;
    return { text: rest.slice(0, Number(length)), length: Number(length), trailers: [], framing: 'length' };
  }
  return closed ? { text: rest, length: rest.length, trailers: [], framing: 'close' } : undefined;
}

function readChunks(rest: string): Body | undefined {
  let text = '';
  for (let at = 0; ; ) {
    const line = rest.indexOf('\r\n', at);
    if (line === -1) return undefined;
    const size = Number.parseInt(rest.slice(at, line), 16);
    if (size === 0) {
      const last = /^0\r\n((?:[^\r\n]+\r\n)*)\r\n/.exec(rest.slice(at));
      if (last === null) return undefined;
      const trailers = normalised(last[1]!.split('\r\n').filter((trailer) => trailer !== ''));
      return { text, length: at + last[0].length, trailers, framing: 'chunked' };
    }
    if (rest.length < line + 2 + size + 2) return undefined;
    text += rest.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
}

/** Values that no two runs share. */
const volatile: Readonly<Record<string, string>> = {
  date: 'DATE',
  'x-envoy-upstream-service-time': 'TIME',
  'x-request-id': 'ID',
};

function normalised(headers: readonly string[]): string[] {
  return headers
    .map((header) => {
      const colon = header.indexOf(':');
      const name = header.slice(0, colon).toLowerCase();
      return `${name}: ${volatile[name] ?? header.slice(colon + 1).trim()}`;
    })
    .sort();
}
