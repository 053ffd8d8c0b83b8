import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { FilterChainMatchSchema } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { Findings } from '../findings.ts';
import { readChainMatch } from './chain-criteria.ts';
import { ChainMatcher, type ConnectionTraits } from './chain-match.ts';

const traits = (more: Partial<ConnectionTraits> = {}): ConnectionTraits => ({
  localIp: '10.0.0.1',
  localPort: 443,
  remoteIp: '10.1.0.2',
  remotePort: 50_000,
  directRemoteIp: more.remoteIp ?? '10.1.0.2',
  serverName: '',
  transportProtocol: 'raw_buffer',
  applicationProtocols: [],
  ...more,
});

interface Named {
  readonly name: string;
}

type Matches = Record<string, JsonValue>;

/** @returns the matcher, and what stood in the way of a chain. */
function build(matches: Matches): { matcher: ChainMatcher<Named>; conflicts: string[]; problems: string[] } {
  const findings = new Findings();
  const matcher = new ChainMatcher<Named>();
  const conflicts: string[] = [];
  for (const [name, match] of Object.entries(matches)) {
    const keys = readChainMatch(fromJson(FilterChainMatchSchema, match), 'm', findings);
    const other = matcher.add(keys, { name });
    if (other !== undefined) conflicts.push(`${name} as ${other.name}`);
  }
  return {
    matcher,
    conflicts,
    problems: findings.problems.map(({ path, message }) => `${path}: ${message}`),
  };
}

const ranges = (...texts: string[]): JsonValue =>
  texts.map((text) => {
    const [addressPrefix = '', prefixLen] = text.split('/');
    return { addressPrefix, prefixLen: Number(prefixLen) };
  });

describe('the most specific chain', () => {
  const byName: Matches = {
    exact: { serverNames: ['a.b.com'] },
    label: { serverNames: ['*.b.com'] },
    top: { serverNames: ['*.com'] },
    dot: { serverNames: ['.d.org'] },
  };
  const byProtocol: Matches = {
    h2: { applicationProtocols: ['h2'] },
    h1: { applicationProtocols: ['http/1.1'] },
    none: {},
  };
  const cases: [matches: Matches, of: Partial<ConnectionTraits>, chosen: string | undefined, why: string][] =
    [
      [{ any: {}, port: { destinationPort: 443 } }, {}, 'port', 'port before none'],
      [{ port: { destinationPort: 80 } }, {}, undefined, 'another port'],
      [{ port: { destinationPort: 443 }, any: {} }, { localIp: '' }, 'any', 'a Unix socket has no port'],
      [
        { port: { destinationPort: 443, serverNames: ['x'] }, name: { serverNames: ['a'] } },
        { serverName: 'a' },
        undefined,
        'no way back from a better port',
      ],
      [
        { wide: { prefixRanges: ranges('10.0.0.0/8') }, narrow: { prefixRanges: ranges('10.0.0.0/24') } },
        {},
        'narrow',
        'the longest range',
      ],
      [
        { wide: { prefixRanges: ranges('10.0.0.0/8') }, narrow: { prefixRanges: ranges('10.0.0.0/24') } },
        { localIp: '10.9.0.1' },
        'wide',
        'the range that holds it',
      ],
      [
        { v4: { prefixRanges: ranges('0.0.0.0/0') }, any: {} },
        { localIp: '::1' },
        'any',
        'IPv6 in no range of IPv4',
      ],
      [{ v6: { prefixRanges: ranges('::/0') } }, { localIp: '2001:db8::1' }, 'v6', 'all of IPv6'],
      [{ any: {}, v4: { prefixRanges: ranges('0.0.0.0/0') } }, {}, 'v4', 'of equal ranges the last'],
      [
        { v4: { prefixRanges: ranges('0.0.0.0/0') }, any: {} },
        {},
        'any',
        'of equal ranges the last, the other way',
      ],
      [
        { one: { prefixRanges: ranges('10.0.0.0/8') } },
        { localIp: '' },
        undefined,
        'a Unix socket in no range',
      ],
      [{ all: { prefixRanges: ranges('0.0.0.0/0') } }, { localIp: '' }, 'all', 'but in that of all'],
      [byName, { serverName: 'a.b.com' }, 'exact', 'exact name'],
      [byName, { serverName: 'x.b.com' }, 'label', 'one label'],
      [byName, { serverName: 'y.x.b.com' }, 'label', 'several labels'],
      [byName, { serverName: 'b.com' }, 'top', 'a wildcard is not its own suffix'],
      [byName, { serverName: 'com' }, undefined, 'nor is that of the top'],
      [byName, { serverName: 'x.d.org' }, 'dot', 'a name that begins with a dot is a wildcard'],
      [byName, { serverName: 'd.org' }, undefined, 'without the suffix itself'],
      [byName, {}, undefined, 'no name'],
      [{ tls: { transportProtocol: 'tls' }, any: {} }, {}, 'any', 'plain'],
      [{ tls: { transportProtocol: 'tls' }, any: {} }, { transportProtocol: 'tls' }, 'tls', 'TLS'],
      [{ raw: { transportProtocol: 'raw_buffer' }, any: {} }, {}, 'raw', 'plain is asked for'],
      [byProtocol, { applicationProtocols: ['http/1.1', 'h2'] }, 'h1', 'the first that the client offers'],
      [byProtocol, { applicationProtocols: ['h2', 'http/1.1'] }, 'h2', 'the first, the other way'],
      [byProtocol, { applicationProtocols: ['x', 'h2'] }, 'h2', 'unknown ones are passed over'],
      [byProtocol, { applicationProtocols: ['x'] }, 'none', 'none is known'],
      [
        { direct: { directSourcePrefixRanges: ranges('192.0.2.0/24') }, any: {} },
        { directRemoteIp: '192.0.2.9' },
        'direct',
        'the peer, whatever the PROXY header says',
      ],
      [
        { direct: { directSourcePrefixRanges: ranges('10.1.0.0/16') }, any: {} },
        { directRemoteIp: '192.0.2.9' },
        'any',
        'not what the PROXY header says',
      ],
      [
        { local: { sourceType: 'SAME_IP_OR_LOOPBACK' }, far: { sourceType: 'EXTERNAL' } },
        {},
        'far',
        'from outside',
      ],
      [{ local: { sourceType: 'SAME_IP_OR_LOOPBACK' }, any: {} }, {}, 'any', 'from outside, not asked'],
      ...(['127.0.0.1', '::1', '10.0.0.1', ''] as const).map(
        (remoteIp): [Matches, Partial<ConnectionTraits>, string, string] => [
          { local: { sourceType: 'SAME_IP_OR_LOOPBACK' }, far: { sourceType: 'EXTERNAL' } },
          { remoteIp },
          'local',
          `from this host: "${remoteIp}"`,
        ],
      ),
      [
        { local: { sourceType: 'SAME_IP_OR_LOOPBACK' }, far: { sourceType: 'EXTERNAL' } },
        { remoteIp: '127.0.0.2' },
        'far',
        'only 127.0.0.1 of 127.0.0.0/8, as in Envoy',
      ],
      [
        { source: { sourcePrefixRanges: ranges('10.1.0.0/16') }, any: {} },
        {},
        'source',
        'range of the source',
      ],
      [
        { source: { sourcePrefixRanges: ranges('10.1.0.0/16'), sourcePorts: [1] }, any: {} },
        {},
        undefined,
        'no way back from a better source',
      ],
      [{ port: { sourcePorts: [1, 50_000] }, any: {} }, {}, 'port', 'one of the source ports'],
      [{ port: { sourcePorts: [1] }, any: {} }, {}, 'any', 'another source port'],
    ];
  for (const [matches, of, chosen, why] of cases) {
    test(why, () => {
      const { matcher, conflicts, problems } = build(matches);
      assert.deepEqual([conflicts, problems], [[], []]);
      assert.equal(matcher.find(traits(of))?.name, chosen);
    });
  }
});

