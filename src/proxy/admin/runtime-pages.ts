/** `/runtime` and `/runtime_modify`. */
import { type AdminPage, type AdminReply, jsonReply, ok, textReply } from './contract.ts';

const USAGE =
  'usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n' +
  '       or send the parameters as form values\n' +
  'use an empty value to remove a previously added override';

export const runtimePages: readonly AdminPage[] = [
  {
    path: '/runtime',
    method: 'GET',
    help: 'print runtime values',
    answer: (_, { runtime }) => jsonReply(runtime.dump()),
  },
  {
    path: '/runtime_modify',
    method: 'POST',
    help: 'add or modify runtime values: ?key1=value1&key2=value2. An empty value removes what was added here',
    answer(query, { runtime }): AdminReply {
      // The first of several values holds.
      const values = [...new Set(query.keys())].map((key) => [key, query.get(key)!] as const);
      if (values.length === 0) return textReply(USAGE, 400);
      const wrong = runtime.modify(values);
      return wrong === undefined ? ok : textReply(wrong, 503);
    },
  },
];
