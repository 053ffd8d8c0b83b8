/**
 * Where Heddle answers otherwise than Envoy on purpose. docs/differences-from-envoy.md tells people
 * the same; a test keeps the two equal.
 */
import type { Answer, Result } from './client.ts';

export interface Difference {
  /** Heading of its section in the document. */
  readonly title: string;
  /** Names of the cases it shows in. */
  readonly cases: readonly string[];
  readonly why: string;
  /** What Heddle answers where Envoy answers so. */
  heddle(envoy: Result): Result;
}

/** How a request that breaks the grammar is answered. */
const refusal: Result = {
  answers: [
    {
      status: 'HTTP/1.1 400 Bad Request',
      headers: [
        'connection: close',
        'content-length: 11',
        'content-type: text/plain',
        'date: DATE',
        'server: envoy',
      ],
      body: 'Bad Request',
      trailers: [],
      framing: 'length',
    },
  ],
  connection: 'closed',
};

function without(header: string, { answers, connection }: Result): Result {
  const drop = (answer: Answer): Answer => ({
    ...answer,
    headers: answer.headers.filter((line) => !line.startsWith(`${header}:`)),
  });
  return { answers: answers.map(drop), connection };
}

export const differences: readonly Difference[] = [
  {
    title: 'Lines that end in a bare line feed',
    cases: ['bare LF'],
    why: 'two proxies that disagree about the end of a line can be made to see different requests',
    heddle: () => refusal,
  },
  {
    title: 'Folded header lines',
    cases: ['obsolete line folding'],
    why: 'RFC 9112 §5.2 lets a server refuse them, and no client sends them',
    heddle: () => refusal,
  },
  {
    title: 'More than one host',
    cases: ['two hosts'],
    why: 'RFC 9112 §3.2 asks for 400; Envoy joins them to one name that matches no host',
    heddle: () => refusal,
  },
  {
    title: "Headers that a response names as its own hop's",
    cases: ['hop-by-hop headers of the response'],
    why: 'RFC 9110 §7.6.1 asks a proxy to remove them; Envoy does so in requests only',
    heddle: (envoy) => without('x-mine', envoy),
  },
];
