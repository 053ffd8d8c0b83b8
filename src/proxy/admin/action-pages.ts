/** The pages that change something: POST only, as in Envoy. */
import { inSlices } from '#core/time-slice.ts';
import { parseLogLevel } from '#observe/log.ts';
import { type AdminPage, type AdminReply, textReply } from './contract.ts';

const ok: AdminReply = textReply('OK\n');

export const actionPages: readonly AdminPage[] = [
  {
    path: '/drain_listeners',
    method: 'POST',
    help: 'drain listeners (graceful, inboundonly, skip_exit)',
    async answer(query, { actions }): Promise<AdminReply> {
      if (query.has('skip_exit') && !query.has('graceful'))
        return textReply('skip_exit requires graceful\n', 400);
      const drained = actions.drainListeners({
        graceful: query.has('graceful'),
        inboundOnly: query.has('inboundonly'),
        skipExit: query.has('skip_exit'),
      });
      if (!query.has('graceful')) await drained;
      return ok;
    },
  },
  {
    path: '/healthcheck/fail',
    method: 'POST',
    help: 'cause the server to fail health checks',
    answer(_, { actions }): AdminReply {
      actions.setHealthFailed(true);
      return ok;
    },
  },
  {
    path: '/healthcheck/ok',
    method: 'POST',
    help: 'cause the server to pass health checks',
    answer(_, { actions }): AdminReply {
      actions.setHealthFailed(false);
      return ok;
    },
  },
  {
    path: '/hot_restart',
    method: 'POST',
    help: 'have a new process take the place of this one',
    async answer(_, { actions }): Promise<AdminReply> {
      const outcome = await actions.hotRestart();
      if (outcome.ok) return textReply(`process ${outcome.pid} serves\n`);
      return textReply(`no other process serves: ${outcome.reason}\n`, 503);
    },
  },
  {
    path: '/logging',
    method: 'POST',
    help: 'query/change logging levels (level=LEVEL)',
    answer(query, { log }): AdminReply {
      if (query.has('paths')) return textReply('error: there is one logger: use ?level=LEVEL\n', 400);
      const wanted = query.get('level');
      if (wanted !== null) {
        const level = parseLogLevel(wanted);
        if (level === undefined) return textReply('error: unknown logger level\n', 400);
        log.level = level;
      }
      return textReply(`active loggers:\n  heddle: ${log.level}\n`);
    },
  },
  {
    path: '/quitquitquit',
    method: 'POST',
    help: 'exit the server',
    answer(_, { actions }): AdminReply {
      actions.quit();
      return ok;
    },
  },
  {
    path: '/reset_counters',
    method: 'POST',
    help: 'reset all counters to zero',
    async answer(_, { metrics }): Promise<AdminReply> {
      await inSlices(metrics.resetSteps());
      return ok;
    },
  },
  {
    path: '/reopen_logs',
    method: 'POST',
    help: 'reopen access logs',
    answer(_, { actions }): AdminReply {
      actions.reopenLogs();
      return ok;
    },
  },
];
