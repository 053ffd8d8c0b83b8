/** Bytes and texts of configuration, from where a `DataSource` says they are. */
import type { DataSource } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { Findings } from '../findings.ts';

/** Where the bytes of a data source come from. */
export interface DataReader {
  /** @throws the error of the operating system. */
  readFile(path: string): Uint8Array;
  environment(name: string): string | undefined;
}

/** Undefined, with an error at `path`, where they cannot be had or there are none. */
export function readBytes(
  source: DataSource | undefined,
  path: string,
  reader: DataReader,
  findings: Findings,
): Uint8Array | undefined {
  findings.refuse(`${path}.watched_directory`, source?.watchedDirectory !== undefined);
  const bytes = readSource(source, path, reader, findings);
  if (bytes?.length !== 0) return bytes;
  findings.error(path, 'must not be empty');
  return undefined;
}

/** As {@link readBytes}, of UTF-8. */
export function readText(
  source: DataSource | undefined,
  path: string,
  reader: DataReader,
  findings: Findings,
): string | undefined {
  const bytes = readBytes(source, path, reader, findings);
  return bytes && new TextDecoder().decode(bytes);
}

/** The same; they may be empty. */
export function readSource(
  source: DataSource | undefined,
  path: string,
  reader: DataReader,
  findings: Findings,
): Uint8Array | undefined {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  switch (source?.specifier.case) {
    case 'inlineString':
      return encode(source.specifier.value);
    case 'inlineBytes':
      return source.specifier.value;
    case 'filename':
      try {
        return reader.readFile(source.specifier.value);
      } catch (error) {
        findings.error(path, error instanceof Error ? error.message : String(error));
        return undefined;
      }
    case 'environmentVariable': {
      const value = reader.environment(source.specifier.value);
      if (value === undefined)
        findings.error(path, `environment variable ${source.specifier.value} is not set`);
      return value === undefined ? undefined : encode(value);
    }
    default:
      findings.error(path, 'is missing');
      return undefined;
  }
}
