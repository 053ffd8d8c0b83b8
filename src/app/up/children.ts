/** The command lines of what the runner starts from this same program, and of a real Envoy. */
import { accessSync, constants } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { hostPort } from '#core/ip-address.ts';
import { hubAddresses } from '#host/network/addresses.ts';
import { type CaptureRules, capturePorts } from '#host/network/capture-rules.ts';
import { SECRET_FD } from '#host/process.ts';
import { heddleCommand, programFolder } from '#host/self.ts';
import { type MeshPlaces, ports } from './mesh-places.ts';
import { type ProxyPlan, usualProxy } from './proxy-plan.ts';

/** Whom a proxy or an agent speaks for. */
export interface ProxyChild {
  readonly pod: string;
  readonly namespace: string;
  readonly workload: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly address: string;
  readonly trustDomain: string;
  readonly hasToken: boolean;
  /** `HOST:PORT` of its admin interface; absent: a port of `address`. */
  readonly adminAddress?: string;
  /** Absent: as usual. */
  readonly proxy?: ProxyPlan;
  /** Absent: not captured. */
  readonly interceptionMode?: CaptureRules['mode'];
}

export interface ControlChild {
  readonly paths: readonly string[];
  readonly name: string;
  readonly podFolder: string;
  readonly allowUnsupported: readonly string[];
}

export function controlCommand(places: MeshPlaces, control: ControlChild): readonly string[] {
  return [
    ...heddleCommand('control'),
    ...['--state', places.stateDirectory],
    ...['--name', control.name],
    ...['--address', places.controlAddress, '--api-address', places.apiAddress],
    // In the network of a mesh there is nobody else.
    ...['--plaintext-address', places.controlAddress],
    ...['--pods', control.podFolder],
    ...control.allowUnsupported.flatMap((kind) => ['--allow-unsupported', kind]),
    ...control.paths,
  ];
}

/**
 * @param verb the join token is read from descriptor {@link SECRET_FD}, never from here, unless there is none:
 *   the certificate that was kept is good then
 */
export function proxyCommand(
  verb: 'sidecar' | 'gateway' | 'agent',
  places: MeshPlaces,
  child: ProxyChild,
): readonly string[] {
  const { drainSeconds, threads } = child.proxy ?? usualProxy;
  return [
    ...heddleCommand(verb),
    ...['--control', `${places.controlAddress}:${ports.secureXds}`],
    ...['--root-ca', places.rootCertificate],
    ...(child.hasToken ? ['--token-fd', String(SECRET_FD)] : []),
    ...['--trust-domain', child.trustDomain],
    ...['--name', child.pod],
    ...['--namespace', child.namespace],
    ...['--workload', child.workload],
    ...['--service-account', child.serviceAccount],
    ...['--address', child.address],
    ...['--labels', JSON.stringify(child.labels)],
    ...(child.interceptionMode === undefined
      ? []
      : [
          ...['--interception-mode', child.interceptionMode],
          ...['--dns-address', hostPort('127.0.0.1', capturePorts.dns)],
          ...['--dns-address', hostPort('::1', capturePorts.dns)],
          ...['--dns-upstream', hubAddresses.ipv4],
        ]),
    ...(child.adminAddress === undefined ? [] : ['--admin-address', child.adminAddress]),
    ...['--pid-file', places.pidFile(verb, child.pod, child.namespace)],
    ...(verb === 'agent'
      ? ['--state', places.instanceDirectory(child.pod, child.namespace)]
      : [
          ...['--drain-time-s', String(drainSeconds)],
          ...(threads === undefined
            ? []
            : ['--concurrency', String(threads === 0 ? availableParallelism() : threads)]),
          ...['--certificate-folder', places.certificateFolder(child.pod, child.namespace)],
          ...['--kept-configuration', places.keptConfiguration(child.pod, child.namespace)],
        ]),
  ];
}

/**
 * The Envoy binary: what HEDDLE_ENVOY names, what `npm run peers` has installed beside the program or
 * in the working folder, or `envoy` of PATH. Undefined when there is none.
 */
export function findEnvoy(environment: Readonly<Record<string, string | undefined>>): string | undefined {
  const named = environment.HEDDLE_ENVOY;
  if (named !== undefined && named !== '') return isProgram(named) ? named : undefined;
  const folders = [
    ...[programFolder(), process.cwd()].map((folder) => join(folder, '.peers', 'bin')),
    ...(environment.PATH ?? '').split(delimiter).filter((folder) => folder !== ''),
  ];
  return folders.map((folder) => join(folder, 'envoy')).find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
