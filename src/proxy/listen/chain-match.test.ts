import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { FilterChainMatchSchema } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { Findings } from '../findings.ts';
import { type ChainCriteria, type ConnectionTraits, chooseChain, compileChainMatch } from './chain-match.ts';

const traits = (more: Partial<ConnectionTraits> = {}): ConnectionTraits => ({
  localIp: '10.0.0.1',
  localPort: 443,
  remoteIp: '10.1.0.2',
  remotePort: 50_000,
  serverName: '',
  transportProtocol: 'raw_buffer',
  applicationProtocols: [],
  ...more,
});

function chains(matches: Record<string, JsonValue>): { name: string; criteria: ChainCriteria }[] {
  return Object.entries(matches).map(([name, match]) => {
    const findings = new Findings();
    const criteria = compileChainMatch(fromJson(FilterChainMatchSchema, match), 'm', findings);
    assert.deepEqual(findings.problems, []);
    return { name, criteria };
  });
}

describe('the most specific chain', () => {
  const cases: [
    matches: Record<string, JsonValue>,
    of: ConnectionTraits,
    chosen: string | undefined,
    why: string,
  ][] = [
    [{ any: {}, port: { destinationPort: 443 } }, traits(), 'port', 'port before none'],
    [{ port: { destinationPort: 80 } }, traits(), undefined, 'another port'],
    [
      {
        wide: { prefixRanges: [{ addressPrefix: '10.0.0.0', prefixLen: 8 }] },
        narrow: { prefixRanges: [{ addressPrefix: '10.0.0.0', prefixLen: 24 }] },
      },
      traits(),
      'narrow',
      'the longest range',
    ],
    [{ tls: { transportProtocol: 'tls' }, any: {} }, traits(), 'any', 'plain'],
    [{ tls: { transportProtocol: 'tls' }, any: {} }, traits({ transportProtocol: 'tls' }), 'tls', 'TLS'],
    [
      { exact: { serverNames: ['a.b'] }, wild: { serverNames: ['*.b'] } },
      traits({ serverName: 'a.b' }),
      'exact',
      'exact name',
    ],
    [
      { exact: { serverNames: ['a.b'] }, wild: { serverNames: ['*.b'] } },
      traits({ serverName: 'c.b' }),
      'wild',
      'wildcard',
    ],
    [
      { wild: { serverNames: ['*.b'] }, longer: { serverNames: ['*.a.b'] } },
      traits({ serverName: 'x.a.b' }),
      'longer',
      'the longest wildcard',
    ],
    [
      { istio: { applicationProtocols: ['istio'] }, any: {} },
      traits({ applicationProtocols: ['istio', 'h2'] }),
      'istio',
      'one of the protocols offered',
    ],
    [
      { port: { destinationPort: 443, serverNames: ['x'] }, name: { serverNames: ['a'] } },
      traits({ serverName: 'a' }),
      undefined,
      'no way back from a better port',
    ],
    [
      { local: { sourceType: 'SAME_IP_OR_LOOPBACK' }, far: { sourceType: 'EXTERNAL' } },
      traits(),
      'far',
      'from outside',
    ],
    [
      { source: { sourcePrefixRanges: [{ addressPrefix: '10.1.0.0', prefixLen: 16 }] }, any: {} },
      traits(),
      'source',
      'range of the source',
    ],
  ];
  for (const [matches, of, chosen, why] of cases) {
    test(why, () => assert.equal(chooseChain(chains(matches), of)?.name, chosen));
  }
});
