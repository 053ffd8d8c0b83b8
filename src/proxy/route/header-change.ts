/** `HeaderMutation` (`config.common.mutation_rules`): one change of a list of headers, compiled. */
import { type HeaderList, removeHeader } from '#http/header-list.ts';
import type { AccessRecord } from '#observe/access-record.ts';
import type { HeaderMutation } from '#xds/gen/envoy/config/common/mutation_rules/v3/mutation_rules_pb.js';
import type { HeaderValueOption } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { Findings } from '../findings.ts';
import { textMatcher } from './header-match.ts';
import { applyAddition, compileOption, isName } from './header-mutation.ts';

/** @param record what values are made of */
export type HeaderChange = (list: HeaderList, record: AccessRecord) => void;

const nothing: HeaderChange = () => {};

export function compileHeaderChange(
  { action }: HeaderMutation,
  at: string,
  findings: Findings,
): HeaderChange {
  switch (action.case) {
    case 'remove': {
      const name = action.value.toLowerCase();
      if (!mayHeaderChange(name)) findings.error(`${at}.remove`, `"${name}" cannot be removed`);
      return (list) => removeHeader(list, name);
    }
    case 'append':
      return readAppend(action.value, `${at}.append`, findings);
    case 'removeOnMatch': {
      const { keyMatcher } = action.value;
      if (keyMatcher === undefined) {
        findings.error(`${at}.remove_on_match.key_matcher`, 'is missing');
        return nothing;
      }
      const matches = textMatcher(keyMatcher, `${at}.remove_on_match.key_matcher`, findings);
      return (list) => {
        for (let i = list.length - 2; i >= 0; i -= 2) if (matches(list[i]!)) list.splice(i, 2);
      };
    }
    default:
      findings.error(at, 'has none of remove, append and remove_on_match');
      return nothing;
  }
}

function readAppend(option: HeaderValueOption, at: string, findings: Findings): HeaderChange {
  const addition = compileOption(option, at, findings);
  const { name } = addition;
  if (!mayHeaderChange(name)) findings.error(`${at}.header.key`, `"${name}" cannot be changed`);
  return (list, record) => applyAddition(list, addition, record);
}

/** Fields that begin with a colon are no names. */
function mayHeaderChange(name: string): boolean {
  return isName(name) && name !== 'host';
}
