/**
 * What Heddle is not compared in yet: for as long as an owner works on it, and not at a release.
 * HEDDLE_INTEROP_ONLY=envoy leaves all comparison out, for who writes a new group.
 */

/** Groups whose bootstrap Heddle does not take. */
const groups: ReadonlySet<string> = new Set([]);

/** Cases known to be answered otherwise, by their names. */
const cases: ReadonlySet<string> = new Set([]);

/** Counters known to be counted otherwise. */
const counters: readonly RegExp[] = [
  /^http\..*\.downstream_cx_delayed_close_timeout$/,
  /^http\..*\.rq_(?:total|direct_response|redirect|reset_after_downstream_response_started)$/,
  /^cluster\..*\.upstream_rq_completed$/,
  /^cluster\..*\.retry\./,
];

/** HEDDLE_INTEROP_PENDING=1 compares all of it, for who works on it. */
const counted = process.env.HEDDLE_INTEROP_PENDING === undefined;

export const isPendingGroup = (name: string): boolean =>
  (counted && groups.has(name)) || process.env.HEDDLE_INTEROP_ONLY === 'envoy';

export const isPendingCase = (name: string): boolean => counted && cases.has(name);

export const isPendingCounter = (name: string): boolean =>
  counted && counters.some((counter) => counter.test(name));
