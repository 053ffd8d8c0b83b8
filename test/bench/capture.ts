/**
 * What it costs a sidecar that the kernel brings it connections, against clients that connect to it themselves:
 * `node test/bench/capture.ts [--rounds 7] [--seconds 3]`. One proxy serves both ways, in turns, in a network namespace
 * with the rules of a captured Pod; requests on connections that stay open, and each on one of its own.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { capturePorts, captureRules } from '#host/network/capture-rules.ts';
import { findNamespaceMeans, type NamespaceMeans, unshareCommand } from '#host/network/means.ts';
import { loadingOf } from '#host/network/packet-filter.ts';
import { complaintOf, run } from '#host/network/run.ts';
import { SIDECAR_MARK } from '#host/network/sidecar-mark.ts';
import { SO_MARK, SOL_SOCKET } from '#host/socket-options.ts';
import { everything } from '../support/namespaces.ts';
import { type Bed, loadCore, proxyCore, withBed } from './bed.ts';
import { type Load, runLoad } from './measure/load.ts';
import { cpuTime } from './measure/process-cost.ts';
import { quartiles } from './measure/statistics.ts';
import { accepts } from './probe.ts';
import { freePorts, ready, spawnPinned, stopChild } from './process.ts';
import { programOf } from './program.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '3' },
    /** Set inside the namespace. */
    inside: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);

/** Of a service: nobody listens there. */
const SERVICE = { host: '10.96.0.7', port: 80 };
const TYPES = 'type.googleapis.com/envoy.extensions';
const base = { by: 'wrk', connections: 64, path: '/small' } as const;
const loads: readonly (readonly [name: string, load: Load])[] = [
  ['a request on a connection that stays', base],
  ['a request on a connection of its own', { ...base, closes: true }],
];

const found = await findNamespaceMeans(process.env);
if (!found.ok) throw new Error(`${found.reason} (${found.remedy})`);
if (!values.inside) {
  const words = [process.execPath, import.meta.filename, '--inside', ...process.argv.slice(2)];
  const [program, ...rest] = [...unshareCommand(found.means), 'taskset', '-c', String(loadCore), ...words];
  process.exitCode = spawnSync(program!, rest, { stdio: 'inherit' }).status ?? 1;
} else {
  await makeNetwork(found.means);
  await withBed(measure);
}

async function makeNetwork({ programs: { ip }, filter }: NamespaceMeans): Promise<void> {
  const words = [
    'link set lo up',
    'link add d0 type bridge',
    'address add 10.96.255.254/16 dev d0',
    'link set d0 up',
  ];
  await done([ip, '-batch', '-'], words.map((line) => `${line}\n`).join(''));
  for (const { command, input } of loadingOf(filter, captureRules(everything))) await done(command, input);
}

async function done(command: readonly string[], input: string): Promise<void> {
  const result = await run(command, { input });
  if (result.code !== 0) throw new Error(complaintOf(result));
}

async function measure(bed: Bed): Promise<void> {
  const folder = join(bed.folder, 'captured');
  mkdirSync(folder);
  const [explicit = 0] = await freePorts(1);
  const config = join(folder, 'bootstrap.json');
  writeFileSync(config, JSON.stringify(bootstrap(explicit, bed.backends.h1)));
  const { command } = programOf('heddle');
  const proxy = spawnPinned({ command, args: ['proxy', '-c', config], cores: String(proxyCore), folder });
  try {
    await ready(() => accepts(explicit), [proxy]);
    for (const [name, load] of loads) {
      const ways = {
        explicit: { host: '127.0.0.1', port: explicit },
        captured: SERVICE,
      };
      const cost = async (where: { host: string; port: number }): Promise<number> => {
        const { folder: scratch, loadProgram, fortio, certificates } = bed;
        const before = cpuTime([proxy.pid!]);
        const place = { ...where, folder: scratch, seconds, loadProgram, fortio, certificates };
        const { units, errors } = await runLoad(load, place);
        if (errors > 0 || units === 0) throw new Error(`${name}: ${errors} errors in ${units}`);
        return (cpuTime([proxy.pid!]).totalUs - before.totalUs) / units;
      };
      // The first of each is the compiler's.
      for (const way of Object.values(ways)) await cost(way);
      const costs: { explicit: number; captured: number }[] = [];
      for (let at = 0; at < rounds; at++) {
        const captured = at % 2 === 0 ? undefined : await cost(ways.captured);
        const itself = await cost(ways.explicit);
        costs.push({ explicit: itself, captured: captured ?? (await cost(ways.captured)) });
      }
      const spread = (of: readonly number[], digits: number): string => {
        const { q1, median, q3 } = quartiles(of);
        return `${median.toFixed(digits)} (${q1.toFixed(digits)}–${q3.toFixed(digits)})`;
      };
      console.log(`${name}, CPU of the proxy:`);
      console.log(
        `  connected to by itself  ${spread(
          costs.map((one) => one.explicit),
          1,
        )} µs`,
      );
      console.log(
        `  captured                ${spread(
          costs.map((one) => one.captured),
          1,
        )} µs`,
      );
      console.log(
        `  captured ×              ${spread(
          costs.map((one) => one.captured / one.explicit),
          3,
        )}`,
      );
    }
  } finally {
    await stopChild(proxy);
  }
}

/** The listeners that a captured sidecar has, and one that clients connect to. */
function bootstrap(explicit: number, backend: number): object {
  const at = (address: string, port: number): object => ({ socket_address: { address, port_value: port } });
  const chains = (name: string): object[] => [
    {
      filters: [
        {
          name: 'http',
          typed_config: {
            '@type': `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
            stat_prefix: name,
            route_config: {
              virtual_hosts: [
                {
                  name: 'all',
                  domains: ['*'],
                  routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }],
                },
              ],
            },
            http_filters: [
              { name: 'router', typed_config: { '@type': `${TYPES}.filters.http.router.v3.Router` } },
            ],
          },
        },
      ],
    },
  ];
  return {
    cluster_manager: {
      upstream_bind_config: {
        socket_options: [
          { level: SOL_SOCKET, name: SO_MARK, int_value: SIDECAR_MARK, state: 'STATE_PREBIND' },
        ],
      },
    },
    static_resources: {
      listeners: [
        { name: 'explicit', address: at('127.0.0.1', explicit), filter_chains: chains('explicit') },
        {
          name: 'virtualOutbound',
          address: at('0.0.0.0', capturePorts.outbound),
          use_original_dst: true,
          filter_chains: chains('virtual'),
        },
        {
          name: 'service',
          address: at(SERVICE.host, SERVICE.port),
          bind_to_port: false,
          filter_chains: chains('service'),
        },
      ],
      clusters: [
        {
          name: 'app',
          type: 'STATIC',
          load_assignment: {
            cluster_name: 'app',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: at('127.0.0.1', backend) } }] }],
          },
        },
      ],
    },
  };
}
