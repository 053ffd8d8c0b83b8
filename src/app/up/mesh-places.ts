/** Where everything of a running mesh is: addresses, well-known ports, files of the state folder. */
import { join } from 'node:path';
import { logPath } from '#cli/mesh-state.ts';

/** Istio's port numbers. */
export const ports = { admin: 15_000, xds: 15_010, secureXds: 15_012, controlApi: 15_014 } as const;

export class MeshPlaces {
  readonly stateDirectory: string;
  /** Where proxies find the control plane. */
  readonly controlAddress: string;
  /** Where people do. */
  readonly apiAddress: string;

  constructor(stateDirectory: string, apiAddress: string, controlAddress: string = apiAddress) {
    this.stateDirectory = stateDirectory;
    this.apiAddress = apiAddress;
    this.controlAddress = controlAddress;
  }

  get apiUrl(): string {
    return `http://${this.apiAddress}:${ports.controlApi}`;
  }

  /** The control plane's root certificate, for everybody. */
  get rootCertificate(): string {
    return join(this.stateDirectory, 'ca', 'root-cert.pem');
  }

  /** What one instance's proxy or agent keeps: certificates of an agent, last good configuration. */
  instanceDirectory(pod: string, namespace: string): string {
    return join(this.stateDirectory, 'instances', `${namespace}.${pod}`);
  }

  /** The certificate that its sidecar or gateway has, and begins with. */
  certificateFolder(pod: string, namespace: string): string {
    return join(this.instanceDirectory(pod, namespace), 'certificate');
  }

  /** What its sidecar or gateway was told last, and begins with while the control plane is away. */
  keptConfiguration(pod: string, namespace: string): string {
    return join(this.instanceDirectory(pod, namespace), 'configuration');
  }

  /** Says which process serves as its sidecar, gateway or agent. */
  pidFile(verb: 'sidecar' | 'gateway' | 'agent', pod: string, namespace: string): string {
    return join(this.instanceDirectory(pod, namespace), `${verb}.pid`);
  }

  log(name: string): string {
    return logPath(this.stateDirectory, name);
  }
}

/** Envoy's admin interface of the proxy on `address`. */
export function adminUrl(address: string): string {
  return `http://${address}:${ports.admin}`;
}
