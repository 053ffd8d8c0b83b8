/** What DNS reads of strangers: questions of clients by a connection, answers of upstreams. */
import assert from 'node:assert/strict';
import { encode } from 'dns-packet';
import { StreamMessages, streamMessage } from '#core/stream-messages.ts';
import { atOnce } from '#core/time-slice.ts';
import { readMessage } from '#names/message.ts';
import { indexNames } from '#names/name-index.ts';
import { readQuery } from '#names/query.ts';
import { datagramBytes, finishedReply, ownReply, relayedReply } from '#names/reply.ts';
import { answerFrom, type Zone } from '#names/zone.ts';
import { meshNames } from '../support/dns.ts';
import type { FuzzTarget } from './target.ts';

const { index } = atOnce(indexNames(meshNames, 'cluster.local'));
const zone: Zone = { index, namespace: 'default', domain: 'cluster.local', serial: 1 };

const opt = { type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0x8000, options: [] } as never;
const asking = (name: string, type: 'A' | 'SRV' | 'PTR', isLong = false): Buffer =>
  encode({ type: 'query', id: 7, questions: [{ type, name }], additionals: isLong ? [opt] : [] });

function replyTo(bytes: Buffer): string {
  const received = readQuery(bytes);
  if (received.kind === 'ignored') return '-';
  if (received.kind === 'refused') {
    assert.ok(readMessage(received.reply) !== undefined);
    return received.reply.toString('hex');
  }
  const { query } = received;
  const answer = answerFrom(zone, { name: query.name, type: query.type, turn: 0 });
  if (answer === undefined) return `? ${query.name}`;
  const most = datagramBytes(query);
  const reply = finishedReply(query, ownReply(query, answer, most), most);
  assert.ok(reply.length <= most);
  assert.equal(readMessage(reply)?.question?.name, query.name);
  return reply.toString('hex');
}

export const dnsQuestions: FuzzTarget = {
  name: 'dns-questions',
  seeds: [
    streamMessage(asking('reviews', 'A')),
    Buffer.concat([
      streamMessage(asking('_http._tcp.db.default.svc.cluster.local', 'SRV', true)),
      streamMessage(asking('1.1.96.10.in-addr.arpa', 'PTR')),
    ]),
    streamMessage(asking('a.default.svc.cluster.local', 'A', true)),
  ],
  run(pieces) {
    const messages = new StreamMessages();
    const said: string[] = [];
    for (const piece of pieces) {
      messages.push(piece);
      for (let bytes = messages.next(); bytes !== undefined; bytes = messages.next())
        said.push(replyTo(bytes));
    }
    return said.join('\n');
  },
};

const asked = readQuery(asking('www.example.org', 'A', true));
assert.ok(asked.kind === 'question');
const { query } = asked;

export const dnsAnswers: FuzzTarget = {
  name: 'dns-answers',
  seeds: [
    encode({
      type: 'response',
      questions: [{ type: 'A', name: 'www.example.org' }],
      answers: [
        { type: 'CNAME', name: 'www.example.org', ttl: 60, data: 'a.example.org' },
        { type: 'A', name: 'a.example.org', ttl: 60, data: '192.0.2.1' },
      ],
      additionals: [opt],
    }),
  ],
  run(pieces) {
    const bytes = Buffer.concat(pieces);
    const message = readMessage(bytes);
    if (message?.question === undefined) return 'none';
    if (message.question.name !== query.name) return 'another';
    const reply = finishedReply(query, relayedReply(query, { bytes, message }, 5), 512);
    const sent = readMessage(reply);
    assert.ok(sent !== undefined && reply.length <= 512);
    return reply.toString('hex');
  },
};
