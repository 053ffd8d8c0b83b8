import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { loadDocuments } from './load.ts';

describe('versions of IP of a Service', () => {
  const rows: [why: string, spec: string, errors: readonly RegExp[]][] = [
    [
      'one',
      'clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ipFamilies: [IPv4], ipFamilyPolicy: SingleStack',
      [],
    ],
    ['both', 'clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1, "fd00::1"], ipFamilyPolicy: PreferDualStack', []],
    ['headless', 'clusterIP: None, clusterIPs: [None]', []],
    ['no address', 'clusterIP: somewhere', [/^spec\.clusterIP: "somewhere" is no IP address/]],
    [
      'two first ones',
      'clusterIP: 10.0.0.1, clusterIPs: [10.0.0.2]',
      [/^spec\.clusterIPs\[0\]: the first one must be/],
    ],
    [
      'two where there is to be one, of one version',
      'clusterIPs: [10.0.0.1, 10.0.0.2]',
      [/^spec\.ipFamilyPolicy: .*SingleStack/, /^spec\.clusterIPs\[1\]: there is another one of IPv4/],
    ],
    [
      'another than is said',
      'clusterIP: "fd00::1", ipFamilies: [IPv4]',
      [/^spec\.clusterIP: must be of IPv4/],
    ],
    [
      'one twice',
      'ipFamilies: [IPv6, IPv6], ipFamilyPolicy: RequireDualStack',
      [/^spec\.ipFamilies\[1\]: IPv6 is there twice/],
    ],
    [
      'an unknown one',
      'ipFamilies: [IPv5], ipFamilyPolicy: DualStack',
      [/^spec\.ipFamilies\[0\]: one of/, /^spec\.ipFamilyPolicy: one of/],
    ],
  ];
  for (const [why, spec, expected] of rows) {
    test(why, () => {
      const text = `apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{name: http, port: 80}], ${spec}}\n`;
      const errors = loadDocuments([{ file: 'x.yaml', text }])
        .problems.filter(({ level }) => level === 'error')
        .map(({ path, message }) => `${path}: ${message}`);
      assert.equal(errors.length, expected.length, errors.join('\n'));
      for (const [i, pattern] of expected.entries()) assert.match(errors[i]!, pattern);
    });
  }
});
