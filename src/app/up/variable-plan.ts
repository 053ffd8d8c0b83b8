/** ConfigMaps and Secrets when the mesh is planned, and the variables of a container that are looked up in them. */
import { didYouMean } from '#core/did-you-mean.ts';
import { type ConfigMap, type Secret, textsOf } from '#model/config-map.ts';
import type { Container } from '#model/container.ts';
import type { KeyReference } from '#model/container-env.ts';
import type { Path } from '#model/decode/decoder.ts';
import type { Resource } from '#model/kinds.ts';

/** What an instance makes of it: a text, one with `$(NAME)` in it, or a field of its Pod. */
export type VariablePlan =
  | { readonly name: string; readonly value: string; readonly expands?: true }
  | { readonly name: string; readonly fieldPath: string };

export type Settings = ConfigMap | Secret;

/** Reports an error at a place of the document. */
export type ReportAt = (path: Path, message: string, fix: string | undefined) => void;

export class SettingsTable {
  readonly #all: readonly Settings[];

  constructor(resources: readonly Resource[]) {
    this.#all = resources.filter(
      (resource): resource is Settings => resource.kind === 'ConfigMap' || resource.kind === 'Secret',
    );
  }

  /** Of one container, in the order in which they are set: later ones win. @param path of the container */
  variablesOf(
    container: Container,
    namespace: string,
    path: Path,
    report: ReportAt,
  ): readonly VariablePlan[] {
    const variables: VariablePlan[] = [];
    for (const [at, { kind, name, prefix, optional }] of container.envFrom.entries()) {
      const found = this.find(kind, name, namespace);
      const field = kind === 'ConfigMap' ? 'configMapRef' : 'secretRef';
      if (found === undefined && !optional) {
        report([...path, 'envFrom', at, field, 'name'], ...this.missing(kind, name, namespace));
      }
      if (found === undefined) continue;
      for (const [key, value] of textsOf(found)) variables.push({ name: prefix + key, value });
    }
    for (const [at, { name, value, valueFrom }] of container.env.entries()) {
      if (valueFrom === undefined)
        variables.push({ name, value, ...(value.includes('$') && { expands: true }) });
      else if (valueFrom.kind === 'Pod') variables.push({ name, fieldPath: valueFrom.fieldPath });
      else {
        const text = this.#textOf(valueFrom, namespace, [...path, 'env', at, 'valueFrom'], report);
        if (text !== undefined) variables.push({ name, value: text });
      }
    }
    return variables;
  }

  #textOf(reference: KeyReference, namespace: string, path: Path, report: ReportAt): string | undefined {
    const { kind, name, key, optional } = reference;
    const at = [...path, kind === 'ConfigMap' ? 'configMapKeyRef' : 'secretKeyRef'];
    const found = this.find(kind, name, namespace);
    if (found === undefined) {
      if (!optional) report([...at, 'name'], ...this.missing(kind, name, namespace));
      return undefined;
    }
    const texts = textsOf(found);
    const text = texts.get(key);
    if (text === undefined && !optional) {
      const fix = didYouMean(key, texts.keys()) ?? `add it at ${placeOf(found)}, or write optional: true`;
      report([...at, 'key'], `the ${kind} ${namespace}/${name} has no key ${JSON.stringify(key)}`, fix);
    }
    return text;
  }

  find(kind: Settings['kind'], name: string, namespace: string): Settings | undefined {
    return this.#all.find(
      (one) => one.kind === kind && one.metadata.name === name && one.metadata.namespace === namespace,
    );
  }

  /** What to report where there is none. */
  missing(
    kind: Settings['kind'],
    name: string,
    namespace: string,
  ): [message: string, fix: string | undefined] {
    const same = this.#all.filter((one) => one.kind === kind);
    const elsewhere = same.find(({ metadata }) => metadata.name === name);
    const message = `there is no ${kind} ${namespace}/${name}`;
    if (elsewhere !== undefined) {
      return [
        message,
        `the one at ${placeOf(elsewhere)} is in the namespace ${elsewhere.metadata.namespace}`,
      ];
    }
    const near = same
      .filter(({ metadata }) => metadata.namespace === namespace)
      .map(({ metadata }) => metadata.name);
    return [message, didYouMean(name, near) ?? 'add it to the files, or write optional: true'];
  }
}

/** `FILE:LINE`. */
export function placeOf({ origin }: Settings): string {
  return `${origin.file}:${origin.start.line}`;
}