describe('chains in each other’s way', () => {
  const cases: [matches: Matches, conflicts: string[], why: string][] = [
    [{ a: {}, b: {} }, ['b as a'], 'both ask nothing'],
    [{ a: { sourcePorts: [1, 2] }, b: { sourcePorts: [2, 3] } }, ['b as a'], 'one port in common'],
    [{ a: { sourcePorts: [2, 2] } }, ['a as a'], 'twice in one chain'],
    [
      { a: { prefixRanges: ranges('10.0.0.1/8') }, b: { prefixRanges: ranges('10.0.0.2/8') } },
      ['b as a'],
      'the same network, written in two ways',
    ],
    [{ a: { prefixRanges: ranges('0.0.0.0/0') }, b: {} }, [], 'all of IPv4 is not "not asked"'],
    [{ a: { serverNames: ['A.com'] }, b: { serverNames: ['a.com'] } }, ['b as a'], 'names without case'],
    [{ a: { serverNames: ['*.x.com'] }, b: { serverNames: ['.x.com'] } }, ['b as a'], 'the same wildcard'],
    [{ a: { serverNames: [''] }, b: {} }, ['b as a'], 'the empty name is none'],
    [{ a: { destinationPort: 1 }, b: { destinationPort: 2 } }, [], 'different ports'],
  ];
  for (const [matches, conflicts, why] of cases) {
    test(why, () => assert.deepEqual(build(matches).conflicts, conflicts));
  }
});

describe('what no match may say', () => {
  const cases: [match: JsonValue, problem: string][] = [
    [{ destinationPort: 0 }, 'm.destination_port: must be between 1 and 65535'],
    [{ destinationPort: 70_000 }, 'm.destination_port: must be between 1 and 65535'],
    [{ sourcePorts: [1, 0] }, 'm.source_ports[1]: must be between 1 and 65535'],
    [
      { prefixRanges: [{ addressPrefix: 'x' }] },
      'm.prefix_ranges[0].address_prefix: "x" is not an IP address',
    ],
    [{ addressSuffix: '.1' }, 'm.address_suffix: is not supported'],
    [{ suffixLen: 3 }, 'm.suffix_len: is not supported'],
    ...['*', '*a.com', 'a.*.com', '*.*.com'].map((name): [JsonValue, string] => [
      { serverNames: [name] },
      'm.server_names[0]: a wildcard stands for whole labels at the start only: "*.example.com"',
    ]),
  ];
  for (const [match, problem] of cases) {
    test(`${JSON.stringify(match)}`, () => assert.deepEqual(build({ a: match }).problems, [problem]));
  }

  test('a prefix longer than the address is the address', () => {
    assert.deepEqual(build({ a: { prefixRanges: ranges('10.0.0.1/99') } }).problems, []);
  });
});
