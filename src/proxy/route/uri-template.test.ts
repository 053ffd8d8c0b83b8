import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compileUriRewrite, compileUriTemplate } from './uri-template.ts';

function templateOf(source: string) {
  const compiled = compileUriTemplate(source);
  assert.ok(compiled.ok, JSON.stringify(compiled));
  return compiled.value;
}

describe('templates of paths', () => {
  // What Envoy 1.40 says of each, in `--mode validate`.
  const good = [
    ...[
      '/',
      '/a',
      '/a/',
      '/*',
      '/**',
      '/**.mpd',
      '/*.mpd',
      '/{x}',
      '/{x=*}',
      '/{x=**}',
      '/{x=a}',
      '/{x=a=b}',
    ],
    ...[
      '/v{x}',
      '/{x}.json',
      '/{x}.json/b',
      '/v{x}.json',
      '/{x=a/*}',
      '/{x=a/*}.json',
      '/{x=**/a}',
      '/{x=*/**}/c',
    ],
    ...[
      '/**/b',
      '/**/{y=b}',
      '/v{x=**}c/d',
      '/a*b',
      '/a**',
      '/***',
      '/*a',
      '/{x}*',
      '/a=b',
      '/a%20b',
      "/a'b",
    ],
    ...['/{abcdefghijklmnop}', '/{a}/{b}/{c}/{d}/{e}', '/*/*/*/*/*/*', '/{X}', '/{x_1}', '/a;b:c@d,e!$&()+'],
  ];
  for (const source of good) test(`${source} is one`, () => assert.ok(compileUriTemplate(source).ok));
  const bad: [source: string, reason: RegExp][] = [
    ['', /1 to 256/],
    [`/${'a'.repeat(256)}`, /1 to 256/],
    ['a', /begin with "\/"/],
    ['/é', /characters of ASCII/],
    ['/a b', /characters of ASCII/],
    ['/a//b', /empty segment/],
    ['/{x=}', /cannot stand/],
    ['/{x=/a}', /cannot stand/],
    ['/{x=a/}', /cannot stand/],
    ['/{}', /no name/],
    ['/{1x}', /no name/],
    ['/{x-1}', /no name/],
    ['/{abcdefghijklmnopq}', /16 characters/],
    ['/{a}/{a}', /two variables "a"/],
    ['/{a}/v{b}/{c}/{d}w/{e}/{f}', /more than 5/],
    ['/{x', /without its "}"/],
    ['/a{b', /cannot stand/],
    ['/x}', /cannot stand/],
    ['/{x}{y}', /cannot stand/],
    ['/a{x}b{y}c', /cannot stand/],
    ['/v{x=a/*}', /cannot stand/],
    ['/*{x}', /cannot stand/],
    ['/{x=*.m}', /must be "\*"/],
    ['/*.mpd/b', /must end the template/],
    ['/**/**', /nothing but text/],
    ['/{x=**}/{y}', /nothing but text/],
    ['/{x=**/*}', /nothing but text/],
    ['/a?b', /cannot stand/],
    ['/[a]', /cannot stand/],
  ];
  for (const [source, reason] of bad) {
    test(`${JSON.stringify(source)} is none`, () => {
      const compiled = compileUriTemplate(source);
      assert.ok(!compiled.ok);
      assert.match(compiled.reason, reason);
    });
  }

  const matching: [source: string, path: string, matches: boolean][] = [
    ['/a/*', '/a/b', true],
    ['/a/*', '/a/', false],
    ['/a/*', '/a/b/c', false],
    ['/a/**', '/a/', true],
    ['/a/**', '/a/b/c', true],
    ['/a/*', '/a/"', false],
    ['/a.b', '/aXb', false],
    ['/videos/*/*/*.m4s', '/videos/123414/hls/1080p5000_00001.m4s', true],
    ['/**.mpd', '/content/123/manifest.mpd', true],
    ['/api/v{version}/{id}.json', '/api/v2/456.json', true],
    ['/api/v{version}/{id}.json', '/api/v/456.json', false],
  ];
  for (const [source, path, matches] of matching) {
    test(`${source} ${matches ? 'matches' : 'does not match'} ${path}`, () =>
      assert.equal(templateOf(source).matches(path), matches));
  }

  test('a path is made of what variables stand for', () => {
    const template = templateOf('/videos/{language=lang/*}/v{id}.m4s');
    assert.equal(template.literalPrefix, '/videos/lang/');
    const rewrite = compileUriRewrite('/{id}/x-{language}', template.variables);
    assert.ok(rewrite.ok);
    assert.equal(template.rewrite('/videos/lang/en/v7.m4s', rewrite.value), '/7/x-lang/en');
    assert.equal(template.rewrite('/videos', rewrite.value), undefined);
  });

  for (const source of [
    '',
    'a',
    '{x}',
    '/{z}',
    '/a?b',
    '/a b',
    '//a',
    '/{x}//{y}',
    '/{x',
    '/x}',
    '/{}',
    '/{x=*}',
    '/é',
  ]) {
    test(`${JSON.stringify(source)} makes no path`, () =>
      assert.ok(!compileUriRewrite(source, ['x', 'y']).ok));
  }
});
