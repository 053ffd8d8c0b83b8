/** `heddle proxy-config`, alias `pc`: what one proxy really has, in istioctl's columns. */
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CliCommand } from '../catalogue.ts';
import { CliError, EXIT_DATA, EXIT_USAGE } from '../exit.ts';
import { findMesh, type MeshChoice } from '../mesh-state.ts';
import { addMeshOptions } from '../option/mesh-choice.ts';
import { clustersView } from '../proxy-config/clusters.ts';
import { object, objects, readConfigDump } from '../proxy-config/config-dump.ts';
import { endpointsView } from '../proxy-config/endpoints.ts';
import { listenersView } from '../proxy-config/listeners.ts';
import { routesView } from '../proxy-config/routes.ts';
import { secretsView } from '../proxy-config/secrets.ts';
import type { ProxyAnswers, View } from '../proxy-config/view.ts';
import { addOutputOption, type OutputFormat, printData } from '../render/output.ts';
import { table } from '../render/table.ts';
import type { Terminal } from '../terminal.ts';
import { findProxy } from '../workload-name.ts';

interface ConfigOptions extends MeshChoice {
  readonly output: OutputFormat;
  readonly file?: string;
}

/** One form of the command: its names, its filters and what it shows. */
interface Form {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly summary: string;
  readonly filters: readonly Option[];
  readonly example: string;
  // biome-ignore lint/suspicious/noExplicitAny: each form reads only the filters that it declares itself.
  readonly view: View<any>;
}

const portFilter = (): Option => new Option('--port <port>', 'only this port').argParser(portNumber);

const forms: readonly Form[] = [
  {
    name: 'listeners',
    aliases: ['listener', 'l'],
    summary: 'Where it takes connections, and where they lead',
    filters: [
      new Option('--address <ip>', 'only this address'),
      portFilter(),
      new Option('--type <type>', 'only HTTP or TCP').choices(['HTTP', 'TCP', 'http', 'tcp']),
    ],
    example: 'heddle pc listeners storefront-v1 --port 15007',
    view: listenersView,
  },
  {
    name: 'routes',
    aliases: ['route', 'r'],
    summary: 'Which requests go where',
    filters: [new Option('--name <name>', 'only this route table, such as 9080')],
    example: 'heddle pc routes storefront-v1 --name http_proxy',
    view: routesView,
  },
  {
    name: 'clusters',
    aliases: ['cluster', 'c'],
    summary: 'The services it can reach',
    filters: [
      new Option('--fqdn <host>', 'only this service, such as reviews.default.svc.cluster.local'),
      portFilter(),
      new Option('--subset <name>', 'only this subset'),
      new Option('--direction <direction>', 'only inbound or outbound'),
    ],
    example: 'heddle pc clusters storefront-v1 --fqdn reviews.default.svc.cluster.local',
    view: clustersView,
  },
  {
    name: 'endpoints',
    aliases: ['endpoint', 'ep'],
    summary: 'The instances behind those services, and their health',
    filters: [
      new Option('--address <ip>', 'only this address'),
      portFilter(),
      new Option('--cluster <name>', 'only this cluster'),
      new Option('--status <status>', 'only healthy, unhealthy, draining, …'),
    ],
    example: "heddle pc endpoints storefront-v1 --cluster 'outbound|9080||reviews.default.svc.cluster.local'",
    view: endpointsView,
  },
  {
    name: 'secrets',
    aliases: ['secret', 's'],
    summary: 'Its certificate and the roots it trusts; never a key',
    filters: [],
    example: 'heddle pc secrets storefront-v1',
    view: secretsView,
  },
];

export const command: CliCommand = {
  name: 'proxy-config',
  register(program, { terminal }): void {
    const config = program
      .command('proxy-config')
      .alias('pc')
      .summary('Show the listeners, routes, clusters, endpoints or secrets of one proxy')
      .description(
        'Show what one proxy really has, asked of the proxy itself. WORKLOAD is a workload (then one of its instances), an instance, or either with .NAMESPACE.',
      )
      .addHelpText('after', `\nExamples:\n${forms.map(({ example }) => `  ${example}`).join('\n')}`);
    for (const form of forms) addForm(config, form, terminal);
  },
};

function addForm(
  config: Command,
  { name, aliases, summary, filters, example, view }: Form,
  terminal: Terminal,
): void {
  const form = config
    .command(name)
    .aliases(aliases)
    .summary(summary)
    .description(summary)
    .argument('[workload]', 'such as reviews-v1 or reviews-v1-1')
    .option('-f, --file <dump.json>', 'read a saved /config_dump and ask nobody');
  for (const filter of filters) form.addOption(filter);
  addOutputOption(addMeshOptions(form))
    .addHelpText('after', `\nExamples:\n  ${example}\n  heddle pc ${name} storefront-v1 -o json`)
    .action(async (workload: string | undefined, options: ConfigOptions) => {
      const answers = options.file === undefined ? await askProxy(workload, options) : readFile(options.file);
      const rows = view.rows(answers, options);
      const data = [...new Set(rows.map(({ resource }) => resource))];
      await printData(terminal, options.output, data, () =>
        table(
          view.headers,
          rows.map(({ cells }) => cells),
        ),
      );
    });
}

async function askProxy(workload: string | undefined, options: ConfigOptions): Promise<ProxyAnswers> {
  if (workload === undefined) {
    throw new CliError('whose configuration?', {
      advice: 'Name a workload, such as reviews-v1, or a file with -f. What runs: heddle get instances',
      exitCode: EXIT_USAGE,
    });
  }
  const { name, adminUrl } = findProxy(findMesh(options).mesh, workload);
  const [dump, clusters] = await Promise.all([
    getJson(`${adminUrl}/config_dump?include_eds`, name),
    getJson(`${adminUrl}/clusters?format=json`, name),
  ]);
  return { dump: readConfigDump(dump), clusterStatuses: objects(object(clusters).cluster_statuses) };
}

async function getJson(url: string, name: string): Promise<unknown> {
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`status ${response.status}`);
    return await response.json();
  } catch (error) {
    throw new CliError(`the proxy of ${name} does not answer at ${url}`, {
      advice: `What it says: heddle logs ${name} --sidecar`,
      cause: error,
    });
  }
}

/** A saved dump holds no state of endpoints: that list is then empty. */
function readFile(file: string): ProxyAnswers {
  try {
    const dump: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return { dump: readConfigDump(dump), clusterStatuses: objects(object(dump).cluster_statuses) };
  } catch (error) {
    throw new CliError(`${file} is not a saved config_dump: ${(error as Error).message}`, {
      exitCode: EXIT_DATA,
    });
  }
}

function portNumber(word: string): number {
  if (!/^\d+$/.test(word)) throw new InvalidArgumentError('A port is a number.');
  return Number(word);
}
