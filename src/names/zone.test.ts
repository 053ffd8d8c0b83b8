/** What is answered to which question: as Kubernetes' DNS does, and where it says nothing as Istio's agent. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { atOnce } from '#core/time-slice.ts';
import { NameTableSchema } from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import { type } from './message.ts';
import { indexNames } from './name-index.ts';
import type { NameRecord } from './record.ts';
import { answerFrom, type Zone } from './zone.ts';

const http = { name: 'http', protocol: 'tcp', number: 9080 };
const kubernetes = { registry: 'Kubernetes', namespace: 'default' };

const table = create(NameTableSchema, {
  table: {
    'reviews.default.svc.cluster.local': {
      ...kubernetes,
      shortname: 'reviews',
      ips: ['10.96.1.1'],
      ports: [http, { name: 'metrics', protocol: 'tcp', number: 9090 }],
    },
    'dual.default.svc.cluster.local': { ...kubernetes, shortname: 'dual', ips: ['10.96.1.2', 'fd00::2'] },
    'plain.shop.svc.cluster.local': {
      ...kubernetes,
      namespace: 'shop',
      shortname: 'plain',
      ips: ['10.96.1.3'],
      ports: [{ ...http, name: '' }],
    },
    'db.default.svc.cluster.local': {
      ...kubernetes,
      shortname: 'db',
      ips: ['10.1.0.5', '10.1.0.6'],
      ports: [{ ...http, number: 5432 }],
    },
    'db-0.db.default.svc.cluster.local': {
      ...kubernetes,
      shortname: 'db-0.db',
      ips: ['10.1.0.5'],
      ports: [{ ...http, number: 15432 }],
    },
    'db-1.db.default.svc.cluster.local': {
      ...kubernetes,
      shortname: 'db-1.db',
      ips: ['10.1.0.6'],
      ports: [{ ...http, number: 15433 }],
    },
    'asleep.default.svc.cluster.local': { ...kubernetes, shortname: 'asleep', ips: [], ports: [http] },
    'outside.default.svc.cluster.local': {
      ...kubernetes,
      shortname: 'outside',
      externalName: 'www.Example.org.',
    },
    'inside.default.svc.cluster.local': {
      ...kubernetes,
      shortname: 'inside',
      externalName: 'reviews.default.svc.cluster.local',
    },
    'round.default.svc.cluster.local': {
      ...kubernetes,
      shortname: 'round',
      externalName: 'round.default.svc.cluster.local',
    },
    'API.example.com': { registry: 'External', ips: ['240.240.0.1'] },
    'elsewhere.example.com': { registry: 'External', ips: [] },
    '*.wild.example.com': { registry: 'External', ips: ['240.240.0.2'] },
    '*.deep.wild.example.com': { registry: 'External', ips: ['240.240.0.3'] },
  },
});

const { index, problems } = atOnce(indexNames(table, 'cluster.local'));
const zone: Zone = { index, namespace: 'default', domain: 'cluster.local', serial: 7 };

function text({ type: kind, owner, data }: NameRecord): string {
  if (typeof data === 'string') return `${owner} ${kind} ${data}`;
  if ('target' in data) return `${owner} SRV ${data.priority} ${data.weight} ${data.port} ${data.target}`;
  return `${owner} SOA ${data.serial}`;
}

/** `NXDOMAIN`, `NODATA`, the records of the answer, or `forwarded`. */
function answered(question: string, turn = 0): string | string[] {
  const [name = '', kind = 'A'] = question.split(' ');
  const answer = answerFrom(zone, { name, type: type[kind as 'A'] ?? Number(kind), turn });
  if (answer === undefined) return 'forwarded';
  const records = answer.answers.map(text);
  if (answer.continuesAt !== undefined) records.push(`continues at ${answer.continuesAt}`);
  if (records.length > 0) return records;
  const [soa] = answer.authorities;
  assert.equal(soa?.type, 'SOA', 'what is not there may be remembered');
  return `${answer.code === 3 ? 'NXDOMAIN' : 'NODATA'} ${soa.owner}`;
}

const noData = 'NODATA cluster.local';
const noName = 'NXDOMAIN cluster.local';
const reviews = 'reviews.default.svc.cluster.local';
const db = 'db.default.svc.cluster.local';
const asleep = 'asleep.default.svc.cluster.local';

