/** What Gateways and Ingresses mean: requests and connections from outside, and where they go. */
import { type Meaning, service, testMeanings, written } from '../support/meaning.ts';

const common = [
  service('shop', '[{name: http, port: 80}, {name: tcp, port: 7000}, {name: tls, port: 8443}]'),
  service('blog', '[{name: http, port: 80}]'),
  service('wiki', '[{name: http, port: 80}]', { namespace: 'other' }),
].join('');
const gateway = (servers: string, name = 'edge', namespace = 'default'): string =>
  written('Gateway', name, `selector: {istio: ingressgateway}, servers: [${servers}]`, namespace);
const server = (hosts: string, port = 80): string =>
  `{port: {number: ${port}, name: http-${port}, protocol: HTTP}, hosts: [${hosts}]}`;
const routes = (spec: string, name = 'routes', namespace = 'default'): string =>
  written('VirtualService', name, `${/gateways:/.test(spec) ? '' : 'gateways: [edge], '}${spec}`, namespace);
const to = (host: string): string => `http: [{route: [{destination: {host: ${host}, port: {number: 80}}}]}]`;
const shop = 'shop.default:80';
const blog = 'blog.default:80';
const ingress = (spec: string, name = 'in'): string =>
  `apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: ${name}}\nspec: {ingressClassName: istio, ${spec}}\n---\n`;
const backend = (name: string): string => `{service: {name: ${name}, port: {number: 80}}}`;

