/**
 * Runs in a network namespace of its own: what goes to port 53 of anybody is redirected to our DNS, whose own questions
 * go through. Prints what a client was told and how many questions came to either. Started by captured-dns.test.ts.
 */
import { Resolver } from 'node:dns/promises';
import { create } from '@bufbuild/protobuf';
import { markedSockets } from '#app/marked-sockets.ts';
import { NameTableSchema } from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import { startDns } from './dns.ts';
import { parseSamples, sumOf } from './prometheus-text.ts';

const [address = '', dnsPort = ''] = process.argv.slice(2);
const endings: (() => unknown)[] = [];
const t = { after: (run: () => unknown) => void endings.push(run) };

const outside = create(NameTableSchema, { table: { 'www.example.org': { ips: ['192.0.2.1'] } } });
const upstream = await startDns(t, { addresses: [{ address, port: 53 }] }, outside);
const own = await startDns(t, {
  addresses: [{ address: '127.0.0.1', port: Number(dnsPort) }],
  resolvers: () => ({ servers: [{ address, port: 53 }], timeoutMs: 5000, attempts: 1 }),
  sockets: markedSockets,
});

const resolver = new Resolver({ timeout: 5000, tries: 1 });
resolver.setServers([address]);
const found = [await resolver.resolve4('reviews'), await resolver.resolve4('www.example.org')];
const [ofOwn, ofUpstream] = [own, upstream].map(({ metrics }) =>
  sumOf(parseSamples(metrics.prometheus()), 'istio_agent_dns_requests_total', {}),
);
console.log(JSON.stringify({ found, ofOwn, ofUpstream }));
for (const end of endings) await end();
