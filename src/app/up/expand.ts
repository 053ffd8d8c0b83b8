/** `$(NAME)` in texts of a container, and the variables that are set from its Pod (Kubernetes). */
import { mapFieldOf } from '#model/container-env.ts';
import type { Labels } from '#model/metadata.ts';
import type { VariablePlan } from './variable-plan.ts';

/** What a container may ask of the Pod it is in. */
export interface PodFacts {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly serviceAccount: string;
  readonly nodeName: string;
  readonly hostIp: string;
  readonly podIp: string;
}

/**
 * `$(NAME)` becomes the variable's value, `$$` a dollar sign; a name that nobody has stays as it is written
 * (Kubernetes API, `Container.command`).
 */
export function expand(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$(?:\$|\(([^)]*)\))/g, (written, name: string | undefined) =>
    name === undefined ? '$' : (own(variables, name) ?? written),
  );
}

/** Sets them one after the other; each may name those before it. */
export function withVariables(
  before: Readonly<Record<string, string>>,
  variables: readonly VariablePlan[],
  pod: PodFacts,
): Record<string, string> {
  const all = { ...before };
  for (const variable of variables) {
    const { name } = variable;
    if ('fieldPath' in variable) all[name] = fieldOf(pod, variable.fieldPath);
    else all[name] = variable.expands === true ? expand(variable.value, all) : variable.value;
  }
  return all;
}

/** `$(HEDDLE_VOLUME_…)` alone, in what is written for this machine: all else there is for a shell or nobody. */
export function expandVolumes(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(
    /\$\((HEDDLE_VOLUME_[A-Z0-9_]+)\)/g,
    (written, name: string) => own(variables, name) ?? written,
  );
}

/** What a file of a volume says about the Pod: of maps a line for each key (Kubernetes, downward API). */
export function fileFieldOf(pod: PodFacts, fieldPath: string): string {
  const map = { 'metadata.labels': pod.labels, 'metadata.annotations': pod.annotations }[fieldPath];
  if (map === undefined) return fieldOf(pod, fieldPath);
  const lines = Object.keys(map).sort();
  return lines.map((key) => `${key}=${JSON.stringify(map[key])}`).join('\n');
}

/** `constructor` is no variable of anybody's. */
function own(values: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}

function fieldOf(pod: PodFacts, fieldPath: string): string {
  const inMap = mapFieldOf(fieldPath);
  if (inMap !== undefined) return own(pod[inMap.map], inMap.key) ?? '';
  const fields: Readonly<Record<string, string>> = {
    'metadata.name': pod.name,
    'metadata.namespace': pod.namespace,
    'metadata.uid': pod.uid,
    'spec.nodeName': pod.nodeName,
    'spec.serviceAccountName': pod.serviceAccount,
    'status.hostIP': pod.hostIp,
    'status.hostIPs': pod.hostIp,
    'status.podIP': pod.podIp,
    'status.podIPs': pod.podIp,
  };
  return fields[fieldPath] ?? '';
}
