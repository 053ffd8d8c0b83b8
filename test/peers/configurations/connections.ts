/** Connections that are not looked into: `tcp` and `tls` routes, and ports whose protocol nothing says. */
import type { Configuration } from './configuration.ts';

const tcp = (subset: string, weight = 0): string =>
  `{destination: {host: <host>, subset: ${subset}, port: {number: 9000}}, weight: ${weight}}`;
const tls = (subset: string): string =>
  `{destination: {host: <host>, subset: ${subset}, port: {number: 8443}}}`;

export const connections: readonly Configuration[] = [
  {
    name: 'tcp without a route',
    ports: ['tcp'],
    through: 'sidecar',
    policy: 'trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}',
    asked: [{ call: { port: 9000 }, times: 6, counts: { '200 v1': 2, '200 v2': 2, '200 v3': 2 } }],
  },
  {
    name: 'tcp to a subset',
    ports: ['tcp'],
    spec: `hosts: [tcp-to-a-subset], tcp: [{route: [${tcp('v2')}]}]`,
    through: 'sidecar',
    asked: [{ call: { port: 9000 }, see: { body: 'v2 heard hello' } }],
  },
  {
    name: 'tcp by weight',
    ports: ['tcp'],
    spec: `hosts: [tcp-by-weight], tcp: [{route: [${tcp('v1', 75)}, ${tcp('v3', 25)}]}]`,
    through: 'sidecar',
    asked: [{ call: { port: 9000 }, times: 160, shares: { '200 v1': 75, '200 v3': 25 } }],
  },
  {
    name: 'tcp by port and caller',
    ports: ['tcp'],
    spec: `hosts: [tcp-by-port-and-caller], tcp: [{match: [{port: 1}], route: [${tcp('v1')}]}, {match: [{sourceLabels: {app: somebody}}], route: [${tcp('v2')}]}, {match: [{port: 9000, sourceLabels: {app: caller}}], route: [${tcp('v3')}]}]`,
    through: 'sidecar',
    asked: [{ call: { port: 9000 }, see: { body: 'v3 heard hello' } }],
  },
  {
    name: 'tls without a route',
    ports: ['tls'],
    through: 'sidecar',
    asked: [
      {
        call: { port: 8443, name: 'any.example.com' },
        see: { body: /^v[123] heard hello at any\.example\.com$/ },
      },
    ],
  },
  {
    name: 'tls by name',
    ports: ['tls'],
    spec: `hosts: [tls-by-name, a.example.org, "*.b.example.org"], tls: [{match: [{sniHosts: [a.example.org]}], route: [${tls('v1')}]}, {match: [{sniHosts: [x.b.example.org]}], route: [${tls('v2')}]}, {match: [{sniHosts: ["*.b.example.org"]}], route: [${tls('v3')}]}]`,
    through: 'sidecar',
    asked: [
      { call: { port: 8443, name: 'a.example.org' }, see: { body: 'v1 heard hello at a.example.org' } },
      { call: { port: 8443, name: 'x.b.example.org' }, see: { body: 'v2 heard hello at x.b.example.org' } },
      { call: { port: 8443, name: 'y.b.example.org' }, see: { body: 'v3 heard hello at y.b.example.org' } },
    ],
  },
  {
    name: 'a port of which nothing is said, without HTTP',
    ports: ['unnamed'],
    through: 'sidecar',
    asked: [
      { call: { port: 7000 }, see: { body: /^v[123] heard hello$/ } },
      { call: { port: 7000 }, see: { body: /^v[123] heard hello$/ } },
    ],
  },
  {
    name: 'a port of which nothing is said, with HTTP',
    ports: ['either'],
    http: '{match: [{uri: {prefix: /a}}], route: [{destination: {host: <host>, subset: v1, port: {number: 7001}}}]}, {route: [{destination: {host: <host>, subset: v2, port: {number: 7001}}}]}',
    through: 'sidecar',
    asked: [
      { ask: { get: '/a', port: 7001 }, see: { by: 'v1' } },
      { ask: { port: 7001 }, see: { by: 'v2' } },
    ],
  },
  {
    name: 'proxy protocol',
    ports: ['tcp'],
    policy: 'trafficPolicy: {proxyProtocol: {version: V1}}',
    through: 'sidecar',
    asked: [
      { call: { port: 9000 }, see: { body: /^v[123] heard PROXY TCP4 127\.\S+ 127\.\S+ \d+ \d+\r\nhello$/ } },
    ],
  },
];