const cases: Readonly<Record<string, readonly [question: string, answer: string | string[]][]>> = {
  'a service': [
    [reviews, [`${reviews} A 10.96.1.1`]],
    ['reviews', ['reviews A 10.96.1.1']],
    ['reviews.default', ['reviews.default A 10.96.1.1']],
    ['reviews.default.svc', ['reviews.default.svc A 10.96.1.1']],
    [`${reviews} AAAA`, noData],
    [`${reviews} MX`, noData],
    ['reviews AAAA', noData],
    [`${reviews} ANY`, [`${reviews} A 10.96.1.1`]],
    ['dual.default.svc.cluster.local', ['dual.default.svc.cluster.local A 10.96.1.2']],
    ['dual.default.svc.cluster.local AAAA', ['dual.default.svc.cluster.local AAAA fd00::2']],
    ['dual ANY', ['dual A 10.96.1.2', 'dual AAAA fd00::2']],
  ],
  'a service of another namespace': [
    ['plain.shop', ['plain.shop A 10.96.1.3']],
    ['plain.shop.svc.cluster.local', ['plain.shop.svc.cluster.local A 10.96.1.3']],
    ['plain', 'forwarded'],
    ['plain.default.svc.cluster.local', noName],
  ],
  'a headless service': [
    [db, [`${db} A 10.1.0.5`, `${db} A 10.1.0.6`]],
    [`db-0.${db}`, [`db-0.${db} A 10.1.0.5`]],
    ['db-1.db', ['db-1.db A 10.1.0.6']],
    ['db-1.db.default', ['db-1.db.default A 10.1.0.6']],
    [`db-2.${db}`, noName],
    [asleep, noName],
    ['asleep AAAA', noName],
    [`${asleep} SRV`, noName],
    [`_http._tcp.${asleep} SRV`, noName],
    [`_tcp.${asleep} SRV`, noName],
  ],
  'SRV records': [
    [`_http._tcp.${reviews} SRV`, [`_http._tcp.${reviews} SRV 0 100 9080 ${reviews}`]],
    ['_http._tcp.reviews SRV', [`_http._tcp.reviews SRV 0 100 9080 ${reviews}`]],
    [`${reviews} SRV`, [`${reviews} SRV 0 50 9080 ${reviews}`, `${reviews} SRV 0 50 9090 ${reviews}`]],
    [
      `_http._tcp.${db} SRV`,
      [`_http._tcp.${db} SRV 0 50 15432 db-0.${db}`, `_http._tcp.${db} SRV 0 50 15433 db-1.${db}`],
    ],
    [`_http._tcp.db-0.${db} SRV`, [`_http._tcp.db-0.${db} SRV 0 100 15432 db-0.${db}`]],
    [`_http._udp.${reviews} SRV`, noName],
    [`_grpc._tcp.${reviews} SRV`, noName],
    ['_._tcp.plain.shop.svc.cluster.local SRV', noName],
    [`_http._tcp.${reviews}`, noData],
    [`_tcp.${reviews} SRV`, noData],
    [`_udp.${reviews} SRV`, noName],
    ['_http._tcp.nothing.default.svc.cluster.local SRV', noName],
  ],
  'PTR records': [
    ['1.1.96.10.in-addr.arpa PTR', [`1.1.96.10.in-addr.arpa PTR ${reviews}`]],
    ['5.0.1.10.in-addr.arpa PTR', [`5.0.1.10.in-addr.arpa PTR db-0.${db}`]],
    [
      `2.0.0.0.${'0.'.repeat(24)}0.0.d.f.ip6.arpa PTR`,
      [`2.0.0.0.${'0.'.repeat(24)}0.0.d.f.ip6.arpa PTR dual.default.svc.cluster.local`],
    ],
    ['1.1.96.10.in-addr.arpa', 'NODATA 1.1.96.10.in-addr.arpa'],
    ['9.9.96.10.in-addr.arpa PTR', 'forwarded'],
  ],
  'another name': [
    ['outside', ['outside CNAME www.example.org', 'continues at www.example.org']],
    ['outside CNAME', ['outside CNAME www.example.org']],
    [
      'outside.default.svc.cluster.local AAAA',
      ['outside.default.svc.cluster.local CNAME www.example.org', 'continues at www.example.org'],
    ],
    ['inside', [`inside CNAME ${reviews}`, `${reviews} A 10.96.1.1`]],
    ['inside AAAA', [`inside CNAME ${reviews}`]],
    [
      'round',
      [
        'round CNAME round.default.svc.cluster.local',
        ...Array.from(
          { length: 8 },
          () => 'round.default.svc.cluster.local CNAME round.default.svc.cluster.local',
        ),
      ],
    ],
  ],
  'Pods by address': [
    ['10-1-0-5.default.pod.cluster.local', ['10-1-0-5.default.pod.cluster.local A 10.1.0.5']],
    ['fd00--5.shop.pod.cluster.local AAAA', ['fd00--5.shop.pod.cluster.local AAAA fd00::5']],
    ['10-1-0-5.default.pod.cluster.local AAAA', noData],
    ['10-1-0-5.nowhere.pod.cluster.local', noName],
    ['300-1-0-5.default.pod.cluster.local', noName],
    ['a.10-1-0-5.default.pod.cluster.local', noName],
  ],
  'a host outside': [
    ['api.example.com', ['api.example.com A 240.240.0.1']],
    ['api.example.com AAAA', 'NODATA api.example.com'],
    ['api.example.com MX', 'forwarded'],
    ['elsewhere.example.com', 'forwarded'],
    ['example.com', 'forwarded'],
    ['x.api.example.com', 'forwarded'],
    ['a.wild.example.com', ['a.wild.example.com A 240.240.0.2']],
    ['a.b.wild.example.com', ['a.b.wild.example.com A 240.240.0.2']],
    ['a.deep.wild.example.com', ['a.deep.wild.example.com A 240.240.0.3']],
    ['wild.example.com', 'forwarded'],
    ['a\\046b.wild.example.com', 'forwarded'],
  ],
  'a name that a search list was tried on': [
    [
      'api.example.com.default.svc.cluster.local',
      ['api.example.com.default.svc.cluster.local CNAME api.example.com', 'api.example.com A 240.240.0.1'],
    ],
    [
      'plain.shop.default.svc.cluster.local',
      ['plain.shop.default.svc.cluster.local CNAME plain.shop', 'plain.shop A 10.96.1.3'],
    ],
    [
      'api.example.com.default.svc.cluster.local AAAA',
      ['api.example.com.default.svc.cluster.local CNAME api.example.com'],
    ],
    [`${reviews}.svc.cluster.local`, noName],
    ['api.example.com.shop.svc.cluster.local', noName],
    ['www.google.com.default.svc.cluster.local', noName],
  ],
  "the cluster's domain": [
    ['cluster.local SOA', ['cluster.local SOA 7']],
    ['cluster.local NS', ['cluster.local NS ns.dns.cluster.local']],
    ['cluster.local', noData],
    ['ns.dns.cluster.local', noData],
    ['dns-version.cluster.local TXT', ['dns-version.cluster.local TXT 1.1.0']],
    ['svc.cluster.local', noData],
    ['default.svc.cluster.local', noData],
    ['shop.pod.cluster.local', noData],
    ['nowhere.svc.cluster.local', noName],
    ['nothing.default.svc.cluster.local', noName],
    ['nothing.default.svc.cluster.local 65', noName],
    ['a\\000b.default.svc.cluster.local', noName],
    ['cluster.local.example.com', 'forwarded'],
    ['xcluster.local', 'forwarded'],
    [' NS', 'forwarded'],
  ],
};