const meanings: readonly Meaning[] = [
  {
    why: 'a host of the server',
    documents: gateway(server('a.example.com')) + routes(`hosts: [a.example.com], ${to('shop')}`),
    rows: [
      ['http://a.example.com/', shop],
      ['http://b.example.com/', '404'],
    ],
  },
  {
    why: 'a server without routes',
    documents: gateway(server('"*"')),
    rows: [['http://a.example.com/', '404']],
  },
  {
    why: 'a route wider than the server',
    documents: gateway(server('a.example.com')) + routes(`hosts: ["*.example.com"], ${to('shop')}`),
    rows: [
      ['http://a.example.com/', shop],
      ['http://b.example.com/', '404'],
    ],
  },
  {
    why: 'a route narrower than the server',
    documents: gateway(server('"*.example.com"')) + routes(`hosts: [a.example.com], ${to('shop')}`),
    rows: [
      ['http://a.example.com/', shop],
      ['http://b.example.com/', '404'],
    ],
  },
  {
    why: 'a route for what the server has not',
    documents: gateway(server('a.example.com')) + routes(`hosts: [b.example.com], ${to('shop')}`),
    rows: [['http://b.example.com/', '404']],
  },
  {
    why: 'the most specific host',
    documents:
      gateway(server('"*"')) +
      routes(`hosts: ["*"], ${to('shop')}`, 'wide') +
      routes(`hosts: [a.example.com], ${to('blog')}`, 'narrow'),
    rows: [
      ['http://a.example.com/', blog],
      ['http://b.example.com/', shop],
    ],
  },
  {
    why: 'a host in any case, with any port',
    documents: gateway(server('a.example.com')) + routes(`hosts: [a.example.com], ${to('shop')}`),
    rows: [['http://A.Example.com/', shop]],
  },
  {
    why: 'several VirtualServices of a host, by name',
    documents:
      gateway(server('"*"')) +
      routes(
        `hosts: [a.example.com], http: [{match: [{uri: {prefix: /b}}], route: [{destination: {host: blog}}]}]`,
        'a',
      ) +
      routes(
        `hosts: [a.example.com], http: [{match: [{uri: {prefix: /s}}], route: [{destination: {host: shop, port: {number: 80}}}]}]`,
        'b',
      ),
    rows: [
      ['http://a.example.com/b', blog],
      ['http://a.example.com/s', shop],
      ['http://a.example.com/', '404'],
    ],
  },
  {
    why: 'a VirtualService that does not name it',
    documents: gateway(server('"*"')) + routes(`hosts: [a.example.com], gateways: [mesh], ${to('shop')}`),
    rows: [['http://a.example.com/', '404']],
  },
  {
    why: 'a VirtualService of another namespace',
    documents:
      gateway(server('"*"')) +
      routes(`hosts: [a.example.com], gateways: [default/edge], ${to('wiki')}`, 'far', 'other'),
    rows: [['http://a.example.com/', 'wiki.other:80']],
  },
  {
    why: 'a name of a Gateway is one of the own namespace',
    documents: gateway(server('"*"')) + routes(`hosts: [a.example.com], ${to('wiki')}`, 'far', 'other'),
    rows: [['http://a.example.com/', '404']],
  },
  {
    why: 'a server for VirtualServices of a namespace',
    documents:
      gateway(server('other/a.example.com')) +
      routes(`hosts: [a.example.com], ${to('shop')}`, 'near') +
      routes(`hosts: [a.example.com], gateways: [default/edge], ${to('wiki')}`, 'far', 'other'),
    rows: [['http://a.example.com/', 'wiki.other:80']],
  },
  {
    why: 'a server for VirtualServices of its own namespace',
    documents:
      gateway(server('./a.example.com')) +
      routes(`hosts: [a.example.com], gateways: [default/edge], ${to('wiki')}`, 'far', 'other'),
    rows: [['http://a.example.com/', '404']],
  },
  {
    why: 'routes that are not exported to it',
    documents:
      gateway(server('"*"'), 'edge', 'other') +
      routes(`hosts: [a.example.com], gateways: [other/edge], exportTo: [other], ${to('shop')}`),
    rows: [['http://a.example.com/', '404']],
  },
  {
    why: 'two ports',
    documents:
      gateway(`${server('"*"', 80)}, ${server('"*"', 81)}`) +
      routes(
        'hosts: ["*"], http: [{match: [{port: 81}], route: [{destination: {host: blog}}]}, {route: [{destination: {host: shop, port: {number: 80}}}]}]',
      ),
    rows: [
      ['http://a.example.com/', shop],
      ['http://a.example.com:81/', blog],
    ],
  },
  {
    why: 'two Gateways of a port',
    documents:
      gateway(server('a.example.com'), 'one') +
      gateway(server('b.example.com'), 'two') +
      routes(`hosts: [a.example.com], gateways: [one], ${to('shop')}`, 'a') +
      routes(`hosts: [b.example.com], gateways: [two], ${to('blog')}`, 'b'),
    rows: [
      ['http://a.example.com/', shop],
      ['http://b.example.com/', blog],
    ],
  },
  {
    why: 'a condition on gateways',
    documents:
      gateway(server('"*"')) +
      routes(
        'hosts: [a.example.com], gateways: [edge, mesh], http: [{match: [{gateways: [mesh]}], route: [{destination: {host: blog}}]}, {match: [{gateways: [edge]}], route: [{destination: {host: shop, port: {number: 80}}}]}]',
      ),
    rows: [['http://a.example.com/', shop]],
  },
  {
    why: 'a redirect to https',
    documents:
      gateway(
        '{port: {number: 80, name: http, protocol: HTTP}, hosts: [a.example.com], tls: {httpsRedirect: true}}',
      ) + routes(`hosts: [a.example.com], ${to('shop')}`),
    rows: [['http://a.example.com/x?y=1', '301 https://a.example.com/x?y=1']],
  },
  {
    why: 'a delegate',
    documents:
      gateway(server('"*"')) +
      routes(
        'hosts: [a.example.com], http: [{match: [{uri: {prefix: /blog}}], delegate: {name: blog}}, {route: [{destination: {host: shop, port: {number: 80}}}]}]',
      ) +
      written(
        'VirtualService',
        'blog',
        'http: [{rewrite: {uri: /}, match: [{uri: {prefix: /blog/}}], route: [{destination: {host: blog}}]}]',
      ),
    rows: [
      ['http://a.example.com/blog/x', `${blog} path=/x`],
      ['http://a.example.com/', shop],
    ],
  },
  {
    why: 'TCP by its port',
    documents:
      gateway('{port: {number: 7000, name: tcp, protocol: TCP}, hosts: ["*"]}') +
      routes(
        'hosts: ["*"], tcp: [{match: [{port: 7000}], route: [{destination: {host: shop, port: {number: 7000}}}]}]',
      ),
    rows: [[{ address: '127.9.1.1', port: 7000 }, 'shop.default:7000']],
  },
  {
    why: 'TLS by its name',
    documents:
      gateway(
        '{port: {number: 8443, name: tls, protocol: TLS}, hosts: ["*.example.com"], tls: {mode: PASSTHROUGH}}',
      ) +
      routes(
        'hosts: [a.example.com], tls: [{match: [{sniHosts: [a.example.com]}], route: [{destination: {host: shop, port: {number: 8443}}}]}]',
      ),
    rows: [
      [{ address: '127.9.1.1', port: 8443, sni: 'a.example.com' }, 'shop.default:8443'],
      [{ address: '127.9.1.1', port: 8443, sni: 'b.example.com' }, 'closed'],
    ],
  },
  {
    why: 'TLS of several names',
    documents:
      gateway(
        '{port: {number: 8443, name: tls, protocol: TLS}, hosts: ["*.example.com"], tls: {mode: PASSTHROUGH}}',
      ) +
      routes(
        'hosts: ["*.example.com"], tls: [{match: [{sniHosts: [a.example.com]}], route: [{destination: {host: shop, port: {number: 8443}}}]}, {match: [{sniHosts: ["*.example.com"]}], route: [{destination: {host: shop, port: {number: 7000}}}]}]',
      ),
    rows: [
      [{ address: '127.9.1.1', port: 8443, sni: 'a.example.com' }, 'shop.default:8443'],
      [{ address: '127.9.1.1', port: 8443, sni: 'b.example.com' }, 'shop.default:7000'],
    ],
  },
  {
    why: 'an Ingress by host',
    documents: ingress(
      `rules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: ${backend('shop')}}]}}]`,
    ),
    rows: [
      ['http://a.example.com/x', shop],
      ['http://b.example.com/', '404'],
    ],
  },
  {
    why: 'an Ingress by the longest path',
    documents: ingress(
      `rules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: ${backend('shop')}}, {path: /blog, pathType: Prefix, backend: ${backend('blog')}}]}}]`,
    ),
    rows: [
      ['http://a.example.com/blog/x', blog],
      ['http://a.example.com/blogs', shop],
    ],
  },
  {
    why: 'an Ingress by an exact path',
    documents: ingress(
      `rules: [{host: a.example.com, http: {paths: [{path: /blog, pathType: Exact, backend: ${backend('blog')}}, {path: /blog, pathType: Prefix, backend: ${backend('shop')}}]}}]`,
    ),
    rows: [
      ['http://a.example.com/blog', blog],
      ['http://a.example.com/blog/x', shop],
    ],
  },
  {
    why: 'an Ingress for what is left',
    documents: ingress(`defaultBackend: ${backend('blog')}`),
    rows: [['http://a.example.com/', blog]],
  },
];

testMeanings(common, meanings, { kind: 'router', labels: { istio: 'ingressgateway' } });
