/** Collects everything that is wrong with one message, each with the path of its field. */
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import type { Any, Duration } from '@bufbuild/protobuf/wkt';
import type { Parsed, Problem } from '#core/problem.ts';
import { typeUrlOf, unpackAny } from '#xds/registry.ts';

export class Findings {
  readonly problems: Problem[] = [];

  error(path: string, message: string): void {
    this.problems.push({ level: 'error', path, message });
  }

  warn(path: string, message: string): void {
    this.problems.push({ level: 'warning', path, message });
  }

  /** An error where a field Heddle does not implement is set. */
  refuse(path: string, isSet: boolean): void {
    if (isSet) this.error(path, 'is not supported');
  }

  get failed(): boolean {
    return this.problems.some(({ level }) => level === 'error');
  }

  /** The outcome for the message that gave `value`. */
  result<T>(value: T): Parsed<T> {
    const { problems } = this;
    return this.failed ? { ok: false, problems } : { ok: true, value, problems };
  }

  /** Milliseconds; undefined where the duration is absent, an error where it is negative. */
  durationMs(path: string, duration: Duration | undefined): number | undefined {
    if (duration === undefined) return undefined;
    const ms = Number(duration.seconds) * 1000 + duration.nanos / 1e6;
    if (ms < 0) this.error(path, 'must not be negative');
    return ms;
  }

  /** The message in `any`, which must be of `schema`. */
  unpack<Desc extends DescMessage>(
    path: string,
    any: Any | undefined,
    schema: Desc,
  ): MessageShape<Desc> | undefined {
    if (any === undefined) {
      this.error(path, 'is missing');
      return undefined;
    }
    const unpacked = unpackAny(any);
    if (!unpacked.ok) {
      this.error(path, unpacked.detail);
      return undefined;
    }
    if (unpacked.schema.typeName !== schema.typeName) {
      this.error(path, `type ${any.typeUrl} is not supported here (only ${typeUrlOf(schema)} is)`);
      return undefined;
    }
    return unpacked.message as MessageShape<Desc>;
  }
}

/** `typeName` of an Any, such as `envoy.config.route.v3.Route`; '' for none. */
export function typeNameOf(any: Any | undefined): string {
  return any === undefined ? '' : any.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1);
}

/** UTF-8 text of configuration as a byte string, as header values are. */
export function byteString(text: string): string {
  if (!/[^\0-\x7f]/.test(text)) return text;
  let bytes = '';
  for (const byte of new TextEncoder().encode(text)) bytes += String.fromCharCode(byte);
  return bytes;
}
