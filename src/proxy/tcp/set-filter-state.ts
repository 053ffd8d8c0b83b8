/** `envoy.filters.network.set_filter_state`: notes about a connection, made of its facts by format strings. */
import type { FormatLine } from '#observe/access-log.ts';
import type { FilterStateValue } from '#xds/gen/envoy/extensions/filters/common/set_filter_state/v3/value_pb.js';
import type { Config } from '#xds/gen/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state_pb.js';
import type { Findings } from '../findings.ts';
import { stateKeys } from './filter-state.ts';
import type { NetworkFilter } from './network-filter.ts';
import { compileFormat } from './text-format.ts';

interface Note {
  readonly key: string;
  readonly hashable: boolean;
  readonly skipIfEmpty: boolean;
  readonly text: FormatLine;
}

/** Envoy's kinds of texts, and whether a hash policy may use them. */
const textKinds: Readonly<Record<string, boolean>> = {
  'envoy.string': false,
  'envoy.hashable_string': true,
};

export function readSetFilterState(config: Config, path: string, findings: Findings): NetworkFilter {
  findings.refuse(`${path}.on_downstream_data`, config.onDownstreamData.length > 0);
  const read = (values: readonly FilterStateValue[], name: string): Note[] =>
    values.flatMap((value, i) => readNote(value, `${path}.${name}[${i}]`, findings) ?? []);
  // The handshake, where there is one, is over when a connection gets here.
  const notes = [
    ...read(config.onNewConnection, 'on_new_connection'),
    ...read(config.onDownstreamTlsHandshake, 'on_downstream_tls_handshake'),
  ];
  return {
    keys: notes.map(({ key }) => key),
    onConnection(connection) {
      for (const { key, hashable, skipIfEmpty, text } of notes) {
        const made = text(connection);
        if (made !== '' || !skipIfEmpty) connection.state.set(key, { text: made, hashable });
      }
      return undefined;
    },
  };
}

function readNote(value: FilterStateValue, path: string, findings: Findings): Note | undefined {
  const key = value.key.case === 'objectKey' ? value.key.value : '';
  if (key === '') findings.error(`${path}.object_key`, 'is missing');
  findings.refuse(`${path}.shared_with_upstream`, value.sharedWithUpstream !== 0);
  const kind = value.factoryKey === '' ? key : value.factoryKey;
  const isKnown = Object.values<string>(stateKeys).includes(kind);
  const hashable = Object.hasOwn(textKinds, kind) ? textKinds[kind] : undefined;
  if (hashable === undefined && !isKnown) {
    findings.error(
      value.factoryKey === '' ? `${path}.object_key` : `${path}.factory_key`,
      `"${kind}" is not supported`,
    );
  }
  if (isKnown && key !== kind) {
    findings.error(`${path}.object_key`, `must be "${kind}": nothing reads it under another key`);
  }
  if (value.value.case !== 'formatString') {
    findings.error(`${path}.format_string`, 'is missing');
    return undefined;
  }
  const text = compileFormat(value.value.value, `${path}.format_string`, findings);
  return { key, hashable: hashable ?? false, skipIfEmpty: value.skipIfEmpty, text };
}