for (const [what, rows] of Object.entries(cases)) {
  describe(what, () => {
    for (const [question, answer] of rows) {
      test(`${question} -> ${answer}`, () => assert.deepEqual(answered(question), answer));
    }
  });
}

test('of several addresses another one comes first each time', () => {
  const first = [0, 0.4, 0.5, 0.99].map((turn) => answered(db, turn)[0]);
  assert.deepEqual(
    first,
    [5, 5, 6, 6].map((last) => `${db} A 10.1.0.${last}`),
  );
});

test('SRV records bring the addresses of their targets', () => {
  const answer = answerFrom(zone, { name: `_http._tcp.${db}`, type: type.SRV, turn: 0 });
  assert.deepEqual(answer?.additionals.map(text), [`db-0.${db} A 10.1.0.5`, `db-1.${db} A 10.1.0.6`]);
});

test('everything lives for 30 s', () => {
  for (const name of [reviews, db, 'inside', 'nothing.default.svc.cluster.local']) {
    const answer = answerFrom(zone, { name, type: type.A, turn: 0 })!;
    for (const { ttl } of [...answer.answers, ...answer.authorities]) assert.equal(ttl, 30);
  }
});

test('what is no name or no address is left out, and told', () => {
  assert.deepEqual(problems, []);
  const broken = create(NameTableSchema, {
    table: {
      'a b.example.com': { ips: ['10.0.0.1'] },
      [`${'x'.repeat(64)}.example.com`]: { ips: ['10.0.0.1'] },
      'half.example.com': { ips: ['10.0.0.1', 'ten'] },
      'alias.example.com': { externalName: '..' },
      '*.': { ips: ['10.0.0.1'] },
      '': { ips: ['10.0.0.1'] },
    },
  });
  const { index: rest, problems: told } = atOnce(indexNames(broken, 'cluster.local'));
  assert.deepEqual([...rest.hosts.keys()], ['half.example.com']);
  assert.equal(told.length, 6);
  assert.ok(told.every(({ level }) => level === 'warning'));
});
