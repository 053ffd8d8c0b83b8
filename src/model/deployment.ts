/** Kubernetes `Deployment` (apps/v1): how many instances of which containers. */
import { type PodTemplate, podTemplate } from './container.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, meaningless, object, required, unsupported } from './decode/object.ts';
import { integer } from './decode/scalar.ts';
import type { KindDefinition } from './kind.ts';
import { type Labels, labels, type ResourceBase, selects } from './metadata.ts';

export interface DeploymentSpec {
  readonly replicas: number;
  readonly selector: { readonly matchLabels: Labels };
  readonly template: PodTemplate;
}

export type Deployment = ResourceBase<'Deployment', DeploymentSpec>;

/** More processes than this on one machine is a slip of the finger. */
const maxReplicas = 100;

const spec: Decoder<DeploymentSpec> = object(
  {
    replicas: defaulted(integer(0, maxReplicas), 1),
    selector: required(object({ matchLabels: defaulted(labels, {}), matchExpressions: unsupported('adds') })),
    template: required(podTemplate),
    // How a roll-out proceeds; here a changed deployment replaces its processes.
    minReadySeconds: meaningless(),
    paused: meaningless(),
    progressDeadlineSeconds: meaningless(),
    revisionHistoryLimit: meaningless(),
    strategy: meaningless(),
  },
  ({ selector, template }, path, report) => {
    if (selects(selector.matchLabels, template.metadata.labels)) return;
    report.error([...path, 'selector'], 'does not match the labels of its own template');
  },
);

export const deploymentKind: KindDefinition<Deployment> = {
  kind: 'Deployment',
  group: 'apps',
  versions: ['v1'],
  scope: 'namespace',
  fields: { spec: required(spec), status: meaningless() },
};
