/** Request smuggling over HTTP/1, as the public literature has it: each row is one request or two, never more. */
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { mainGroup } from './harness/main-group.ts';
import type { Topic } from './harness/topics.ts';
import { head, http1, type Step } from './wire/http1.ts';

const start = (...lines: readonly string[]): string =>
  head('POST /echo HTTP/1.1', 'host: test.example', 'x-test: @ID@', ...lines);
/** What an attacker wants the upstream to take for a request. */
const smuggled = 'GET /smuggled HTTP/1.1\r\nhost: test.example\r\nx-test: @ID@\r\n\r\n';
const chunks = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;

function row(
  covers: Topic,
  name: string,
  steps: readonly Step[],
  expect: Expectation,
  methods: readonly string[] = ['POST'],
): Case {
  return {
    ...{ name, covers },
    // What is together in one write is what such attacks are made of.
    play: http1(steps, { methods, whole: true }),
    expect: { never: /^a\| GET \/smuggled/, ...expect },
  };
}

/** Refused before anything of it is routed. */
const refused: Expectation = {
  status: 400,
  connection: 'closed',
  upstream: 'nothing',
};
const brokenGrammar: Expectation = {
  ...refused,
  stats: { 'http.main.downstream_cx_protocol_error': 1 },
};

const unknownCoding: Expectation = {
  ...refused,
  status: 501,
  log: / 501 DPE http1\.invalid_transfer_encoding /,
};
const bothLengths: Expectation = {
  ...refused,
  log: / 400 DPE http1\.content_length_and_chunked_not_allowed /,
};

const clTe: readonly Case[] = [
  row(
    'cl-te',
    'CL.TE: both, the length shorter than the chunks',
    [`${start('content-length: 5', 'transfer-encoding: chunked')}0\r\n\r\n${smuggled}`],
    brokenGrammar,
  ),
  row(
    'cl-te',
    'CL.TE: both, transfer-encoding first',
    [`${start('transfer-encoding: chunked', 'content-length: 5')}0\r\n\r\n${smuggled}`],
    brokenGrammar,
  ),
  row(
    'cl-te',
    'CL.TE: the length in capitals',
    [`${start('CONTENT-LENGTH: 5', 'transfer-encoding: chunked')}0\r\n\r\n${smuggled}`],
    brokenGrammar,
  ),
  row(
    'cl-te',
    'CL.TE: a length of zero beside chunks',
    [start('content-length: 0', 'transfer-encoding: chunked') + chunks(smuggled)],
    brokenGrammar,
  ),
  row(
    'cl-te',
    'CL.TE: transfer-encoding behind a space in the line',
    [`${start('content-length: 5', 'transfer-encoding : chunked')}0\r\n\r\n${smuggled}`],
    brokenGrammar,
  ),
  row(
    'cl-te',
    'CL.TE: transfer-encoding with a line feed alone',
    [
      'POST /echo HTTP/1.1\r\nhost: test.example\r\nx-test: @ID@\r\ncontent-length: 5\r\nx: x\ntransfer-encoding: chunked\r\n\r\n' +
        `0\r\n\r\n${smuggled}`,
    ],
    brokenGrammar,
  ),
];

const teCl: readonly Case[] = [
  row(
    'te-cl',
    'TE.CL: the chunks longer than the length',
    [start('content-length: 4', 'transfer-encoding: chunked') + chunks(smuggled)],
    brokenGrammar,
  ),
  row(
    'te-cl',
    'TE.CL: a length of the whole',
    [start(`content-length: ${chunks('abc').length}`, 'transfer-encoding: chunked') + chunks('abc')],
    brokenGrammar,
  ),
  row(
    'te-cl',
    'TE.CL: a space in the name',
    [start('content-length: 4', 'transfer encoding: chunked') + chunks(smuggled)],
    brokenGrammar,
  ),
  row(
    'te-cl',
    'TE.CL: a chunked GET with a length',
    [
      `${head(
        'GET /echo HTTP/1.1',
        'host: test.example',
        'x-test: @ID@',
        'transfer-encoding: chunked',
        'content-length: 6',
      )}0\r\n\r\nX${smuggled}`,
    ],
    brokenGrammar,
    ['GET'],
  ),
  row(
    'te-cl',
    'TE.CL: the length twice, the same',
    [start('content-length: 4', 'content-length: 4', 'transfer-encoding: chunked') + chunks(smuggled)],
    brokenGrammar,
  ),
];

