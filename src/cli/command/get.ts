/** `heddle get`: what runs, and what the control plane has loaded, each with the file and line it came from. */
import { relative } from 'node:path';
import { apiClient } from '#api/client.ts';
import type { LoadedResource } from '#api/contract.ts';
import { didYouMean } from '#core/did-you-mean.ts';
import type { CliCommand } from '../catalogue.ts';
import { CliError, EXIT_USAGE } from '../exit.ts';
import { findMesh, type MeshChoice, type MeshState } from '../mesh-state.ts';
import { addMeshOptions } from '../option/mesh-choice.ts';
import { addOutputOption, type OutputFormat, printData } from '../render/output.ts';
import { table } from '../render/table.ts';
import { ask } from './proxy-status.ts';

interface GetOptions extends MeshChoice {
  readonly output: OutputFormat;
  readonly namespace?: string;
}

/** Words for kinds as kubectl takes them: plural, singular, short. */
const kindWords: Readonly<Record<string, readonly string[]>> = {
  Service: ['services', 'service', 'svc'],
  Deployment: ['deployments', 'deployment', 'deploy'],
  StatefulSet: ['statefulsets', 'statefulset', 'sts'],
  Job: ['jobs', 'job'],
  PersistentVolumeClaim: ['persistentvolumeclaims', 'persistentvolumeclaim', 'pvc'],
  ConfigMap: ['configmaps', 'configmap', 'cm'],
  Secret: ['secrets', 'secret'],
  ServiceAccount: ['serviceaccounts', 'serviceaccount', 'sa'],
  Namespace: ['namespaces', 'namespace', 'ns'],
  Pod: ['pods', 'pod', 'po'],
  Gateway: ['gateways', 'gateway', 'gw'],
  VirtualService: ['virtualservices', 'virtualservice', 'vs'],
  ServiceEntry: ['serviceentries', 'serviceentry', 'se'],
  DestinationRule: ['destinationrules', 'destinationrule', 'dr'],
  PeerAuthentication: ['peerauthentications', 'peerauthentication', 'pa'],
  WorkloadEntry: ['workloadentries', 'workloadentry', 'we'],
  WorkloadGroup: ['workloadgroups', 'workloadgroup', 'wg'],
  Sidecar: ['sidecars', 'sidecar'],
  ProxyConfig: ['proxyconfigs', 'proxyconfig'],
  LocalMesh: ['localmeshes', 'localmesh'],
};
const instanceWords = ['instances', 'instance', 'workloads', 'workload'];

export const command: CliCommand = {
  name: 'get',
  register(program, { terminal }): void {
    const get = program
      .command('get')
      .summary('Show services, instances and configuration as the control plane loaded them')
      .description(
        `Show what a mesh consists of. KIND is one of: instances, all, ${Object.values(kindWords)
          .map(([plural]) => plural)
          .join(', ')}.
Short forms are those of kubectl: svc, deploy, sts, pvc, cm, sa, ns, po, gw, vs, dr, pa, we, wg.`,
      )
      .argument('<kind>', 'what to show')
      .argument('[name]', 'only this one')
      .option('-n, --namespace <namespace>', 'only of this namespace');
    addOutputOption(addMeshOptions(get))
      .addHelpText(
        'after',
        `
Examples:
  heddle get instances
  heddle get virtualservices
  heddle get vs reviews -o yaml
  heddle get all -n default`,
      )
      .action(async (kind: string, name: string | undefined, options: GetOptions) => {
        const { mesh } = findMesh(options);
        const word = kind.toLowerCase();
        if (instanceWords.includes(word)) {
          const rows = instances(mesh, name, options.namespace);
          await printData(terminal, options.output, rows, () => instanceTable(rows));
          return;
        }
        const wanted = word === 'all' ? undefined : kindOf(word);
        const { resources } = await ask(() => apiClient(mesh.apiUrl).config());
        const found = resources
          .filter((resource) => wanted === undefined || resource.kind === wanted)
          .filter((resource) => name === undefined || resource.name === name)
          .filter(({ namespace }) => options.namespace === undefined || namespace === options.namespace);
        if (name !== undefined && found.length === 0) throw notFound(resources, wanted, name);
        const documents = found.map(({ document }) => document);
        await printData(terminal, options.output, name === undefined ? documents : documents[0], () =>
          resourceTable(found, wanted === undefined),
        );
      });
  },
};

function kindOf(word: string): string {
  const found = Object.entries(kindWords).find(([, words]) => words.includes(word));
  if (found !== undefined) return found[0];
  const words = [...instanceWords, 'all', ...Object.values(kindWords).flat()];
  throw new CliError(`there is no kind called ${word}`, {
    advice: didYouMean(word, words) ?? 'The kinds: heddle get --help',
    exitCode: EXIT_USAGE,
  });
}

function notFound(resources: readonly LoadedResource[], kind: string | undefined, name: string): CliError {
  const names = resources.filter((one) => kind === undefined || one.kind === kind).map((one) => one.name);
  return new CliError(`there is no ${kind ?? 'resource'} called ${name}`, {
    advice:
      didYouMean(name, names) ??
      (names.length === 0 ? 'There is none at all.' : `There are: ${names.join(', ')}`),
  });
}

function instances(
  mesh: MeshState,
  name: string | undefined,
  namespace: string | undefined,
): MeshState['instances'] {
  return [...mesh.gateways, ...mesh.instances].filter(
    (instance) =>
      (name === undefined || instance.name === name || instance.workload === name) &&
      (namespace === undefined || instance.namespace === namespace),
  );
}

function instanceTable(rows: MeshState['instances']): string[] {
  const headers = ['NAMESPACE', 'NAME', 'READY', 'STATE', 'ADDRESS', 'SIDECAR', 'VERSION'];
  return table(
    headers,
    rows.map(({ namespace, name, ready, state, meshAddress, sidecar, agent, version }) => [
      namespace,
      name,
      ready ? '1/1' : '0/1',
      state,
      meshAddress,
      sidecar === 'none' && agent ? 'none (proxyless gRPC)' : sidecar,
      version === '' ? '-' : version,
    ]),
  );
}

function resourceTable(resources: readonly LoadedResource[], withKind: boolean): string[] {
  if (resources.length === 0) return ['None found.'];
  const headers = ['NAMESPACE', ...(withKind ? ['KIND'] : []), 'NAME', 'SOURCE'];
  const sorted = resources.toSorted((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  return table(
    headers,
    sorted.map((resource) => [
      resource.namespace === '' ? '-' : resource.namespace,
      ...(withKind ? [resource.kind] : []),
      resource.name,
      sourceOf(resource),
    ]),
  );
}

const sortKey = ({ namespace, kind, name }: LoadedResource): string => [namespace, kind, name].join('\0');

function sourceOf({ file, line }: LoadedResource): string {
  if (file === undefined) return '-';
  const shorter = relative(process.cwd(), file);
  const path = shorter.length < file.length ? shorter : file;
  return line === undefined ? path : `${path}:${line}`;
}
