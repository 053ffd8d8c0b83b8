import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { captureEverything, planCapture } from './capture-plan.ts';

function plan(annotations: Readonly<Record<string, string>>) {
  const problems: string[] = [];
  const made = planCapture(annotations, ['annotations'], (path, message, fix) =>
    problems.push(`${path.join(' ')}: ${message} (${fix ?? ''})`),
  );
  return { made, problems };
}
const traffic = (name: string): string => `traffic.sidecar.istio.io/${name}`;

describe('planCapture', () => {
  test('everything, where nothing is said', () => {
    assert.deepEqual(plan({ other: 'x' }), { made: captureEverything, problems: [] });
    assert.equal(captureEverything.includeInboundPorts, '*');
  });

  test('what is named', () => {
    const { made, problems } = plan({
      [traffic('includeInboundPorts')]: '8080, 9090',
      [traffic('excludeInboundPorts')]: '22',
      [traffic('includeOutboundIPRanges')]: '10.0.0.0/8,fd00::/8',
      [traffic('excludeOutboundIPRanges')]: '10.1.2.3',
      [traffic('includeOutboundPorts')]: '5432',
      [traffic('excludeOutboundPorts')]: '',
      [traffic('excludeInterfaces')]: 'tun0',
      'sidecar.istio.io/interceptionMode': 'REDIRECT',
    });
    assert.deepEqual(problems, []);
    assert.deepEqual(made, {
      mode: 'REDIRECT',
      includeInboundPorts: [8080, 9090],
      excludeInboundPorts: [22],
      includeOutbound: ['10.0.0.0/8', 'fd00::/8'],
      excludeOutbound: ['10.1.2.3'],
      includeOutboundPorts: [5432],
      excludeOutboundPorts: [],
      excludeInterfaces: ['tun0'],
    });
    assert.equal(plan({ [traffic('includeOutboundIPRanges')]: '*' }).made.includeOutbound, '*');
    assert.deepEqual(plan({ [traffic('includeInboundPorts')]: '' }).made.includeInboundPorts, []);
    assert.equal(plan({ 'sidecar.istio.io/interceptionMode': 'TPROXY' }).made.mode, 'TPROXY');
  });

  test('every mistake, with what to write instead', () => {
    assert.deepEqual(
      plan({
        [traffic('includeInboundPort')]: '80',
        [traffic('excludeInboundPorts')]: '80,http,70000',
        [traffic('excludeOutboundIPRanges')]: '10.0.0.0/33',
        [traffic('excludeInterfaces')]: 'eth1,eth*',
        'sidecar.istio.io/interceptionMode': 'NONE',
      }).problems,
      [
        `annotations ${traffic('includeInboundPort')}: there is no such annotation, or it is not supported (did you mean "${traffic('includeInboundPorts')}"?)`,
        `annotations sidecar.istio.io/interceptionMode: "NONE" is not supported yet (REDIRECT or TPROXY)`,
        `annotations ${traffic('excludeInboundPorts')}: "http" is no port (such as "8080,9090")`,
        `annotations ${traffic('excludeInboundPorts')}: "70000" is no port (such as "8080,9090")`,
        `annotations ${traffic('excludeOutboundIPRanges')}: "10.0.0.0/33" is no range of addresses (such as "10.0.0.0/8")`,
        `annotations ${traffic('excludeInterfaces')}: "eth*" is no name of an interface (such as "eth1")`,
      ],
    );
  });
});