const teTe: readonly Case[] = [
  row(
    'te-te',
    'TE.TE: chunked and an unknown coding',
    [start('transfer-encoding: chunked', 'transfer-encoding: cow') + chunks('abc')],
    unknownCoding,
  ),
  row(
    'te-te',
    'TE.TE: an unknown coding and chunked',
    [start('transfer-encoding: cow', 'transfer-encoding: chunked') + chunks('abc')],
    unknownCoding,
  ),
  row(
    'te-te',
    'TE.TE: chunked twice',
    [start('transfer-encoding: chunked', 'transfer-encoding: chunked') + chunks('abc')],
    unknownCoding,
  ),
  row(
    'te-te',
    'TE.TE: chunked twice in one value',
    [start('transfer-encoding: chunked, chunked') + chunks('abc')],
    unknownCoding,
  ),
  row(
    'te-te',
    'TE.TE: gzip, chunked',
    [start('transfer-encoding: gzip, chunked') + chunks('abc')],
    unknownCoding,
  ),
  row(
    'te-te',
    'TE.TE: chunked, identity',
    [start('transfer-encoding: chunked, identity') + chunks('abc')],
    unknownCoding,
  ),
  row('te-te', 'TE.TE: xchunked', [start('transfer-encoding: xchunked') + chunks('abc')], unknownCoding),
  row(
    'te-te',
    'TE.TE: "chunked" in quotes',
    [start('transfer-encoding: "chunked"') + chunks('abc')],
    unknownCoding,
  ),
  row('te-te', 'TE.TE: CHUNKED', [start('transfer-encoding: CHUNKED') + chunks('abc')], {
    status: 200,
    connection: 'open',
    upstream: [/transfer-encoding: chunked$/, /body by chunked: "abc"/],
  }),
  row('te-te', 'TE.TE: a tab before chunked', [start('transfer-encoding:\tchunked') + chunks('abc')], {
    status: 200,
    connection: 'open',
    upstream: [/transfer-encoding: chunked$/, /body by chunked: "abc"/],
  }),
  row(
    'te-te',
    'TE.TE: a vertical tab before chunked',
    [start('transfer-encoding: \x0bchunked') + chunks('abc')],
    { ...refused, log: / 400 DPE http1\.invalid_characters / },
  ),
  row('te-te', 'TE.TE: chunked in a folded line', [start('transfer-encoding:\r\n chunked') + chunks('abc')], {
    status: 200,
    connection: 'open',
    upstream: [/transfer-encoding: chunked$/, /body by chunked: "abc"/],
  }),
  row(
    'te-te',
    'TE.TE: an empty transfer-encoding',
    [`${start('transfer-encoding:', 'content-length: 3')}abc`],
    bothLengths,
  ),
  row(
    'te-te',
    'TE.TE: identity',
    [`${start('transfer-encoding: identity', 'content-length: 3')}abc`],
    bothLengths,
  ),
];

const cl0: readonly Case[] = [
  row(
    'cl-0',
    'CL.0: a GET whose body is a request',
    [
      head(
        'GET /echo HTTP/1.1',
        'host: test.example',
        'x-test: @ID@',
        `content-length: ${smuggled.length - 4 + 6}`,
      ) + smuggled,
    ],
    { status: 200, upstream: /body by length: "GET \/smuggled/ },
    ['GET'],
  ),
  row(
    'cl-0',
    'CL.0: a body behind a length of zero is a request',
    [start('content-length: 0') + smuggled],
    {
      status: [200, 200],
      upstream: /^a\| GET \/smuggled/,
      never: /body by length: "GET/,
    },
    ['POST', 'GET'],
  ),
  row(
    'cl-0',
    'CL.0: HEAD with a body',
    [`${head('HEAD /echo HTTP/1.1', 'host: test.example', 'x-test: @ID@', 'content-length: 5')}hello`],
    { status: 200 },
    ['HEAD'],
  ),
  row(
    'cl-0',
    'CL.0: a body on a path that answers early',
    [
      head(
        'POST /early HTTP/1.1',
        'host: test.example',
        'x-test: @ID@',
        `content-length: ${smuggled.length}`,
      ) + smuggled,
    ],
    { status: 200 },
  ),
  row(
    'cl-0',
    'CL.0: a length that no request needs, on a direct response',
    [head('POST /direct HTTP/1.1', 'host: test.example', 'x-test: @ID@', 'content-length: 100') + smuggled],
    { status: 418, connection: 'closed', upstream: 'nothing' },
  ),
  row(
    'cl-0',
    'CL.0: a redirect with a body',
    [
      head('POST /redirect/path HTTP/1.1', 'host: test.example', 'x-test: @ID@', 'content-length: 3') +
        `abc${smuggled}`,
    ],
    {
      status: 302,
      connection: 'closed',
      upstream: 'nothing',
    },
  ),
];

const lengths: readonly Case[] = [
  row('cl-te', 'two lengths', [`${start('content-length: 5', 'content-length: 6')}hello`], brokenGrammar),
  row(
    'cl-te',
    'the same length twice',
    [`${start('content-length: 5', 'content-length: 5')}hello`],
    brokenGrammar,
  ),
  row('cl-te', 'a length with a sign', [`${start('content-length: +5')}hello`], brokenGrammar),
  row('cl-te', 'a negative length', [`${start('content-length: -5')}hello`], brokenGrammar),
  row('cl-te', 'a list of lengths', [`${start('content-length: 5, 5')}hello`], brokenGrammar),
  row('cl-te', 'a length in hex', [`${start('content-length: 0x5')}hello`], brokenGrammar),
  row('cl-te', 'a length with spaces around', [`${start('content-length:   5  ')}hello`], { status: 200 }),
  row('cl-te', 'a length with a space inside', [`${start('content-length: 5 5')}hello`], brokenGrammar),
  row('cl-te', 'an empty length', [`${start('content-length:')}hello`], brokenGrammar),
  row(
    'cl-te',
    'a length beyond 64 bits',
    [`${start('content-length: 99999999999999999999')}hello`],
    brokenGrammar,
  ),
  row('cl-te', 'a length with leading zeros', [`${start('content-length: 005')}hello`], { status: 200 }),
];

export const groups: readonly Group[] = [
  mainGroup('smuggling over HTTP/1', [...clTe, ...teCl, ...teTe, ...cl0, ...lengths]),
];

if (import.meta.main) compare(groups);
