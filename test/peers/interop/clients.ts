/** HTTP clients that are not ours, each asked the same questions. */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { findPeer, type PeerName } from '../../support/peer.ts';

export interface Question {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  /** Path of a file to send. */
  readonly body?: string;
}

export interface Reply {
  readonly status: number;
  /** Of the body. */
  readonly sha256: string;
}

export interface ClientPlace {
  /** Certificate of the root to trust. */
  readonly root: string;
  /** The program of `program/go`. */
  readonly go: string;
}

export interface Client {
  readonly name: string;
  readonly peer: PeerName;
  /** What the access log calls its protocol. */
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  readonly secured: boolean;
  ask(questions: readonly Question[], place: ClientPlace): Promise<Reply[]>;
}

const run = promisify(execFile);
const maxBuffer = 8 * 1024 * 1024;
const timeout = 60_000;
export const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** The status comes behind the body. */
const curl =
  (...flags: string[]) =>
  async (questions: readonly Question[], { root }: ClientPlace): Promise<Reply[]> => {
    const replies: Reply[] = [];
    for (const { method, url, body } of questions) {
      const sent = body === undefined ? [] : ['--data-binary', `@${body}`];
      const args = [
        '-sS',
        '--cacert',
        root,
        '-X',
        method,
        ...flags,
        ...sent,
        '-w',
        '%{stderr}%{http_code}',
        url,
      ];
      const { stdout, stderr } = await run('curl', args, { encoding: 'buffer', maxBuffer, timeout });
      replies.push({ status: Number(stderr.toString()), sha256: sha256(stdout) });
    }
    return replies;
  };

/** nghttp prints either the body or, after a table, the status. */
async function nghttp(questions: readonly Question[]): Promise<Reply[]> {
  const replies: Reply[] = [];
  for (const { url, body } of questions) {
    const args = ['--no-dep', ...(body === undefined ? [] : ['-d', body]), url];
    const { stdout } = await run('nghttp', args, { encoding: 'buffer', maxBuffer, timeout });
    const { stdout: table } = await run('nghttp', ['-ns', ...args], { timeout });
    replies.push({ status: Number(/ (\d{3}) +\S+ \//.exec(table)?.[1]), sha256: sha256(stdout) });
  }
  return replies;
}

/** A program that reads the questions as JSON and prints the replies. */
const program =
  (command: (place: ClientPlace) => readonly [string, ...string[]]) =>
  async (questions: readonly Question[], place: ClientPlace): Promise<Reply[]> => {
    const [file, ...args] = command(place);
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout });
    child.stdin.end(JSON.stringify(questions));
    const ended = new Promise<number | null>((done, reject) => {
      child.once('close', done);
      child.once('error', reject);
    });
    const [said, failure, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    if (code !== 0) throw new Error(`${file} ended with ${code}: ${failure}`);
    return JSON.parse(said) as Reply[];
  };

const at = (name: string): string => `${import.meta.dirname}/program/${name}`;
const python = (kind: string) =>
  program(({ root }) => [findPeer('python-clients')!, at('ask.py'), kind, root]);
const undici = (version: string) =>
  program(({ root }) => [process.execPath, at('ask-undici.mjs'), version, root, findPeer('node-clients')!]);
const go = (version: string) => program((place) => [place.go, 'ask', version, place.root]);

const http1 = { protocol: 'HTTP/1.1' } as const;
const http2 = { protocol: 'HTTP/2' } as const;
const plain = { secured: false } as const;
const tls = { secured: true } as const;

export const clients: readonly Client[] = [
  { name: 'curl, HTTP/1.0', peer: 'curl', protocol: 'HTTP/1.0', ...plain, ask: curl('--http1.0') },
  { name: 'curl, HTTP/1.1', peer: 'curl', ...http1, ...plain, ask: curl('--http1.1') },
  { name: 'curl, HTTP/1.1 over TLS', peer: 'curl', ...http1, ...tls, ask: curl('--http1.1') },
  { name: 'curl, HTTP/2 by ALPN', peer: 'curl', ...http2, ...tls, ask: curl('--http2') },
  {
    name: 'curl, HTTP/2 by prior knowledge',
    peer: 'curl',
    ...http2,
    ...plain,
    ask: curl('--http2-prior-knowledge'),
  },
  { name: 'nghttp', peer: 'nghttp', ...http2, ...plain, ask: nghttp },
  { name: 'nghttp over TLS', peer: 'nghttp', ...http2, ...tls, ask: nghttp },
  { name: 'undici, HTTP/1.1', peer: 'node-clients', ...http1, ...plain, ask: undici('1.1') },
  { name: 'undici, HTTP/2', peer: 'node-clients', ...http2, ...tls, ask: undici('2') },
  { name: 'requests', peer: 'python-clients', ...http1, ...plain, ask: python('requests') },
  { name: 'requests over TLS', peer: 'python-clients', ...http1, ...tls, ask: python('requests') },
  { name: 'httpx, HTTP/1.1', peer: 'python-clients', ...http1, ...plain, ask: python('httpx-1.1') },
  { name: 'httpx, HTTP/2', peer: 'python-clients', ...http2, ...plain, ask: python('httpx-2') },
  { name: 'httpx, HTTP/2 over TLS', peer: 'python-clients', ...http2, ...tls, ask: python('httpx-2') },
  { name: 'Go, HTTP/1.1', peer: 'go', ...http1, ...plain, ask: go('1.1') },
  { name: 'Go, HTTP/2 without TLS', peer: 'go', ...http2, ...plain, ask: go('2') },
  { name: 'Go, HTTP/2', peer: 'go', ...http2, ...tls, ask: go('2') },
];
