/**
 * What the runner tells the control plane: one Kubernetes `Pod` document for each instance, in a
 * folder the control plane watches. Written whole, so that nobody ever reads half a Pod.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StateFolder } from './state-folder.ts';

/** Annotations and labels by which the runner tells what a Pod of Kubernetes has no field for. */
export const podKeys = {
  applicationAddress: 'heddle.dev/application-address',
  servicePorts: 'heddle.dev/service-ports',
  gatewayBind: 'heddle.dev/gateway-bind',
  /** Istio's label on a Pod whose proxy takes mutual TLS. */
  tlsMode: 'security.istio.io/tlsMode',
} as const;

export interface PodInput {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly containers: readonly {
    readonly name: string;
    readonly image: string;
    readonly ports: readonly { readonly name?: string; readonly containerPort: number }[];
  }[];
  readonly meshAddress: string;
  readonly ready: boolean;
  /** ISO 8601; set while it stops: it is no endpoint any more. */
  readonly deletionTimestamp?: string;
}

/** The document, in Kubernetes' own form. */
export function podDocument(input: PodInput): object {
  const { name, namespace, labels, annotations, deletionTimestamp } = input;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      labels,
      annotations,
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
    },
    spec: {
      serviceAccountName: input.serviceAccount,
      containers: input.containers.map((container) => ({
        name: container.name,
        image: container.image,
        ports: container.ports.map((port) => ({ ...port, protocol: 'TCP' })),
      })),
    },
    status: {
      podIP: input.meshAddress,
      conditions: [{ type: 'Ready', status: input.ready ? 'True' : 'False' }],
    },
  };
}

/** The folder of Pod documents of one mesh. */
export class PodFolder {
  readonly path: string;
  readonly #state: StateFolder;

  /** Empties what an earlier run has left there. */
  constructor(state: StateFolder) {
    this.#state = state;
    this.path = join(state.path, 'pods');
    rmSync(this.path, { recursive: true, force: true });
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
  }

  write(input: PodInput): void {
    const file = this.#file(input);
    // No reader takes a name without `.json` for a document.
    const draft = `${file}.new`;
    this.#state.keep(() => {
      writeFileSync(draft, JSON.stringify(podDocument(input), undefined, 1));
      renameSync(draft, file);
    });
  }

  remove(pod: Pick<PodInput, 'name' | 'namespace'>): void {
    this.#state.keep(() => rmSync(this.#file(pod), { force: true }));
  }

  #file({ name, namespace }: Pick<PodInput, 'name' | 'namespace'>): string {
    return join(this.path, `${namespace}.${name}.json`);
  }
}
