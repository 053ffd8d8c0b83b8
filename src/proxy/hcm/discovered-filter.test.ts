import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import {
  type ExtensionConfigSource,
  ExtensionConfigSourceSchema,
} from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import { type Discovered, Extensions } from '../discovered.ts';
import type { Exchange, HttpFilter } from '../filter/contract.ts';
import { Findings } from '../findings.ts';
import { readDiscoveredFilter } from './discovered-filter.ts';
import { FilterChains, type FilterHooks } from './filter-hooks.ts';

const KNOWN = 'type.googleapis.com/a.Filter';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';

const config = (status: number, typeUrl = KNOWN): Any =>
  create(AnySchema, { typeUrl, value: Buffer.from([status]) });

/** Answers with the status that its configuration names. */
const catalogue = {
  isKnown: (typeName: string) => typeName === 'a.Filter',
  load({ value }: Any, path: string) {
    const [status = 0] = value;
    if (status === 0)
      return { ok: false as const, problems: [{ level: 'error' as const, path, message: 'is nothing' }] };
    const reply = { status, body: '', flag: '', details: '' };
    const filter: HttpFilter = { onRequestHead: () => reply };
    return { ok: true as const, value: filter, problems: [] };
  },
};

const ads = { configSourceSpecifier: { case: 'ads', value: {} } } as const;

function read(init: MessageInitShape<typeof ExtensionConfigSourceSchema>): {
  readonly filter: Discovered<HttpFilter> | undefined;
  readonly problems: string[];
} {
  const source: ExtensionConfigSource = create(ExtensionConfigSourceSchema, init);
  const findings = new Findings();
  const filter = readDiscoveredFilter('f', source, 'at', catalogue, findings);
  return { filter, problems: findings.problems.map(({ path, message }) => `${path}: ${message}`) };
}

function chainsOf(filter: Discovered<HttpFilter>, extensions: Extensions): FilterChains {
  const entry = { name: 'f', disabled: false, filter: filter.fallback, discovered: filter };
  return new FilterChains([entry], (error) => assert.fail(String(error)), extensions);
}

const answer = ({ requestHead }: FilterHooks): unknown => {
  const verdict = requestHead[0]!.onRequestHead({} as Exchange, true);
  return typeof verdict === 'object' ? `${verdict.status} ${verdict.flag}` : verdict;
};

describe('where a configuration comes from', () => {
  const refused: [init: MessageInitShape<typeof ExtensionConfigSourceSchema>, problem: string][] = [
    [{ typeUrls: [KNOWN] }, 'at.config_source: is missing'],
    [{ configSource: ads }, 'at.type_urls: names no type'],
    [
      { configSource: ads, typeUrls: [KNOWN, 'x/b.Filter'] },
      'at.type_urls[1]: filter x/b.Filter is not supported',
    ],
    [
      { configSource: ads, typeUrls: [ROUTER] },
      'at.type_urls[0]: the router is not supported here: write typed_config',
    ],
    [
      { configSource: ads, typeUrls: [KNOWN], applyDefaultConfigWithoutWarming: true },
      'at.apply_default_config_without_warming: needs a default_config',
    ],
    [
      { configSource: ads, typeUrls: [KNOWN], defaultConfig: config(1, 'x/c.Filter') },
      `at.default_config: type x/c.Filter is not among type_urls of filter f: ${KNOWN}`,
    ],
    [{ configSource: ads, typeUrls: [KNOWN], defaultConfig: config(0) }, 'at.default_config: is nothing'],
  ];
  for (const [init, problem] of refused) {
    test(problem, () => {
      const { filter, problems } = read(init);
      assert.equal(filter, undefined);
      assert.deepEqual(problems, [problem]);
    });
  }

  test('is waited for unless a default serves meanwhile', () => {
    assert.equal(read({ configSource: ads, typeUrls: [KNOWN] }).filter!.wanted.isAwaited, true);
    const defaultConfig = config(1);
    const both = { configSource: ads, typeUrls: [KNOWN], defaultConfig };
    assert.equal(read(both).filter!.wanted.isAwaited, true);
    const atOnce = { ...both, applyDefaultConfigWithoutWarming: true };
    assert.equal(read(atOnce).filter!.wanted.isAwaited, false);
  });
});

describe('filters of a chain', () => {
  test('change with their configuration, for requests to come', () => {
    const extensions = new Extensions();
    const chains = chainsOf(read({ configSource: ads, typeUrls: [KNOWN] }).filter!, extensions);
    assert.equal(answer(chains.plain), '500 NFCF');
    extensions.set('f', config(101));
    const before = chains.plain;
    assert.equal(answer(before), '101 ');
    extensions.set('other', config(1));
    extensions.set('f', config(102));
    assert.equal(answer(chains.plain), '102 ');
    assert.equal(answer(before), '101 ');
  });

  test('stay as they are when nobody in force names it, and fall back when it is removed', () => {
    const extensions = new Extensions();
    const { filter } = read({ configSource: ads, typeUrls: [KNOWN], defaultConfig: config(9) });
    const chains = chainsOf(filter!, extensions);
    assert.equal(answer(chains.plain), '9 ');
    extensions.set('f', config(101));
    assert.equal(answer(chains.plain), '101 ');
    extensions.forget('f');
    extensions.set('other', undefined);
    assert.equal(answer(chains.plain), '101 ');
    extensions.set('f', undefined);
    assert.equal(answer(chains.plain), '9 ');
  });

  test('fall back where a configuration is not for them', () => {
    const extensions = new Extensions();
    const chains = chainsOf(read({ configSource: ads, typeUrls: [KNOWN] }).filter!, extensions);
    extensions.set('f', config(101, 'x/c.Filter'));
    assert.equal(answer(chains.plain), '500 NFCF');
  });
});
